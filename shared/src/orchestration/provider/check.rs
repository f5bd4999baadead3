//! What a catalog must keep to beyond its form.

use super::attribute::{is_known, meaning};
use super::catalog::{
    Catalog, Constant, DefaultValue, OneOrMany, Requirement, Row, Section, StorageKind, When,
};
use super::mapping;
use indexmap::IndexMap;

/// What is wrong with a catalog, in words.
pub(super) fn check(catalog: &Catalog) -> Vec<String> {
    let mut faults = Faults(Vec::new());
    if catalog.schema != 1 {
        faults.say("only version 1 of the form is known".to_owned());
    }
    if catalog.name.is_empty() || catalog.name != catalog.name.to_lowercase() {
        faults.say("`name` is a word in lower case".to_owned());
    }
    faults.section("service", &catalog.service, catalog);
    faults.section("ingress.settings", &catalog.ingress.settings, catalog);
    faults.rows("pods", &catalog.pods.rows, catalog);
    if catalog.ingress.classes.is_empty() {
        faults.say("ingress: `classes` names at least one class".to_owned());
    }
    if catalog.storage.zone_keys.is_empty() {
        faults.say("storage: `zone-keys` names at least one label".to_owned());
    }
    for name in ["block", "file", "object"] {
        if !catalog.storage.kinds.contains_key(name) {
            faults.say(format!(
                "storage: the kind `{name}` is missing; `instead` says what takes its place"
            ));
        }
    }
    for (name, kind) in &catalog.storage.kinds {
        faults.kind(name, kind, catalog);
    }
    for (name, class) in &catalog.storage.classes {
        if !catalog.storage.kinds.contains_key(&class.kind) {
            faults.say(format!(
                "storage.classes.{name}: there is no kind `{}`",
                class.kind
            ));
        }
        for attribute in class.values.keys().chain(&class.open).chain(&class.needs) {
            faults.attribute(&format!("storage.classes.{name}"), attribute);
        }
    }
    for (name, companion) in &catalog.companions {
        if !matches!(companion.link.from.as_str(), "service" | "ingress") {
            faults.say(format!(
                "companions.{name}: a link comes from `service` or `ingress`"
            ));
        }
        if companion.link.class == companion.link.annotation.is_some() {
            faults.say(format!(
                "companions.{name}: a link is an annotation or the class"
            ));
        }
    }
    faults.0
}

struct Faults(Vec<String>);

impl Faults {
    fn say(&mut self, fault: String) {
        self.0.push(fault);
    }

    fn attribute(&mut self, place: &str, name: &str) {
        if !is_known(name) {
            self.say(format!(
                "{place}: `{name}` is no attribute of the neutral model"
            ));
        }
    }

    fn section(&mut self, place: &str, section: &Section, catalog: &Catalog) {
        self.rows(place, &section.rows, catalog);
        self.made(place, &section.defaults, &section.requires);
        for rule in &section.exposure {
            self.when(place, &rule.when);
            if let Some(name) = &rule.companion
                && !catalog.companions.contains_key(name)
            {
                self.say(format!("{place}: there is no companion `{name}`"));
            }
        }
        for order in &section.orders {
            self.attribute(place, &order.attribute);
            self.attribute(place, &order.above);
        }
        for constant in &section.always {
            self.constant(place, constant);
        }
    }

    fn made(&mut self, place: &str, defaults: &[DefaultValue], requires: &[Requirement]) {
        for default in defaults {
            self.attribute(place, &default.attribute);
            self.when(place, &default.when);
        }
        for need in requires {
            self.attribute(place, &need.attribute);
            self.when(place, &need.when);
            for name in need.of.iter().chain(need.sets.keys()) {
                self.attribute(place, name);
            }
            let id = need
                .id
                .as_deref()
                .or(meaning(&need.attribute).id.as_deref());
            if id.and_then(mapping::kind).is_none() && need.attribute != "path" {
                self.say(format!(
                    "{place}: `{}` is required but is no id",
                    need.attribute
                ));
            }
        }
    }

    fn when(&mut self, place: &str, when: &When) {
        for name in when.keys() {
            self.attribute(place, name);
        }
    }

    fn constant(&mut self, place: &str, constant: &Constant) {
        let places = [
            &constant.annotation,
            &constant.label,
            &constant.field,
            &constant.parameter,
            &constant.attribute,
        ];
        if places.iter().filter(|p| p.is_some()).count() != 1 {
            self.say(format!(
                "{place}: a constant (`{}`) stands at one key",
                constant.value
            ));
        }
        self.when(place, &constant.when);
    }

    fn rows(&mut self, place: &str, rows: &IndexMap<String, OneOrMany<Row>>, catalog: &Catalog) {
        for (name, rows) in rows {
            let place = format!("{place}.rows.{name}");
            self.attribute(&place, name);
            for row in rows.iter() {
                self.when(&place, &row.when);
                if row.range.is_some_and(|(low, high)| low > high) {
                    self.say(format!("{place}: the range is empty"));
                }
                if let Some(on) = &row.on
                    && on != "service"
                    && !catalog.companions.contains_key(on)
                {
                    self.say(format!("{place}: there is no companion `{on}`"));
                }
                for along in &row.along {
                    self.constant(&place, along);
                }
            }
        }
    }

    fn kind(&mut self, name: &str, kind: &StorageKind, catalog: &Catalog) {
        let place = format!("storage.kinds.{name}");
        self.rows(&place, &kind.rows, catalog);
        self.made(&place, &kind.defaults, &kind.requires);
        if let Some(instead) = &kind.instead
            && !catalog.storage.kinds.contains_key(&instead.kind)
        {
            self.say(format!("{place}: there is no kind `{}`", instead.kind));
        }
        if kind.instead.is_none() && kind.drivers.is_empty() {
            self.say(format!("{place}: `drivers` names at least one driver"));
        }
        if let Some(tier) = &kind.default_tier
            && !kind.tiers.contains_key(tier)
        {
            self.say(format!("{place}: there is no tier `{tier}`"));
        }
    }
}
