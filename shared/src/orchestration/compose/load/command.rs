//! Commands that are written as one text become lists of words.
//!
//! Docker Compose and `docker stack` use different libraries for this: for Compose a text ends at the first unquoted
//! `;`, `&`, `|`, `<` or `>`, for a stack these are words as any other, and `#` begins a comment.

use crate::finding::{Code, Findings};
use crate::orchestration::model::Dialect;
use crate::source::{KeyPath, Mapping, Node, Origin, Value};

/// The words of a text, and what stands behind the place where Compose stops.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) words: Vec<String>,
    pub(super) rest: String,
}

/// Splits `command` and `entrypoint` of all services.
pub(super) fn resolve(services: &mut Mapping, dialect: Dialect, findings: &mut Findings) {
    let path = KeyPath::root().key("services");
    for (name, entry) in services.0.iter_mut() {
        let Value::Mapping(service) = &mut entry.node.value else {
            continue;
        };
        for key in ["command", "entrypoint"] {
            if let Some(entry) = service.0.get_mut(key) {
                split_node(&mut entry.node, &path.key(name).key(key), dialect, findings);
            }
        }
    }
}

/// Makes a list of a text; a list stays.
pub(super) fn split_node(
    node: &mut Node,
    path: &KeyPath,
    dialect: Dialect,
    findings: &mut Findings,
) {
    let Value::Scalar(scalar) = &node.value else {
        return;
    };
    if node.is_null() {
        return;
    }
    let origin = Origin::new(node.at, path.clone());
    let split = if dialect == Dialect::Swarm {
        stack(&scalar.text)
    } else {
        compose(&scalar.text)
    };
    let words = match split {
        Ok(words) => words,
        Err(problem) => {
            findings.add(Code("bad-command"), &origin, format!("`{path}`: {problem}"));
            Words::default()
        }
    };
    if !words.rest.is_empty() {
        let message = format!(
            "`{path}` ends where `{}` begins: no shell reads this text, and Compose leaves the rest out",
            words.rest
        );
        findings.add(Code("command-ends-early"), &origin, message);
    }
    let items = words
        .words
        .into_iter()
        .map(|word| Node::string(word, node.at))
        .collect();
    node.value = Value::Sequence(items);
}

/// As `docker compose` splits. `$(...)` and backticks group, but are not run.
pub(super) fn compose(text: &str) -> Result<Words, &'static str> {
    let mut out = Words::default();
    let mut word = String::new();
    let mut in_word = false;
    let (mut single, mut double, mut tick, mut dollar) = (false, false, false, false);
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '\\' if !single => {
                let Some((_, next)) = chars.next() else {
                    return Err("a backslash stands at the end");
                };
                word.push(next);
                in_word = true;
                continue;
            }
            ' ' | '\t' | '\r' | '\n' => {
                if single || double || tick || dollar {
                    word.push(c);
                } else if in_word {
                    out.words.push(std::mem::take(&mut word));
                    in_word = false;
                }
                continue;
            }
            '`' if !single && !double && !dollar => tick = !tick,
            ')' if !single && !double && !tick => dollar = !dollar,
            '(' if !single && !double && !tick => {
                if dollar || !word.ends_with('$') {
                    return Err("a parenthesis is not quoted");
                }
                dollar = true;
            }
            '"' if !single && !dollar => {
                double = !double;
                in_word = true;
                continue;
            }
            '\'' if !double && !dollar => {
                single = !single;
                in_word = true;
                continue;
            }
            ';' | '&' | '|' | '<' | '>' if !(single || double || tick || dollar) => {
                let mut begin = index;
                // The number of a redirected stream belongs to what is left out.
                if c == '>' && word.starts_with(|c: char| c.is_ascii_digit()) {
                    begin -= word.len();
                    in_word = false;
                }
                text[begin..].trim_end().clone_into(&mut out.rest);
                break;
            }
            _ => {}
        }
        word.push(c);
        in_word = true;
    }
    if single || double {
        return Err("a quote is not closed");
    }
    if tick || dollar {
        return Err("a backtick or parenthesis is not closed");
    }
    if in_word {
        out.words.push(word);
    }
    Ok(out)
}

/// As `docker stack` splits: quotes, backslashes and comments.
pub(super) fn stack(text: &str) -> Result<Words, &'static str> {
    let mut out = Words::default();
    let mut word = String::new();
    let mut in_word = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {
                if in_word {
                    out.words.push(std::mem::take(&mut word));
                    in_word = false;
                }
                continue;
            }
            '\\' => match chars.next() {
                Some(next) => word.push(next),
                None => return Err("a backslash stands at the end"),
            },
            '\'' => loop {
                match chars.next() {
                    Some('\'') => break,
                    Some(c) => word.push(c),
                    None => return Err("a single quote is not closed"),
                }
            },
            '"' => loop {
                match chars.next() {
                    Some('"') => break,
                    Some('\\') => match chars.next() {
                        Some(next) => word.push(next),
                        None => return Err("a double quote is not closed"),
                    },
                    Some(c) => word.push(c),
                    None => return Err("a double quote is not closed"),
                }
            },
            '#' if !in_word => {
                if !chars.by_ref().any(|c| c == '\n') {
                    break;
                }
                continue;
            }
            c => word.push(c),
        }
        in_word = true;
    }
    if in_word {
        out.words.push(word);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_stops_at_operators() {
        for (text, words, rest) in [
            ("a  b\tc", &["a", "b", "c"][..], ""),
            ("a b; c", &["a", "b"], "; c"),
            ("a;b", &["a"], ";b"),
            ("a && b", &["a"], "&& b"),
            ("a>c", &["a"], ">c"),
            ("a 2>&1", &["a"], "2>&1"),
            ("2> c", &[], "2> c"),
            ("a < b", &["a"], "< b"),
            ("; a", &[], "; a"),
            (r#"a "x;y" 'a|b' c\;d"#, &["a", "x;y", "a|b", "c;d"], ""),
            ("a # b", &["a", "#", "b"], ""),
            ("a b#c", &["a", "b#c"], ""),
            ("a $(b; c) d", &["a", "$(b; c)", "d"], ""),
            ("a `b;c` d", &["a", "`b;c`", "d"], ""),
            (r#"a "b;c"d;e"#, &["a", "b;cd"], ";e"),
            (r#""a\nb" '' "#, &["anb", ""], ""),
            ("a \\\n  b", &["a", "\n", "b"], ""),
            ("", &[], ""),
        ] {
            let split = compose(text).unwrap();
            assert_eq!(
                (split.words.as_slice(), split.rest.as_str()),
                (
                    &words.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                    rest
                ),
                "{text}"
            );
        }
        for text in ["'a", "a\\", "\"a", "a (b) c", "a )", "`a", "$(a"] {
            assert!(compose(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stack_knows_no_operators() {
        for (text, words) in [
            ("a; b", &["a;", "b"][..]),
            ("a && b", &["a", "&&", "b"]),
            ("a # b", &["a"]),
            ("a # b\nc", &["a", "c"]),
            ("a (b)", &["a", "(b)"]),
            ("a 2>&1", &["a", "2>&1"]),
            (r#""a\nb" --x='' y#z"#, &["anb", "--x=", "y#z"]),
            ("a \\\n  b", &["a", "\n", "b"]),
        ] {
            assert_eq!(stack(text).unwrap().words, words, "{text}");
        }
        for text in ["'a", "a\\", "\"a", "\"a\\"] {
            assert!(stack(text).is_err(), "{text}");
        }
    }
}
