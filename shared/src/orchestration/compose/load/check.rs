//! Consistency of a whole project (compose-go `loader/validate.go`).

use std::collections::{BTreeMap, BTreeSet};

use super::{outside, outside_error};
use crate::finding::{Code, Findings};
use crate::orchestration::model::Dialect;
use crate::source::{KeyPath, Kind, Mapping, Node, Origin, Position};

/// Checks references and keys that exclude one another.
pub(super) fn check(
    root: &Mapping,
    dialect: Dialect,
    allow_outside: bool,
    findings: &mut Findings,
) {
    let names = |section: &str| -> BTreeSet<String> {
        let map = root.get(section).and_then(Node::as_mapping);
        map.into_iter()
            .flat_map(Mapping::iter)
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    let check = Check {
        services: names("services"),
        networks: names("networks"),
        volumes: names("volumes"),
        configs: names("configs"),
        secrets: names("secrets"),
        models: names("models"),
        dialect,
    };
    let path = KeyPath::root().key("services");
    let services = root.get("services").and_then(Node::as_mapping);
    for (name, entry) in services.into_iter().flat_map(Mapping::iter) {
        let path = path.key(name);
        if !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            || name.is_empty()
        {
            let message =
                format!("`{name}` is no legal service name; letters, digits, `.`, `_` and `-` are");
            findings.add(
                Code("bad-service-name"),
                &Origin::new(entry.key_at, path.clone()),
                message,
            );
        }
        match entry.node.as_mapping() {
            Some(service) => check.service(name, service, &path, &entry.node, findings),
            None => {
                let message = format!(
                    "`{path}` must be a mapping, but is {}",
                    entry.node.describe()
                );
                findings.add(
                    Code("wrong-type"),
                    &Origin::new(entry.node.at, path),
                    message,
                );
            }
        }
    }
    // A stack starts everything at once, whatever `depends_on` says.
    if dialect != Dialect::Swarm {
        cycles(services, findings);
    }
    for section in ["configs", "secrets"] {
        let items = root.get(section).and_then(Node::as_mapping);
        for (name, entry) in items.into_iter().flat_map(Mapping::iter) {
            let file = entry.node.as_mapping().and_then(|m| m.get("file"));
            if let Some(file) = file
                && let Some(text) = file.as_text()
                && !allow_outside
                && outside(text)
            {
                let origin =
                    Origin::new(file.at, KeyPath::root().key(section).key(name).key("file"));
                outside_error(text, &origin, findings);
            }
        }
    }
}

/// Checks that there are services, or at least something else of a Compose file.
pub(super) fn sections(root: &Mapping, at: Position, findings: &mut Findings) {
    const SECTIONS: [&str; 5] = ["networks", "volumes", "configs", "secrets", "models"];
    let services = root.get("services");
    if let Some(null) = services.filter(|s| s.is_null()) {
        let origin = Origin::new(null.at, KeyPath::root().key("services"));
        let message = "`services` must be a mapping, but is empty";
        findings.add(Code("wrong-type"), &origin, message);
        return;
    }
    if services
        .and_then(Node::as_mapping)
        .is_some_and(|s| !s.is_empty())
    {
        return;
    }
    let stranger = root
        .iter()
        .find(|(key, _)| !key.starts_with("x-") && *key != "name" && *key != "services");
    if services.is_none()
        && SECTIONS.iter().all(|key| root.get(key).is_none())
        && let Some((key, entry)) = stranger
    {
        let origin = Origin::new(entry.key_at, KeyPath::root().key(key));
        let message = format!("there is no `services`, and `{key}` is no part of a Compose file");
        findings.add(Code("not-compose"), &origin, message);
        return;
    }
    let message = "there is no service in this file";
    findings.add(
        Code("no-services"),
        &Origin::new(at, KeyPath::root()),
        message,
    );
}

struct Check {
    services: BTreeSet<String>,
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
    configs: BTreeSet<String>,
    secrets: BTreeSet<String>,
    models: BTreeSet<String>,
    dialect: Dialect,
}

impl Check {
    fn service(
        &self,
        name: &str,
        service: &Mapping,
        path: &KeyPath,
        node: &Node,
        findings: &mut Findings,
    ) {
        let mut error = |code: &'static str, at: &Node, key: &str, message: String| {
            findings.add(Code(code), &Origin::new(at.at, path.key(key)), message);
        };
        // A variable that is not set leaves an image without a name, which is none.
        let nameless = |node: &Node| node.as_text().is_some_and(|text| text.trim().is_empty());
        let image = service.get("image").filter(|image| !image.is_null());
        if ["build", "provider"]
            .iter()
            .all(|key| service.get(key).is_none_or(Node::is_null))
            && image.is_none_or(nameless)
        {
            let message = match image {
                Some(_) => format!("the image of `{name}` has no name, and there is no `build`"),
                None => format!("`{name}` has neither `image` nor `build`"),
            };
            error("no-image", image.unwrap_or(node), "image", message);
        }
        for (item, network) in keys(service.get("networks")) {
            if network != "default" && !self.networks.contains(&network) {
                error(
                    "undefined-reference",
                    item,
                    "networks",
                    format!("`{name}` uses the network `{network}`, which is not declared"),
                );
            }
        }
        for item in list(service.get("volumes")) {
            let map = item.as_mapping();
            let text = |key: &str| map.and_then(|m| m.get(key)).and_then(Node::as_text);
            if text("type").unwrap_or("volume") == "volume"
                && let Some(source) = text("source")
                && !source.is_empty()
                && !self.volumes.contains(source)
            {
                error(
                    "undefined-reference",
                    item,
                    "volumes",
                    format!(
                        "`{name}` uses the volume `{source}`, which is not declared under `volumes`"
                    ),
                );
            }
        }
        for (key, declared) in [("configs", &self.configs), ("secrets", &self.secrets)] {
            for item in list(service.get(key)) {
                let source = item
                    .as_mapping()
                    .and_then(|m| m.get("source"))
                    .and_then(Node::as_text);
                if let Some(source) = source
                    && !declared.contains(source)
                {
                    error(
                        "undefined-reference",
                        item,
                        key,
                        format!("`{name}` uses `{source}`, which is not declared under `{key}`"),
                    );
                }
            }
        }
        let models = service.get("models");
        let listed = list(models)
            .iter()
            .filter_map(|item| Some((item, item.as_text()?.to_owned())));
        for (item, model) in keys(models).into_iter().chain(listed) {
            if !self.models.contains(&model) {
                error(
                    "undefined-reference",
                    item,
                    "models",
                    format!(
                        "`{name}` uses the model `{model}`, which is not declared under `models`"
                    ),
                );
            }
        }
        let waits = self.dialect != Dialect::Swarm;
        let dependencies = service.get("depends_on").filter(|_| waits);
        for (item, other) in keys(dependencies) {
            let optional = item
                .as_mapping()
                .and_then(|m| m.get("required"))
                .and_then(Node::as_text)
                == Some("false");
            if other == name {
                error(
                    "dependency-cycle",
                    item,
                    "depends_on",
                    format!("`{name}` depends on itself"),
                );
            } else if !self.services.contains(&other) && !optional {
                error(
                    "undefined-reference",
                    item,
                    "depends_on",
                    format!("`{name}` depends on `{other}`, which is not a service"),
                );
            }
        }
        for item in list(service.get("links")) {
            let other = item
                .as_text()
                .unwrap_or_default()
                .split(':')
                .next()
                .unwrap_or_default();
            if !self.services.contains(other) {
                error(
                    "undefined-reference",
                    item,
                    "links",
                    format!("`{name}` links `{other}`, which is not a service"),
                );
            }
        }
        for key in ["network_mode", "ipc", "pid"] {
            let Some(item) = service.get(key) else {
                continue;
            };
            if let Some(other) = item.as_text().and_then(|t| t.strip_prefix("service:"))
                && !self.services.contains(other)
            {
                error(
                    "undefined-reference",
                    item,
                    key,
                    format!("`{name}` shares with `{other}`, which is not a service"),
                );
            }
        }
        if let Some(mode) = service.get("network_mode").filter(|m| !m.is_null())
            && !keys(service.get("networks")).is_empty()
        {
            error(
                "keys-exclude",
                mode,
                "network_mode",
                format!("`{name}` has both `network_mode` and `networks`; keep one"),
            );
        }
        let deploy = service.get("deploy").and_then(Node::as_mapping);
        let limit = |group: &str, key: &str| {
            let resources = deploy
                .and_then(|d| d.get("resources"))
                .and_then(Node::as_mapping)?;
            resources.get(group).and_then(Node::as_mapping)?.get(key)
        };
        for (short, long, long_name) in [
            (
                service.get("scale"),
                deploy.and_then(|d| d.get("replicas")),
                "deploy.replicas",
            ),
            (
                service.get("cpus"),
                limit("limits", "cpus"),
                "deploy.resources.limits.cpus",
            ),
            (
                service.get("mem_limit"),
                limit("limits", "memory"),
                "deploy.resources.limits.memory",
            ),
            (
                service.get("mem_reservation"),
                limit("reservations", "memory"),
                "deploy.resources.reservations.memory",
            ),
            (
                service.get("pids_limit"),
                limit("limits", "pids"),
                "deploy.resources.limits.pids",
            ),
        ] {
            let (Some(a), Some(b)) = (short, long) else {
                continue;
            };
            if a.as_text().and_then(|t| t.parse::<f64>().ok())
                != b.as_text().and_then(|t| t.parse::<f64>().ok())
            {
                error(
                    "keys-exclude",
                    a,
                    "deploy",
                    format!(
                        "`{name}`: two keys say different things; `{long_name}` is the other one"
                    ),
                );
            }
        }
        let replicas = deploy
            .and_then(|d| d.get("replicas"))
            .or(service.get("scale"));
        if let Some(container_name) = service.get("container_name").filter(|n| !n.is_null())
            && replicas
                .and_then(Node::as_text)
                .and_then(|t| t.parse::<u32>().ok())
                .is_some_and(|n| n > 1)
        {
            error(
                "keys-exclude",
                container_name,
                "container_name",
                format!("`{name}` has a `container_name`, so it cannot have several replicas"),
            );
        }
        let mut targets: BTreeSet<String> = BTreeSet::new();
        // `docker stack deploy` does not look at `tmpfs`.
        let in_memory = service
            .get("tmpfs")
            .filter(|_| self.dialect != Dialect::Swarm);
        for item in list(in_memory) {
            let text = item.as_text().unwrap_or_default();
            let target = text.split(':').next().unwrap_or_default();
            if !targets.insert(target.to_owned()) {
                error(
                    "duplicate-target",
                    item,
                    "tmpfs",
                    format!("`{name}` has two file systems in memory at `{target}`"),
                );
            }
        }
        for item in list(service.get("volumes")) {
            let target = item
                .as_mapping()
                .and_then(|m| m.get("target"))
                .and_then(Node::as_text)
                .unwrap_or_default();
            // As docker compares them: `/a` and `/a/` are two targets to it until the container starts.
            if !targets.insert(target.to_owned()) {
                error(
                    "duplicate-target",
                    item,
                    "volumes",
                    format!("`{name}` mounts two volumes at `{target}`"),
                );
            }
        }
        if let Some(environment) = service.get("environment").and_then(Node::as_mapping) {
            for (key, entry) in environment.iter() {
                let scalar = entry.node.as_scalar();
                if scalar.is_none_or(|s| s.kind != Kind::Null && s.kind != Kind::String)
                    || key.is_empty()
                {
                    error(
                        "wrong-type",
                        &entry.node,
                        "environment",
                        format!("`{name}`: `{key}` is not a variable with a text"),
                    );
                }
            }
        }
    }
}

/// Circles of `depends_on`, found without recursion.
fn cycles(services: Option<&Mapping>, findings: &mut Findings) {
    let Some(services) = services else { return };
    // 1: on the way, 2: done.
    let mut state: BTreeMap<&str, u8> = BTreeMap::new();
    let edges = |name: &str| -> Vec<&str> {
        let service = services.get(name).and_then(Node::as_mapping);
        let dependencies = service
            .and_then(|s| s.get("depends_on"))
            .and_then(Node::as_mapping);
        dependencies
            .into_iter()
            .flat_map(Mapping::iter)
            .map(|(name, _)| name)
            .collect()
    };
    for (start, _) in services.iter() {
        if state.contains_key(start) {
            continue;
        }
        let mut way = vec![(start, edges(start))];
        state.insert(start, 1);
        while let Some((name, next)) = way.last_mut() {
            let Some(other) = next.pop() else {
                state.insert(name, 2);
                way.pop();
                continue;
            };
            match state.get(other) {
                Some(1) if other != *name => {
                    let names: Vec<_> = way
                        .iter()
                        .map(|(n, _)| *n)
                        .skip_while(|n| *n != other)
                        .chain([other])
                        .collect();
                    let path = KeyPath::root().key("services").key(other).key("depends_on");
                    let at = services.get(other).map(|n| n.at);
                    if let Some(at) = at {
                        let message = format!(
                            "services depend on one another in a circle: {}",
                            names.join(" -> ")
                        );
                        findings.add(Code("dependency-cycle"), &Origin::new(at, path), message);
                    }
                }
                Some(_) => {}
                None if services.get(other).is_some() => {
                    state.insert(other, 1);
                    way.push((other, edges(other)));
                }
                None => {}
            }
        }
    }
}

fn list(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::as_sequence).unwrap_or_default()
}

fn keys(node: Option<&Node>) -> Vec<(&Node, String)> {
    let map = node.and_then(Node::as_mapping);
    map.into_iter()
        .flat_map(Mapping::iter)
        .map(|(name, entry)| (&entry.node, name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Limits, Sources, Value, parse};

    fn codes(service: &str) -> Vec<&'static str> {
        let text = format!("services: {{a: {service}}}");
        let file = Sources::default().add("t", text.as_str());
        let node = parse(file, &text, &Limits::default()).unwrap().remove(0);
        let Value::Mapping(root) = node.value else {
            panic!("not a mapping")
        };
        let mut findings = Findings::default();
        check(&root, Dialect::Compose, false, &mut findings);
        findings.as_slice().iter().map(|f| f.code.0).collect()
    }

    /// `${NAME}` of a variable that is not set leaves nothing.
    #[test]
    fn images_without_a_name() {
        assert_eq!(codes("{image: ''}"), ["no-image"]);
        assert_eq!(codes("{command: x}"), ["no-image"]);
        assert!(codes("{image: '', build: {context: .}}").is_empty());
        assert!(codes("{image: a}").is_empty());
    }
}
