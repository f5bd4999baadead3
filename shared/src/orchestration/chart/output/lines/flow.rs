//! Mappings and lists in braces, on one line: each of their parts gets a line of its own, so that it can be changed.

use super::{Line, balance};

/// The line with its value in braces as lines below the key; nothing, if it has none, or holds conditions.
pub(crate) fn unfolded(line: &str) -> Option<String> {
    let mut parts = Line::of(line);
    if parts.is_item() && parts.key.starts_with(['{', '[']) {
        // An item without a key of its own.
        let text = line.trim_end_matches(['\n', '\r']);
        parts.key = "";
        parts.value = text[parts.prefix.len()..].trim_end();
        parts.tail = "";
    }
    if !is_flow(parts.value) || balance(line) != 0 || line.contains("{{ else") {
        return None;
    }
    let mut out = String::new();
    if parts.key.is_empty() {
        if !parts.is_item() {
            return None;
        }
        write(&mut out, parts.prefix, parts.column(), parts.value)?;
        return Some(out);
    }
    out.push_str(&format!("{}{}:{}\n", parts.prefix, parts.key, parts.tail));
    let column = parts.column() + 2;
    write(&mut out, &" ".repeat(column), column, parts.value)?;
    Some(out)
}

/// Whether a value is something in braces or brackets with content, and no action.
fn is_flow(value: &str) -> bool {
    let inside = |open: char, close: char| {
        let inner = value.strip_prefix(open)?.strip_suffix(close)?;
        (!inner.trim().is_empty()).then_some(())
    };
    let action = value.starts_with("{{") && !value.starts_with("{{{");
    !action && (inside('{', '}').is_some() || inside('[', ']').is_some())
}

/// Writes the parts of a value, the first one behind `first`, the others at a column.
fn write(out: &mut String, first: &str, column: usize, value: &str) -> Option<()> {
    let list = value.starts_with('[');
    let inner = &value[1..value.len() - 1];
    let pad = " ".repeat(column);
    for (number, part) in split(inner, ',')?.into_iter().enumerate() {
        let part = part.trim();
        // A comma may stand behind the last one.
        if part.is_empty() {
            continue;
        }
        // A condition that spans parts would span lines.
        if balance(part) != 0 {
            return None;
        }
        let lead = if number == 0 { first } else { pad.as_str() };
        if list {
            let inner = format!("{lead}- ");
            if is_flow(part) {
                write(out, &inner, column + 2, part)?;
            } else {
                out.push_str(&format!("{inner}{part}\n"));
            }
            continue;
        }
        let pieces = split(part, ':')?;
        let [key, ..] = pieces.as_slice() else {
            return None;
        };
        let value = part.get(key.len() + 1..)?.trim();
        if key.trim().is_empty() {
            return None;
        }
        out.push_str(&format!("{lead}{}:", key.trim()));
        if is_flow(value) {
            out.push('\n');
            let column = column + 2;
            write(out, &" ".repeat(column), column, value)?;
        } else if value.is_empty() {
            out.push('\n');
        } else {
            out.push_str(&format!(" {value}\n"));
        }
    }
    Some(())
}

/// The parts between separators that stand outside of quotes, braces and actions. A colon only counts before a space
/// or at the end, and behind quotes. Nothing, if something is left open.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut start = 0;
    let mut skip = 0;
    for (at, c) in text.char_indices() {
        if at < skip {
            continue;
        }
        let rest = &text[at..];
        if quote.is_none() && rest.starts_with("{{") {
            skip = at + rest.find("}}")? + 2;
            continue;
        }
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some('"'), '\\') => skip = at + 2,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth = depth.checked_sub(1)?,
            (None, _) if c == separator && depth == 0 => {
                let behind = rest[1..].chars().next();
                let before = text[..at].trim_end().ends_with(['"', '\'']);
                if c != ':' || before || behind.is_none_or(char::is_whitespace) {
                    parts.push(&text[start..at]);
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (depth == 0 && quote.is_none()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_become_lines() {
        for (line, lines) in [
            (
                "  annotations: {a: b, \"c/d\": '{\"e\":1}', f: {{ .x | quote }}} # g\n",
                "  annotations: # g\n    a: b\n    \"c/d\": '{\"e\":1}'\n    f: {{ .x | quote }}\n",
            ),
            (
                "metadata: { name: \"{{ .r }}-x\", annotations: {a: b:c, d: }, }\n",
                "metadata:\n  name: \"{{ .r }}-x\"\n  annotations:\n    a: b:c\n    d:\n",
            ),
            (
                "  - {name: a, ports: [80, {b: c}]}\n",
                "  - name: a\n    ports:\n      - 80\n      - b: c\n",
            ),
            (
                "secrets: [{name: a}, {name: {{ .b }}}]\n",
                "secrets:\n  - name: a\n  - name: {{ .b }}\n",
            ),
            (
                "a: {b: {{ if .c }}d{{ end }}}\n",
                "a:\n  b: {{ if .c }}d{{ end }}\n",
            ),
        ] {
            assert_eq!(unfolded(line).as_deref(), Some(lines), "{line}");
        }
        for line in [
            "a: {}\n",
            "a: {{ .b }}\n",
            "a: {b: c{{ if .d }}, e: f{{ end }}}\n",
            "a: {b: c\n",
            "a: [b: {c\n",
            "a: b\n",
        ] {
            assert_eq!(unfolded(line), None, "{line}");
        }
    }
}
