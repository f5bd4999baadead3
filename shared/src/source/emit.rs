//! Values into YAML that every reader understands alike.
//!
//! Kubernetes and Compose tools read YAML 1.1 in parts and 1.2 in others. Text that either would take for something
//! else (`no`, `on`, `0123`, `22:22`, `1e3`) is quoted, so that a string stays a string everywhere.

use serde_json::Value;

use super::Kind;

/// The value as a YAML document in block style, ending with a line feed.
#[must_use]
pub fn emit(value: &Value) -> String {
    let mut out = String::new();
    emit_into(value, &mut out);
    out
}

/// As [`emit`], behind text that is empty or ends with a line feed.
pub fn emit_into(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => mapping(map, 0, out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, out),
        other => {
            scalar(other, 0, out);
            out.push('\n');
        }
    }
}

fn mapping(map: &serde_json::Map<String, Value>, indent: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first key of a mapping in a list stands behind the dash.
        if index > 0 || out.ends_with('\n') || out.is_empty() {
            spaces(indent, out);
        }
        string(key, None, out);
        out.push(':');
        child(value, indent, out);
    }
}

/// What follows a key.
fn child(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            mapping(map, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            sequence(items, indent, out);
        }
        other => {
            out.push(' ');
            scalar(other, indent + 2, out);
            out.push('\n');
        }
    }
}

fn sequence(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        spaces(indent, out);
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(map, indent + 2, out),
            Value::Array(inner) if !inner.is_empty() => {
                out.pop();
                out.push('\n');
                sequence(inner, indent + 2, out);
            }
            other => {
                scalar(other, indent + 2, out);
                out.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(text) => string(text, Some(indent), out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Null => out.push_str("null"),
        Value::Number(number) => {
            use std::fmt::Write as _;
            let _ = write!(out, "{number}");
        }
    }
}

/// A text: plain where that is safe, a literal block for several lines (`block` is its indentation), else quoted.
fn string(text: &str, block: Option<usize>, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else if let Some(indent) = block.filter(|_| is_block(text)) {
        literal(text, indent, out);
    } else if !text.contains(['\n', '\t', '\\', '\r']) && !text.chars().any(needs_escape) {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        quoted(text, out);
    }
}

fn literal(text: &str, indent: usize, out: &mut String) {
    out.push('|');
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 => {}
        _ => out.push('+'),
    }
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            spaces(indent, out);
            out.push_str(line);
        }
    }
    // All line feeds but the last, which the caller writes.
    for _ in 1..(text.len() - body.len()) {
        out.push('\n');
    }
}

fn quoted(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if needs_escape(c) => {
                let code = u32::from(c);
                let _ = if code <= 0xFF {
                    write!(out, "\\x{code:02X}")
                } else if code <= 0xFFFF {
                    write!(out, "\\u{code:04X}")
                } else {
                    write!(out, "\\U{code:08X}")
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Characters that YAML does not print as they are (YAML 1.2.2, section 5.1), and the byte order mark.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Several lines that a literal block gives back exactly.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(['\n', ' '])
        && !text
            .chars()
            .any(|c| c != '\n' && (needs_escape(c) || c == '\r'))
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
        && !text.trim_end_matches('\n').is_empty()
}

/// Characters of plain text; `#` and `:` depend on their neighbours, and what is not ASCII on more.
const PLAIN: [bool; 128] = {
    let mut table = [false; 128];
    let mut code = 0_u8;
    while code < 128 {
        table[code as usize] = code.is_ascii_graphic() && code != b'`' || code == b' ';
        code += 1;
    }
    table
};

fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let first_ok = match first {
        b'/' | b'.' | b'_' | b'$' | b'(' | b'+' | b'^' | b'\\' => true,
        // A dash begins a list only before a space, but a lone one or several are something else.
        b'-' => bytes
            .get(1)
            .is_some_and(|next| !matches!(next, b' ' | b'-')),
        // What does not print is looked for below.
        other => other.is_ascii_alphanumeric() || !other.is_ascii(),
    };
    if !first_ok || matches!(last, b' ' | b':') {
        return false;
    }
    let mut before = first;
    let mut ascii = true;
    for &byte in bytes {
        match PLAIN.get(usize::from(byte)) {
            Some(true) => {}
            Some(false) => return false,
            None => ascii = false,
        }
        if (byte == b' ' && before == b':') || (byte == b'#' && before == b' ') {
            return false;
        }
        before = byte;
    }
    (ascii || !text.chars().any(|c| !c.is_ascii() && needs_escape(c)))
        && Kind::of_plain(text) == Kind::String
        && !is_other_in_yaml_1_1(text)
}

/// What YAML 1.1 takes for a boolean, a number or a date (yaml.org, type repository for 1.1).
fn is_other_in_yaml_1_1(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "=",
    ];
    if text.len() <= 5 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return true;
    }
    let body = text.trim_start_matches(['+', '-']).as_bytes();
    let starts_like_number = match body {
        [b'0'..=b'9', ..] => true,
        [b'.', next, ..] => next.is_ascii_digit() || matches!(next, b'i' | b'n' | b'I' | b'N'),
        _ => false,
    };
    // Octal, binary and hexadecimal numbers, base 60, underscores, exponents, dates: all of these characters at most.
    starts_like_number
        && body.iter().all(|b| {
            b.is_ascii_hexdigit()
                || matches!(
                    b.to_ascii_lowercase(),
                    b'_' | b':'
                        | b'.'
                        | b'x'
                        | b'o'
                        | b'+'
                        | b'-'
                        | b't'
                        | b'z'
                        | b' '
                        | b'i'
                        | b'n'
                )
        })
}

fn spaces(mut count: usize, out: &mut String) {
    const SPACES: &str = "                                ";
    while count > SPACES.len() {
        out.push_str(SPACES);
        count -= SPACES.len();
    }
    out.push_str(&SPACES[..count]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::{Limits, Sources, parse};

    fn back(text: &str) -> Value {
        let file = Sources::default().add("", "");
        parse(file, text, &Limits::default()).unwrap_or_else(|e| panic!("{e:?}\n{text}"))[0]
            .to_json()
    }

    #[test]
    fn text_stays_text() {
        for text in [
            "no",
            "Yes",
            "on",
            "y",
            "null",
            "~",
            "",
            " x",
            "x ",
            "0123",
            "0o17",
            "1e3",
            "22:22",
            "1_000",
            "0x1F",
            ".5",
            "-.inf",
            "2024-01-01",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "- a",
            "-",
            "--",
            "-x",
            "?a",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "@a",
            "`a",
            "%a",
            "{a",
            "[a",
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            "\na",
            " a\nb",
            "a \nb",
            "a\n  b\n",
            "a\tb",
            "a\u{0}b",
            "a\u{85}b",
            "\u{feff}a",
            "日本",
            "'",
            "\"",
            "it's",
            "a\\b",
            "$HOME",
            "${A}",
            "=",
            "<<",
            "---",
            "...",
            "a,b",
            "true ",
            "1.2.3",
            "12345678901234567890",
            "\r\n",
            "a\r\nb",
            "😀",
        ] {
            let document =
                json!({"k": text, "l": [text, {"m": text}], "o": {"p": [[text]]}, text: 1});
            assert_eq!(
                back(&emit(&document)),
                document,
                "{text:?}:\n{}",
                emit(&document)
            );
            // The other reader agrees.
            assert_eq!(
                serde_yaml::from_str::<Value>(&emit(&document)).unwrap(),
                document,
                "{text:?}"
            );
        }
    }

    #[test]
    fn shapes() {
        let document = json!({"a": {}, "b": [], "c": [[], {}, [1, [2]], {"x": [true], "y": null}], "d": 1.5, "e": "x\ny\n"});
        assert_eq!(back(&emit(&document)), document);
        assert_eq!(
            emit(&json!({"a": [{"b": 1, "c": [2]}], "d": "no"})),
            "a:\n- b: 1\n  c:\n  - 2\nd: 'no'\n"
        );
    }
}
