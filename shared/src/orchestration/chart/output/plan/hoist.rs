//! What differs between values files and no value of the chart says: it becomes a value of its own, which each file
//! sets for itself.

use serde_json::Value as Json;

use crate::orchestration::chart::helm::{NAMESPACE, RELEASE};
use crate::orchestration::chart::output::lines::{
    Line, LineEdit, balance, beside, merged, otherwise,
};
use crate::orchestration::chart::output::write::difference;
use crate::orchestration::chart::render::Identity;
use crate::orchestration::chart::target::Wanted;
use crate::orchestration::chart::work::ValuesRef;
use crate::orchestration::chart::yaml::{Step, YamlEdit};

use super::{Op, Planner, file_name, neutral};

impl Planner<'_> {
    /// Puts an added object into the values, because the values files want it differently, or not all of them do. One
    /// template writes all such objects.
    pub(super) fn hoist_object(&mut self, wanted: &Wanted, state: usize, level: usize) -> bool {
        let release = self.states[state].variant.release.clone();
        let slug = file_name(&wanted.identity, &release);
        let map = format!("{}Objects", self.target);
        let wants: Vec<Option<Json>> = (0..self.states.len())
            .map(|index| self.object_in(index, state, &wanted.identity).map(as_value))
            .collect();
        let base = vec![Step::Key(map.clone()), Step::Key(slug)];
        if !self.set_for_each(&base, &wants, level > 0) {
            return false;
        }
        self.push(Op::NewFile(
            format!("templates/{}-objects.yaml", self.target),
            objects_template(self.target),
        ));
        true
    }

    /// Switches an object off that came from the values, in the file of the variant that does not want it.
    pub(super) fn unhoist_object(&mut self, state: usize, document: usize) -> bool {
        let here = &self.states[state];
        let file = format!("/templates/{}-objects.yaml", self.target);
        let Some(own) = here.variant.own_file() else {
            return false;
        };
        if !here.documents[document].source.ends_with(&file) {
            return false;
        }
        let slug = file_name(here.documents[document].identity(), &here.variant.release);
        let path = vec![
            Step::Key(format!("{}Objects", self.target)),
            Step::Key(slug),
        ];
        self.push(Op::Value(
            ValuesRef::User(own),
            YamlEdit::Set(path, Json::Null),
        ));
        true
    }

    /// The object of an identity that a variant wants to be added.
    fn object_in(&self, index: usize, state: usize, identity: &Identity) -> Option<Json> {
        let own = &self.states[state].variant.release;
        let other = &self.states[index].variant.release;
        self.states[index]
            .wanted
            .iter()
            .find(|w| {
                w.base.is_none()
                    && w.identity.kind == identity.kind
                    && w.identity.name.replace(other.as_str(), RELEASE)
                        == identity.name.replace(own.as_str(), RELEASE)
            })
            .map(|w| neutral(&w.value, other))
    }

    /// Whether an added object is the same in each variant that wants it.
    pub(super) fn is_same_everywhere(&self, state: usize, wanted: &Wanted) -> bool {
        let own = neutral(&wanted.value, &self.states[state].variant.release);
        (0..self.states.len()).all(|index| {
            self.object_in(index, state, &wanted.identity)
                .is_none_or(|value| value == own)
        })
    }

    /// Whether each variant wants an added object.
    pub(super) fn is_wanted_everywhere(&self, state: usize, wanted: &Wanted) -> bool {
        (0..self.states.len()).all(|index| self.object_in(index, state, &wanted.identity).is_some())
    }

    /// Puts a key into a line of its own whose value each values file sets.
    pub(super) fn hoist_key(
        &mut self,
        (state, document): (usize, usize),
        anchor: &[Step],
        key: &str,
        inside: bool,
    ) -> bool {
        let Some(place) = self.place(state, document, anchor).cloned() else {
            return false;
        };
        let users: Vec<_> = self.users_of(&place).collect();
        let mut wants: Vec<Option<Json>> = vec![None; self.states.len()];
        let mut seen = vec![false; self.states.len()];
        for (s, d, path) in &users {
            if path.len() != anchor.len() {
                continue;
            }
            // One line, one thing: what a loop makes is told apart otherwise.
            if std::mem::replace(&mut seen[*s], true) {
                return false;
            }
            let mut new = path[..if inside { path.len() } else { path.len() - 1 }].to_vec();
            new.push(Step::Key(key.to_owned()));
            if self.now(*s, *d, &new).is_some() {
                return false;
            }
            let want = self.wanted(*s, *d, &new).flatten();
            if want.is_some_and(|want| want.to_string().contains("{{")) {
                return false;
            }
            let release = &self.states[*s].variant.release;
            wants[*s] = want.map(|want| as_value(neutral(want, release)));
        }
        let Some(text) = self.text(state, &place) else {
            return false;
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let Some(line) = lines.get(place.line) else {
            return false;
        };
        let parts = Line::of(line);
        if parts.is_item() || parts.key.is_empty() || balance(line) != 0 {
            return false;
        }
        if inside && !(parts.value.is_empty() || parts.value.contains("indent")) {
            return false;
        }
        let identity = self.states[state].documents[document].identity();
        let tail: String = key
            .rsplit('/')
            .next()
            .unwrap_or(key)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let release = self.states[state].variant.release.clone();
        let slug = format!("{}-{tail}", file_name(identity, &release));
        let map = format!("{}Settings", self.target);
        let mut path = self.chart_of(state, document);
        path.extend([Step::Key(map.clone()), Step::Key(slug.clone())]);
        let column = parts.column() + if inside { 2 } else { 0 };
        let pad = " ".repeat(column);
        let written = crate::source::emit(&serde_json::json!({ key: 0 }));
        let written = written.trim_end().trim_end_matches(": 0").to_owned();
        let at = place.line + usize::from(inside);
        let setting = format!("get ($.Values.{map} | default dict) \"{slug}\"");
        let new = format!(
            "{pad}{{{{- with ({setting}) }}}}\n{pad}{written}: {{{{ tpl (toJson .) $ }}}}\n{pad}{{{{- end }}}}\n"
        );
        let edit = match beside(&lines, at, column, key) {
            None => LineEdit {
                start: at,
                end: at,
                new,
            },
            // The template writes the key under a condition: both together would double it.
            Some(there) => {
                let mapping = wants.iter().flatten().all(Json::is_object);
                let found = if mapping {
                    let more = format!("tpl (toJson ({setting} | default dict)) $ | fromJson");
                    merged(&lines, there, &more)
                } else {
                    otherwise(&lines, there, &new)
                };
                let Some(edit) = found else { return false };
                edit
            }
        };
        if !self.set_for_each(&path, &wants, false) {
            return false;
        }
        self.lines(&place, edit.start..edit.end, edit.new);
        true
    }

    /// The path from the root chart to the values of the chart that a document's template belongs to.
    fn chart_of(&self, state: usize, document: usize) -> Vec<Step> {
        let source = &self.states[state].documents[document].source;
        let parts: Vec<&str> = source.split('/').collect();
        parts
            .windows(2)
            .filter(|pair| pair[0] == "charts")
            .map(|pair| Step::Key(pair[1].to_owned()))
            .collect()
    }

    /// Sets a value in the chart's values and, where a values file needs another one, in that file.
    fn set_for_each(&mut self, path: &[Step], wants: &[Option<Json>], again: bool) -> bool {
        let default = wants.first().cloned().flatten();
        let mut edits = Vec::new();
        if let Some(value) = &default {
            edits.push((ValuesRef::Chart("values.yaml".into()), value.clone()));
        }
        for (index, want) in wants.iter().enumerate().skip(1) {
            let variant = &self.states[index].variant;
            if *want == default {
                continue;
            }
            let Some(file) = variant.own_file() else {
                continue;
            };
            // Together they have what each has, until that is found to be wrong.
            if variant.files.len() > 1 && !again {
                continue;
            }
            let value = match (&default, want) {
                (Some(default), Some(want)) => {
                    difference(default, want).unwrap_or_else(|| want.clone())
                }
                (None, Some(want)) => want.clone(),
                (_, None) => Json::Null,
            };
            edits.push((ValuesRef::User(file), value));
        }
        for (file, value) in &edits {
            self.push(Op::Value(
                file.clone(),
                YamlEdit::Set(path.to_vec(), value.clone()),
            ));
        }
        !edits.is_empty()
    }
}

/// The template that writes the objects of the values.
pub(crate) fn objects_template(target: &str) -> String {
    format!(
        "{{{{- /* Objects that only this provider needs; the values files set them. */}}}}\n\
         {{{{- range $name, $object := .Values.{target}Objects }}}}\n{{{{- if $object }}}}\n---\n\
         {{{{ tpl (toYaml $object) $ }}}}\n{{{{- end }}}}\n{{{{- end }}}}\n"
    )
}

/// An object as a value that `tpl` evaluates: the release by its name there.
pub(crate) fn as_value(value: Json) -> Json {
    match value {
        Json::String(text) => Json::from(
            text.replace("{{", "\u{1}")
                .replace('\u{1}', "{{ \"{{\" }}")
                .replace(RELEASE, "{{ .Release.Name }}")
                .replace(NAMESPACE, "{{ .Release.Namespace }}"),
        ),
        Json::Array(items) => items.into_iter().map(as_value).collect(),
        Json::Object(map) => map
            .into_iter()
            .map(|(key, inner)| (key, as_value(inner)))
            .collect(),
        other => other,
    }
}
