//! Whether a key is written already in the mapping that a line belongs to, be it under a condition: a second line with
//! it would double it for whatever values the condition lets through.

use super::owned::{balance, block, is_action, words};
use super::{Line, LineEdit};

/// The line that writes a key in the mapping around `at` whose keys stand at this column. Branches that exclude the
/// place do not count.
pub(crate) fn beside(lines: &[&str], at: usize, column: usize, key: &str) -> Option<usize> {
    let at = at.min(lines.len());
    let above = lines[..at].iter().enumerate().rev();
    search(above, column, key, (-1, 1))
        .or_else(|| search(lines.iter().enumerate().skip(at), column, key, (1, -1)))
}

fn search<'l>(
    walk: impl Iterator<Item = (usize, &'l &'l str)>,
    column: usize,
    key: &str,
    (enters, leaves): (i32, i32),
) -> Option<usize> {
    let upwards = enters < 0;
    let mut depth = 0;
    let mut excluded = false;
    for (number, line) in walk {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if is_action(trimmed) {
            let word = words(trimmed).next();
            if word == Some("define") {
                return None;
            }
            let step = balance(trimmed).signum();
            if step == enters {
                depth += 1;
            } else if step == leaves && depth > 0 {
                depth -= 1;
            } else if step == leaves {
                excluded = false;
            } else if depth == 0 && word == Some("else") {
                excluded = true;
            }
            continue;
        }
        if excluded {
            continue;
        }
        if trimmed.starts_with("---") {
            return None;
        }
        let parts = Line::of(line);
        let indent = line.len() - line.trim_start().len();
        let first = parts.is_item() && parts.column() == column;
        if indent < column && !(upwards && first) {
            return None;
        }
        if parts.column() == column && parts.key_text() == Some(key) && !parts.key.is_empty() {
            return Some(number);
        }
        if first {
            return None;
        }
    }
    None
}

/// A key under a condition of its own.
struct Guarded<'l> {
    /// The line of the condition.
    head: usize,
    /// Its word and what it asks for.
    word: &'l str,
    asks: &'l str,
    /// The line of its end.
    end: usize,
}

fn guarded<'l>(lines: &[&'l str], key: usize) -> Option<Guarded<'l>> {
    let blank = |line: &&str| line.trim().is_empty() || line.trim().starts_with('#');
    let head = (0..key).rev().find(|at| !blank(&lines[*at]))?;
    let owned = block(lines, key);
    let end = (owned.end..lines.len()).find(|at| !blank(&lines[*at]))?;
    let action = lines[head].trim();
    if !is_action(action) || balance(action) != 1 || action.matches("{{").count() != 1 {
        return None;
    }
    if !is_action(lines[end].trim()) || words(lines[end]).next() != Some("end") {
        return None;
    }
    let inner = action.strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.trim_matches(['-', ' ']);
    let (word, asks) = inner.split_once(' ')?;
    matches!(word, "if" | "with").then_some(Guarded {
        head,
        word,
        asks: asks.trim(),
        end,
    })
}

/// Whether a key stands alone under a condition that asks for the very value that it has.
pub(crate) fn is_asked_for(lines: &[&str], key: usize) -> bool {
    let value = Line::of(lines[key]).value;
    guarded(lines, key).is_some_and(|found| match found.word {
        "with" => value.contains("{{ . ") || value.contains("{{ .}}"),
        _ => value.contains(found.asks),
    })
}

/// Writes a key where the condition around the line that has it does not hold.
pub(crate) fn otherwise(lines: &[&str], key: usize, new: &str) -> Option<LineEdit> {
    let found = guarded(lines, key)?;
    let head = lines[found.head];
    let pad = &head[..head.len() - head.trim_start().len()];
    Some(LineEdit {
        start: found.end,
        end: found.end,
        new: format!("{pad}{{{{- else }}}}\n{new}"),
    })
}

/// Lets a mapping that is a map of values whole have what `more`, an expression, gives as well. What the values say
/// themselves counts.
pub(crate) fn merged(lines: &[&str], key: usize, more: &str) -> Option<LineEdit> {
    let found = guarded(lines, key)?;
    let whole = |asks: &str| format!("merge (dict) ({asks} | default dict) ({more})");
    if found.asks.contains(":=") || !Line::of(lines[key]).value.is_empty() {
        return None;
    }
    let body: Vec<&str> = (key + 1..found.end)
        .map(|at| lines[at])
        .filter(|line| !line.trim().is_empty())
        .collect();
    let [only] = body.as_slice() else {
        return None;
    };
    if !is_action(only.trim()) || !only.contains("toYaml") {
        return None;
    }
    let head = lines[found.head];
    let mut new = head.replacen(found.asks, &whole(found.asks), 1);
    for line in &lines[found.head + 1..found.end] {
        let mut line = (*line).to_owned();
        if line == *only && found.word == "if" {
            // The condition and the text name the same map.
            if found.asks.contains(char::is_whitespace) || line.matches(found.asks).count() != 1 {
                return None;
            }
            line = line.replacen(found.asks, &format!("({})", whole(found.asks)), 1);
        } else if line == *only && !line.contains(" .") {
            return None;
        }
        new.push_str(&line);
    }
    Some(LineEdit {
        start: found.head,
        end: found.end,
        new,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        text.split_inclusive('\n').collect()
    }

    #[test]
    fn a_key_under_a_condition_is_beside() {
        let text = "metadata:\n  name: a\n  {{- with .x }}\n  annotations:\n    name: b\n  {{- end }}\nspec:\n  class: c\n";
        let all = lines(text);
        assert_eq!(beside(&all, 1, 2, "annotations"), Some(3));
        assert_eq!(beside(&all, 7, 2, "annotations"), None);
        assert_eq!(beside(&all, 6, 2, "name"), Some(1));
        let all = lines("{{- if .x }}\na: b\n{{- else }}\nc: d\n{{- end }}\ne: f\n");
        assert_eq!(beside(&all, 3, 0, "a"), None);
        assert_eq!(beside(&all, 1, 0, "c"), None);
        assert_eq!(beside(&all, 5, 0, "c"), Some(3));
        let all = lines("- a: b\n  c: d\n- e: f\n  g: h\n");
        assert_eq!(beside(&all, 1, 2, "a"), Some(0));
        assert_eq!(beside(&all, 1, 2, "e"), None);
        assert_eq!(beside(&all, 3, 2, "c"), None);
    }

    #[test]
    fn a_map_of_values_gets_more() {
        let edit = |text: &str, key: usize| merged(&lines(text), key, "more").map(|e| e.new);
        assert_eq!(
            edit(
                "{{- with .a }}\nk:\n  {{- toYaml . | nindent 2 }}\n{{- end }}\n",
                1
            )
            .as_deref(),
            Some(
                "{{- with merge (dict) (.a | default dict) (more) }}\nk:\n  {{- toYaml . | nindent 2 }}\n"
            )
        );
        assert_eq!(
            edit(
                "{{- if .a }}\nk:\n  {{- toYaml .a | nindent 2 }}\n{{- end }}\n",
                1
            )
            .as_deref(),
            Some(
                "{{- if merge (dict) (.a | default dict) (more) }}\nk:\n  {{- toYaml (merge (dict) (.a | default dict) (more)) | nindent 2 }}\n"
            )
        );
        assert_eq!(
            edit(
                "{{- if and .a .b }}\nk:\n  {{- toYaml .a | nindent 2 }}\n{{- end }}\n",
                1
            ),
            None
        );
        let text = "{{- if .a }}\nk: {{ .a }}\n{{- end }}\n";
        assert_eq!(edit(text, 1), None);
        let other = otherwise(&lines(text), 1, "k: v\n").map(|e| (e.start, e.new));
        assert_eq!(other, Some((2, "{{- else }}\nk: v\n".to_owned())));
    }
}
