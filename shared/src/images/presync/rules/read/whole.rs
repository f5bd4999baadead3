//! What can only be seen when everything is read: names that lead nowhere, names that nobody uses, images that come back.

use super::{Reader, Used};
use crate::finding::Code;
use crate::images::presync::rules::Rules;
use crate::source::Item;

impl Reader<'_> {
    /// See the module.
    pub(super) fn check(&mut self, rules: &Rules, used: &Used, root: &Item<'_>) {
        for (is_source, name) in used {
            let (known, kind) = if *is_source {
                (rules.sources.contains_key(&name.value), "source")
            } else {
                (rules.targets.contains_key(&name.value), "target")
            };
            if !known {
                let message = format!("there is no {kind} named `{}`", name.value);
                self.ledger
                    .add(Code("presync-unknown-name"), &name.origin, message);
            }
        }
        let unused = |is_source: bool, name: &str| {
            !used
                .iter()
                .any(|(source, used)| *source == is_source && used.value == name)
        };
        let names = rules
            .sources
            .keys()
            .map(|name| (true, name, "sources"))
            .chain(rules.targets.keys().map(|name| (false, name, "targets")));
        for (is_source, name, key) in names {
            if unused(is_source, name) {
                let mut origin = root.origin();
                origin.path = origin.path.key(key).key(name);
                if let Some(entry) = root
                    .node
                    .as_mapping()
                    .and_then(|mapping| mapping.get(key)?.as_mapping()?.0.get(name))
                {
                    origin.at = entry.key_at;
                }
                let message = format!("no rule uses `{name}`");
                self.ledger.add(Code("presync-unused"), &origin, message);
            }
        }
        for rule in &rules.rules {
            for (source, registry) in rules.registries() {
                if !rule.from.iter().any(|name| name == source) {
                    continue;
                }
                for target in &rule.to {
                    let Some(destination) = rules.targets.get(target) else {
                        continue;
                    };
                    let place = used
                        .iter()
                        .find(|(is_source, name)| !is_source && name.value == *target)
                        .map_or_else(|| root.origin(), |(_, name)| name.origin.clone());
                    if destination.registry.host == registry.host
                        && destination.registry.prefix == registry.prefix
                    {
                        let message = format!(
                            "the rule `{}` copies {} to itself",
                            rule.name, registry.host
                        );
                        self.ledger
                            .add(Code("presync-copy-to-itself"), &place, message);
                    } else if rules.mirrors_back(&registry.host, target) {
                        let message = format!(
                            "images of {} come back to it from the target `{target}`",
                            registry.host
                        );
                        self.ledger
                            .add(Code("presync-mirrors-back"), &place, message);
                    }
                }
            }
        }
    }
}
