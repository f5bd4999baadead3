//! One line that makes many things: objects of a `range`, of a subchart with two aliases, of a named template. What
//! only some of them need, or each with another value, is chosen by what tells them apart.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Planner, neutral};
use crate::orchestration::chart::identify::Place;
use crate::orchestration::chart::output::lines::{Line, balance, beside};
use crate::orchestration::chart::target::Wanted;
use crate::orchestration::chart::yaml::Step;

impl Planner<'_> {
    /// Puts a key before a line that makes several things, or below it (`inside`), with a value for each of those that
    /// want one.
    pub(super) fn add_chosen(
        &mut self,
        (state, document): (usize, usize),
        anchor: &[Step],
        key: &str,
        inside: bool,
    ) -> bool {
        let Some(place) = self.place(state, document, anchor).cloned() else {
            return false;
        };
        let Some(text) = self.text(state, &place) else {
            return false;
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let Some(line) = lines.get(place.line).map(|line| Line::of(line)) else {
            return false;
        };
        if line.is_item()
            || line.key.is_empty()
            || (inside && line.value.starts_with(['{', '|']) && !line.value.contains("indent"))
        {
            return false;
        }
        let column = line.column() + if inside { 2 } else { 0 };
        if beside(&lines, place.line + usize::from(inside), column, key).is_some() {
            return false;
        }
        let users: Vec<_> = self.users_of(&place).collect();
        let depth = anchor.len();
        let mut own = anchor.to_vec();
        if !inside {
            own.pop();
        }
        own.push(Step::Key(key.to_owned()));
        // Values cannot hold the name of the release: only what does is put into the template then.
        let released = self
            .wanted(state, document, &own)
            .flatten()
            .is_some_and(|want| self.holds_release(state, want));
        for tell in self.tells(state, document, anchor) {
            let mut chosen: BTreeMap<String, Option<Json>> = BTreeMap::new();
            let mut expression = None;
            let mut fits = true;
            for (s, d, path) in &users {
                if path.len() != depth {
                    continue;
                }
                let mut sibling = path[..depth - 1].to_vec();
                if tell.len() < anchor.len() {
                    sibling.truncate(tell.len() - 1);
                }
                sibling.push(tell[tell.len() - 1].clone());
                let Some(name) = self
                    .now(*s, *d, &sibling)
                    .and_then(crate::orchestration::chart::output::lines::text_of)
                else {
                    fits = false;
                    break;
                };
                let mut new = path[..if inside { depth } else { depth - 1 }].to_vec();
                new.push(Step::Key(key.to_owned()));
                if let Some(now) = self.now(*s, *d, &new) {
                    if self.wanted(*s, *d, &new).flatten() == Some(now) {
                        continue;
                    }
                    fits = false;
                    break;
                }
                let release = &self.states[*s].variant.release;
                let want = self
                    .wanted(*s, *d, &new)
                    .flatten()
                    .filter(|want| !released || self.holds_release(*s, want))
                    .map(|value| neutral(value, release));
                let name =
                    name.replace(release.as_str(), crate::orchestration::chart::helm::RELEASE);
                match chosen.get(&name) {
                    Some(other) if *other != want => {
                        fits = false;
                        break;
                    }
                    _ => {
                        chosen.insert(name, want);
                    }
                }
                // What any key of a loop has for a value tells nothing of this one.
                let written = |at: &&Place| {
                    at.text == place.text
                        && lines
                            .get(at.line)
                            .is_some_and(|line| Line::of(line).key_text().is_some())
                };
                expression = self
                    .place(*s, *d, &sibling)
                    .filter(written)
                    .and_then(|at| self.expression(&lines, &place, at));
                if expression.is_none() {
                    fits = false;
                    break;
                }
            }
            let Some(expression) = expression.filter(|_| fits) else {
                continue;
            };
            let mut pairs = Vec::new();
            for (name, want) in &chosen {
                let Some(want) = want else { continue };
                let json = want.to_string();
                if json.contains('`') {
                    return false;
                }
                let release = crate::orchestration::chart::helm::RELEASE;
                let json = if json.contains(release) {
                    let arguments = vec!["$.Release.Name"; json.matches(release).count()].join(" ");
                    format!(
                        "(printf `{}` {arguments})",
                        json.replace('%', "%%").replace(release, "%s")
                    )
                } else {
                    format!("`{json}`")
                };
                pairs.push(format!("{} {json}", named(name)));
            }
            if pairs.is_empty() {
                continue;
            }
            let pad = " ".repeat(column);
            let at = place.line + usize::from(inside);
            let written = crate::source::emit(&serde_json::json!({ key: 0 }));
            let written = written.trim_end().trim_end_matches(": 0");
            let new = format!(
                "{pad}{{{{- with get (dict {}) {expression} }}}}\n{pad}{written}: {{{{ . }}}}\n{pad}{{{{- end }}}}\n",
                pairs.join(" ")
            );
            self.lines(&place, at..at, new);
            return true;
        }
        false
    }

    /// The paths, beside an anchor or at the name of its object, of what may tell things of one line apart.
    fn tells(&self, state: usize, document: usize, anchor: &[Step]) -> Vec<Vec<Step>> {
        let parent = &anchor[..anchor.len().saturating_sub(1)];
        let mut tells: Vec<Vec<Step>> = self.states[state].places[document]
            .keys()
            .filter(|path| {
                path.len() == anchor.len()
                    && path.starts_with(parent)
                    && matches!(path.last(), Some(Step::Key(_)))
            })
            .cloned()
            .collect();
        // Names first.
        tells.sort_by_key(|path| path.last() != Some(&Step::Key("name".into())));
        tells
    }

    /// What a line's value is, as an expression that can be used at another line; nothing, if conditions or loops lie
    /// between them.
    fn expression(&self, lines: &[&str], here: &Place, there: &Place) -> Option<String> {
        if here.text != there.text {
            return None;
        }
        let (first, last) = (here.line.min(there.line), here.line.max(there.line));
        let expression = value_expression(Line::of(lines.get(there.line)?).value)?;
        let mut depth = 0;
        let mut deeper = false;
        for line in lines.get(first..last)? {
            depth += balance(line);
            if depth < 0 || (depth > 0 && there.line > here.line) {
                return None;
            }
            deeper |= depth > 0;
        }
        // Inside of `with` and `range`, a dot means something else.
        let dots = expression.contains(" .") || expression.contains("(.");
        (!deeper || depth == 0 || !dots).then_some(expression)
    }

    /// An object that the target needs stands before the one that needs it, under the same conditions.
    pub(super) fn add_before_cause(&mut self, state: usize, wanted: &Wanted, text: &str) -> bool {
        let here = &self.states[state];
        let causes: Vec<usize> = (0..here.documents.len())
            .filter(|document| {
                here.pairs[*document]
                    .and_then(|index| here.wanted[index].base)
                    .is_some_and(|base| wanted.because.contains(&base))
            })
            .collect();
        for document in causes {
            if !self.always_needs(state, document, wanted) {
                continue;
            }
            let Some(place) = self.first_line(state, document).cloned() else {
                continue;
            };
            let Some(source) = self.text(state, &place) else {
                continue;
            };
            let lines: Vec<&str> = source.split_inclusive('\n').collect();
            let identity = |s: usize, d: usize| {
                let state = &self.states[s];
                let mut identity = state.documents[d].identity().clone();
                identity.name = identity.name.replace(
                    state.variant.release.as_str(),
                    crate::orchestration::chart::helm::RELEASE,
                );
                identity
            };
            let own = identity(state, document);
            let alone = self.users_of(&place).all(|(s, d, _)| identity(s, d) == own);
            let text = self.named_like(state, document, text);
            if alone {
                self.lines(&place, place.line..place.line, format!("{text}---\n"));
                return true;
            }
            let name = [Step::Key("metadata".into()), Step::Key("name".into())];
            let expression = self
                .place(state, document, &name)
                .and_then(|at| self.expression(&lines, &place, at));
            if let Some(expression) = expression {
                self.lines(
                    &place,
                    place.line..place.line,
                    format!(
                        "{{{{- if eq {expression} {} }}}}\n{text}---\n{{{{- end }}}}\n",
                        named(&own.name)
                    ),
                );
                return true;
            }
        }
        false
    }

    /// Whether an added object is wanted wherever one of its causes is, and nowhere else.
    fn always_needs(&self, state: usize, document: usize, wanted: &Wanted) -> bool {
        let release = |s: usize| self.states[s].variant.release.as_str();
        let same = |a: &str, s: usize, b: &str, t: usize| {
            a.replace(release(s), "\u{1}") == b.replace(release(t), "\u{1}")
        };
        let cause = self.states[state].documents[document].identity();
        self.states.iter().enumerate().all(|(index, other)| {
            let there = other.documents.iter().enumerate().find(|(_, d)| {
                let identity = d.identity();
                identity.kind == cause.kind && same(&identity.name, index, &cause.name, state)
            });
            let needs = other.wanted.iter().any(|w| {
                w.base.is_none()
                    && w.identity.kind == wanted.identity.kind
                    && same(&w.identity.name, index, &wanted.identity.name, state)
            });
            there.is_some() == needs
        })
    }

    /// Tries to put a new key where its line makes more than one thing.
    pub(super) fn add_for_some(
        &mut self,
        (state, document): (usize, usize),
        anchors: &[Vec<Step>],
        key: &str,
    ) -> bool {
        anchors
            .iter()
            .any(|anchor| self.add_chosen((state, document), anchor, key, false))
    }
}

/// A text of a rendering as an argument: the release by its name in the template.
fn named(name: &str) -> String {
    let release = crate::orchestration::chart::helm::RELEASE;
    if name.contains(release) {
        let count = name.matches(release).count();
        let arguments = vec!["$.Release.Name"; count].join(" ");
        format!(
            "(printf \"{}\" {arguments})",
            name.replace('%', "%%").replace(release, "%s")
        )
    } else {
        format!("\"{name}\"")
    }
}

/// A value with actions in it as one expression: `{{ .a }}-{{ .b }}` is `(print (.a) "-" (.b))`.
pub(super) fn value_expression(value: &str) -> Option<String> {
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value.strip_prefix(quote)?.strip_suffix(quote)?,
        _ => value,
    };
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find("{{") {
        if at > 0 {
            parts.push(format!("\"{}\"", &rest[..at]));
        }
        let end = rest[at..].find("}}")? + at;
        let inner = rest[at + 2..end].trim_matches(['-', ' ']);
        let inner = inner.trim_end_matches("| quote").trim_end();
        let word = inner.split_whitespace().next()?;
        if matches!(word, "if" | "else" | "end" | "range" | "with" | "template")
            || inner.contains("toYaml")
            || inner.contains("indent")
        {
            return None;
        }
        parts.push(format!("({inner})"));
        rest = &rest[end + 2..];
    }
    if !rest.is_empty() {
        parts.push(format!("\"{rest}\""));
    }
    if !parts.iter().any(|part| part.starts_with('(')) {
        return None;
    }
    match parts.as_slice() {
        [one] => Some(format!("(toString {one})")),
        _ => Some(format!(
            "(print {})",
            parts
                .iter()
                .map(|part| if part.starts_with('(') {
                    format!("(toString {part})")
                } else {
                    part.clone()
                })
                .collect::<Vec<_>>()
                .join(" ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_expressions() {
        assert_eq!(
            value_expression("{{ $name }}").as_deref(),
            Some("(toString ($name))")
        );
        assert_eq!(
            value_expression("\"{{ .a }}-{{ .b | quote }}\"").as_deref(),
            Some("(print (toString (.a)) \"-\" (toString (.b)))")
        );
        assert_eq!(value_expression("plain"), None);
        assert_eq!(value_expression("{{ toYaml .a }}"), None);
    }
}
