//! Swarm's placement constraints (swarmkit `manager/constraint`).

use crate::orchestration::model::{NodeAttribute, Operator};

/// `node.labels.disk == ssd`
pub(super) fn constraint(text: &str) -> Result<(NodeAttribute, Operator, String), String> {
    let (key, operator, value) = if let Some((key, value)) = text.split_once("==") {
        (key, Operator::In, value)
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Operator::NotIn, value)
    } else {
        return Err(format!(
            "`{text}` is not a constraint; write KEY==VALUE or KEY!=VALUE"
        ));
    };
    let (key, value) = (key.trim(), value.trim());
    let Some(attribute) = attribute(key) else {
        return Err(format!(
            "`{key}` is not an attribute of a node, so no node would ever match; \
             it is node.id, node.hostname, node.ip, node.role, node.platform.os, node.platform.arch, node.labels.NAME \
             or engine.labels.NAME"
        ));
    };
    let value = match (&attribute, value.to_ascii_lowercase().as_str()) {
        (NodeAttribute::Architecture, "x86_64") => "amd64".to_owned(),
        (NodeAttribute::Architecture, "aarch64") => "arm64".to_owned(),
        (NodeAttribute::Architecture | NodeAttribute::Os | NodeAttribute::Role, lower) => {
            lower.to_owned()
        }
        _ => value.to_owned(),
    };
    Ok((attribute, operator, value))
}

/// An attribute by Swarm's name.
pub(super) fn attribute(key: &str) -> Option<NodeAttribute> {
    // Only the part before a label's own name is case-insensitive.
    let lower = key.to_ascii_lowercase();
    Some(match lower.as_str() {
        "node.id" => NodeAttribute::Id,
        "node.hostname" => NodeAttribute::Hostname,
        "node.ip" => NodeAttribute::Ip,
        "node.role" => NodeAttribute::Role,
        "node.platform.os" => NodeAttribute::Os,
        "node.platform.arch" => NodeAttribute::Architecture,
        // How an operating system was called before there was a platform.
        "engine.labels.operatingsystem" => NodeAttribute::EngineLabel("operatingsystem".to_owned()),
        _ => {
            let label = |prefix: &str| {
                lower
                    .starts_with(prefix)
                    .then(|| key.get(prefix.len()..).unwrap_or_default().to_owned())
            };
            if let Some(name) = label("node.labels.").filter(|n| !n.is_empty()) {
                NodeAttribute::Label(name)
            } else {
                NodeAttribute::EngineLabel(label("engine.labels.").filter(|n| !n.is_empty())?)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints() {
        let label = |name: &str| NodeAttribute::Label(name.to_owned());
        for (text, expected) in [
            (
                "node.role == manager",
                (NodeAttribute::Role, Operator::In, "manager"),
            ),
            (
                "node.labels.Disk!=SSD",
                (label("Disk"), Operator::NotIn, "SSD"),
            ),
            (
                "node.platform.arch==x86_64",
                (NodeAttribute::Architecture, Operator::In, "amd64"),
            ),
            (
                "engine.labels.os == x",
                (NodeAttribute::EngineLabel("os".into()), Operator::In, "x"),
            ),
        ] {
            let (attribute, operator, value) = constraint(text).unwrap();
            assert_eq!((attribute, operator, value.as_str()), expected, "{text}");
        }
        for bad in [
            "node.role = manager",
            "node.color==red",
            "node.labels.==x",
            "x",
        ] {
            assert!(constraint(bad).is_err(), "{bad}");
        }
    }
}
