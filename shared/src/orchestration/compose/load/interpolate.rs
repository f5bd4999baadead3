//! Variables in values (Compose specification, 12-interpolation).

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding, Findings};
use crate::source::{Node, Origin, Trail, Value};

/// Nesting of one `${...}` within another.
const MAX_NESTING: usize = 32;
/// Bytes that one value may grow to: variables that refer to one another several times double with every step.
const MAX_VALUE: usize = 4 << 20;
/// Bytes that the values of one file may grow to.
const MAX_GROWTH: usize = 64 << 20;

/// Replaces variables in all values of a document; keys stay as they are.
///
/// The variables that are not set and have no default give one warning, at the first use of one: a file that lacks its
/// `.env` has hundreds.
pub fn interpolate(
    node: &mut Node,
    variables: &BTreeMap<String, String>,
    warned: &mut BTreeSet<String>,
    findings: &mut Findings,
) {
    let mut pass = Pass {
        variables,
        warned,
        findings,
        room: MAX_GROWTH,
        unset: Vec::new(),
        first: None,
    };
    pass.walk(node, &Trail::root());
    let Pass { unset, first, .. } = pass;
    if let Some(first) = first {
        let names: Vec<_> = unset.iter().map(|name| format!("`{name}`")).collect();
        let message = match names.as_slice() {
            [name] => format!("the variable {name} is not set; it is replaced by nothing"),
            _ => format!(
                "{} variables are not set and are replaced by nothing: {}",
                names.len(),
                names.join(", ")
            ),
        };
        findings.add(Code("variable-unset"), &first, message);
    }
}

struct Pass<'a> {
    variables: &'a BTreeMap<String, String>,
    warned: &'a mut BTreeSet<String>,
    findings: &'a mut Findings,
    room: usize,
    /// Variables that are not set, in the order of their first use.
    unset: Vec<String>,
    /// Where the first of them stands.
    first: Option<Origin>,
}

impl Pass<'_> {
    fn walk(&mut self, node: &mut Node, path: &Trail<'_>) {
        let at = node.at;
        match &mut node.value {
            Value::Mapping(mapping) => {
                for (key, entry) in mapping.0.iter_mut() {
                    self.walk(&mut entry.node, &path.key(key));
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(item, &path.index(index));
                }
            }
            Value::Scalar(scalar) if scalar.text.contains('$') => {
                let mut unset = BTreeSet::new();
                match expand(&scalar.text, self.variables, &mut unset) {
                    Ok(text) => {
                        let Some(room) = self.room.checked_sub(text.len()) else {
                            let message = "variables expand to too much text";
                            self.findings.push(
                                Finding::new(Code("input-too-large"), message).at_position(at),
                            );
                            return;
                        };
                        self.room = room;
                        scalar.text = text;
                    }
                    Err(message) => {
                        let origin = Origin::new(at, path.path());
                        self.findings
                            .add(Code("bad-interpolation"), &origin, message);
                    }
                }
                for name in unset {
                    if self.warned.insert(name.clone()) {
                        self.first
                            .get_or_insert_with(|| Origin::new(at, path.path()));
                        self.unset.push(name);
                    }
                }
            }
            Value::Scalar(_) => {}
        }
    }
}

/// The text with all variables replaced. Names of variables that are not set and have no default go into `unset`.
///
/// # Errors
/// A template that cannot be understood, or a required variable that is missing: the message for the user.
pub fn expand(
    text: &str,
    variables: &BTreeMap<String, String>,
    unset: &mut BTreeSet<String>,
) -> Result<String, String> {
    expand_nested(text, variables, unset, 0)
}

fn expand_nested(
    text: &str,
    variables: &BTreeMap<String, String>,
    unset: &mut BTreeSet<String>,
    depth: usize,
) -> Result<String, String> {
    if depth > MAX_NESTING {
        return Err(format!(
            "variables are nested more than {MAX_NESTING} levels deep"
        ));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        if out.len() > MAX_VALUE {
            return Err("the variables expand to too much text".to_owned());
        }
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(braced) = after.strip_prefix('{') {
            let end = closing_brace(braced).ok_or_else(|| {
                "`${` is not closed; write `$$` for a dollar sign that means itself".to_owned()
            })?;
            out.push_str(&braced_value(&braced[..end], variables, unset, depth)?);
            rest = &braced[end + 1..];
        } else {
            let length = name_length(after);
            if length == 0 {
                out.push('$');
            } else {
                let name = &after[..length];
                if let Some(value) = variables.get(name) {
                    out.push_str(value);
                } else {
                    unset.insert(name.to_owned());
                }
            }
            rest = &after[length..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between the braces: `NAME`, `NAME:-word`, `NAME-word`, `NAME:?word`, `NAME?word`, `NAME:+word`,
/// `NAME+word`.
fn braced_value(
    body: &str,
    variables: &BTreeMap<String, String>,
    unset: &mut BTreeSet<String>,
    depth: usize,
) -> Result<String, String> {
    let (name, operator) = body.split_at(name_length(body));
    if name.is_empty() {
        return Err(format!(
            "`${{{body}}}` does not name a variable; write `$$` for a dollar sign that means itself"
        ));
    }
    let value = variables.get(name);
    let non_empty = value.filter(|v| !v.is_empty());
    let mut word = |text: &str| expand_nested(text, variables, unset, depth + 1);
    if operator.is_empty() {
        if value.is_none() {
            unset.insert(name.to_owned());
        }
        return Ok(value.cloned().unwrap_or_default());
    }
    if let Some(text) = operator.strip_prefix(":-") {
        return non_empty.map_or_else(|| word(text), |v| Ok(v.clone()));
    }
    if let Some(text) = operator.strip_prefix('-') {
        return value.map_or_else(|| word(text), |v| Ok(v.clone()));
    }
    if let Some(text) = operator.strip_prefix(":+") {
        return non_empty.map_or_else(|| Ok(String::new()), |_| word(text));
    }
    if let Some(text) = operator.strip_prefix('+') {
        return value.map_or_else(|| Ok(String::new()), |_| word(text));
    }
    let (found, text) = match (operator.strip_prefix(":?"), operator.strip_prefix('?')) {
        (Some(text), _) => (non_empty, text),
        (None, Some(text)) => (value, text),
        (None, None) => {
            return Err(format!(
                "`${{{body}}}` is not a form of a variable; `:-`, `-`, `:?`, `?`, `:+` and `+` may follow the name"
            ));
        }
    };
    match found {
        Some(value) => Ok(value.clone()),
        None => {
            let reason = word(text)?;
            let reason = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            Err(format!(
                "the variable `{name}` is required and not set{reason}"
            ))
        }
    }
}

/// Length of the name at the beginning: `[_A-Za-z][_A-Za-z0-9]*`.
fn name_length(text: &str) -> usize {
    let mut bytes = text.bytes();
    match bytes.next() {
        Some(b) if b == b'_' || b.is_ascii_alphabetic() => {
            1 + bytes
                .take_while(|b| *b == b'_' || b.is_ascii_alphanumeric())
                .count()
        }
        _ => 0,
    }
}

/// Where the brace closes that was opened before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'$' if bytes.get(index + 1) == Some(&b'$') => index += 1,
            b'$' if bytes.get(index + 1) == Some(&b'{') => {
                depth += 1;
                index += 1;
            }
            b'}' if depth == 0 => return Some(index),
            b'}' => depth -= 1,
            _ => {}
        }
        index += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<String, String> {
        let variables = [("A", "a"), ("EMPTY", ""), ("lower", "l")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        expand(text, &variables, &mut BTreeSet::new())
    }

    #[test]
    fn every_form() {
        for (text, expected) in [
            ("$A ${A}", "a a"),
            ("$Ab$A-b", "a-b"),
            ("$$A $$${A}", "$A $a"),
            ("${NO:-d} ${NO-d} ${EMPTY:-d} [${EMPTY-d}]", "d d d []"),
            (
                "${A:+r} ${A+r} [${EMPTY:+r}] ${EMPTY+r} [${NO+r}]",
                "r r [] r []",
            ),
            ("${NO:-${EMPTY:-${A}}}", "a"),
            ("${NO:-x$$y}", "x$y"),
            ("${A:?e}${lower}", "al"),
            ("5$ $1 $-", "5$ $1 $-"),
            ("[$NO]", "[]"),
        ] {
            assert_eq!(run(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refused_forms_say_why() {
        for (text, part) in [
            ("${NO:?set it}", "required and not set: set it"),
            ("${EMPTY:?}", "required and not set"),
            ("${A", "not closed"),
            ("${}", "does not name"),
            ("${A!b}", "not a form"),
            ("${1}", "does not name"),
        ] {
            let message = run(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(run(&format!("{}x{}", "${NO:-".repeat(100), "}".repeat(100))).is_err());
    }
}
