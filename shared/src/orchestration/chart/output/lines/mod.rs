//! Lines of templates: what stands in them as text can be changed, and what actions make can be wrapped.

mod beside;
mod flow;
mod owned;
mod value;

pub(crate) use beside::{beside, is_asked_for, merged, otherwise};
pub(crate) use flow::unfolded;
pub(crate) use owned::{balance, block, enclosing_loop, item_block};
pub(crate) use value::{
    as_template, entry_lines, from_root, replace_part, text_of, with_filter, with_key, with_quotes,
    with_value,
};

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
        // By bytes: a place may be inside of a letter that has several.
        if bytes[at..].starts_with(b"{{") {
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
            action = !bytes[at..].starts_with(b"}}");
            continue;
        }
        match (quote, byte) {
            (Some(open), _) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'{') if bytes[at..].starts_with(b"{{") => action = true,
            (None, b'"' | b'\'') if at == 0 => quote = Some(*byte),
            (None, b'#') if at == 0 || bytes[at - 1] == b' ' => return at,
            _ => {}
        }
    }
    value.len()
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

    use super::value::argument;
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
        // Letters of several bytes before, in and behind everything.
        let line = Line::of("  大小: {{ .x | default \"五\" }} # 磁盘\n");
        assert_eq!((line.key, line.tail), ("大小", " # 磁盘"));
        assert_eq!(line.value, "{{ .x | default \"五\" }}");
        assert_eq!(Line::of("# “quoted” — größer\n").key, "");
        assert_eq!(Line::of("{{- /* 中文 */ -}}\n").value, "{{- /* 中文 */ -}}");
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
            "c: {{ dig (toString .v) .v (dict \"a\" \"b\") | quote }} # d\n"
        );
        // Another value of the same line, and text around the action.
        assert_eq!(
            with_filter(
                "s: {{ dig (toString (.v | int)) (.v | int) (dict \"1\" \"2\") }}Gi\n",
                &json!("10Gi"),
                &json!("20Gi"),
                &[]
            )
            .unwrap(),
            "s: {{ dig (toString (.v | int)) (.v | int) (dict \"1\" \"2\" \"10\" \"20\") }}Gi\n"
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
