//! Ports (Compose specification, 05-services `ports` and `expose`).

use super::{Canon, mapping_of, string_value};
use crate::orchestration::model::Protocol;
use crate::source::{KeyPath, Kind, Node, Position, Scalar, Value};

/// Ports that one range may stand for.
const MAX_RANGE: u32 = 4096;

/// `ports`: every item as one mapping, ranges of equal length expanded pair by pair.
pub(super) fn ports(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(items) = canon.items(node, path) else {
        return;
    };
    let mut out = Vec::with_capacity(items.len());
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let path = path.index(index);
        match &item.value {
            Value::Scalar(scalar) => match short(&scalar.text, item.at) {
                Ok(ports) => out.extend(ports),
                Err(message) => {
                    canon.error("bad-port", &item, &path, format!("`{path}`: {message}"))
                }
            },
            Value::Mapping(_) => out.extend(long(canon, item, &path)),
            Value::Sequence(_) => canon.wrong_type(&item, &path, "a port"),
        }
    }
    *items = out;
}

fn long(canon: &mut Canon<'_>, mut item: Node, path: &KeyPath) -> Vec<Node> {
    let at = item.at;
    let Value::Mapping(map) = &mut item.value else {
        return vec![item];
    };
    canon.with(map, "published", path, Canon::text);
    for key in ["host_ip", "mode", "name", "app_protocol", "protocol"] {
        canon.with(map, key, path, Canon::text);
    }
    for key in ["target", "published"] {
        let text = map.get(key).and_then(Node::as_text).map(str::to_owned);
        if let Some(text) = text
            && !text.is_empty()
            && let Err(message) = range(&text)
        {
            let place = Node::plain("", map.get(key).map_or(at, |node| node.at));
            canon.error(
                "bad-port",
                &place,
                &path.key(key),
                format!("`{}`: {message}", path.key(key)),
            );
        }
    }
    for key in ["published", "host_ip"] {
        let empty = map.get(key).and_then(Node::as_text) == Some("");
        if empty {
            map.remove(key);
        }
    }
    if map.get("target").is_none() {
        canon.error(
            "bad-port",
            &Node::plain("", at),
            path,
            format!("`{path}` has no `target`"),
        );
        return Vec::new();
    }
    canon.with(map, "target", path, Canon::number);
    if let Some(protocol) = map.get("protocol").and_then(Node::as_text)
        && Protocol::named(protocol).is_none()
    {
        let message = format!("`{path}`: `{protocol}` is not a protocol; it is tcp, udp or sctp");
        canon.error("bad-port", &Node::plain("", at), path, message);
    }
    vec![item]
}

/// `[[ip:]published:]target[/protocol]`, each port a number or a range.
fn short(text: &str, at: Position) -> Result<Vec<Node>, String> {
    let text = text.trim();
    let (body, protocol) = match text.rsplit_once('/') {
        Some((body, protocol)) => {
            let known = Protocol::named(protocol)
                .ok_or_else(|| format!("`{protocol}` is not a protocol; it is tcp, udp or sctp"))?;
            (body, Some(known.as_str()))
        }
        None => (text, None),
    };
    let (host, target) = match body.rsplit_once(':') {
        Some((host, target)) => (Some(host), target),
        None => (None, body),
    };
    let (ip, published) = match host {
        None => (None, None),
        Some(host) => {
            if let Some(rest) = host.strip_prefix('[') {
                let (ip, tail) = rest
                    .split_once(']')
                    .ok_or_else(|| format!("`{text}`: a bracket is not closed"))?;
                (Some(ip), Some(tail.trim_start_matches(':')))
            } else {
                match host.rsplit_once(':') {
                    Some((ip, published)) => (Some(ip), Some(published)),
                    None if host.contains('.') => (Some(host), None),
                    None => (None, Some(host)),
                }
            }
        }
    };
    // An address that a variable left empty is none: docker listens on all of them.
    let ip = ip.filter(|ip| !ip.is_empty());
    if let Some(ip) = ip
        && ip.parse::<std::net::IpAddr>().is_err()
    {
        return Err(format!("`{ip}` in `{text}` is not an IP address"));
    }
    let published = published.filter(|p| !p.is_empty());
    let targets = range(target)?;
    let outside = published.map(range).transpose()?;
    let count = targets.1 - targets.0 + 1;
    if count > MAX_RANGE {
        return Err(format!(
            "`{text}` stands for {count} ports; at most {MAX_RANGE} are allowed"
        ));
    }
    let pairs: Vec<(u32, Option<String>)> = match outside {
        None => (targets.0..=targets.1).map(|t| (t, None)).collect(),
        Some((first, last)) if last - first + 1 == count => (0..count)
            .map(|i| (targets.0 + i, Some((first + i).to_string())))
            .collect(),
        Some((first, last)) if count == 1 => vec![(targets.0, Some(format!("{first}-{last}")))],
        Some(_) => return Err(format!("the ranges in `{text}` have different lengths")),
    };
    Ok(pairs
        .into_iter()
        .map(|(target, published)| {
            let text = |text: &str| Node::string(text, at);
            mapping_of(
                at,
                vec![
                    ("target", Some(number(target, at))),
                    ("published", published.map(|p| text(&p))),
                    ("host_ip", ip.map(text)),
                    ("protocol", protocol.map(text)),
                ],
            )
        })
        .collect())
}

/// `expose`: texts `port` or `port/protocol`, ranges expanded.
pub(super) fn expose(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    let Some(items) = canon.items(node, path) else {
        return;
    };
    let mut out = Vec::with_capacity(items.len());
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let path = path.index(index);
        let Some(text) = item.as_text() else {
            canon.wrong_type(&item, &path, "a port");
            continue;
        };
        let (ports, protocol) = match text.split_once('/') {
            Some((ports, protocol)) if Protocol::named(protocol).is_some() => {
                (ports, Some(protocol))
            }
            None => (text, None),
            Some((_, protocol)) => {
                let message =
                    format!("`{path}`: `{protocol}` is not a protocol; it is tcp, udp or sctp");
                canon.error("bad-port", &item, &path, message);
                continue;
            }
        };
        match range(ports) {
            Ok((first, last)) if last - first < MAX_RANGE => {
                for port in first..=last {
                    let suffix =
                        protocol.map_or_else(String::new, |p| format!("/{}", p.to_lowercase()));
                    out.push(Node {
                        value: string_value(format!("{port}{suffix}")),
                        at: item.at,
                        tag: None,
                    });
                }
            }
            Ok(_) => canon.error(
                "bad-port",
                &item,
                &path,
                format!("`{path}` is too large a range"),
            ),
            Err(message) => canon.error("bad-port", &item, &path, format!("`{path}`: {message}")),
        }
    }
    *items = out;
}

fn number(port: u32, at: Position) -> Node {
    Node {
        value: Value::Scalar(Scalar {
            text: port.to_string(),
            kind: Kind::Integer,
        }),
        at,
        tag: None,
    }
}

/// First and last port of `80` or `80-90`.
fn range(text: &str) -> Result<(u32, u32), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| {
        let number = text.trim().parse::<u32>().ok();
        number
            .filter(|p| *p <= 65_535)
            .ok_or_else(|| format!("`{text}` is not a port number; ports are 1 to 65535"))
    };
    let (first, last) = (port(first)?, port(last)?);
    if last < first {
        return Err(format!("the range `{text}` runs backward"));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn run(text: &str) -> Result<String, String> {
        let at = Position::start_of(Sources::default().add("", ""));
        short(text, at).map(|nodes| nodes.iter().map(|n| n.to_json().to_string()).collect())
    }

    #[test]
    fn short_forms() {
        for (text, expected) in [
            ("80", r#"{"target":80}"#),
            ("8080:80", r#"{"target":80,"published":"8080"}"#),
            (
                "127.0.0.1:8080:80/udp",
                r#"{"target":80,"published":"8080","host_ip":"127.0.0.1","protocol":"udp"}"#,
            ),
            (":80:80", r#"{"target":80,"published":"80"}"#),
            ("::80/udp", r#"{"target":80,"protocol":"udp"}"#),
            ("127.0.0.1::80", r#"{"target":80,"host_ip":"127.0.0.1"}"#),
            (
                "[::1]:8080:80",
                r#"{"target":80,"published":"8080","host_ip":"::1"}"#,
            ),
            (
                "3000-3001:4000-4001",
                r#"{"target":4000,"published":"3000"}{"target":4001,"published":"3001"}"#,
            ),
            ("8000-9000:80", r#"{"target":80,"published":"8000-9000"}"#),
        ] {
            assert_eq!(run(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in [
            "x",
            "80:x",
            "70000",
            "1-2:3-5",
            "9-8",
            "80/icmp",
            "1.2.3:80:80",
            "",
            "[::1:80",
        ] {
            assert!(run(bad).is_err(), "{bad}");
        }
    }
}
