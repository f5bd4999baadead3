//! Changing a YAML file in place: comments, order, quotes and everything that is not touched stay as they are.

use std::ops::Range;

use serde_json::Value as Json;

use super::parse::parse_tree;
use super::tree::{Entry, Item, Step, Style, Tree, path_text};
use super::write::{flow, indented, is_flow_value, render_value};
use crate::source::emit;

/// One change to a YAML file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum YamlEdit {
    /// The value at a path; keys on the way are made where they are missing.
    Set(Vec<Step>, Json),
    /// A key, or an item of a list, goes.
    Remove(Vec<Step>),
    /// A key gets another name and another value, at the same place.
    Rename(Vec<Step>, String, Json),
}

/// Why a file could not be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EditError(pub String);

/// Makes the changes one after the other.
pub(crate) fn edit_yaml(text: &str, edits: &[YamlEdit]) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for edit in edits {
        text = one(&text, edit)?;
    }
    Ok(text)
}

fn one(text: &str, edit: &YamlEdit) -> Result<String, EditError> {
    let tree = parse_tree(text).map_err(EditError)?;
    let (path, wanted) = match edit {
        YamlEdit::Set(path, value) => (path, Some(value)),
        YamlEdit::Remove(path) => (path, None),
        YamlEdit::Rename(path, key, value) => return rename(text, tree.as_ref(), path, key, value),
    };
    let Some(tree) = tree else {
        let Some(value) = wanted else {
            return Ok(text.to_owned());
        };
        let mut out = text.to_owned();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&emit(&nested(path, value)));
        return Ok(out);
    };
    let changed = match wanted {
        Some(value) => set(text, &tree, path, value)?,
        None => remove(text, &tree, path)?,
    };
    // What was written must mean what was asked for, whatever the text looked like.
    let now = parse_tree(&changed).map_err(EditError)?;
    let now = now.as_ref().and_then(|tree| tree.get(path));
    let fits = match (wanted, now) {
        (Some(value), Some(now)) => now.to_json() == *value,
        (None, None) => true,
        (None, Some(_)) => matches!(path.last(), Some(Step::Index(_))),
        (Some(_), None) => false,
    };
    if fits {
        Ok(changed)
    } else {
        Err(EditError(format!(
            "`{}` cannot be changed in place",
            path_text(path)
        )))
    }
}

fn rename(
    text: &str,
    tree: Option<&Tree>,
    path: &[Step],
    key: &str,
    value: &Json,
) -> Result<String, EditError> {
    let mut new = path.to_vec();
    new.pop();
    new.push(Step::Key(key.to_owned()));
    let there = tree.and_then(|tree| tree.get(&new)).is_some();
    match tree.and_then(|tree| tree.entry_at(path)) {
        Some(entry) if !there && !entry.merged => {
            let quoted = render_key(&text[entry.key_span.clone()], key);
            let renamed = splice(text, entry.key_span.clone(), &quoted);
            one(&renamed, &YamlEdit::Set(new, value.clone()))
        }
        Some(_) => {
            let text = one(text, &YamlEdit::Remove(path.to_vec()))?;
            one(&text, &YamlEdit::Set(new, value.clone()))
        }
        None => Ok(text.to_owned()),
    }
}

/// A key in the quotes of the one that it replaces.
fn render_key(old: &str, key: &str) -> String {
    match old.chars().next() {
        Some('"') => format!("\"{key}\""),
        Some('\'') => format!("'{key}'"),
        _ => {
            let text = emit(&serde_json::json!({ key: 0 }));
            text.rsplit_once(':')
                .map_or_else(|| key.to_owned(), |(key, _)| key.to_owned())
        }
    }
}

/// The value inside of the keys of a path.
fn nested(path: &[Step], value: &Json) -> Json {
    path.iter()
        .rev()
        .fold(value.clone(), |inner, step| match step {
            Step::Key(key) => serde_json::json!({ key: inner }),
            Step::Index(_) => Json::Array(vec![inner]),
        })
}

fn set(text: &str, tree: &Tree, path: &[Step], value: &Json) -> Result<String, EditError> {
    let depth = (0..=path.len())
        .rev()
        .find(|depth| tree.get(&path[..*depth]).is_some())
        .unwrap_or(0);
    let there = tree
        .get(&path[..depth])
        .ok_or_else(|| EditError("nothing is there".into()))?;
    if there.aliased {
        return Err(EditError(format!(
            "`{}` is an alias",
            path_text(&path[..depth])
        )));
    }
    if depth == path.len() {
        let entry = tree.entry_at(path);
        if entry.is_some_and(|entry| entry.merged) {
            return insert(text, tree, path, value, depth.saturating_sub(1));
        }
        return Ok(replace_value(text, entry, there, value));
    }
    insert(text, tree, path, value, depth)
}

/// Puts a new value in the place of one that is there.
fn replace_value(text: &str, entry: Option<&Entry>, there: &Tree, value: &Json) -> String {
    let indent = column(text, entry.map_or(there.span.start, |e| e.key_span.start));
    let scalar_to_scalar = matches!(&there.item, Item::Scalar { style, .. } if *style != Style::Block)
        && !matches!(value, Json::Object(m) if !m.is_empty())
        && !matches!(value, Json::Array(a) if !a.is_empty())
        && !value.as_str().is_some_and(|s| s.contains('\n'));
    let inside_flow = inside_flow(text, there);
    if scalar_to_scalar
        || inside_flow
        || matches!(&there.item, Item::Mapping{flow: true, ..} | Item::Sequence{flow: true, ..} if is_flow_value(value))
    {
        let style = match &there.item {
            Item::Scalar { style, .. } => *style,
            _ => Style::Plain,
        };
        let new = if inside_flow || !scalar_to_scalar {
            flow(value)
        } else {
            render_value(value, style)
        };
        let mut span = there.span.clone();
        let mut new = new;
        if span.is_empty() {
            // An empty value: directly behind the colon.
            if let Some(entry) = entry {
                let colon = text[entry.key_span.end..]
                    .find(':')
                    .map_or(entry.key_span.end, |i| entry.key_span.end + i + 1);
                span = colon..colon;
                new.insert(0, ' ');
            }
        }
        return splice(text, span, &new);
    }
    // A block: from behind the colon to the end of the last line of the old value.
    let start = entry.map_or(there.span.start, |entry| {
        text[entry.key_span.end..]
            .find(':')
            .map_or(entry.key_span.end, |i| entry.key_span.end + i + 1)
    });
    if entry.is_none()
        && matches!(
            &there.item,
            Item::Scalar {
                style: Style::Block,
                ..
            }
        )
    {
        // An item of a list; the span may begin behind the `|`.
        let head = (there.span.start + 1).min(text.len());
        if let Some(start) = text[..head].rfind(['|', '>']) {
            let line = line_start(text, start);
            let dash = text[line..].len() - text[line..].trim_start().len();
            let end = text[..there.span.end].trim_end().len().max(start);
            let new = block(value, dash);
            return splice(text, start..end, new.trim_start());
        }
    }
    let mut end = there.span.end.max(start);
    if matches!(
        &there.item,
        Item::Scalar {
            style: Style::Block,
            ..
        }
    ) {
        end = text[..end].trim_end().len().max(start);
    }
    let body = block(value, indent);
    let mut new = body;
    if entry.is_none() {
        new = new.trim_start().to_owned();
    }
    splice(text, start..end, &new)
}

/// What follows `key:`: a scalar on the same line, or lines below.
fn block(value: &Json, indent: usize) -> String {
    match value {
        Json::Object(map) if !map.is_empty() => format!("\n{}", indented(&emit(value), indent + 2)),
        Json::Array(items) if !items.is_empty() => {
            format!("\n{}", indented(&emit(value), indent + 2))
        }
        Json::String(text) if text.contains('\n') => {
            let lines = emit(&serde_json::json!({"k": value}));
            let lines = lines.trim_end_matches('\n');
            let (head, body) = lines.split_once('\n').unwrap_or((lines, ""));
            let head = head.strip_prefix("k:").unwrap_or(head);
            format!("{head}\n{}", indented(body, indent))
        }
        other => format!(" {}", render_value(other, Style::Plain)),
    }
}

fn insert(
    text: &str,
    tree: &Tree,
    path: &[Step],
    value: &Json,
    depth: usize,
) -> Result<String, EditError> {
    let parent = tree
        .get(&path[..depth])
        .ok_or_else(|| EditError("nothing is there".into()))?;
    let rest = &path[depth..];
    let Some((Step::Key(key), below)) = rest.split_first() else {
        let appended = match &parent.item {
            Item::Sequence { items, .. } => {
                let mut all: Vec<Json> = items.iter().map(Tree::to_json).collect();
                all.push(nested(&rest[1..], value));
                Json::Array(all)
            }
            _ => Json::Array(vec![nested(&rest[1..], value)]),
        };
        let entry = tree.entry_at(&path[..depth]);
        return Ok(replace_value(text, entry, parent, &appended));
    };
    let inner = nested(below, value);
    match &parent.item {
        Item::Mapping {
            entries,
            flow: is_flow,
        } if !entries.is_empty() => {
            let own: Vec<&Entry> = entries.iter().filter(|e| !e.merged).collect();
            let Some(last) = own.last() else {
                return Err(EditError("only merged keys".into()));
            };
            if *is_flow {
                let at = last.value.span.end.max(last.key_span.end);
                let new = format!(", {}: {}", flow(&Json::from(key.as_str())), flow(&inner));
                return Ok(splice(text, at..at, &new));
            }
            let indent = column(text, last.key_span.start);
            let at = line_end(text, last.value.span.end.max(last.key_span.end));
            let at = if matches!(
                &last.value.item,
                Item::Scalar {
                    style: Style::Block,
                    ..
                }
            ) {
                line_end(text, text[..last.value.span.end].trim_end().len())
            } else {
                at
            };
            let mut new = String::new();
            if at > 0 && !text[..at].ends_with('\n') {
                new.push('\n');
            }
            new.push_str(&indented(&emit(&serde_json::json!({ key: inner })), indent));
            new.push('\n');
            Ok(splice(text, at..at, &new))
        }
        Item::Sequence { .. } => Err(EditError("a list has no keys".into())),
        // Nothing, `{}` or a scalar in the place of a mapping.
        _ => {
            if depth == 0 {
                return Err(EditError("the file holds no mapping".into()));
            }
            let entry = tree.entry_at(&path[..depth]);
            let whole = serde_json::json!({ key: inner });
            Ok(replace_block(text, entry, parent, &whole))
        }
    }
}

/// Like [`replace_value`], but always as lines below the key.
fn replace_block(text: &str, entry: Option<&Entry>, there: &Tree, value: &Json) -> String {
    let Some(entry) = entry else {
        return replace_value(text, None, there, value);
    };
    if inside_flow(text, there) {
        return splice(text, there.span.clone(), &flow(value));
    }
    let indent = column(text, entry.key_span.start);
    let colon = text[entry.key_span.end..]
        .find(':')
        .map_or(entry.key_span.end, |i| entry.key_span.end + i + 1);
    let end = there.span.end.max(colon);
    let comment = {
        let line = line_end(text, end);
        text[end..line].trim_end_matches('\n').to_owned()
    };
    let line = line_end(text, end);
    let body = block(value, indent);
    let tail = if text[..line].ends_with('\n') {
        "\n"
    } else {
        ""
    };
    splice(text, colon..line, &format!("{comment}{body}{tail}"))
}

fn remove(text: &str, tree: &Tree, path: &[Step]) -> Result<String, EditError> {
    match path.split_last() {
        Some((Step::Key(_), parent_path)) => {
            let Some(entry) = tree.entry_at(path) else {
                return Ok(text.to_owned());
            };
            if entry.merged {
                return Err(EditError("a merged key".into()));
            }
            let parent = tree
                .get(parent_path)
                .ok_or_else(|| EditError("nothing is there".into()))?;
            let Item::Mapping {
                entries,
                flow: is_flow,
            } = &parent.item
            else {
                return Err(EditError("no mapping".into()));
            };
            let range = entry.key_span.start..entry.value.span.end.max(entry.key_span.end);
            if *is_flow {
                return Ok(remove_flow(text, range));
            }
            if entries.iter().filter(|e| !e.merged).count() == 1 && !parent_path.is_empty() {
                // The last key: an empty mapping stays, so that templates that look into it still work.
                let owner = tree.entry_at(parent_path);
                return Ok(replace_value(text, owner, parent, &serde_json::json!({})));
            }
            let start = line_start(text, entry.key_span.start);
            if !text[start..entry.key_span.start].trim().is_empty() {
                // The first key of an item of a list: the next key takes its place behind the dash.
                let next = entries
                    .iter()
                    .filter(|e| !e.merged && e.key_span.start > entry.key_span.start)
                    .map(|e| e.key_span.start)
                    .min()
                    .ok_or_else(|| EditError("the only key of an item".into()))?;
                return Ok(splice(text, entry.key_span.start..next, ""));
            }
            let end = value_end(text, &entry.value, range.end);
            Ok(splice(text, start..end, ""))
        }
        Some((Step::Index(index), parent_path)) => {
            let parent = tree
                .get(parent_path)
                .ok_or_else(|| EditError("nothing is there".into()))?;
            let Item::Sequence {
                items,
                flow: is_flow,
            } = &parent.item
            else {
                return Err(EditError("no list".into()));
            };
            let Some(item) = items.get(*index) else {
                return Ok(text.to_owned());
            };
            if *is_flow {
                return Ok(remove_flow(text, item.span.clone()));
            }
            if items.len() == 1 {
                let owner = tree.entry_at(parent_path);
                return Ok(replace_value(text, owner, parent, &serde_json::json!([])));
            }
            let start = line_start(text, item.span.start);
            let end = value_end(text, item, item.span.end);
            Ok(splice(text, start..end, ""))
        }
        None => Err(EditError("the whole file".into())),
    }
}

/// The end of the last line of a value.
fn value_end(text: &str, value: &Tree, end: usize) -> usize {
    if matches!(
        &value.item,
        Item::Scalar {
            style: Style::Block,
            ..
        }
    ) {
        line_end(text, text[..end].trim_end().len())
    } else {
        line_end(text, end)
    }
}

fn remove_flow(text: &str, range: Range<usize>) -> String {
    let after = text[range.end..].trim_start();
    if after.starts_with(',') {
        let skip = text[range.end..].len() - after.len() + 1;
        let rest = &text[range.end + skip..];
        let more = rest.len() - rest.trim_start_matches(' ').len();
        return splice(text, range.start..range.end + skip + more, "");
    }
    let before = text[..range.start].trim_end();
    let start = if before.ends_with(',') {
        before.len() - 1
    } else {
        range.start
    };
    splice(text, start..range.end, "")
}

/// Whether a node stands inside of `{}` or `[]` on its line. Multi-line flow collections count as well.
fn inside_flow(text: &str, node: &Tree) -> bool {
    // A value in block style is followed by the end of the line or a comment.
    let rest = &text[node.span.end..line_end(text, node.span.end)];
    let rest = rest.trim();
    rest.starts_with([',', '}', ']'])
}

fn splice(text: &str, range: Range<usize>, new: &str) -> String {
    let mut out = String::with_capacity(text.len() + new.len());
    out.push_str(&text[..range.start]);
    out.push_str(new);
    out.push_str(&text[range.end..]);
    out
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// Behind the line feed of the line.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |i| at + i + 1)
}

/// Column of a byte, in bytes from the start of its line.
fn column(text: &str, at: usize) -> usize {
    at - line_start(text, at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(path: &str) -> Vec<Step> {
        path.split('|')
            .map(|part| {
                part.parse()
                    .map_or_else(|_| Step::Key(part.to_owned()), Step::Index)
            })
            .collect()
    }

    fn set(text: &str, path: &str, value: Json) -> String {
        edit_yaml(text, &[YamlEdit::Set(keys(path), value)]).unwrap()
    }

    fn remove(text: &str, path: &str) -> String {
        edit_yaml(text, &[YamlEdit::Remove(keys(path))]).unwrap()
    }

    const VALUES: &str = "# Storage\npersistence:\n  enabled: true  # keep\n  storageClass: \"csi-disk\"   # EVS\n  size: 10Gi\n\n# Network\nservice:\n  annotations:\n    # kind of load balancer\n    kubernetes.io/elb.class: union\n    kubernetes.io/elb.id: 'x'\n  ports: [80, 443]\nempty: {}\nnothing:\nlist:\n- a: 1\n  b: 2\n- c\n";

    #[test]
    fn values_change_in_place() {
        let out = set(
            VALUES,
            "persistence|storageClass",
            json!("alicloud-disk-essd"),
        );
        assert!(out.contains("  storageClass: \"alicloud-disk-essd\"   # EVS\n"));
        assert_eq!(out.replace("alicloud-disk-essd", "csi-disk"), VALUES);
        let out = set(VALUES, "persistence|size", json!("20Gi"));
        assert!(out.contains("  size: 20Gi\n\n# Network"));
        let out = set(VALUES, "service|ports|1", json!(8443));
        assert!(out.contains("ports: [80, 8443]\n"));
        let out = set(VALUES, "nothing", json!("x"));
        assert!(out.contains("nothing: x\nlist"));
    }

    #[test]
    fn keys_come_and_go() {
        let out = remove(VALUES, "service|annotations|kubernetes.io/elb.class");
        assert!(!out.contains("elb.class"));
        assert!(out.contains("    kubernetes.io/elb.id: 'x'\n  ports"));
        let out = remove(&out, "service|annotations|kubernetes.io/elb.id");
        assert!(out.contains("  annotations: {}\n  ports"), "{out}");
        let out = set(VALUES, "service|annotations|a/b", json!("yes"));
        assert!(
            out.contains("elb.id: 'x'\n    a/b: 'yes'\n  ports"),
            "{out}"
        );
        let out = set(VALUES, "empty|a|b", json!(1));
        assert!(out.contains("empty:\n  a:\n    b: 1\nnothing:"), "{out}");
        let out = set(VALUES, "nothing|a", json!(1));
        assert!(out.contains("nothing:\n  a: 1\nlist"), "{out}");
        let out = set(VALUES, "new|key", json!({"a": [1]}));
        assert!(out.ends_with("new:\n  key:\n    a:\n    - 1\n"), "{out}");
        let out = remove(VALUES, "list|0|a");
        assert!(out.contains("list:\n- b: 2\n- c\n"), "{out}");
        let out = remove(VALUES, "list|0");
        assert!(out.ends_with("list:\n- c\n"), "{out}");
    }

    #[test]
    fn blocks_are_replaced_whole() {
        let text = "a:\n  b: |\n    one\n    two\n  # c\n  c: 1\n";
        let out = set(text, "a|b", json!("x"));
        assert_eq!(out, "a:\n  b: x\n  # c\n  c: 1\n");
        let out = remove(text, "a|b");
        assert_eq!(out, "a:\n  # c\n  c: 1\n");
        let out = set(text, "a|b", json!("x\ny\n"));
        assert_eq!(out, "a:\n  b: |\n    x\n    y\n  # c\n  c: 1\n");
        assert_eq!(set("", "a|b", json!(1)), "a:\n  b: 1\n");
        let text = "a:\n- |\n  b: c\n  d: e\n- x\nf: g\n";
        assert_eq!(
            set(text, "a|0", json!("b: y\nd: e\n")),
            text.replace("b: c", "b: y")
        );
    }
}
