//! Services that are only there when a profile asks for them (Compose specification, 15-profiles).

use std::collections::{BTreeMap, BTreeSet};

use super::LoadOptions;
use crate::finding::{Code, Findings};
use crate::source::{KeyPath, Mapping, Node, Origin, Value};

/// Takes out the services that no active profile selects, and `profiles` from those that stay.
pub(super) fn select(
    root: &mut Mapping,
    options: &LoadOptions,
    environment: &BTreeMap<String, String>,
    findings: &mut Findings,
) {
    let from_environment = environment
        .get("COMPOSE_PROFILES")
        .map_or("", String::as_str);
    // Flags replace the variable, they do not add to it.
    let active: BTreeSet<&str> = if options.profiles.is_empty() {
        from_environment.split(',').map(str::trim).collect()
    } else {
        options.profiles.iter().map(String::as_str).collect()
    };
    let active: BTreeSet<&str> = active.into_iter().filter(|p| !p.is_empty()).collect();
    let path = KeyPath::root().key("services");
    let Some(entry) = root.0.get_mut("services") else {
        return;
    };
    let section = Origin::new(entry.key_at, path.clone());
    let Value::Mapping(services) = &mut entry.node.value else {
        return;
    };
    let mut all_profiles = BTreeSet::new();
    let mut left_out = BTreeSet::new();
    services.0.retain(|name, entry| {
        let Value::Mapping(service) = &mut entry.node.value else {
            return true;
        };
        let Some(profiles) = service.remove("profiles") else {
            return true;
        };
        let origin = Origin::new(profiles.key_at, path.key(name));
        let wanted: Vec<_> = profiles
            .node
            .as_sequence()
            .unwrap_or_default()
            .iter()
            .filter_map(Node::as_text)
            .collect();
        let selected =
            wanted.is_empty() || active.contains("*") || wanted.iter().any(|p| active.contains(p));
        let list = wanted.join("`, `");
        if selected {
            let message = format!("`{name}` is selected (its profiles: `{list}`)");
            findings.add(Code("resolved-by-loader"), &origin, message);
        } else {
            let flag = wanted.first().copied().unwrap_or_default();
            let message = format!(
                "`{name}` is left out; it belongs to the profile `{list}` (--profile {flag})"
            );
            findings.add(Code("profile-not-selected"), &origin, message);
            all_profiles.extend(wanted.iter().map(|profile| (*profile).to_owned()));
            left_out.insert(name.to_owned());
        }
        selected
    });
    if left_out.is_empty() {
        return;
    }
    if services.is_empty() {
        let message = format!(
            "all services belong to profiles, of which none is selected, so that there is nothing to convert: `{}` (--profile NAME, or --profile '*' for all)",
            Vec::from_iter(all_profiles).join("`, `")
        );
        findings.add(Code("no-services"), &section, message);
        return;
    }
    for (name, entry) in services.0.iter_mut() {
        let Value::Mapping(service) = &mut entry.node.value else {
            continue;
        };
        let path = path.key(name).key("depends_on");
        let Some(Value::Mapping(dependencies)) =
            service.0.get_mut("depends_on").map(|e| &mut e.node.value)
        else {
            continue;
        };
        dependencies.0.retain(|dependency, entry| {
            if !left_out.contains(dependency) {
                return true;
            }
            let required = entry
                .node
                .as_mapping()
                .and_then(|m| m.get("required"))
                .and_then(Node::as_text);
            let origin = Origin::new(entry.key_at, path.key(dependency));
            if required == Some("false") {
                let message = format!(
                    "`{dependency}` is not required and belongs to a profile that is not selected"
                );
                findings.add(Code("resolved-by-loader"), &origin, message);
            } else {
                let message = format!(
                    "`{name}` needs `{dependency}`, which belongs to a profile that is not selected"
                );
                findings.add(Code("dependency-not-selected"), &origin, message);
            }
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Limits, Sources, parse};

    fn selected(flags: &[&str], variable: &str) -> Vec<String> {
        let text = "services: {a: {}, b: {profiles: [b]}, c: {profiles: [c]}}";
        let file = Sources::default().add("t", text);
        let node = parse(file, text, &Limits::default()).unwrap().remove(0);
        let Value::Mapping(mut root) = node.value else {
            panic!("not a mapping")
        };
        let options = LoadOptions {
            profiles: flags.iter().map(ToString::to_string).collect(),
            ..LoadOptions::default()
        };
        let environment = [("COMPOSE_PROFILES".to_owned(), variable.to_owned())].into();
        select(&mut root, &options, &environment, &mut Findings::default());
        let services = root.get("services").and_then(Node::as_mapping).unwrap();
        services.iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn flags_replace_the_variable() {
        assert_eq!(selected(&[], ""), ["a"]);
        assert_eq!(selected(&[], "b, c"), ["a", "b", "c"]);
        assert_eq!(selected(&["c"], "b"), ["a", "c"]);
        assert_eq!(selected(&["*"], ""), ["a", "b", "c"]);
    }
}
