//! Conditions that compare a value: they change along with it, or the value stays.

use crate::orchestration::chart::identify::Leaf;
use crate::orchestration::chart::identify::mark::is_template;
use crate::orchestration::chart::input::ChartFiles;
use crate::orchestration::chart::yaml::Step;

use super::{Op, Planner};

/// Functions that ask whether a value is a certain text.
const EQUALITY: [&str; 3] = ["eq", "ne", "has"];
/// Functions that ask more of a text than that: what they say of another text cannot be known.
const PATTERNS: [&str; 10] = [
    "hasPrefix",
    "hasSuffix",
    "contains",
    "regexMatch",
    "mustRegexMatch",
    "regexFind",
    "get",
    "dict",
    "index",
    "hasKey",
];

/// One line of a template with a word of a condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Literal {
    /// The template.
    pub file: String,
    /// The line, from 0.
    pub line: usize,
    /// The word.
    pub old: String,
    /// What it becomes.
    pub new: String,
}

/// A line of a template that may compare values with texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'w> {
    file: &'w str,
    line: usize,
    content: &'w str,
}

/// All lines of a chart that may compare values with texts; few do, and they are asked about for each value.
pub(super) fn asking(chart: &ChartFiles) -> Vec<Asking<'_>> {
    let templates = chart.files.keys().filter(|path| is_template(path));
    templates
        .flat_map(|file| {
            let text = chart.text(file).unwrap_or_default();
            let lines = text.lines().enumerate();
            lines
                .filter(|(_, content)| {
                    actions(content).any(|action| {
                        words(action).any(|w| EQUALITY.contains(&w) || PATTERNS.contains(&w))
                    })
                })
                .map(|(line, content)| Asking {
                    file,
                    line,
                    content,
                })
        })
        .collect()
}

impl Planner<'_> {
    /// Plans the change of all conditions that compare a value with its text; `false` if one cannot be changed, so that
    /// the value has to stay.
    pub(super) fn conditions(&mut self, leaf: &Leaf, old: &str, new: &str) -> bool {
        let Some(found) = self.condition_places(leaf, old, new) else {
            return false;
        };
        for literal in found {
            self.push(Op::Literal(literal));
        }
        true
    }

    /// The words that have to change along with a value; `None` if there is one that cannot.
    pub(super) fn condition_places(
        &self,
        leaf: &Leaf,
        old: &str,
        new: &str,
    ) -> Option<Vec<Literal>> {
        if old == new || old.is_empty() {
            return Some(Vec::new());
        }
        let Some(Step::Key(key)) = leaf.iter().rev().find(|s| matches!(s, Step::Key(_))) else {
            return Some(Vec::new());
        };
        let mut found = Vec::new();
        for asking in &self.asking {
            match compares(asking.content, key, old) {
                None => {}
                Some(false) => return None,
                Some(true) if self.work.chart.archives.contains_key(asking.file) => return None,
                Some(true) => found.push(Literal {
                    file: asking.file.to_owned(),
                    line: asking.line,
                    old: old.to_owned(),
                    new: new.to_owned(),
                }),
            }
        }
        if !found.is_empty() && new.contains(['"', '\\', '`', '{', '\n']) {
            return None;
        }
        Some(found)
    }
}

/// Whether the actions of a line compare the value of a key with a text: `Some(true)` if the text is all that has to
/// change, `Some(false)` if what is asked cannot be known of another text.
fn compares(line: &str, key: &str, text: &str) -> Option<bool> {
    let mut verdict = None;
    for action in actions(line) {
        let names = names(action);
        if !(names.contains(&key) || names.is_empty()) {
            continue;
        }
        let words: Vec<&str> = words(action).collect();
        if names.contains(&key)
            && words.iter().any(|w| PATTERNS.contains(w))
            && !action.contains("lookup")
        {
            // Of a map that is asked for a key by its name, nothing changes.
            let asks_value = ["hasPrefix", "hasSuffix", "contains"];
            if words
                .iter()
                .any(|w| asks_value.contains(w) || w.contains("egex"))
                || quoted(action, text)
            {
                return Some(false);
            }
        }
        if words.iter().any(|w| EQUALITY.contains(w)) && quoted(action, text) {
            verdict = Some(true);
        }
    }
    verdict
}

/// The actions of a line, without their braces.
pub(crate) fn actions(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (_, tail) = rest.split_once("{{")?;
        let (action, after) = tail.split_once("}}").unwrap_or((tail, ""));
        rest = after;
        Some(action)
    })
}

/// The last names of all values that an action asks for: `class` of `.Values.storage.class`.
pub(crate) fn names(action: &str) -> Vec<&str> {
    let parts = action.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '$')));
    parts
        .filter(|part| part.contains('.') && !part.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|part| part.rsplit('.').next())
        .filter(|name| !name.is_empty())
        .collect()
}

fn words(action: &str) -> impl Iterator<Item = &str> {
    action.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '$' | '"' | '`')))
}

fn quoted(action: &str, text: &str) -> bool {
    action.contains(&format!("\"{text}\"")) || action.contains(&format!("`{text}`"))
}

/// The texts that the conditions of a line compare the value of a key with.
pub(crate) fn compared(line: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for action in actions(line) {
        let equality = words(action).any(|w| EQUALITY.contains(&w));
        if equality && names(action).contains(&key) {
            let texts = action.split('"').skip(1).step_by(2);
            found.extend(texts.map(str::to_owned));
        }
    }
    found
}

/// The text of a template with other words in its conditions.
pub(crate) fn replaced(text: &str, literals: &[&Literal]) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let mut line = line.to_owned();
        // All at once: what one of them writes is not what another one reads.
        let mine: Vec<&&Literal> = literals.iter().filter(|l| l.line == number).collect();
        for (index, literal) in mine.iter().enumerate() {
            for quote in ['"', '`'] {
                line = line.replace(
                    &format!("{quote}{}{quote}", literal.old),
                    &format!("{quote}\u{0}{index}\u{0}{quote}"),
                );
            }
        }
        for (index, literal) in mine.iter().enumerate() {
            line = line.replace(&format!("\u{0}{index}\u{0}"), &literal.new);
        }
        out.push_str(&line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared() {
        for (line, verdict) in [
            ("{{ if eq .Values.class \"a\" }}", Some(true)),
            ("{{- if and .x (ne $v.class `a`) }}", Some(true)),
            ("{{ if has .class (list \"b\" \"a\") }}", Some(true)),
            ("{{ if eq . \"a\" }}", Some(true)),
            ("{{ if eq .Values.other \"a\" }}", None),
            ("{{ if eq .Values.class \"b\" }}", None),
            ("{{ if hasPrefix \"x\" .Values.class }}", Some(false)),
            ("{{ if regexMatch \"^a\" .Values.class }}", Some(false)),
            ("class: {{ .Values.class }} # \"a\"", None),
            ("eq class \"a\"", None),
        ] {
            assert_eq!(compares(line, "class", "a"), verdict, "{line}");
        }
    }

    #[test]
    fn words_change_places_at_once() {
        let literal = |old: &str, new: &str| Literal {
            file: String::new(),
            line: 1,
            old: old.into(),
            new: new.into(),
        };
        let (one, two) = (literal("a", "b"), literal("b", "c"));
        let text = "\"a\"\n{{ if has .x (list \"a\" \"b\") }}\n";
        let new = "\"a\"\n{{ if has .x (list \"b\" \"c\") }}\n";
        assert_eq!(replaced(text, &[&one, &two]), new);
        assert_eq!(compared("{{ if eq .y.x \"a\" }}", "x"), ["a"]);
    }
}
