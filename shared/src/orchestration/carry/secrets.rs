//! What looks like a secret is not carried along: annotations are shown by every `kubectl get -o yaml`.

use serde_json::Value;

use super::Change;
use crate::finding::{Code, Findings};
use crate::source::{KeyPath, Node, Origin};

/// Words of a name that a secret has. `key` alone is too common a word.
const WORDS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "credentials",
    "apikey",
];
/// Two words that mean a secret together.
const PAIRS: [(&str, &str); 4] = [
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("secret", "key"),
];
/// Keys of a Compose file that have such a word in them and hold names of secrets, not secrets.
const HARMLESS: [&str; 3] = ["secrets", "secret", "token_file"];

/// Takes what looks like a secret out of the changes of one subject (`services.web`, or empty for the whole file).
pub(super) fn remove(
    document: &Node,
    subject: &str,
    changes: &mut Vec<Change>,
    findings: &mut Findings,
) {
    let base: Vec<&str> = match subject.split_once('.') {
        Some((section, name)) => vec![section, name],
        None => Vec::new(),
    };
    changes.retain_mut(|change| {
        let Some(value) = &mut change.value else {
            return true;
        };
        let mut path: Vec<Value> = base.iter().map(|key| Value::from(*key)).collect();
        path.extend(change.path.iter().cloned());
        let mut hidden = Vec::new();
        let keep = keep(&mut path, value, &mut hidden);
        for path in hidden {
            let origin = place(document, &path);
            let message = format!(
                "`{}` looks like a secret and is not carried along",
                origin.path
            );
            findings.add(Code("secret-not-carried"), &origin, message);
        }
        keep
    });
}

/// Takes secrets out of what is below a value.
fn inside(path: &mut Vec<Value>, value: &mut Value, hidden: &mut Vec<Vec<Value>>) {
    match value {
        Value::Object(map) => map.retain(|key, value| {
            path.push(Value::from(key.as_str()));
            let keep = keep(path, value, hidden);
            path.pop();
            keep
        }),
        Value::Array(items) => {
            let mut index = 0;
            items.retain_mut(|value| {
                path.push(Value::from(index));
                index += 1;
                let keep = keep(path, value, hidden);
                path.pop();
                keep
            });
        }
        _ => {}
    }
}

fn keep(path: &mut Vec<Value>, value: &mut Value, hidden: &mut Vec<Vec<Value>>) -> bool {
    if is_secret(path, value) {
        hidden.push(path.clone());
        return false;
    }
    inside(path, value, hidden);
    true
}

/// Whether a text is one by its key, or has one in it (`user=u,password=p`, `https://user:p@host`).
fn is_secret(path: &[Value], value: &Value) -> bool {
    let Some(text) = value.as_str().filter(|text| !text.is_empty()) else {
        return false;
    };
    let key = path.last().and_then(Value::as_str);
    if key.is_some_and(|key| !HARMLESS.contains(&key) && is_secret_name(key)) {
        return true;
    }
    let parts = text.split(|c: char| c == ',' || c == ';' || c == '&' || c.is_whitespace());
    for part in parts {
        if let Some((name, value)) = part.split_once('=')
            && !value.is_empty()
            && is_secret_name(name.rsplit('?').next().unwrap_or(name))
        {
            return true;
        }
    }
    let user = text.split_once("://").map(|(_, rest)| rest);
    user.and_then(|rest| rest.split('/').next()?.rsplit_once('@'))
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty())
}

fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    // A file or a name of a secret is none.
    if lower.ends_with("file") || lower.ends_with("path") {
        return false;
    }
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.iter().any(|word| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        WORDS.contains(&word) || word.ends_with("password") || word.ends_with("token")
    }) || words
        .windows(2)
        .any(|pair| PAIRS.contains(&(pair[0], pair[1])))
}

/// Where a path of the document stands.
fn place(document: &Node, steps: &[Value]) -> Origin {
    let mut path = KeyPath::root();
    let mut node = Some(document);
    let mut at = document.at;
    for step in steps {
        if let Some(key) = step.as_str() {
            path = path.key(key);
            node = node.and_then(Node::as_mapping).and_then(|m| m.get(key));
        } else {
            let index = step
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(0);
            path = path.index(index);
            node = node.and_then(Node::as_sequence).and_then(|s| s.get(index));
        }
        at = node.map_or(at, |node| node.at);
    }
    Origin::new(at, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_secrets() {
        for (name, secret) in [
            ("password", true),
            ("MYSQL_ROOT_PASSWORD", true),
            ("splunk-token", true),
            ("NPM_TOKEN", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("api-key", true),
            ("rootpassword", true),
            ("PASSWORD_FILE", false),
            ("keyring", false),
            ("key", false),
            ("compass", false),
            ("passthrough", false),
            ("username", false),
        ] {
            assert_eq!(is_secret_name(name), secret, "{name}");
        }
    }

    #[test]
    fn texts_with_secrets() {
        for (text, secret) in [
            ("username=u,password=p", true),
            ("https://u:p@host/x", true),
            ("https://host/x?token=abc", true),
            ("https://u@host:80/x", false),
            ("addr=10.0.0.1,rw", false),
            ("password=", false),
            ("nothing", false),
        ] {
            assert_eq!(is_secret(&[json!("o")], &json!(text)), secret, "{text}");
        }
        // The short form of a service's secrets.
        assert!(!is_secret(&[json!("secret")], &json!("name")));
    }
}
