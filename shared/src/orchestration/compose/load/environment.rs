//! `env_file` and `label_file` folded into `environment` and `labels`, and variables of the caller.

use std::collections::BTreeMap;
use std::path::Path;

use super::dotenv;
use crate::finding::{Code, Findings};
use crate::source::{Entry, FileId, Files, KeyPath, Mapping, Node, Origin, Value};

/// Bytes of one such file.
const MAX_FILE: u64 = 1 << 20;

/// What the variables of a service depend on.
pub(super) struct Surroundings<'a> {
    /// The caller's environment with `.env` beneath.
    pub(super) variables: &'a BTreeMap<String, String>,
    pub(super) files: &'a dyn Files,
    pub(super) directory: &'a Path,
    pub(super) allow_outside: bool,
    /// A stack: `K=` takes the caller's value as well (docker/cli `updateEnvironment`).
    pub(super) swarm: bool,
}

/// Variables without a value, by the file that they stand in: the first place, and the names by service.
#[derive(Debug, Default)]
pub(super) struct Unresolved(BTreeMap<FileId, (Origin, Vec<Names>)>);

/// A service, and the names of its variables.
type Names = (String, Vec<String>);

impl Unresolved {
    fn add(&mut self, service: &str, name: &str, origin: Origin) {
        let file = origin.at.file;
        let (_, services) = self.0.entry(file).or_insert_with(|| (origin, Vec::new()));
        match services.last_mut() {
            Some((last, names)) if last == service => names.push(name.to_owned()),
            _ => services.push((service.to_owned(), vec![name.to_owned()])),
        }
    }

    /// One finding for each file: without its `.env`, one lacks hundreds of them.
    pub(super) fn report(self, findings: &mut Findings) {
        for (origin, services) in self.0.into_values() {
            let message = match services.as_slice() {
                [(_, names)] if names.len() == 1 => format!(
                    "`{}` has no value and is not set here; the container does not get it",
                    names[0]
                ),
                services => {
                    let listed: Vec<_> = services
                        .iter()
                        .map(|(service, names)| format!("`{}` of `{service}`", names.join("`, `")))
                        .collect();
                    let count: usize = services.iter().map(|(_, names)| names.len()).sum();
                    format!(
                        "{count} variables have no value and are not set here, so that the containers do not get them: {}",
                        listed.join("; ")
                    )
                }
            };
            findings.add(Code("env-unresolved"), &origin, message);
        }
    }
}

/// Resolves the variables and labels of one service.
pub(super) fn resolve(
    of: &str,
    service: &mut Mapping,
    path: &KeyPath,
    around: &Surroundings<'_>,
    unresolved: &mut Unresolved,
    findings: &mut Findings,
) {
    for (file_key, key) in [("env_file", "environment"), ("label_file", "labels")] {
        let Some(entry) = service.remove(file_key) else {
            continue;
        };
        let path = path.key(file_key);
        let items = match &entry.node.value {
            Value::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        let mut merged = Mapping::default();
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            for (name, value) in read(item, &path, around, findings) {
                let node =
                    value.map_or_else(|| Node::plain("", item.at), |v| Node::string(v, item.at));
                merged.set(name, item.at, node);
            }
        }
        if merged.is_empty() && !service.0.contains_key(key) {
            continue;
        }
        let own = service.0.get_or_insert_with(key, || Entry {
            key_at: entry.key_at,
            node: Node::mapping(Mapping::default(), entry.node.at),
        });
        if own.node.is_null() {
            own.node.value = Value::Mapping(Mapping::default());
        }
        if let Value::Mapping(own) = &mut own.node.value {
            for (name, entry) in std::mem::take(&mut own.0) {
                merged.0.insert(name, entry);
            }
            *own = merged;
        }
    }
    let path = path.key("environment");
    if let Some(Value::Mapping(environment)) =
        service.0.get_mut("environment").map(|e| &mut e.node.value)
    {
        for (name, entry) in environment.0.iter_mut() {
            let empty = entry.node.as_text() == Some("");
            if !(entry.node.is_null() || (around.swarm && empty)) {
                continue;
            }
            match around.variables.get(name) {
                Some(value) => entry.node = Node::string(value, entry.node.at),
                None if empty => {}
                None => {
                    let origin = Origin::new(entry.key_at, path.key(name));
                    unresolved.add(of, name, origin);
                }
            }
        }
    }
}

fn read(
    item: &Node,
    path: &KeyPath,
    around: &Surroundings<'_>,
    findings: &mut Findings,
) -> Vec<(String, Option<String>)> {
    let origin = Origin::new(item.at, path.clone());
    let map = item.as_mapping();
    let text = |key: &str| map.and_then(|m| m.get(key)).and_then(Node::as_text);
    let Some(name) = text("path").or_else(|| item.as_text()) else {
        findings.add(
            Code("wrong-type"),
            &origin,
            format!("`{path}` has no `path`"),
        );
        return Vec::new();
    };
    if let Some(map) = map {
        for key in ["required", "format"] {
            if let Some(entry) = map.0.get(key) {
                let origin = Origin::new(entry.key_at, path.key(key));
                let value = entry.node.as_text().unwrap_or_default();
                let message = format!("`{key}: {value}` only says how the file is read");
                findings.add(Code("resolved-by-loader"), &origin, message);
            }
        }
    }
    if !around.allow_outside && super::outside(name) {
        super::outside_error(name, &origin, findings);
        return Vec::new();
    }
    let required = text("required") != Some("false");
    let bytes = match around.files.read(&around.directory.join(name), MAX_FILE) {
        Ok(bytes) => bytes,
        Err(_) if !required => {
            let message = format!("`{name}` is not required and not there");
            findings.add(Code("resolved-by-loader"), &origin, message);
            return Vec::new();
        }
        Err(error) => {
            findings.add(
                Code("unreadable-file"),
                &origin,
                format!("`{name}`: {error}"),
            );
            return Vec::new();
        }
    };
    let Ok(content) = String::from_utf8(bytes) else {
        findings.add(
            Code("unreadable-file"),
            &origin,
            format!("`{name}` is not UTF-8"),
        );
        return Vec::new();
    };
    let message = format!("the variables of `{name}` are written into the service");
    findings.add(Code("resolved-by-loader"), &origin, message);
    match text("format") {
        Some("raw") => dotenv::parse_raw(&content),
        None => if around.swarm {
            dotenv::parse_stack(&content)
        } else {
            dotenv::parse(&content, around.variables)
        }
        .unwrap_or_else(|bad| {
            findings.add(
                Code("bad-env-file"),
                &origin,
                format!("`{name}`, line {}: {}", bad.line, bad.message),
            );
            Vec::new()
        }),
        Some(other) => {
            findings.add(
                Code("bad-env-file"),
                &origin,
                format!("`{name}`: the format `{other}` is not known; it is raw"),
            );
            Vec::new()
        }
    }
}
