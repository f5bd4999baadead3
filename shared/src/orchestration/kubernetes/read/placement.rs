//! Where a Pod may run.

use super::Reader;
use crate::orchestration::model::{NodeAttribute, Operator, Predicate, Spread, Unit};
use crate::source::{Fields, Item, Mapping, Node, Sourced};

const CONTROL_PLANE: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

impl Reader<'_> {
    pub(super) fn placement(&mut self, spec: &mut Fields<'_>, unit: &mut Unit) {
        let mut always = Vec::new();
        if let Some(item) = spec.take("nodeSelector") {
            for (key, item) in item.entries(self.ledger) {
                let Some(text) = item.text(self.ledger) else {
                    continue;
                };
                always.push(predicate(
                    &key.value,
                    Operator::In,
                    vec![text.value],
                    text.origin,
                ));
            }
        }
        if let Some(name) = spec.text("nodeName", self.ledger) {
            always.push(Predicate {
                attribute: NodeAttribute::Hostname,
                operator: Operator::In,
                values: vec![name.value],
                origin: name.origin,
            });
        }
        let mut terms: Vec<Vec<Predicate>> = Vec::new();
        if let Some(mut affinity) = spec.fields("affinity", "Affinity", self.ledger) {
            if let Some(mut node) = affinity.fields("nodeAffinity", "NodeAffinity", self.ledger) {
                let key = "requiredDuringSchedulingIgnoredDuringExecution";
                if let Some(mut required) = node.fields(key, "NodeSelector", self.ledger) {
                    for item in required.items("nodeSelectorTerms", self.ledger) {
                        terms.extend(self.term(&item));
                    }
                    required.finish(self.ledger);
                }
                node.finish(self.ledger);
            }
            if let Some(mut anti) =
                affinity.fields("podAntiAffinity", "PodAntiAffinity", self.ledger)
            {
                let key = "requiredDuringSchedulingIgnoredDuringExecution";
                if let Some(item) = anti.take(key) {
                    self.anti_affinity(&item, unit);
                }
                anti.finish(self.ledger);
            }
            affinity.finish(self.ledger);
        }
        unit.placement.required = match (terms.is_empty(), always.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => vec![always],
            (false, _) => terms
                .into_iter()
                .map(|term| always.iter().cloned().chain(term).collect())
                .collect(),
        };
        for item in spec.items("topologySpreadConstraints", self.ledger) {
            self.spread(&item, unit);
        }
        for item in spec.items("tolerations", self.ledger) {
            let map = item.node.as_mapping();
            let key = map
                .and_then(|m| m.get("key"))
                .and_then(crate::source::Node::as_text);
            if key.is_some_and(|k| CONTROL_PLANE.contains(&k)) {
                unit.placement.tolerate_control_plane = Some(item.sourced(true));
            } else {
                self.ledger.leave("PodSpec.tolerations", &item);
            }
        }
    }

    fn term(&mut self, item: &Item<'_>) -> Option<Vec<Predicate>> {
        let mut fields = item.fields("NodeSelectorTerm", self.ledger)?;
        let mut predicates = Vec::new();
        for (key, names_only) in [("matchExpressions", false), ("matchFields", true)] {
            for item in fields.items(key, self.ledger) {
                let Some(mut requirement) = item.fields("NodeSelectorRequirement", self.ledger)
                else {
                    continue;
                };
                let label = requirement
                    .text("key", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default();
                let operator = requirement.text("operator", self.ledger);
                let values: Vec<_> = requirement
                    .texts("values", self.ledger)
                    .into_iter()
                    .map(|t| t.value)
                    .collect();
                requirement.finish(self.ledger);
                let operator = match operator.as_ref().map(|o| o.value.as_str()) {
                    Some("NotIn") => Operator::NotIn,
                    Some("Exists") => Operator::Exists,
                    Some("DoesNotExist") => Operator::DoesNotExist,
                    Some("Gt") => Operator::GreaterThan,
                    Some("Lt") => Operator::LessThan,
                    _ => Operator::In,
                };
                predicates.push(if names_only {
                    Predicate {
                        attribute: NodeAttribute::Hostname,
                        operator,
                        values,
                        origin: item.origin(),
                    }
                } else {
                    predicate(&label, operator, values, item.origin())
                });
            }
        }
        fields.finish(self.ledger);
        Some(predicates)
    }

    /// A Pod that keeps away from its like on the same node: at most one on each.
    fn anti_affinity(&mut self, item: &Item<'_>, unit: &mut Unit) {
        for term in item.items(self.ledger) {
            let map = term.node.as_mapping();
            let topology = map
                .and_then(|m| m.get("topologyKey"))
                .and_then(crate::source::Node::as_text);
            let selector = map
                .and_then(|m| m.get("labelSelector"))
                .and_then(crate::source::Node::as_mapping);
            let own = selector.is_some_and(|selector| selects_own(selector, unit));
            if topology == Some("kubernetes.io/hostname") && own {
                unit.placement.max_per_node = Some(term.sourced(1));
            } else {
                self.ledger.leave(
                    "PodAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution",
                    &term,
                );
            }
        }
    }

    fn spread(&mut self, item: &Item<'_>, unit: &mut Unit) {
        let Some(mut fields) = item.fields("TopologySpreadConstraint", self.ledger) else {
            return;
        };
        let key = fields
            .text("topologyKey", self.ledger)
            .map(|t| t.value)
            .unwrap_or_default();
        let skew: Option<Sourced<u32>> = fields.integer("maxSkew", self.ledger);
        let when = fields.text("whenUnsatisfiable", self.ledger);
        // The selector is the unit's own in all but contrived cases; it is carried along if it is not.
        fields.take("labelSelector");
        fields.finish(self.ledger);
        unit.placement.spread.push(Spread {
            attribute: attribute(&key),
            max_skew: skew.map(|s| s.value),
            hard: when.map(|w| w.value == "DoNotSchedule"),
            origin: item.origin(),
        });
    }
}

/// Whether a selector is about the unit's own Pods, by labels or by requirements that each ask for one value.
fn selects_own(selector: &Mapping, unit: &Unit) -> bool {
    // The labels of our own writer are recomputed, so they are no longer among the instance's.
    let has = |key: &str, value: Option<&str>| {
        let own = unit.instance_metadata.labels.get(key);
        key.starts_with("app.kubernetes.io/") || own.map(|l| l.value.as_str()) == value
    };
    let labels = selector.get("matchLabels").and_then(Node::as_mapping);
    let requirements = selector.get("matchExpressions").and_then(Node::as_sequence);
    let (labels, requirements) = match (labels, requirements) {
        (None, None) => return false,
        (labels, requirements) => (labels, requirements.unwrap_or_default()),
    };
    let single = |requirement: &Node| {
        let map = requirement.as_mapping()?;
        let key = map.get("key")?.as_text()?;
        let operator = map.get("operator")?.as_text()?;
        match map.get("values")?.as_sequence()? {
            [value] if operator == "In" => Some(has(key, value.as_text())),
            _ => None,
        }
    };
    let mut labels = labels.into_iter().flat_map(Mapping::iter);
    labels.all(|(key, entry)| has(key, entry.node.as_text()))
        && requirements.iter().all(|r| single(r).unwrap_or(false))
}

fn attribute(label: &str) -> NodeAttribute {
    match label {
        "kubernetes.io/hostname" => NodeAttribute::Hostname,
        "kubernetes.io/os" | "beta.kubernetes.io/os" => NodeAttribute::Os,
        "kubernetes.io/arch" | "beta.kubernetes.io/arch" => NodeAttribute::Architecture,
        other => NodeAttribute::Label(other.to_owned()),
    }
}

fn predicate(
    label: &str,
    operator: Operator,
    values: Vec<String>,
    origin: crate::source::Origin,
) -> Predicate {
    if CONTROL_PLANE.contains(&label) {
        let absent = matches!(operator, Operator::DoesNotExist | Operator::NotIn);
        return Predicate {
            attribute: NodeAttribute::Role,
            operator: Operator::In,
            values: vec![if absent { "worker" } else { "manager" }.to_owned()],
            origin,
        };
    }
    Predicate {
        attribute: attribute(label),
        operator,
        values,
        origin,
    }
}
