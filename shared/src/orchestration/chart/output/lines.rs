//! Changing the text of a template, line by line. Go templates are never understood, only kept: what stands in `{{ }}`
//! stays, and a change that would have to look into it is refused.

use std::ops::Range;

use serde_json::Value as Json;

use super::super::helm::{NAMESPACE, RELEASE};
use super::super::yaml::{Style, render_value};
use crate::source::emit;

/// New lines in the place of some, or between two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineEdit {
    /// First line, counted from 0.
    pub start: usize,
    /// Line behind the last; equal to `start` for an insertion.
    pub end: usize,
    /// Whole lines, each with its line feed.
    pub new: String,
}

/// A line of YAML taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'l> {
    /// Spaces and dashes before the key.
    pub prefix: &'l str,
    /// The key as written, empty for an item without one.
    pub key: &'l str,
    /// Between key and value, with the colon.
    pub separator: &'l str,
    /// The value as written, without spaces behind it.
    pub value: &'l str,
    /// Spaces and comment behind the value.
    pub tail: &'l str,
}

impl<'l> Line<'l> {
    /// Takes a line apart.
    pub(crate) fn of(line: &'l str) -> Self {
        let line = line.trim_end_matches(['\n', '\r']);
        let mut at = line.len() - line.trim_start().len();
        while line[at..].starts_with("- ") {
            at += 2;
            at += line[at..].len() - line[at..].trim_start().len();
        }
        let prefix = &line[..at];
        let rest = &line[at..];
        let colon = colon(rest);
        let (key, separator, value) = match colon {
            Some(colon) => {
                let after = &rest[colon + 1..];
                let space = after.len() - after.trim_start().len();
                (
                    rest[..colon].trim_end(),
                    &rest[rest[..colon].trim_end().len()..=colon + space],
                    &after[space..],
                )
            }
            None => ("", "", rest),
        };
        let end = comment(value);
        let body = value[..end].trim_end();
        Self {
            prefix,
            key,
            separator,
            value: body,
            tail: &value[body.len()..],
        }
    }

    /// Column of the key.
    pub(crate) fn column(&self) -> usize {
        self.prefix.len()
    }

    /// Whether the line begins an item of a list.
    pub(crate) fn is_item(&self) -> bool {
        self.prefix.contains('-')
    }

    /// The key without quotes, if no action is in it.
    pub(crate) fn key_text(&self) -> Option<&str> {
        (!self.key.contains("{{")).then(|| self.key.trim_matches(['"', '\'']))
    }
}

/// The colon behind the key, outside of quotes and actions.
fn colon(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    if let Some(quote @ (b'"' | b'\'')) = bytes.first() {
        at = text[1..].find(char::from(*quote))? + 2;
    }
    while at < bytes.len() {
        if text[at..].starts_with("{{") {
            at += text[at..].find("}}")? + 2;
            continue;
        }
        if bytes[at] == b':' && bytes.get(at + 1).is_none_or(|b| *b == b' ' || *b == b'\t') {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Where the comment of a value begins, or its end.
fn comment(value: &str) -> usize {
    let mut quote = None;
    let mut action = false;
    let bytes = value.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if action {
            action = !value[at..].starts_with("}}");
            continue;
        }
        match (quote, byte) {
            (Some(open), _) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'{') if value[at..].starts_with("{{") => action = true,
            (None, b'"' | b'\'') if at == 0 => quote = Some(*byte),
            (None, b'#') if at == 0 || bytes[at - 1] == b' ' => return at,
            _ => {}
        }
    }
    value.len()
}

/// The lines that a key owns: its own, and all that stand deeper, with the actions around them.
pub(crate) fn block(lines: &[&str], first: usize) -> Range<usize> {
    let line = Line::of(lines[first]);
    let column = if line.key.is_empty() {
        line.prefix.len().saturating_sub(2)
    } else {
        line.column()
    };
    let own = if line.is_item() && line.key.is_empty() {
        lines[first].len() - lines[first].trim_start().len()
    } else {
        column
    };
    let opens = line.value.is_empty() || line.value.starts_with(['|', '>']);
    owned(lines, first, own, opens && !line.key.is_empty())
}

/// The lines of a whole item of a list, which begins at a line with a dash.
pub(crate) fn item_block(lines: &[&str], first: usize) -> Range<usize> {
    let dash = lines[first].len() - lines[first].trim_start().len();
    let line = Line::of(lines[first]);
    owned(lines, first, dash, line.value.is_empty())
}

fn owned(lines: &[&str], first: usize, column: usize, opens: bool) -> Range<usize> {
    let line = Line::of(lines[first]);
    let item = line.is_item();
    let mut end = first + 1;
    let mut at = first + 1;
    let mut depth = balance(lines[first]).max(0);
    let mut undecided = None;
    while at < lines.len() {
        let text = lines[at];
        let trimmed = text.trim();
        let indent = text.len() - text.trim_start().len();
        if trimmed.is_empty() || (trimmed.starts_with('#') && indent > column) {
            at += 1;
            continue;
        }
        if trimmed.starts_with("---") {
            break;
        }
        if is_action(trimmed) {
            match control(trimmed) {
                Some(Control::Open) => {
                    if undecided.is_none() && depth == 0 {
                        undecided = Some(at);
                    }
                    depth += 1;
                }
                Some(Control::Close) => {
                    if depth == 0 {
                        break;
                    }
                    depth -= 1;
                    if depth == 0 {
                        if undecided.take().is_none() {
                            end = at + 1;
                        } else {
                            // Nothing in there belonged to the key.
                            break;
                        }
                    }
                }
                Some(Control::Else) if depth == 0 => break,
                Some(Control::Else) => {}
                None => {
                    // Output such as `{{- toYaml . | nindent 4 }}` can stand at any column.
                    let indents = indented_by(trimmed);
                    let deeper = indents.map_or(indent > column || opens, |by| by > column);
                    let belongs = deeper || (opens && end == first + 1 && undecided.is_none());
                    if !belongs {
                        break;
                    }
                    if undecided.take().is_some() || depth == 0 {
                        end = end.max(at + 1);
                    }
                }
            }
            at += 1;
            continue;
        }
        let dash = trimmed.starts_with("- ") || trimmed == "-";
        let inside = indent > column || (indent == column && dash && !item && opens);
        if !inside {
            break;
        }
        undecided = None;
        depth += balance(text);
        if depth <= 0 {
            depth = 0;
            end = at + 1;
        } else {
            end = end.max(at + 1);
        }
        at += 1;
    }
    if depth > 0 && undecided.is_none() {
        // The end of what was opened inside belongs to it.
        let mut open = depth;
        let mut at = end;
        while at < lines.len() && open > 0 {
            open += balance(lines[at]);
            at += 1;
        }
        if open == 0 {
            end = at;
        }
    }
    first..end
}

enum Control {
    Open,
    Else,
    Close,
}

/// Whether a line is nothing but actions.
fn is_action(trimmed: &str) -> bool {
    trimmed.starts_with("{{") && trimmed.ends_with("}}") && {
        let mut rest = trimmed;
        loop {
            let Some(inner) = rest.strip_prefix("{{") else {
                break rest.trim().is_empty();
            };
            let Some(end) = inner.find("}}") else {
                break false;
            };
            rest = inner[end + 2..].trim_start();
        }
    }
}

/// What a line of one control action does.
fn control(trimmed: &str) -> Option<Control> {
    match balance(trimmed) {
        1.. => Some(Control::Open),
        ..=-1 => Some(Control::Close),
        0 => match words(trimmed).next() {
            Some("else") => Some(Control::Else),
            _ => None,
        },
    }
}

/// The first word of each action.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split("{{").skip(1).filter_map(|action| {
        action
            .trim_start_matches('-')
            .trim_start()
            .split(|c: char| c.is_whitespace() || c == '-' || c == '}' || c == '(')
            .next()
    })
}

/// How many control actions a line opens more than it closes.
pub(crate) fn balance(line: &str) -> i32 {
    words(line)
        .map(|word| match word {
            "if" | "range" | "with" | "define" | "block" => 1,
            "end" => -1,
            _ => 0,
        })
        .sum()
}

/// The column that `nindent` or `indent` puts lines at.
fn indented_by(action: &str) -> Option<usize> {
    let at = action.rfind("indent ")?;
    action[at + 7..]
        .trim_start()
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

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

/// The line with its one action passed through `replace`: what else comes out of it stays alive. `names` are texts of
/// the new value that an expression gives, such as the name of the release.
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
    let want = argument(&want, names);
    Some(format!(
        "{}{}{}{before}{{{{ {expression} | toString | replace \"{have}\" {want}{quote} }}}}{after}{}{end}",
        parts.prefix, parts.key, parts.separator, parts.tail
    ))
}

/// A text as an argument of a template function: what an expression gives is put in by `printf`.
fn argument(text: &str, names: &[(String, String)]) -> String {
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

/// Makes edits of one text. Of two that touch the same lines, the first in order is made; gives how many were.
pub(crate) fn apply(text: &str, edits: &[LineEdit]) -> (String, usize) {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut sorted: Vec<&LineEdit> = edits.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut made = 0;
    for edit in sorted {
        let insertion = edit.start == edit.end;
        if edit.start < at || edit.end > lines.len() {
            continue;
        }
        for line in &lines[at..edit.start] {
            out.push_str(line);
        }
        if !out.is_empty() && !out.ends_with('\n') && !edit.new.is_empty() {
            out.push('\n');
        }
        out.push_str(&edit.new);
        at = if insertion { edit.start } else { edit.end };
        made += 1;
    }
    for line in &lines[at.min(lines.len())..] {
        out.push_str(line);
    }
    (out, made)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_parts() {
        let line = Line::of("  - \"a/b.c\": {{ .x | default \"y: z\" }}  # why\n");
        assert_eq!(line.prefix, "  - ");
        assert_eq!(line.key, "\"a/b.c\"");
        assert_eq!(line.separator, ": ");
        assert_eq!(line.value, "{{ .x | default \"y: z\" }}");
        assert_eq!(line.tail, "  # why");
        let bare = Line::of("  metadata:\n");
        assert_eq!(
            (bare.key, bare.separator, bare.value),
            ("metadata", ":", "")
        );
        assert_eq!(Line::of("- x").value, "x");
        assert_eq!(Line::of("image: host:5000/a").value, "host:5000/a");
    }

    fn owned_text(text: &str, line: usize) -> String {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        lines[block(&lines, line)].concat()
    }

    #[test]
    fn a_key_owns_what_is_below_it() {
        let text = "metadata:\n  annotations:\n    a: b\n    {{- if .x }}\n    c: d\n    {{- end }}\n  name: e\n";
        assert_eq!(
            owned_text(text, 1),
            "  annotations:\n    a: b\n    {{- if .x }}\n    c: d\n    {{- end }}\n"
        );
        assert_eq!(owned_text(text, 2), "    a: b\n");
        assert_eq!(owned_text(text, 4), "    c: d\n");
        let text = "  annotations:\n{{ toYaml .a | indent 4 }}\n  name: e\n";
        assert_eq!(
            owned_text(text, 0),
            "  annotations:\n{{ toYaml .a | indent 4 }}\n"
        );
        let text = "a:\n- b\n- c: d\n  e: f\n{{- with .x }}\ng: h\n{{- end }}\n";
        assert_eq!(owned_text(text, 0), "a:\n- b\n- c: d\n  e: f\n");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        assert_eq!(item_block(&lines, 2), 2..4);
        let text = "a: b\n{{- if .x }}\nc: d\n{{- end }}\n";
        assert_eq!(owned_text(text, 0), "a: b\n");
        let text = "  spec:\n    {{- if .x }}\n    a: b\n    {{- else }}\n    c: d\n    {{- end }}\nk: l\n";
        assert_eq!(owned_text(text, 0), text.strip_suffix("k: l\n").unwrap());
    }

    #[test]
    fn values_change_where_they_are_text() {
        let new = |line: &str, have: &str, want: &str| {
            with_value(line, &json!(have), &json!(want), "r").unwrap_or_default()
        };
        assert_eq!(new("  a: \"b\" # c\n", "b", "d"), "  a: \"d\" # c\n");
        assert_eq!(new("a: b", "b", "yes"), "a: 'yes'");
        assert_eq!(
            new(
                "image: swr.x.com/{{ .i }}:{{ .t }}\n",
                "swr.x.com/a:1",
                "reg.y.com/a:1"
            ),
            "image: reg.y.com/{{ .i }}:{{ .t }}\n"
        );
        assert_eq!(
            new("c: {{ .v | default \"csi-disk\" }}\n", "csi-disk", "essd"),
            "c: {{ .v | default \"essd\" }}\n"
        );
        assert_eq!(new("c: {{ .v }}\n", "csi-disk", "essd"), "");
        assert_eq!(
            with_filter("c: {{ .v | quote }} # d\n", &json!("a"), &json!("b"), &[]).unwrap(),
            "c: {{ .v | toString | replace \"a\" \"b\" | quote }} # d\n"
        );
        assert_eq!(
            with_key("  a/b: {{ .c }}\n", "d/e").unwrap(),
            "  d/e: {{ .c }}\n"
        );
    }

    #[test]
    fn expressions_are_seen_from_the_root() {
        assert_eq!(
            from_root("include \"a.b\" . | trunc (.Values.n)").as_deref(),
            Some("include \"a.b\" $ | trunc ($.Values.n)")
        );
        assert_eq!(from_root(".name"), None);
        assert_eq!(from_root("$name"), None);
        let names = [("r-x".to_owned(), "include \"n\" $".to_owned())];
        assert_eq!(
            argument("alb-r-x", &names),
            "(printf \"alb-%s\" (include \"n\" $))"
        );
        assert_eq!(
            with_quotes("a: {{ .b }}\n").as_deref(),
            Some("a: {{ .b | quote }}\n")
        );
    }

    #[test]
    fn edits_do_not_overlap() {
        let edit = |start, end, new: &str| LineEdit {
            start,
            end,
            new: new.into(),
        };
        let (text, made) = apply(
            "a\nb\nc\n",
            &[edit(1, 2, "x\n"), edit(1, 1, "i\n"), edit(1, 3, "no\n")],
        );
        assert_eq!((text.as_str(), made), ("a\ni\nx\nc\n", 2));
    }
}
