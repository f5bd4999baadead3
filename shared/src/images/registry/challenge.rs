//! What a registry asks for with a 401: `WWW-Authenticate` (RFC 9110, section 11.6.1; distribution, `spec/auth/token`).

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// One way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password with each request.
    Basic,
    /// A token of a token server.
    Bearer {
        /// URL of the token server.
        realm: String,
        /// Name of the registry there.
        service: Option<String>,
        /// What it wants the token to be good for.
        scope: Option<String>,
    },
}

/// The best challenge in all `WWW-Authenticate` headers: tokens before passwords.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut found = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        for (scheme, mut parameters) in header.to_str().ok().into_iter().flat_map(parse) {
            if scheme == "bearer" && parameters.contains_key("realm") {
                return Some(Challenge::Bearer {
                    realm: parameters.remove("realm").unwrap_or_default(),
                    service: parameters.remove("service"),
                    scope: parameters.remove("scope"),
                });
            }
            if scheme == "basic" {
                found = Some(Challenge::Basic);
            }
        }
    }
    found
}

/// All challenges of a header: scheme in lower case and parameters.
fn parse(header: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut challenges: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', '=', ',', '\t']).unwrap_or(rest.len());
        let word = &rest[..end];
        let after = rest[end..].trim_start();
        if let Some(value) = after.strip_prefix('=') {
            let (text, remaining) = value_of(value.trim_start());
            if let Some((_, parameters)) = challenges.last_mut() {
                parameters.insert(word.to_ascii_lowercase(), text);
            }
            rest = remaining;
        } else {
            challenges.push((word.to_ascii_lowercase(), BTreeMap::new()));
            rest = after;
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if end == 0 && word.is_empty() && rest.len() == header.len() {
            break;
        }
    }
    challenges
}

/// A token or a quoted text, and what follows.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, line.parse().unwrap());
        }
        challenge(&headers)
    }

    #[test]
    fn a_token_server_is_preferred() {
        let bearer = r#"Bearer realm="https://auth.example/token",service="registry, the",scope="repository:a:pull""#;
        let expected = Some(Challenge::Bearer {
            realm: "https://auth.example/token".into(),
            service: Some("registry, the".into()),
            scope: Some("repository:a:pull".into()),
        });
        assert_eq!(of(&[bearer]), expected);
        assert_eq!(of(&["Basic realm=x", bearer]), expected);
        assert_eq!(of(&[&format!("Basic realm=\"x\", {bearer}")]), expected);
        assert_eq!(of(&["basic realm=x"]), Some(Challenge::Basic));
        assert_eq!(of(&["Negotiate"]), None);
        assert_eq!(of(&["", ",,", "=", "\""]), None);
    }
}
