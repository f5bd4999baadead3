//! Where a service may run.

use serde_json::json;

use super::document::{Map, put_list, put_map, put_some, unique};
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{NodeAttribute, Operator, Placement, Predicate, Spread};

impl Writer<'_> {
    /// `deploy.placement`.
    pub(super) fn write_placement(&mut self, site: &Site<'_>, deploy: &mut Map) {
        if self.joins(site) {
            return;
        }
        let Placement {
            required,
            spread,
            max_per_node,
            tolerate_control_plane: _,
        } = &site.unit.placement;
        let key = site.key();
        let swarm = self.is_swarm();
        let mut constraints = Vec::new();
        match required.as_slice() {
            [] => {}
            [all] => {
                for predicate in all {
                    self.constraint(site, predicate, &mut constraints);
                }
            }
            [first, others @ ..] => {
                // What holds in each set of nodes holds in any case.
                let (common, own): (Vec<_>, Vec<_>) = first
                    .iter()
                    .partition(|predicate| others.iter().all(|set| set.contains(predicate)));
                for predicate in &common {
                    self.constraint(site, predicate, &mut constraints);
                }
                if let Some(predicate) = own.first().filter(|_| site.is_main()) {
                    let rest = if common.is_empty() {
                        ""
                    } else {
                        " that has what all of them ask for"
                    };
                    let message = format!(
                        "`{key}` may run on any node{rest}: Docker cannot choose between {} sets of nodes",
                        required.len()
                    );
                    self.note("constraint-not-possible", &predicate.origin, message);
                }
            }
        }
        if swarm && let Some(platform) = &site.container.platform {
            let mut parts = platform.value.split('/');
            if let Some(os) = parts.next().filter(|os| !os.is_empty()) {
                constraints.push(format!("node.platform.os == {os}"));
            }
            if let Some(architecture) = parts.next() {
                constraints.push(format!("node.platform.arch == {}", machine(architecture)));
            }
            if let Some(variant) = parts.next() {
                let message =
                    format!("the variant `{variant}` of the platform of `{key}` has no constraint");
                self.note("platform-variant", &platform.origin, message);
            }
        }
        let mut preferences = Vec::new();
        for entry in spread {
            let Spread {
                attribute,
                max_skew,
                hard,
                origin,
            } = entry;
            let strict = hard.unwrap_or(false) || max_skew.is_some_and(|skew| skew != 1);
            match attribute {
                NodeAttribute::Label(_) | NodeAttribute::EngineLabel(_) => {
                    let name = attribute_name(attribute);
                    if swarm && self.from_kubernetes() && site.is_main() {
                        let label = name.strip_prefix("node.labels.").unwrap_or(&name);
                        let message = format!(
                            "`{key}` is spread over the nodes' label `{label}`, which the swarm's nodes need, too"
                        );
                        self.note("node-selection", origin, message);
                    }
                    preferences.push(json!({ "spread": name }));
                }
                NodeAttribute::Hostname if !strict => {}
                _ => {
                    let message = format!(
                        "`{key}` cannot be spread over `{}`",
                        attribute_name(attribute)
                    );
                    self.note("spread-constraints", origin, message);
                    continue;
                }
            }
            if strict && site.is_main() {
                let message = format!("`{key}` is spread as well as possible, without a bound");
                self.note("spread-constraints", origin, message);
            }
        }
        let mut map = Map::new();
        put_list(&mut map, "constraints", unique(constraints));
        put_list(&mut map, "preferences", preferences);
        put_some(
            &mut map,
            "max_replicas_per_node",
            max_per_node.as_ref().map(|m| m.value),
        );
        if !map.is_empty() && !swarm && self.from_kubernetes() && site.is_main() && site.is_first()
        {
            let origin = required
                .first()
                .and_then(|all| all.first())
                .map(|p| &p.origin);
            let origin = origin
                .or(spread.first().map(|s| &s.origin))
                .or(max_per_node.as_ref().map(|m| &m.origin));
            let message = format!(
                "`docker compose` runs `{key}` on its one host, whatever its placement says"
            );
            self.note("single-host", origin.unwrap_or(&site.unit.origin), message);
        }
        put_map(deploy, "placement", map);
    }

    fn constraint(
        &mut self,
        site: &Site<'_>,
        predicate: &Predicate,
        constraints: &mut Vec<String>,
    ) {
        let Predicate {
            attribute,
            operator,
            values,
            origin,
        } = predicate;
        let key = site.key();
        let name = attribute_name(attribute);
        let role = *attribute == NodeAttribute::Role;
        let word = |value: &str| match attribute {
            NodeAttribute::Architecture => machine(value).to_owned(),
            NodeAttribute::Role if matches!(value, "control-plane" | "master") => {
                "manager".to_owned()
            }
            _ => value.to_owned(),
        };
        let written = match (operator, values.as_slice()) {
            (Operator::In, [value]) if usable(value) => vec![format!("{name} == {}", word(value))],
            (Operator::NotIn, values) if !values.is_empty() && values.iter().all(|v| usable(v)) => {
                values
                    .iter()
                    .map(|value| format!("{name} != {}", word(value)))
                    .collect()
            }
            (Operator::Exists, _) if role => vec![format!("{name} == manager")],
            (Operator::DoesNotExist, _) if role => vec![format!("{name} == worker")],
            _ => {
                if site.is_main() {
                    let verb = match operator {
                        Operator::In => "is one of",
                        Operator::NotIn => "is none of",
                        Operator::Exists => "is there",
                        Operator::DoesNotExist => "is not there",
                        Operator::GreaterThan => "is greater than",
                        Operator::LessThan => "is less than",
                    };
                    let message = format!(
                        "`{key}` cannot ask that `{name}` {verb} {}",
                        values.join(", ")
                    );
                    self.note(
                        "constraint-not-possible",
                        origin,
                        message.trim_end().to_owned(),
                    );
                }
                return;
            }
        };
        if let (NodeAttribute::Label(label), true, true) = (
            attribute,
            self.from_kubernetes() && self.is_swarm(),
            site.is_main(),
        ) {
            let plain = name.strip_prefix("node.labels.").unwrap_or(&name);
            let message = if plain == label {
                format!("the nodes for `{key}` need the label `{label}` in the swarm, too")
            } else {
                format!(
                    "the nodes for `{key}` need the label `{plain}`, for a constraint cannot name `{label}`"
                )
            };
            self.note("node-selection", origin, message);
        }
        constraints.extend(written);
    }
}

/// What Swarm calls a node attribute. Keys of labels are cut down to what a constraint may name (swarmkit
/// `manager/constraint`).
fn attribute_name(attribute: &NodeAttribute) -> String {
    let label = |label: &str| -> String {
        label
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                    c
                } else {
                    '.'
                }
            })
            .collect()
    };
    match attribute {
        NodeAttribute::Id => "node.id".to_owned(),
        NodeAttribute::Hostname => "node.hostname".to_owned(),
        NodeAttribute::Ip => "node.ip".to_owned(),
        NodeAttribute::Role => "node.role".to_owned(),
        NodeAttribute::Os => "node.platform.os".to_owned(),
        NodeAttribute::Architecture => "node.platform.arch".to_owned(),
        NodeAttribute::Label(name) => format!("node.labels.{}", label(name)),
        NodeAttribute::EngineLabel(name) => format!("engine.labels.{}", label(name)),
    }
}

/// What the engine calls a processor.
fn machine(architecture: &str) -> &str {
    match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i686",
        "arm" => "armv7l",
        other => other,
    }
}

/// Whether a constraint may have this value (swarmkit `manager/constraint`).
fn usable(value: &str) -> bool {
    !value.is_empty()
        && value.chars().all(|c| {
            c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":-_.*()?+[]\\^$|/".contains(c)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_in_constraints() {
        let zone = NodeAttribute::Label("topology.kubernetes.io/zone".to_owned());
        assert_eq!(
            attribute_name(&zone),
            "node.labels.topology.kubernetes.io.zone"
        );
        assert!(usable("eu-west-1"));
        assert!(!usable(""));
        assert!(!usable("a,b"));
    }
}
