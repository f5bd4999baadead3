//! One value between a provider's spelling and the neutral one.

use serde_json::{Value as Json, json};

use super::attribute::meaning;
use super::catalog::{Form, Row, Unit};
use super::pattern::glob;

/// A value at the provider, made from a neutral one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Encoded {
    /// The value; null where the key is left out.
    pub(super) value: Json,
    /// What is no longer the same, with the code of the finding.
    pub(super) change: Option<(&'static str, String)>,
}

/// The neutral value of what stands at the provider's key; `None` if its word is unknown. `tls` tells whether there
/// is a certificate.
pub(super) fn decode(row: &Row, text: &str, tls: bool) -> Option<String> {
    let text = text.trim();
    if !row.words.is_empty() {
        let found = row.words.iter().find(|(_, words)| {
            words
                .iter()
                .any(|word| !word.is_empty() && glob(word, text))
        });
        return found.map(|(neutral, _)| neutral.clone());
    }
    let text = match row.form {
        Form::Text if !row.protocols.is_empty() => each_protocol(text, |name| {
            let own = row.protocols.iter().find(|(_, own)| *own == name);
            own.map(|(neutral, _)| neutral.as_str())
        }),
        Form::Text | Form::First | Form::AboveBaseline | Form::Prefix => text.to_owned(),
        Form::StatusClasses => classes_to_codes(text),
        Form::List => match serde_json::from_str::<Vec<Json>>(text) {
            Ok(items) => join(items.iter().map(plain)),
            Err(_) => text.to_owned(),
        },
        Form::JsonValues => {
            let json: Json = serde_json::from_str(text).ok()?;
            let values = json.get("values")?.as_array()?;
            join(values.iter().map(plain))
        }
        Form::Braces => braces_to_dollars(text),
        Form::ListenPorts => {
            let json: Json = serde_json::from_str(text).ok()?;
            let mut ports = Vec::new();
            for (protocol, port) in json
                .as_array()?
                .iter()
                .filter_map(Json::as_object)
                .flatten()
            {
                ports.push(format!("{}:{}", protocol.to_lowercase(), plain(port)));
            }
            ports.join(",")
        }
        Form::Port => {
            text.parse::<u16>().ok()?;
            let protocol = if tls || text == "443" {
                "https"
            } else {
                "http"
            };
            format!("{protocol}:{text}")
        }
        Form::ColonPairs => text
            .split(',')
            .map(|pair| pair.replacen(':', "=", 1))
            .collect::<Vec<_>>()
            .join(","),
        Form::JsonPairs => {
            let json: Json = serde_json::from_str(text).ok()?;
            let pairs = json.as_object()?.iter();
            join(pairs.map(|(key, value)| format!("{key}={}", plain(value))))
        }
        Form::SpecifyProtocol => {
            let json: Json = serde_json::from_str(text).ok()?;
            let mut ports = Vec::new();
            for (port, detail) in json.as_object()? {
                for protocol in detail.get("protocol")?.as_array()? {
                    ports.push(format!("{}:{port}", plain(protocol).to_lowercase()));
                }
            }
            ports.join(",")
        }
        Form::TlsPorts => text
            .split(',')
            .map(|port| format!("https:{}", port.trim()))
            .collect::<Vec<_>>()
            .join(","),
    };
    match row.unit {
        None => Some(text),
        Some(unit) => {
            let number: i64 = text.parse().ok()?;
            Some(match unit {
                Unit::Minutes => number.saturating_mul(60).to_string(),
                Unit::Milliseconds => number.div_euclid(1000).to_string(),
            })
        }
    }
}

/// The provider's spelling of a neutral value; `None` if it has no word for it.
pub(super) fn encode(row: &Row, attribute: &str, neutral: &str) -> Option<Encoded> {
    if !row.words.is_empty() {
        let word = row.words.get(neutral)?.iter().next()?.clone();
        let read_back = if word.is_empty() {
            meaning(attribute).default.clone()
        } else {
            decode(row, &word, false)
        };
        let change = match read_back {
            Some(back) if back != neutral => Some((
                "provider-setting-approximate",
                format!("`{neutral}` becomes what is `{back}` elsewhere"),
            )),
            _ => None,
        };
        let value = if word.is_empty() {
            Json::Null
        } else {
            typed(row, &word)
        };
        return Some(Encoded { value, change });
    }
    let mut change = None;
    let text = match row.form {
        Form::Text if !row.protocols.is_empty() => {
            let own = |name: &str| row.protocols.get(name).map(String::as_str);
            let mut names = neutral.split(',').filter_map(|item| item.split_once(':'));
            if names.any(|(name, _)| own(name.trim()) == Some("")) {
                return None;
            }
            let made = each_protocol(neutral, own);
            if decode(row, &made, false).is_some_and(|back| back != neutral) {
                let message = format!("`{neutral}` becomes `{made}`, which looks less into it");
                change = Some(("provider-setting-approximate", message));
            }
            made
        }
        Form::StatusClasses => codes_to_classes(neutral, &mut change)?,
        Form::Text | Form::AboveBaseline => number(row, neutral, &mut change),
        Form::First => {
            let mut items = neutral.split(',');
            let first = items.next().unwrap_or_default().to_owned();
            let others: Vec<_> = items.collect();
            if !others.is_empty() {
                let message = format!("only `{first}` has a place, not `{}`", others.join(", "));
                change = Some(("provider-setting-lost", message));
            }
            first
        }
        Form::Prefix => {
            if neutral.contains('$') {
                return None;
            }
            neutral.to_owned()
        }
        Form::List => {
            let items: Vec<&str> = neutral.split(',').map(str::trim).collect();
            return Some(Encoded {
                value: json!(items),
                change,
            });
        }
        Form::JsonValues => {
            let items: Vec<&str> = neutral.split(',').map(str::trim).collect();
            json!({ "values": items }).to_string()
        }
        Form::Braces => dollars_to_braces(neutral),
        Form::ListenPorts => {
            let ports: Option<Vec<Json>> = neutral
                .split(',')
                .map(|port| {
                    let (protocol, port) = port.trim().split_once(':')?;
                    let number: u16 = port.parse().ok()?;
                    Some(json!({ protocol.to_uppercase(): number }))
                })
                .collect();
            Json::Array(ports?).to_string()
        }
        Form::Port => {
            let (_, port) = neutral.split_once(':').filter(|_| !neutral.contains(','))?;
            port.to_owned()
        }
        Form::ColonPairs => neutral
            .split(',')
            .map(|pair| pair.replacen('=', ":", 1))
            .collect::<Vec<_>>()
            .join(","),
        Form::JsonPairs => {
            let pairs = neutral.split(',').map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (key.to_owned(), Json::from(value))
            });
            Json::Object(pairs.collect()).to_string()
        }
        Form::SpecifyProtocol => {
            let mut ports = serde_json::Map::new();
            for port in neutral.split(',') {
                let (protocol, port) = port.trim().split_once(':')?;
                ports.insert(
                    port.to_owned(),
                    json!({ "protocol": [protocol.to_uppercase()] }),
                );
            }
            Json::Object(ports).to_string()
        }
        Form::TlsPorts => {
            let ports: Vec<(&str, &str)> = neutral
                .split(',')
                .filter_map(|port| port.trim().split_once(':'))
                .collect();
            let secure =
                |(protocol, _): &&(&str, &str)| matches!(*protocol, "https" | "tls" | "tcpssl");
            let (tls, plain): (Vec<_>, Vec<_>) = ports.iter().partition(secure);
            let numbers: Vec<&str> = tls.iter().map(|(_, port)| *port).collect();
            if numbers.is_empty() {
                return None;
            }
            if let Some((protocol, port)) = plain.iter().find(|(protocol, _)| *protocol != "tcp") {
                let message = format!("`{protocol}:{port}` is passed on without a look into it");
                change = Some(("provider-setting-approximate", message));
            }
            numbers.join(",")
        }
    };
    Some(Encoded {
        value: typed(row, &text),
        change,
    })
}

/// `a:1,b:2` with other names for the protocols.
fn each_protocol<'n>(text: &str, name: impl Fn(&str) -> Option<&'n str>) -> String {
    join(text.split(',').map(|item| {
        let item = item.trim();
        match item.split_once(':') {
            Some((protocol, port)) => {
                format!("{}:{port}", name(protocol).unwrap_or(protocol))
            }
            None => item.to_owned(),
        }
    }))
}

/// `200-399` for `http_2xx,http_3xx`; classes that do not follow each other stay apart.
fn classes_to_codes(text: &str) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for item in text.split(',').map(str::trim) {
        let digit = item
            .strip_prefix("http_")
            .and_then(|rest| rest.strip_suffix("xx"))
            .and_then(|digit| digit.parse::<u16>().ok());
        let Some(digit) = digit else {
            return text.to_owned();
        };
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == digit * 100 => *end = digit * 100 + 99,
            _ => ranges.push((digit * 100, digit * 100 + 99)),
        }
    }
    join(ranges.iter().map(|(low, high)| format!("{low}-{high}")))
}

/// `http_2xx,http_3xx` for `200-399`. A class that was not asked for as a whole is said.
fn codes_to_classes(text: &str, change: &mut Option<(&'static str, String)>) -> Option<String> {
    let mut classes = std::collections::BTreeSet::new();
    let mut exact = true;
    for item in text.split(',').map(str::trim) {
        if let Some(class) = item.strip_prefix("http_") {
            classes.insert(class.get(..1)?.parse::<u16>().ok()?);
            continue;
        }
        let (low, high) = item.split_once('-').unwrap_or((item, item));
        let (low, high) = (low.parse::<u16>().ok()?, high.parse::<u16>().ok()?);
        exact &= low % 100 == 0 && high % 100 == 99;
        classes.extend(low / 100..=high / 100);
    }
    let made = join(classes.iter().map(|class| format!("http_{class}xx")));
    if !exact {
        let message = format!("`{text}` becomes `{made}`, which are more answers");
        *change = Some(("provider-setting-approximate", message));
    }
    Some(made)
}

/// In the provider's unit and between its limits.
fn number(row: &Row, neutral: &str, change: &mut Option<(&'static str, String)>) -> String {
    let Ok(mut number) = neutral.parse::<i64>() else {
        return neutral.to_owned();
    };
    match row.unit {
        Some(Unit::Minutes) => {
            let minutes = number.div_euclid(60) + i64::from(number.rem_euclid(60) > 0);
            if minutes * 60 != number {
                let message = format!("{number} s is rounded up to {minutes} min");
                *change = Some(("provider-value-rounded", message));
            }
            number = minutes;
        }
        Some(Unit::Milliseconds) => number = number.saturating_mul(1000),
        None => {}
    }
    if let Some((low, high)) = row.range {
        let clamped = number.clamp(low, high);
        if clamped != number {
            let unit = match row.unit {
                Some(Unit::Minutes) => " min",
                Some(Unit::Milliseconds) => " ms",
                None => "",
            };
            let message =
                format!("{number}{unit} becomes {clamped}{unit}, which must be {low} to {high}");
            *change = Some(("provider-value-clamped", message));
            number = clamped;
        }
    }
    number.to_string()
}

fn typed(row: &Row, text: &str) -> Json {
    typed_as(row.number, row.boolean, text)
}

/// A text as the number or boolean that the provider wants.
pub(super) fn typed_as(number: bool, boolean: bool, text: &str) -> Json {
    if boolean && let Ok(value) = text.parse::<bool>() {
        return Json::Bool(value);
    }
    if number && let Ok(value) = text.parse::<i64>() {
        return Json::from(value);
    }
    Json::from(text)
}

/// A JSON scalar without quotes.
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

/// `${1}` as `$1`.
fn braces_to_dollars(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let number = tail[2..].split('}').next().unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && tail.contains('}') {
            out.push('$');
            out.push_str(number);
            rest = &tail[number.len() + 3..];
        } else {
            out.push_str("${");
            rest = &tail[2..];
        }
    }
    out.push_str(rest);
    out
}

/// `$1` as `${1}`.
fn dollars_to_braces(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let digits = tail[1..].bytes().take_while(u8::is_ascii_digit).count();
        let number = &tail[1..=digits];
        if digits == 0 {
            out.push('$');
        } else {
            out.push_str(&format!("${{{number}}}"));
        }
        rest = &tail[digits + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(yaml: &str) -> Row {
        serde_yaml::from_str(yaml).unwrap_or_default()
    }

    fn round(yaml: &str, provider: &str, neutral: &str) {
        let row = row(yaml);
        assert_eq!(decode(&row, provider, false).as_deref(), Some(neutral));
        let encoded = encode(&row, "x", neutral);
        assert_eq!(encoded.map(|e| plain(&e.value)).as_deref(), Some(provider));
    }

    #[test]
    fn forms_are_exact_both_ways() {
        round(
            "{form: listen-ports}",
            r#"[{"HTTP":80},{"HTTPS":443}]"#,
            "http:80,https:443",
        );
        round("{form: braces}", "/a/${1}/${12}", "/a/$1/$12");
        round("{form: json-values}", r#"{"values":["a","b"]}"#, "a,b");
        round("{form: colon-pairs}", "a:b,c:d", "a=b,c=d");
        round("{form: json-pairs}", r#"{"a":"b"}"#, "a=b");
        round("{form: status-classes}", "http_2xx,http_3xx", "200-399");
        round(
            "{form: status-classes}",
            "http_2xx,http_4xx",
            "200-299,400-499",
        );
        round(
            "{protocols: {tls: tcpssl}}",
            "tcpssl:443,tcp:80",
            "tls:443,tcp:80",
        );
        round("{unit: minutes}", "30", "1800");
        round("{form: port}", "443", "https:443");
        round("{words: {internal: inner}}", "inner", "internal");
        round(
            "{form: specify-protocol}",
            r#"{"80":{"protocol":["HTTP"]}}"#,
            "http:80",
        );
    }

    #[test]
    fn limits_and_units_are_said() {
        let minutes = row("{unit: minutes, range: [1, 60]}");
        let code = |n: &str| encode(&minutes, "x", n).and_then(|e| e.change).map(|c| c.0);
        assert_eq!(code("1800"), None);
        assert_eq!(code("90"), Some("provider-value-rounded"));
        assert_eq!(code("7200"), Some("provider-value-clamped"));
        let classes = row("{form: status-classes}");
        let one = encode(&classes, "x", "200,404");
        assert_eq!(
            one.as_ref().map(|e| plain(&e.value)).as_deref(),
            Some("http_2xx,http_4xx")
        );
        assert!(one.is_some_and(|e| e.change.is_some()));
        let first = row("{form: first}");
        assert!(encode(&first, "x", "a,b").is_some_and(|e| e.change.is_some()));
    }
}
