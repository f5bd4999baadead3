//! One service in the long forms of today's specification.

use super::super::command;
use super::{Canon, mapping_of, ports, string_value, volumes};
use crate::orchestration::model::Dialect;
use crate::source::{Entry, KeyPath, Kind, Mapping, Node, Value};

/// Brings one service into the long forms.
pub(in super::super) fn service(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(map) = canon.mapping(node, path) else {
        return;
    };
    legacy(canon, map, path);
    canon.with(map, "image", path, image);
    canon.with(map, "build", path, build);
    for key in ["command", "entrypoint"] {
        canon.with(map, key, path, Canon::words);
    }
    for key in [
        "environment",
        "labels",
        "annotations",
        "sysctls",
        "storage_opt",
    ] {
        canon.with(map, key, path, Canon::pairs);
    }
    for key in [
        "dns",
        "dns_search",
        "dns_opt",
        "tmpfs",
        "cap_add",
        "cap_drop",
        "security_opt",
        "group_add",
        "profiles",
    ] {
        canon.with(map, key, path, Canon::texts);
    }
    for key in ["links", "external_links", "volumes_from", "label_file"] {
        canon.with(map, key, path, Canon::texts);
    }
    for key in [
        "image",
        "hostname",
        "domainname",
        "container_name",
        "user",
        "working_dir",
        "stop_signal",
        "platform",
    ] {
        canon.with(map, key, path, Canon::text);
    }
    for key in ["read_only", "privileged", "tty", "stdin_open", "init"] {
        canon.with(map, key, path, Canon::boolean);
    }
    for key in ["mem_limit", "mem_reservation", "memswap_limit", "shm_size"] {
        canon.with(map, key, path, Canon::bytes);
    }
    for key in ["cpus", "scale", "cpu_shares", "pids_limit"] {
        canon.with(map, key, path, Canon::number);
    }
    canon.with(map, "stop_grace_period", path, Canon::duration);
    // YAML 1.1 reads an unquoted `no` as false.
    canon.with(map, "restart", path, |canon, node, path| {
        if node.as_text() == Some("false") {
            node.value = string_value("no");
        }
        canon.text(node, path);
    });
    canon.with(map, "env_file", path, env_file);
    canon.with(map, "expose", path, ports::expose);
    canon.with(map, "ports", path, ports::ports);
    canon.with(map, "volumes", path, volumes::volumes);
    for key in ["configs", "secrets"] {
        canon.with(map, key, path, volumes::file_references);
    }
    canon.with(map, "healthcheck", path, healthcheck);
    canon.with(map, "depends_on", path, depends_on);
    canon.with(map, "networks", path, networks);
    canon.with(map, "extra_hosts", path, extra_hosts);
    canon.with(map, "logging", path, |canon, node, path| {
        if let Some(map) = canon.mapping(node, path) {
            canon.with(map, "options", path, Canon::pairs);
        }
    });
    canon.with(map, "gpus", path, gpus);
    canon.with(map, "deploy", path, deploy);
    canon.with(map, "extends", path, |_, node, _| {
        if let Some(name) = node.as_text() {
            node.value = mapping_of(
                node.at,
                vec![("service", Some(Node::string(name, node.at)))],
            )
            .value;
        }
    });
    for key in ["post_start", "pre_stop", "pre_start"] {
        canon.with(map, key, path, hooks);
    }
}

/// Spellings of the first version, in today's words.
fn legacy(canon: &mut Canon<'_>, map: &mut Mapping, path: &KeyPath) {
    if let Some(entry) = map.remove("dockerfile") {
        let at = entry.node.at;
        let build = map.0.get_or_insert_with("build", || Entry {
            key_at: entry.key_at,
            node: Node::mapping(Mapping::default(), at),
        });
        if let Some(context) = build.node.as_text() {
            build.node.value = mapping_of(
                build.node.at,
                vec![("context", Some(Node::string(context, build.node.at)))],
            )
            .value;
        }
        if let Value::Mapping(build) = &mut build.node.value
            && build.get("dockerfile").is_none()
        {
            build.0.insert("dockerfile".into(), entry);
        }
    }
    for (old, new) in [("log_driver", "driver"), ("log_opt", "options")] {
        if let Some(entry) = map.remove(old) {
            let logging = map.0.get_or_insert_with("logging", || Entry {
                key_at: entry.key_at,
                node: Node::mapping(Mapping::default(), entry.node.at),
            });
            if let Value::Mapping(logging) = &mut logging.node.value {
                logging.0.get_or_insert_with(new, || entry);
            }
        }
    }
    if let Some(mut entry) = map.remove("net") {
        // `container:NAME` may name a service; that is decided when all services are known.
        canon.text(&mut entry.node, &path.key("net"));
        map.0.insert("network_mode".into(), entry);
    }
}

fn build(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    if let Some(context) = node.as_text() {
        let context = local_path(canon, context);
        node.value = mapping_of(
            node.at,
            vec![("context", Some(Node::string(context, node.at)))],
        )
        .value;
        return;
    }
    let Some(map) = canon.mapping(node, path) else {
        return;
    };
    canon.with(map, "context", path, |canon, node, _| {
        if let Some(text) = node.as_text() {
            node.value = string_value(local_path(canon, text));
        }
    });
    for key in ["args", "labels", "additional_contexts", "ssh"] {
        canon.with(map, key, path, |canon, node, path| {
            if !(path.last_key() == Some("ssh") && node.as_scalar().is_some()) {
                canon.pairs(node, path);
            }
        });
    }
    for key in [
        "cache_from",
        "cache_to",
        "tags",
        "platforms",
        "entitlements",
    ] {
        canon.with(map, key, path, Canon::texts);
    }
    canon.with(map, "shm_size", path, Canon::bytes);
    canon.with(map, "extra_hosts", path, extra_hosts);
}

/// A build context that may be a URL.
fn local_path(canon: &Canon<'_>, text: &str) -> String {
    if text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/") {
        text.to_owned()
    } else {
        canon.path(text)
    }
}

/// Every form as a list of `{path, required, format}`.
fn env_file(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    if node.as_text().is_some() {
        node.value = Value::Sequence(vec![Node {
            tag: None,
            ..node.clone()
        }]);
    }
    let Some(items) = canon.items(node, path) else {
        return;
    };
    for (index, item) in items.iter_mut().enumerate() {
        let path = path.index(index);
        if item.as_text().is_some() {
            item.value = mapping_of(item.at, vec![("path", Some(item.clone()))]).value;
        }
        if let Some(map) = canon.mapping(item, &path) {
            canon.with(map, "required", &path, Canon::boolean);
            canon.with(map, "path", &path, |canon, node, _| {
                if let Some(text) = node.as_text() {
                    node.value = string_value(canon.path(text));
                }
            });
        }
    }
}

fn healthcheck(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(map) = canon.mapping(node, path) else {
        return;
    };
    canon.with(map, "test", path, |canon, node, path| {
        if let Value::Scalar(_) = node.value {
            let line = Node {
                tag: None,
                ..node.clone()
            };
            node.value = Value::Sequence(vec![Node::string("CMD-SHELL", node.at), line]);
        }
        canon.texts(node, path);
        let head = node
            .as_sequence()
            .and_then(|items| items.first())
            .and_then(Node::as_text);
        if !matches!(head, None | Some("NONE" | "CMD" | "CMD-SHELL")) {
            let message = format!("`{path}` must begin with NONE, CMD or CMD-SHELL");
            canon.error("bad-healthcheck", &node.clone(), path, message);
        }
    });
    for key in ["interval", "timeout", "start_period", "start_interval"] {
        canon.with(map, key, path, Canon::duration);
    }
    canon.with(map, "retries", path, Canon::number);
    canon.with(map, "disable", path, Canon::boolean);
}

/// The short form means that the dependency was started.
fn depends_on(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    if let Value::Sequence(items) = &node.value {
        let mut map = Mapping::default();
        for (index, item) in items.clone().iter().enumerate() {
            let Some(name) = item.as_text() else {
                canon.wrong_type(item, &path.index(index), "the name of a service");
                continue;
            };
            let started = Node::string("service_started", item.at);
            map.set(
                name,
                item.at,
                mapping_of(item.at, vec![("condition", Some(started))]),
            );
        }
        node.value = Value::Mapping(map);
    }
    let Some(map) = canon.mapping(node, path) else {
        return;
    };
    for (name, entry) in map.0.iter_mut() {
        let path = path.key(name);
        let at = entry.node.at;
        let Some(map) = canon.mapping(&mut entry.node, &path) else {
            continue;
        };
        for key in ["restart", "required"] {
            canon.with(map, key, &path, Canon::boolean);
        }
        match map.get("condition").and_then(Node::as_text) {
            None => {
                let message = format!("`{path}` has no `condition`, which the long form needs");
                canon.error("bad-condition", &Node::plain("", at), &path, message);
            }
            Some("service_started" | "service_healthy" | "service_completed_successfully") => {}
            Some(other) => {
                let message = format!(
                    "`{path}.condition`: `{other}` is not service_started, service_healthy or \
                     service_completed_successfully"
                );
                canon.error("bad-condition", &Node::plain("", at), &path, message);
            }
        }
    }
}

fn networks(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    if let Value::Sequence(items) = &node.value {
        let mut map = Mapping::default();
        for (index, item) in items.clone().iter().enumerate() {
            match item.as_text() {
                Some(name) => map.set(name, item.at, Node::plain("", item.at)),
                None => canon.wrong_type(item, &path.index(index), "the name of a network"),
            }
        }
        node.value = Value::Mapping(map);
    }
    let Some(map) = canon.mapping(node, path) else {
        return;
    };
    for (name, entry) in map.0.iter_mut() {
        let path = path.key(name);
        if entry.node.is_null() {
            continue;
        }
        if let Some(map) = canon.mapping(&mut entry.node, &path) {
            canon.with(map, "aliases", &path, Canon::texts);
            canon.with(map, "driver_opts", &path, Canon::pairs);
        }
    }
}

/// `host:ip`, `host=ip`, a mapping or a mapping of lists become a mapping of lists.
fn extra_hosts(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let mut hosts = Mapping::default();
    let mut add = |host: &str, item: &Node, address: &str| {
        let address = address.trim().trim_start_matches('[').trim_end_matches(']');
        let address = Node::string(address, item.at);
        match hosts.0.get_mut(host).map(|entry| &mut entry.node.value) {
            Some(Value::Sequence(addresses)) => addresses.push(address),
            _ => hosts.set(host, item.at, Node::sequence(vec![address], item.at)),
        }
    };
    match &node.value {
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                let pair = item
                    .as_text()
                    .and_then(|text| text.split_once('=').or_else(|| text.split_once(':')));
                match pair {
                    Some((host, address)) => add(host.trim(), item, address),
                    None => {
                        let path = path.index(index);
                        let is = match item.as_text() {
                            Some("") => "empty".to_owned(),
                            Some(text) => format!("`{text}`"),
                            None => item.describe().to_owned(),
                        };
                        let message =
                            format!("`{path}` must be text such as HOST=ADDRESS, but is {is}");
                        canon.error("wrong-type", item, &path, message);
                    }
                }
            }
        }
        Value::Mapping(map) => {
            for (host, entry) in map.iter() {
                match &entry.node.value {
                    Value::Sequence(items) => {
                        for item in items {
                            if let Some(address) = item.as_text() {
                                add(host, item, address);
                            }
                        }
                    }
                    _ => {
                        if let Some(address) = entry.node.as_text() {
                            add(host, &entry.node, address);
                        }
                    }
                }
            }
        }
        Value::Scalar(_) => {
            canon.wrong_type(&node.clone(), path, "a list or a mapping");
            return;
        }
    }
    node.value = Value::Mapping(hosts);
}

/// `all` is one request for all devices.
fn gpus(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    if node.as_text() == Some("all") {
        let all = mapping_of(node.at, vec![("count", Some(Node::string("all", node.at)))]);
        node.value = Value::Sequence(vec![all]);
    }
    canon.items(node, path);
}

fn hooks(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(items) = canon.items(node, path) else {
        return;
    };
    for (index, item) in items.iter_mut().enumerate() {
        let path = path.index(index);
        if let Some(map) = canon.mapping(item, &path) {
            canon.with(map, "command", &path, |canon, node, path| {
                canon.words(node, path);
                // A stack has no hooks, so that these are Compose's words.
                command::split_node(node, path, Dialect::Compose, canon.findings);
            });
            canon.with(map, "environment", &path, Canon::pairs);
            for key in ["privileged", "per_replica"] {
                canon.with(map, key, &path, Canon::boolean);
            }
        }
    }
}

fn deploy(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(map) = canon.mapping(node, path) else {
        return;
    };
    canon.with(map, "labels", path, Canon::pairs);
    canon.with(map, "replicas", path, Canon::number);
    canon.with(map, "resources", path, |canon, node, path| {
        let Some(map) = canon.mapping(node, path) else {
            return;
        };
        for key in ["limits", "reservations"] {
            canon.with(map, key, path, |canon, node, path| {
                let Some(map) = canon.mapping(node, path) else {
                    return;
                };
                canon.with(map, "memory", path, Canon::bytes);
                canon.with(map, "cpus", path, Canon::number);
                canon.with(map, "pids", path, Canon::number);
            });
        }
    });
    canon.with(map, "restart_policy", path, |canon, node, path| {
        let Some(map) = canon.mapping(node, path) else {
            return;
        };
        for key in ["delay", "window"] {
            canon.with(map, key, path, Canon::duration);
        }
        canon.with(map, "max_attempts", path, Canon::number);
    });
    for key in ["update_config", "rollback_config"] {
        canon.with(map, key, path, |canon, node, path| {
            let Some(map) = canon.mapping(node, path) else {
                return;
            };
            for key in ["delay", "monitor"] {
                canon.with(map, key, path, Canon::duration);
            }
            for key in ["parallelism", "max_failure_ratio"] {
                canon.with(map, key, path, Canon::number);
            }
        });
    }
}

/// A reference that YAML takes for a number has lost what it was: `1.10` would become `1.1`.
fn image(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    if let Value::Scalar(scalar) = &node.value
        && scalar.kind != Kind::String
    {
        let message = format!(
            "`{path}` must be text, but is {}; put quotes around it",
            node.describe()
        );
        canon.error("wrong-type", &node.clone(), path, message);
    }
}
