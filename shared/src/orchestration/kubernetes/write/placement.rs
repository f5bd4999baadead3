//! Where Pods may run.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PodAffinityTerm, PodAntiAffinity, PodSpec, Toleration, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::finding::{Code, Findings};
use crate::orchestration::model::{
    Dialect, NodeAttribute, Operator, Placement, Predicate, Spread, Unit,
};
use crate::orchestration::names::{is_label_value, is_metadata_key};

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// `selector` are the labels of the unit's Pods; `everywhere` says that one runs on each node.
pub(super) fn apply(
    unit: &Unit,
    selector: &BTreeMap<String, String>,
    everywhere: bool,
    dialect: Dialect,
    spec: &mut PodSpec,
    findings: &mut Findings,
) {
    let Placement {
        required,
        spread,
        max_per_node,
        tolerate_control_plane,
    } = &unit.placement;
    let terms = terms(required, dialect, findings);
    let manager = required.iter().flatten().any(wants_manager);
    let any_role = required
        .iter()
        .flatten()
        .any(|p| p.attribute == NodeAttribute::Role);
    let own = || LabelSelector {
        match_expressions: None,
        match_labels: Some(selector.clone()),
    };
    let mut affinity = Affinity::default();
    if let Some(terms) = terms {
        affinity.node_affinity = Some(NodeAffinity {
            preferred_during_scheduling_ignored_during_execution: None,
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: terms,
            }),
        });
    }
    let mut constraints = self::spread(spread, &own, findings);
    match max_per_node {
        Some(most) if most.value == 1 => {
            affinity.pod_anti_affinity = Some(PodAntiAffinity {
                preferred_during_scheduling_ignored_during_execution: None,
                required_during_scheduling_ignored_during_execution: Some(vec![PodAffinityTerm {
                    label_selector: Some(own()),
                    topology_key: HOSTNAME.to_owned(),
                    ..PodAffinityTerm::default()
                }]),
            });
        }
        Some(most) if most.value > 1 => {
            let message = format!(
                "Pods are spread evenly over the nodes, which is near to {} for each",
                most.value
            );
            findings.add(Code("max-per-node"), &most.origin, message);
            constraints.retain(|c| {
                !(c.topology_key == HOSTNAME && c.when_unsatisfiable == "DoNotSchedule")
            });
            constraints.push(TopologySpreadConstraint {
                label_selector: Some(own()),
                max_skew: i32::try_from(most.value).unwrap_or(i32::MAX),
                topology_key: HOSTNAME.to_owned(),
                when_unsatisfiable: "DoNotSchedule".to_owned(),
                ..TopologySpreadConstraint::default()
            });
        }
        Some(_) | None => {}
    }
    // A manager of Swarm runs tasks unless it is drained; a node of the control plane does not.
    let swarm_daemon =
        everywhere && dialect == Dialect::Swarm && !any_role && tolerate_control_plane.is_none();
    if swarm_daemon {
        let message = "it runs on the nodes of the control plane as well, as on Swarm's managers";
        findings.add(Code("daemon-on-control-plane"), &unit.origin, message);
    }
    let tolerate = match tolerate_control_plane {
        Some(tolerate) => tolerate.value,
        None => manager || swarm_daemon,
    };
    if tolerate {
        spec.tolerations = Some(vec![Toleration {
            effect: Some("NoSchedule".to_owned()),
            key: Some(CONTROL_PLANE.to_owned()),
            operator: Some("Exists".to_owned()),
            ..Toleration::default()
        }]);
    }
    spec.affinity = Some(affinity).filter(|affinity| *affinity != Affinity::default());
    spec.topology_spread_constraints =
        Some(constraints).filter(|constraints| !constraints.is_empty());
}

/// Alternatives as terms. Nothing, where any node will do.
fn terms(
    required: &[Vec<Predicate>],
    dialect: Dialect,
    findings: &mut Findings,
) -> Option<Vec<NodeSelectorTerm>> {
    let mut terms = Vec::new();
    let mut any = false;
    for alternative in required {
        let mut expressions: Vec<NodeSelectorRequirement> = Vec::new();
        for predicate in alternative {
            expressions.extend(requirement(predicate, dialect, findings));
        }
        // An alternative of which nothing is left would match no node at all, though it should match any.
        any |= expressions.is_empty();
        terms.push(NodeSelectorTerm {
            match_expressions: Some(expressions),
            match_fields: None,
        });
    }
    (!any && !terms.is_empty()).then_some(terms)
}

fn requirement(
    predicate: &Predicate,
    dialect: Dialect,
    findings: &mut Findings,
) -> Option<NodeSelectorRequirement> {
    let Predicate {
        attribute,
        operator,
        values,
        origin,
    } = predicate;
    let mut values = values.clone();
    let key = match attribute {
        NodeAttribute::Hostname => {
            if dialect != Dialect::Kubernetes {
                // The kubelet writes host names in lower case.
                for value in &mut values {
                    *value = value.to_ascii_lowercase();
                }
                let message = format!(
                    "only nodes whose label `{HOSTNAME}` fits `{}` are chosen, which are others in the cluster",
                    values.join(", ")
                );
                findings.add(Code("node-constraints"), origin, message);
            }
            HOSTNAME.to_owned()
        }
        NodeAttribute::Os => "kubernetes.io/os".to_owned(),
        NodeAttribute::Architecture => {
            for value in &mut values {
                *value = architecture(value);
            }
            "kubernetes.io/arch".to_owned()
        }
        NodeAttribute::Role => {
            return role(predicate, findings);
        }
        NodeAttribute::Label(key) | NodeAttribute::EngineLabel(key) => {
            if !is_metadata_key(key) {
                let message = format!("`{key}` cannot be the label of a node");
                findings.add(Code("placement-impossible"), origin, message);
                return None;
            }
            let value = values.first().map_or("VALUE", String::as_str);
            // Labels of Kubernetes' own are there already; what no label can have is said below.
            if !key.contains("kubernetes.io/") && values.iter().all(|v| is_label_value(v)) {
                let line = format!("`kubectl label node NODE {key}={value}`");
                let message = match operator {
                    Operator::In | Operator::Exists => {
                        format!("nodes where it may run need the label: {line}")
                    }
                    Operator::NotIn | Operator::DoesNotExist => {
                        format!("nodes where it must not run need the label: {line}")
                    }
                    Operator::GreaterThan | Operator::LessThan => {
                        format!("nodes need the label: {line}")
                    }
                };
                findings.add(Code("node-label"), origin, message);
            }
            key.clone()
        }
        NodeAttribute::Id | NodeAttribute::Ip => {
            let what = if *attribute == NodeAttribute::Id {
                "id"
            } else {
                "address"
            };
            let message = format!(
                "a node cannot be chosen by its {what} {}",
                values.join(", ")
            );
            findings.add(Code("placement-impossible"), origin, message);
            return None;
        }
    };
    let (word, count) = match operator {
        Operator::In => ("In", None),
        Operator::NotIn => ("NotIn", None),
        Operator::Exists => ("Exists", Some(0)),
        Operator::DoesNotExist => ("DoesNotExist", Some(0)),
        Operator::GreaterThan => ("Gt", Some(1)),
        Operator::LessThan => ("Lt", Some(1)),
    };
    let fits = match count {
        None => !values.is_empty() && values.iter().all(|value| is_label_value(value)),
        Some(0) => true,
        Some(_) => matches!(values.as_slice(), [value] if value.parse::<i64>().is_ok()),
    };
    if !fits {
        let message = format!(
            "`{}` cannot be compared with the label of a node",
            values.join(", ")
        );
        findings.add(Code("placement-impossible"), origin, message);
        return None;
    }
    Some(NodeSelectorRequirement {
        key,
        operator: word.to_owned(),
        values: Some(values).filter(|values| count != Some(0) && !values.is_empty()),
    })
}

fn is_manager(value: &str) -> bool {
    value.eq_ignore_ascii_case("manager")
}

fn wants_manager(predicate: &Predicate) -> bool {
    predicate.attribute == NodeAttribute::Role
        && match predicate.operator {
            Operator::In => predicate.values.iter().any(|v| is_manager(v)),
            Operator::NotIn => !predicate.values.iter().any(|v| is_manager(v)),
            _ => false,
        }
}

fn role(predicate: &Predicate, findings: &mut Findings) -> Option<NodeSelectorRequirement> {
    let known = predicate
        .values
        .iter()
        .all(|v| is_manager(v) || v.eq_ignore_ascii_case("worker"));
    let single =
        predicate.values.len() == 1 && matches!(predicate.operator, Operator::In | Operator::NotIn);
    if !(known && single) {
        let message = format!(
            "the role of a node is `manager` or `worker`, not {}",
            predicate.values.join(", ")
        );
        findings.add(Code("placement-impossible"), &predicate.origin, message);
        return None;
    }
    let exists = wants_manager(predicate);
    Some(NodeSelectorRequirement {
        key: CONTROL_PLANE.to_owned(),
        operator: if exists { "Exists" } else { "DoesNotExist" }.to_owned(),
        values: None,
    })
}

/// Kubernetes' word for a processor (Go's `GOARCH`).
pub(super) fn architecture(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" | "armv8l" => "arm64".to_owned(),
        "armv7l" | "armv6l" | "armhf" => "arm".to_owned(),
        "i386" | "i686" => "386".to_owned(),
        other => other.to_owned(),
    }
}

fn spread(
    spread: &[Spread],
    own: &impl Fn() -> LabelSelector,
    findings: &mut Findings,
) -> Vec<TopologySpreadConstraint> {
    let mut seen = BTreeSet::new();
    let mut constraints = Vec::new();
    for one in spread {
        let Spread {
            attribute,
            max_skew,
            hard,
            origin,
        } = one;
        let key = match attribute {
            NodeAttribute::Hostname => HOSTNAME.to_owned(),
            NodeAttribute::Id | NodeAttribute::Ip => {
                findings.add(
                    Code("spread-by-name"),
                    origin,
                    "Pods are spread over the nodes by their host names",
                );
                HOSTNAME.to_owned()
            }
            NodeAttribute::Os => "kubernetes.io/os".to_owned(),
            NodeAttribute::Architecture => "kubernetes.io/arch".to_owned(),
            NodeAttribute::Label(key) | NodeAttribute::EngineLabel(key) if is_metadata_key(key) => {
                key.clone()
            }
            NodeAttribute::Label(_) | NodeAttribute::EngineLabel(_) | NodeAttribute::Role => {
                findings.add(
                    Code("placement-impossible"),
                    origin,
                    "Pods cannot be spread over this attribute of nodes",
                );
                continue;
            }
        };
        let word = if *hard == Some(true) {
            "DoNotSchedule"
        } else {
            "ScheduleAnyway"
        };
        if !seen.insert((key.clone(), word)) {
            findings.add(
                Code("spread-nested"),
                origin,
                format!("Pods are spread over `{key}` already"),
            );
            continue;
        }
        if !constraints.is_empty() && max_skew.is_none() {
            let message = format!(
                "spreading over `{key}` does not happen inside of the first one, but beside it"
            );
            findings.add(Code("spread-nested"), origin, message);
        }
        constraints.push(TopologySpreadConstraint {
            label_selector: Some(own()),
            max_skew: i32::try_from(max_skew.unwrap_or(1).max(1)).unwrap_or(i32::MAX),
            topology_key: key,
            when_unsatisfiable: word.to_owned(),
            ..TopologySpreadConstraint::default()
        });
    }
    constraints
}
