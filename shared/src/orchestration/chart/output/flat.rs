//! Rendered manifests in the place of templates: for one template that nothing else reaches, or for all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::helm::RELEASE;
use super::super::input::ChartFiles;
use super::super::render::{Identity, identity};
use super::super::target::Wanted;
use super::super::work::{ValuesRef, Work};
use super::super::yaml::{Step, YamlEdit, edit_yaml};
use super::lines::{as_template, balance};
use super::plan::hoist::{as_value, objects_template};
use super::plan::{State, file_name};
use super::solve::Job;
use super::write::difference;
use crate::source::emit;

/// Something of a template that became text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flattened {
    /// The template.
    pub file: String,
    /// The object; nothing, if it is all that the template renders.
    pub object: Option<Identity>,
    /// Why it had to be.
    pub why: String,
    /// Secrets whose content stands there now, by name.
    pub secrets: Vec<String>,
}

/// The name of a Secret with content.
pub(crate) fn secret(value: &Json) -> Option<String> {
    let has = |key: &str| value[key].as_object().is_some_and(|map| !map.is_empty());
    (value["kind"] == "Secret" && (has("data") || has("stringData"))).then(|| identity(value).name)
}

/// Why a document is not what it shall be; nothing, if it is.
pub(crate) fn why_open(state: &State, index: usize) -> Option<String> {
    let who = state.documents[index].identity();
    let at = |path: &[Step]| super::super::target::describe(who, path);
    if state.pairs[index].is_none() {
        return Some("an object in it could not be taken out".to_owned());
    }
    if let Some(difference) = state.differences[index].first() {
        let path = at(&difference.path);
        return Some(format!(
            "{path} comes neither from a value nor from a line of its own"
        ));
    }
    let twice = state.doubled[index].first()?;
    Some(format!("{} stands twice for some values", at(&twice.path)))
}

/// An object as text of a template.
pub(crate) fn text_of(value: &Json, release: &str) -> String {
    as_template(&emit(value), release)
}

/// Writes the templates that still differ as text. Gives the files, and why each had to be.
pub(crate) fn flatten_open(
    job: &Job<'_>,
    work: &mut Work,
    original: &Work,
    states: &[State],
) -> Vec<Flattened> {
    let mut flattened = Vec::new();
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    for state in states.iter().filter(|state| state.variant.required) {
        for (index, document) in state.documents.iter().enumerate() {
            let Some(why) = why_open(state, index) else {
                continue;
            };
            open.entry(document.source.clone()).or_insert(why);
        }
        let paired: BTreeSet<usize> = state.pairs.iter().flatten().copied().collect();
        for (index, wanted) in state.wanted.iter().enumerate() {
            if !paired.contains(&index) {
                open.entry(wanted.source.clone()).or_insert_with(|| {
                    format!(
                        "{}/{} has no place",
                        wanted.identity.kind, wanted.identity.name
                    )
                });
            }
        }
    }
    for (source, why) in open {
        let Some(state) = states
            .iter()
            .find(|state| state.variant.required && state.wanted.iter().any(|w| w.source == source))
            .or_else(|| states.first())
        else {
            continue;
        };
        // The original chart knows the file even if a step has removed it.
        let Some(file) = original
            .chart
            .file_of_source(&source)
            .or_else(|| work.chart.file_of_source(&source))
        else {
            continue;
        };
        let whole = |file: String, why: String| Flattened {
            file,
            object: None,
            why,
            secrets: states
                .iter()
                .filter(|state| state.variant.required)
                .flat_map(|state| state.wanted.iter().filter(|w| w.source == source))
                .filter_map(|wanted| secret(&wanted.value))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        if differs(states, &source) {
            into_values(job, work, states, &source);
            let text = definitions(original.chart.text(&file).unwrap_or_default());
            if text.is_empty() {
                work.chart.files.remove(&file);
            } else {
                work.chart.set_text(&file, text);
            }
            flattened.push(whole(file, why));
            continue;
        }
        let documents: Vec<&Wanted> = state.wanted.iter().filter(|w| w.source == source).collect();
        let mut text = definitions(original.chart.text(&file).unwrap_or_default());
        text.push_str(&documents_text(&documents, &state.variant.release));
        if documents.is_empty() && text.is_empty() {
            work.chart.files.remove(&file);
        } else {
            work.chart.set_text(&file, text);
        }
        flattened.push(whole(file, why));
    }
    flattened
}

/// Whether the values files want different objects of a template.
fn differs(states: &[State], source: &str) -> bool {
    let mut sets = states.iter().filter(|s| s.variant.required).map(|state| {
        state
            .wanted
            .iter()
            .filter(|w| w.source == source)
            .map(|w| &w.value)
            .collect::<Vec<_>>()
    });
    let first = sets.next();
    sets.any(|set| Some(set) != first)
}

/// The objects of a template become values, which each values file sets for itself.
fn into_values(job: &Job<'_>, work: &mut Work, states: &[State], source: &str) {
    let required: Vec<&State> = states.iter().filter(|s| s.variant.required).collect();
    let object = |state: &State, slug: &str| -> Option<Json> {
        state
            .wanted
            .iter()
            .find(|w| w.source == source && file_name(&w.identity, RELEASE) == slug)
            .map(|w| as_value(Json::clone(&w.value)))
    };
    let slugs: BTreeSet<String> = required
        .iter()
        .flat_map(|state| state.wanted.iter())
        .filter(|w| w.source == source)
        .map(|w| file_name(&w.identity, RELEASE))
        .collect();
    let map = format!("{}Objects", job.target);
    let mut set = |file: &ValuesRef, slug: &str, value: Json| {
        let path = vec![Step::Key(map.clone()), Step::Key(slug.to_owned())];
        let text = work.values_text(file).unwrap_or_default();
        if let Ok(text) = edit_yaml(&text, &[YamlEdit::Set(path, value)]) {
            work.set_values_text(file, text);
        }
    };
    for slug in slugs {
        let default = required.first().and_then(|state| object(state, &slug));
        if let Some(value) = &default {
            set(
                &ValuesRef::Chart("values.yaml".into()),
                &slug,
                value.clone(),
            );
        }
        let mut alone: Vec<Option<Json>> = Vec::new();
        for state in required.iter().skip(1) {
            let Some(own) = state.variant.own_file() else {
                continue;
            };
            let wanted = object(state, &slug);
            // Together, what the last file says that says something counts.
            let before = if state.variant.files.len() > 1 {
                alone
                    .iter()
                    .rev()
                    .find(|one| **one != default)
                    .cloned()
                    .unwrap_or_else(|| default.clone())
            } else {
                alone.push(wanted.clone());
                default.clone()
            };
            if wanted == before {
                continue;
            }
            let value = match (&before, &wanted) {
                (Some(before), Some(wanted)) => {
                    difference(before, wanted).unwrap_or_else(|| wanted.clone())
                }
                (None, Some(wanted)) => wanted.clone(),
                (_, None) => Json::Null,
            };
            set(&ValuesRef::User(own), &slug, value);
        }
    }
    work.chart.set_text(
        &format!("templates/{}-objects.yaml", job.target),
        objects_template(job.target),
    );
}

/// The named templates of a file, which others may use.
fn definitions(text: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for line in text.split_inclusive('\n') {
        let opens = line.contains("define ") && line.contains("{{");
        if depth > 0 || opens {
            out.push_str(line);
            depth += balance(line);
        }
    }
    out
}

fn documents_text(documents: &[&Wanted], release: &str) -> String {
    let mut out = String::new();
    for document in documents {
        out.push_str("---\n");
        out.push_str(&text_of(&document.value, release));
    }
    out
}

/// The paper's plain form: the rendered, converted manifests as a chart, one file for each template. Nothing of the
/// values stays alive but the names of release and namespace.
pub(crate) fn flat_chart(original: &ChartFiles, wanted: &[Wanted]) -> ChartFiles {
    let mut chart = ChartFiles::default();
    for (path, file) in &original.files {
        let kept = !path.contains('/')
            && !matches!(
                path.as_str(),
                "values.yaml"
                    | "values.schema.json"
                    | "Chart.lock"
                    | "requirements.yaml"
                    | "requirements.lock"
            );
        if kept {
            chart.files.insert(path.clone(), file.clone());
        }
    }
    if let Some(text) = original.text("Chart.yaml") {
        let edit = super::super::yaml::YamlEdit::Remove(vec![super::super::yaml::Step::Key(
            "dependencies".into(),
        )]);
        let text = super::super::yaml::edit_yaml(text, &[edit]).unwrap_or_else(|_| text.to_owned());
        chart.set_text("Chart.yaml", text);
    }
    chart.set_text(
        "values.yaml",
        "# This chart holds rendered manifests; it has no values.\n{}\n".to_owned(),
    );
    let mut by_source: BTreeMap<&str, Vec<&Wanted>> = BTreeMap::new();
    for one in wanted {
        by_source.entry(&one.source).or_default().push(one);
    }
    for (source, documents) in by_source {
        let crds = source.contains("/crds/");
        let name = source
            .split_once('/')
            .map_or(source, |(_, rest)| rest)
            .replace("charts/", "")
            .replace("templates/", "")
            .replace("crds/", "")
            .replace('/', "-");
        let name = if name.ends_with(".yaml") {
            name
        } else {
            format!(
                "{}.yaml",
                name.rsplit_once('.').map_or(name.as_str(), |(n, _)| n)
            )
        };
        // A file whose name begins with `_` is not rendered.
        let name = name.trim_start_matches('_').to_owned();
        if crds {
            // CRDs are no templates.
            let mut text = String::new();
            for document in documents {
                text.push_str("---\n");
                text.push_str(&emit(&document.value));
            }
            chart.set_text(&format!("crds/{name}"), text);
        } else {
            chart.set_text(
                &format!("templates/{name}"),
                documents_text(&documents, RELEASE),
            );
        }
    }
    chart
}
