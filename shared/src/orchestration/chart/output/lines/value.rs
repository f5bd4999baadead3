//! Values in lines of templates.

use serde_json::Value as Json;

use super::Line;
use crate::orchestration::chart::helm::{NAMESPACE, RELEASE};
use crate::orchestration::chart::yaml::{Style, render_value};
use crate::source::emit;

/// YAML text for a template: what helm would take for an action is written as one that prints it, and the release that
/// the chart was rendered with becomes the release that it is installed as.
pub(crate) fn as_template(text: &str, release: &str) -> String {
    let mut out = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    out = out
        .replace('\u{1}', "{{ \"{{\" }}")
        .replace('\u{2}', "{{ \"}}\" }}");
    for (name, action) in [
        (release, "{{ $.Release.Name }}"),
        (RELEASE, "{{ $.Release.Name }}"),
        (NAMESPACE, "{{ $.Release.Namespace }}"),
    ] {
        out = out.replace(name, action);
    }
    out
}

/// Lines of `key: value`, so many columns in.
pub(crate) fn entry_lines(key: &str, value: &Json, column: usize, release: &str) -> String {
    let text = emit(&serde_json::json!({ key: value }));
    let pad = " ".repeat(column);
    let mut out = String::new();
    for line in text.lines() {
        if !line.is_empty() {
            out.push_str(&pad);
        }
        out.push_str(line);
        out.push('\n');
    }
    as_template(&out, release)
}

/// The line with another value. `have` is what the line rendered to. Nothing, if the value is made by an action that
/// would have to be understood.
pub(crate) fn with_value(line: &str, have: &Json, want: &Json, release: &str) -> Option<String> {
    let parts = Line::of(line);
    let end = &line[line.trim_end_matches(['\n', '\r']).len()..];
    let join = |value: &str| {
        let separator = if parts.separator.is_empty() || parts.separator.ends_with(' ') {
            parts.separator.to_owned()
        } else {
            format!("{} ", parts.separator)
        };
        format!(
            "{}{}{separator}{value}{}{end}",
            parts.prefix, parts.key, parts.tail
        )
    };
    if parts.value.starts_with(['|', '>']) {
        return None;
    }
    if !parts.value.contains("{{") {
        let style = match parts.value.chars().next() {
            Some('"') => Style::Double,
            Some('\'') => Style::Single,
            _ => Style::Plain,
        };
        if want.is_object() || want.is_array() || want.as_str().is_some_and(|w| w.contains('\n')) {
            return None;
        }
        return Some(join(&as_template(&render_value(want, style), release)));
    }
    let (have, want) = (text_of(have)?, text_of(want)?);
    replace_part(parts.value, &have, &want).map(|value| join(&value))
}

/// Puts the part that differs between two rendered texts into the text of a template, if it stands there exactly once.
pub(crate) fn replace_part(template: &str, have: &str, want: &str) -> Option<String> {
    if want.contains(['"', '\\', '\'', '{', '}', '\n']) {
        return None;
    }
    let prefix = have
        .char_indices()
        .zip(want.chars())
        .take_while(|((_, a), b)| a == b)
        .map(|((at, a), _)| at + a.len_utf8())
        .last()
        .unwrap_or(0);
    // From the whole text to the smallest part that differs, at the borders of words.
    let borders: Vec<usize> = std::iter::once(0)
        .chain(
            have.char_indices()
                .filter(|(at, c)| *at < prefix && matches!(c, '/' | ':' | '@' | '.' | '-' | ' '))
                .map(|(at, _)| at + 1),
        )
        .collect();
    for start in borders {
        let mut ends: Vec<usize> = have
            .char_indices()
            .filter(|(at, c)| *at > start && matches!(c, '/' | ':' | '@' | '.' | '-' | ' '))
            .map(|(at, _)| at)
            .collect();
        ends.push(have.len());
        for end in ends.into_iter().rev() {
            let rest = &have[end..];
            let Some(new) = want.get(start..).and_then(|w| w.strip_suffix(rest)) else {
                continue;
            };
            let old = &have[start..end];
            if old.len() >= 2 && old != new && template.matches(old).count() == 1 {
                return Some(template.replacen(old, new, 1));
            }
        }
    }
    None
}

/// The line with its one action passed through `quote`, where its text is right and its type is not.
pub(crate) fn with_quotes(line: &str) -> Option<String> {
    let parts = Line::of(line);
    let inner = parts.value.strip_prefix("{{")?.strip_suffix("}}")?;
    if inner.contains("}}") || inner.contains("indent") || inner.contains("toYaml") {
        return None;
    }
    let expression = inner.trim_matches(['-', ' ']);
    if expression.ends_with("quote") {
        return None;
    }
    let end = &line[line.trim_end_matches(['\n', '\r']).len()..];
    Some(format!(
        "{}{}{}{{{{ {expression} | quote }}}}{}{end}",
        parts.prefix, parts.key, parts.separator, parts.tail
    ))
}

/// The line with another text where its one action gives the very text that it gave: what else comes out of it stays
/// as it is, and alive. `names` are texts that an expression gives, such as the name of the release.
pub(crate) fn with_filter(
    line: &str,
    have: &Json,
    want: &Json,
    names: &[(String, String)],
) -> Option<String> {
    let parts = Line::of(line);
    let (have, want) = (text_of(have)?, text_of(want)?);
    if have.is_empty()
        || [&have, &want]
            .iter()
            .any(|t| t.contains(['"', '\\', '\n', '{', '}']))
    {
        return None;
    }
    let value = parts.value;
    let open = value.find("{{")?;
    if value.matches("{{").count() != 1 || value.contains("nindent") || value.contains("toYaml") {
        return None;
    }
    let close = value.find("}}")?;
    let inner = value[open + 2..close].trim_matches(['-', ' ']);
    if matches!(
        inner.split_whitespace().next(),
        Some("if" | "range" | "with" | "end" | "else" | "define" | "template" | "block") | None
    ) {
        return None;
    }
    let (expression, quote) = match inner.rsplit_once('|') {
        Some((before, last)) if matches!(last.trim(), "quote" | "squote") => {
            (before.trim_end(), format!(" | {}", last.trim()))
        }
        _ => match inner.strip_prefix("quote ") {
            Some(expression) => (expression.trim(), " | quote".to_owned()),
            None => (inner, String::new()),
        },
    };
    // Text around the action is part of what was rendered.
    let (before, after) = (&value[..open], &value[close + 2..]);
    let bare = |text: &str| text.trim_matches(['"', '\'']).to_owned();
    let have = have
        .strip_prefix(&bare(before))?
        .strip_suffix(&bare(after))?
        .to_owned();
    let want = want
        .strip_prefix(&bare(before))?
        .strip_suffix(&bare(after))?
        .to_owned();
    if have.is_empty() {
        return None;
    }
    let end = &line[line.trim_end_matches(['\n', '\r']).len()..];
    let pair = format!("{} {}", argument(&have, names), argument(&want, names));
    // A line that was changed for another of its texts before has one more of them.
    let chosen = match expression.strip_prefix("dig (toString ") {
        Some(_) if expression.ends_with(')') && expression.contains(" (dict ") => {
            format!("{} {pair})", &expression[..expression.len() - 1])
        }
        _ => {
            let whole = if expression.contains(char::is_whitespace) {
                format!("({expression})")
            } else {
                expression.to_owned()
            };
            format!("dig (toString {whole}) {whole} (dict {pair})")
        }
    };
    Some(format!(
        "{}{}{}{before}{{{{ {chosen}{quote} }}}}{after}{}{end}",
        parts.prefix, parts.key, parts.separator, parts.tail
    ))
}

/// A text as an argument of a template function: what an expression gives is put in by `printf`.
pub(super) fn argument(text: &str, names: &[(String, String)]) -> String {
    let found = names
        .iter()
        .find(|(name, _)| !name.is_empty() && text.contains(name.as_str()));
    match found {
        Some((name, expression)) if !text.contains('%') => {
            let count = text.matches(name.as_str()).count();
            let arguments = vec![format!("({expression})"); count].join(" ");
            format!(
                "(printf \"{}\" {arguments})",
                text.replace(name.as_str(), "%s")
            )
        }
        _ => format!("\"{text}\""),
    }
}

/// The expression of an action with every name seen from the root, so that it means the same inside of `with` and
/// `range`. Nothing, if it uses what is not seen from there.
pub(crate) fn from_root(expression: &str) -> Option<String> {
    const KNOWN: [&str; 6] = [
        "Values",
        "Release",
        "Chart",
        "Template",
        "Capabilities",
        "Files",
    ];
    let mut out = String::new();
    let mut quoted = false;
    let mut before = ' ';
    for (at, c) in expression.char_indices() {
        if c == '"' {
            quoted = !quoted;
        }
        if c == '.' && !quoted && (before.is_whitespace() || before == '(') {
            let rest = &expression[at + 1..];
            let alone = rest.is_empty() || rest.starts_with([' ', ')']);
            if alone {
                out.push('$');
            } else if KNOWN.iter().any(|name| rest.starts_with(name)) {
                out.push_str("$.");
            } else {
                return None;
            }
        } else {
            if c == '$' && !quoted && expression[at + 1..].starts_with(|c: char| c.is_alphabetic())
            {
                // A variable of the template.
                return None;
            }
            out.push(c);
        }
        before = c;
    }
    Some(out)
}

/// The line with another key.
pub(crate) fn with_key(line: &str, key: &str) -> Option<String> {
    let parts = Line::of(line);
    parts.key_text()?;
    if parts.key.is_empty() {
        return None;
    }
    let end = &line[line.trim_end_matches(['\n', '\r']).len()..];
    let quoted = match parts.key.chars().next() {
        Some('"') => format!("\"{key}\""),
        Some('\'') => format!("'{key}'"),
        _ => {
            let text = emit(&serde_json::json!({ key: 0 }));
            text.rsplit_once(':')
                .map_or_else(String::new, |(k, _)| k.to_owned())
        }
    };
    Some(format!(
        "{}{quoted}{}{}{}{end}",
        parts.prefix, parts.separator, parts.value, parts.tail
    ))
}

/// The text of a scalar.
pub(crate) fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}
