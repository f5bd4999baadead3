//! Mounts (Compose specification, 05-services `volumes`, `configs`, `secrets`).

use super::{Canon, mapping_of};
use crate::source::{KeyPath, Node, Position, Value};

/// `volumes` of a service: every item as one long mapping.
pub(super) fn volumes(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(items) = canon.items(node, path) else {
        return;
    };
    for (index, item) in items.iter_mut().enumerate() {
        let path = path.index(index);
        match &item.value {
            Value::Scalar(scalar) => match short(canon, &scalar.text, item.at) {
                Ok(long) => {
                    item.value = long.value;
                }
                Err(message) => canon.error(
                    "bad-volume",
                    &item.clone(),
                    &path,
                    format!("`{path}`: {message}"),
                ),
            },
            Value::Mapping(_) => long(canon, item, &path),
            Value::Sequence(_) => canon.wrong_type(&item.clone(), &path, "a volume"),
        }
    }
}

fn long(canon: &mut Canon<'_>, item: &mut Node, path: &KeyPath) {
    let at = item.at;
    let Value::Mapping(map) = &mut item.value else {
        return;
    };
    let kind = map
        .get("type")
        .and_then(Node::as_text)
        .unwrap_or("volume")
        .to_owned();
    if !matches!(
        kind.as_str(),
        "bind" | "volume" | "tmpfs" | "npipe" | "cluster" | "image"
    ) {
        let message =
            format!("`{path}.type`: `{kind}` is not bind, volume, tmpfs, npipe, cluster or image");
        canon.error("bad-volume", &Node::plain("", at), path, message);
    }
    if kind == "bind" {
        canon.with(map, "source", path, |canon, node, _| {
            if let Some(text) = node.as_text() {
                node.value = super::string_value(canon.path(text));
            }
        });
    }
    canon.with(map, "read_only", path, Canon::boolean);
    canon.with(map, "tmpfs", path, |canon, node, path| {
        if let Some(map) = canon.mapping(node, path) {
            canon.with(map, "size", path, Canon::bytes);
            canon.with(map, "mode", path, Canon::mode);
        }
    });
    canon.with(map, "bind", path, |canon, node, path| {
        if let Some(map) = canon.mapping(node, path) {
            canon.with(map, "create_host_path", path, Canon::boolean);
        }
    });
    canon.with(map, "volume", path, |canon, node, path| {
        if let Some(map) = canon.mapping(node, path) {
            canon.with(map, "nocopy", path, Canon::boolean);
            canon.with(map, "labels", path, Canon::pairs);
        }
    });
    if map
        .get("target")
        .and_then(Node::as_text)
        .is_none_or(str::is_empty)
    {
        let message = format!("`{path}` has no `target`");
        canon.error("bad-volume", &Node::plain("", at), path, message);
    }
}

/// `[source:]target[:options]`
fn short(canon: &Canon<'_>, text: &str, at: Position) -> Result<Node, String> {
    let parts = split(text);
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, None),
        [source, target] if is_target(target) => (Some(*source), *target, None),
        // An anonymous volume with options.
        [target, options] => (None, *target, Some(*options)),
        [source, target, options] => (Some(*source), *target, Some(*options)),
        _ => {
            return Err(format!(
                "`{text}` has too many parts; it is SOURCE:TARGET:OPTIONS"
            ));
        }
    };
    if target.is_empty() || source.is_some_and(str::is_empty) {
        return Err(format!(
            "`{text}` has an empty part; it is SOURCE:TARGET:OPTIONS"
        ));
    }
    let string = |text: &str| Node::string(text, at);
    let boolean = |value: bool| Node::plain(value.to_string(), at);
    let kind = match source {
        Some(source) if source.starts_with("\\\\.\\pipe\\") => "npipe",
        Some(source) if is_path(source) => "bind",
        _ => "volume",
    };
    let mut read_only = None;
    let mut nocopy = None;
    let mut selinux = None;
    let mut propagation = None;
    let mut unknown = Vec::new();
    for option in options.into_iter().flat_map(|o| o.split(',')) {
        match option {
            "ro" => read_only = Some(true),
            "rw" => read_only = Some(false),
            "nocopy" => nocopy = Some(true),
            "z" | "Z" => selinux = Some(option),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                propagation = Some(option)
            }
            "" | "cached" | "delegated" | "consistent" => {}
            other => unknown.push(other),
        }
    }
    let consistency = options
        .into_iter()
        .flat_map(|o| o.split(','))
        .find(|o| matches!(*o, "cached" | "delegated" | "consistent"));
    let bind = (kind == "bind").then(|| {
        mapping_of(
            at,
            vec![
                ("create_host_path", Some(boolean(true))),
                ("propagation", propagation.map(string)),
                ("selinux", selinux.map(string)),
            ],
        )
    });
    let volume = nocopy.map(|on| mapping_of(at, vec![("nocopy", Some(boolean(on)))]));
    let source = source.map(|s| {
        if kind == "bind" {
            canon.path(s)
        } else {
            s.to_owned()
        }
    });
    Ok(mapping_of(
        at,
        vec![
            ("type", Some(string(kind))),
            ("source", source.as_deref().map(string)),
            ("target", Some(string(target))),
            ("read_only", read_only.map(boolean)),
            ("consistency", consistency.map(string)),
            ("bind", bind),
            ("volume", volume),
            // Docker ignores options that it does not know; they stay visible as a key of their own.
            (
                "x-options",
                (!unknown.is_empty()).then(|| string(&unknown.join(","))),
            ),
        ],
    ))
}

/// Splits at colons, except those of a Windows drive (`C:\data`).
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (index, _) in text.match_indices(':') {
        let part = &text[start..index];
        let windows = part.len() == 1
            && part.as_bytes()[0].is_ascii_alphabetic()
            && text[index + 1..].starts_with('\\');
        if windows {
            continue;
        }
        parts.push(part);
        start = index + 1;
    }
    parts.push(&text[start..]);
    parts
}

fn is_target(text: &str) -> bool {
    text.starts_with(['/', '\\', '.', '~'])
        || (text.len() > 2 && text.as_bytes()[1] == b':')
        || !is_options(text)
}

fn is_options(text: &str) -> bool {
    text.split(',').all(|option| {
        matches!(
            option,
            "ro" | "rw"
                | "nocopy"
                | "z"
                | "Z"
                | "private"
                | "rprivate"
                | "shared"
                | "rshared"
                | "slave"
                | "rslave"
                | "cached"
                | "delegated"
                | "consistent"
        )
    })
}

/// Whether a source is a path of the host and not the name of a volume.
fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~', '\\'])
        || (source.len() > 2
            && source.as_bytes()[1] == b':'
            && matches!(source.as_bytes()[2], b'\\' | b'/'))
}

/// `configs` and `secrets` of a service: a name becomes `{source: name}`.
pub(super) fn file_references(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(items) = canon.items(node, path) else {
        return;
    };
    for (index, item) in items.iter_mut().enumerate() {
        let path = path.index(index);
        match &mut item.value {
            Value::Scalar(_) => {
                let source = Node {
                    tag: None,
                    ..item.clone()
                };
                item.value = mapping_of(item.at, vec![("source", Some(source))]).value;
            }
            Value::Mapping(map) => {
                for key in ["source", "target", "uid", "gid"] {
                    canon.with(map, key, &path, Canon::text);
                }
                canon.with(map, "mode", &path, Canon::mode);
            }
            Value::Sequence(_) => canon.wrong_type(&item.clone(), &path, "a name or a mapping"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::source::Sources;

    fn run(text: &str) -> Result<String, String> {
        let mut findings = Findings::default();
        let canon = Canon {
            findings: &mut findings,
            base: "sub".into(),
            home: Some("/home/u".into()),
        };
        let at = Position::start_of(Sources::default().add("", ""));
        short(&canon, text, at).map(|node| node.to_json().to_string())
    }

    #[test]
    fn short_forms() {
        for (text, expected) in [
            ("/data", r#"{"type":"volume","target":"/data"}"#),
            (
                "v:/data",
                r#"{"type":"volume","source":"v","target":"/data"}"#,
            ),
            (
                "v:/data:ro,nocopy",
                r#"{"type":"volume","source":"v","target":"/data","read_only":true,"volume":{"nocopy":true}}"#,
            ),
            (
                "./a:/b:rw",
                r#"{"type":"bind","source":"./sub/a","target":"/b","read_only":false,"bind":{"create_host_path":true}}"#,
            ),
            (
                "../a:/b",
                r#"{"type":"bind","source":"./a","target":"/b","bind":{"create_host_path":true}}"#,
            ),
            (
                "~/a:/b:z",
                r#"{"type":"bind","source":"/home/u/a","target":"/b","bind":{"create_host_path":true,"selinux":"z"}}"#,
            ),
            (
                "C:\\x:/b",
                r#"{"type":"bind","source":"C:\\x","target":"/b","bind":{"create_host_path":true}}"#,
            ),
            (
                "\\\\.\\pipe\\docker:\\\\.\\pipe\\docker",
                r#"{"type":"npipe","source":"\\\\.\\pipe\\docker","target":"\\\\.\\pipe\\docker"}"#,
            ),
            (
                "/data:ro",
                r#"{"type":"volume","target":"/data","read_only":true}"#,
            ),
            (
                "v:/d:weird",
                r#"{"type":"volume","source":"v","target":"/d","x-options":"weird"}"#,
            ),
        ] {
            assert_eq!(run(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in ["", ":/a", "a:b:c:d"] {
            assert!(run(bad).is_err(), "{bad}");
        }
    }
}
