//! One rule: what goes where.

use super::{BAD_VALUE, MISSING, Reader, Used};
use crate::finding::Code;
use crate::images::presync::rules::quantity::parse_share;
use crate::images::presync::rules::{Deletes, Rule};
use crate::source::{Fields, Item};

impl Reader<'_> {
    pub(super) fn rule(&mut self, item: &Item<'_>, index: usize, used: &mut Used) -> Option<Rule> {
        let mut fields = item.fields("presync.rules[*]", self.ledger)?;
        let name = fields
            .text("name", self.ledger)
            .map_or_else(|| format!("rule-{}", index + 1), |name| name.value);
        let mut names = |key: &str, is_source: bool, reader: &mut Self| {
            let names = fields
                .take(key)
                .map(|item| item.items_or_one(reader.ledger))
                .unwrap_or_default();
            let names: Vec<_> = names
                .iter()
                .filter_map(|name| name.text(reader.ledger))
                .collect();
            if names.is_empty() {
                let message = format!("the rule `{name}` needs `{key}`");
                reader.ledger.add(MISSING, &item.origin(), message);
            }
            used.extend(names.iter().map(|name| (is_source, name.clone())));
            names.into_iter().map(|name| name.value).collect::<Vec<_>>()
        };
        let from = names("from", true, self);
        let to = names("to", false, self);
        let repositories = self.patterns(&mut fields, "repositories");
        let tags = self.patterns(&mut fields, "tags");
        let (mut ignored_repositories, mut ignored_tags) = Default::default();
        if let Some(mut own) = fields.fields("ignore", "presync.rules[*].ignore", self.ledger) {
            ignored_repositories = self.patterns(&mut own, "repositories");
            ignored_tags = self.patterns(&mut own, "tags");
            own.finish(self.ledger);
        }
        let mut platforms = Vec::new();
        for text in fields.texts("platforms", self.ledger) {
            match text.value.parse() {
                Ok(platform) => platforms.push(platform),
                Err(message) => self.ledger.add(BAD_VALUE, &text.origin, message),
            }
        }
        let rule = Rule {
            from,
            to,
            repositories,
            tags,
            ignored_repositories,
            ignored_tags,
            platforms,
            referrers: fields
                .boolean("referrers", self.ledger)
                .is_none_or(|referrers| referrers.value),
            priority: fields
                .integer("priority", self.ledger)
                .map_or(0, |priority| priority.value),
            immutable: self.patterns(&mut fields, "immutable"),
            deletes: self.deletes(&mut fields),
            name,
        };
        fields.finish(self.ledger);
        Some(rule)
    }

    fn deletes(&mut self, fields: &mut Fields<'_>) -> Option<Deletes> {
        let item = fields.take("deletes")?;
        let mut own = item.fields("presync.rules[*].deletes", self.ledger)?;
        let propagate = own.boolean("propagate", self.ledger);
        let max_share = self
            .parsed(&mut own, "max_share", parse_share)
            .unwrap_or(0.1);
        own.finish(self.ledger);
        let propagate = propagate.filter(|propagate| propagate.value)?;
        let message = format!(
            "tags that are deleted at the source are deleted at the target, at most {:.0} % of the known ones within a day",
            max_share * 100.0
        );
        self.ledger
            .add(Code("presync-deletes"), &propagate.origin, message);
        Some(Deletes { max_share })
    }
}
