//! Nothing is lost in silence: deleting or changing any key of any fixture changes the output or the findings.

use std::path::{Path, PathBuf};

use migrate::orchestration::compose::{ComposeOptions, ComposeTarget};
use migrate::orchestration::convert::{to_compose, to_kubernetes};
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::orchestration::kubernetes::load::LoadOptions as KubernetesLoad;
use migrate::source::{Limits, Memory, Sources, parse};
use serde_json::Value;
use tests::fixtures::{self, ComposeFixture, KubernetesFixture};
use tests::run::{Overlay, compose_options, compose_target, outcome};

#[test]
fn every_key_of_compose_counts() {
    let silent = silent_in_compose(&fixtures::compose(), &KubernetesOptions::default());
    assert!(
        silent.is_empty(),
        "{} silent edits:\n{}",
        silent.len(),
        silent.join("\n")
    );
}

/// The edits of Compose fixtures that change neither output nor findings under certain choices.
pub(crate) fn silent_in_compose(
    fixtures: &[ComposeFixture],
    options: &KubernetesOptions,
) -> Vec<String> {
    let mut silent = Vec::new();
    for fixture in fixtures {
        for path in project_files(fixture) {
            let Some(documents) = documents(&path) else {
                continue;
            };
            let (baseline, ignored) = with(fixture, &path, &documents, options);
            for (index, document) in documents.iter().enumerate() {
                for place in places(document) {
                    // A finding says already that what stands here has no say.
                    if ignored
                        .iter()
                        .any(|path| show(&place)[1..].starts_with(path))
                    {
                        continue;
                    }
                    for (what, changed) in variants(document, &place) {
                        let mut edited = documents.clone();
                        edited[index] = changed;
                        if with(fixture, &path, &edited, options).0 == baseline {
                            silent.push(format!("{}: {} {what}", fixture.name, show(&place)));
                        }
                    }
                }
            }
        }
    }
    silent
}

#[test]
fn every_field_of_kubernetes_counts() {
    let all = fixtures::kubernetes();
    let mut silent = Vec::new();
    for target in [ComposeTarget::Compose, ComposeTarget::Swarm] {
        silent.extend(silent_in_kubernetes(&all, &compose_target(target)));
    }
    assert!(
        silent.is_empty(),
        "{} silent edits:\n{}",
        silent.len(),
        silent.join("\n")
    );
}

/// The edits of Kubernetes fixtures that change neither output nor findings under certain choices.
pub(crate) fn silent_in_kubernetes(
    fixtures: &[KubernetesFixture],
    options: &ComposeOptions,
) -> Vec<String> {
    let convert = |all: &[Value]| {
        let source = KubernetesLoad {
            files: vec![PathBuf::from("-")],
            stdin: Some(yaml(all)),
            ..KubernetesLoad::default()
        };
        outcome(&to_compose(&source, options, true, &Memory::default()))
    };
    let mut silent = Vec::new();
    for fixture in fixtures {
        let paths = if fixture.path.is_dir() {
            fixtures::files(&fixture.path)
        } else {
            vec![fixture.path.clone()]
        };
        let all: Vec<_> = paths
            .iter()
            .filter_map(|p| documents(p))
            .flatten()
            .collect();
        {
            let baseline = convert(&all);
            for index in 0..all.len() {
                for place in places(&all[index]) {
                    if of_the_server(&place) {
                        continue;
                    }
                    for (what, changed) in variants(&all[index], &place) {
                        let mut edited = all.clone();
                        edited[index] = changed;
                        if convert(&edited) == baseline {
                            silent.push(format!(
                                "{} {:?}: [{index}] {} {what}",
                                fixture.name,
                                options.target,
                                show(&place)
                            ));
                        }
                    }
                }
            }
        }
    }
    silent
}

/// What only a server writes is named in a finding as a whole; its values describe one cluster's past.
fn of_the_server(place: &Place) -> bool {
    let path = show(place);
    let fields = [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
        "selfLink",
        "annotations.deployment.kubernetes.io",
        "annotations.kubectl.kubernetes.io",
    ];
    path.starts_with(".status.")
        || fields
            .iter()
            .any(|f| path.starts_with(&format!(".metadata.{f}")))
}

fn project_files(fixture: &ComposeFixture) -> Vec<PathBuf> {
    if fixture.files.is_empty() {
        let names = [
            "compose.yaml",
            "compose.yml",
            "docker-compose.yaml",
            "docker-compose.yml",
        ];
        let found = names
            .iter()
            .map(|n| fixture.folder.join(n))
            .find(|p| p.is_file());
        return found.into_iter().collect();
    }
    fixture
        .files
        .iter()
        .map(|f| fixture.folder.join(f))
        .filter(|f| f.is_file())
        .collect()
}

/// The documents of a file; `None` if it has tags or cannot be read, as JSON cannot say those.
fn documents(path: &Path) -> Option<Vec<Value>> {
    let text = String::from_utf8(std::fs::read(path).ok()?).ok()?;
    if text.contains("!reset") || text.contains("!override") {
        return None;
    }
    let file = Sources::default().add("", "");
    let nodes = parse(file, &text, &Limits::default()).ok()?;
    Some(nodes.iter().map(migrate::source::Node::to_json).collect())
}

fn yaml(documents: &[Value]) -> String {
    documents.iter().map(|d| format!("---\n{d}\n")).collect()
}

/// The outcome, and the paths that another file overrides or no profile selects.
fn with(
    fixture: &ComposeFixture,
    path: &Path,
    documents: &[Value],
    options: &KubernetesOptions,
) -> (String, Vec<String>) {
    let mut files = Overlay::default();
    files.changed.add(path, yaml(documents));
    let result = to_kubernetes(&compose_options(fixture), options, true, &files);
    let findings = match &result {
        Ok(conversion) => &conversion.findings,
        Err(failure) => &failure.findings,
    };
    let ignored = findings
        .as_slice()
        .iter()
        .filter(|f| {
            matches!(
                f.code.0,
                "overridden-by-merge" | "profile-not-selected" | "secret-not-carried"
            )
        })
        .map(|f| f.path.replace('"', ""))
        .collect();
    (outcome(&result), ignored)
}

/// Where something stands in a document.
pub(crate) type Place = Vec<Step>;

/// A step on the way there.
#[derive(Clone)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

pub(crate) fn show(place: &Place) -> String {
    place
        .iter()
        .map(|step| match step {
            Step::Key(key) => format!(".{key}"),
            Step::Index(index) => format!("[{index}]"),
        })
        .collect()
}

/// All keys and items, however deep.
pub(crate) fn places(value: &Value) -> Vec<Place> {
    let mut all = Vec::new();
    let mut stack = vec![(Vec::new(), value)];
    while let Some((place, value)) = stack.pop() {
        let children: Vec<(Step, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(k, v)| (Step::Key(k.clone()), v)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(i, v)| (Step::Index(i), v))
                .collect(),
            _ => Vec::new(),
        };
        for (step, child) in children {
            let mut deeper: Place = place.clone();
            deeper.push(step);
            all.push(deeper.clone());
            stack.push((deeper, child));
        }
    }
    all
}

/// The document without what stands at a place, and with another value there.
pub(crate) fn variants(document: &Value, place: &Place) -> Vec<(&'static str, Value)> {
    let Some((last, parents)) = place.split_last() else {
        return Vec::new();
    };
    let mut deleted = document.clone();
    let mut changed = document.clone();
    for (value, delete) in [(&mut deleted, true), (&mut changed, false)] {
        let mut at = value;
        for step in parents {
            at = match step {
                Step::Key(key) => &mut at[key.as_str()],
                Step::Index(index) => &mut at[*index],
            };
        }
        match (at, last) {
            (Value::Object(map), Step::Key(key)) if delete => {
                map.shift_remove(key);
            }
            (Value::Array(items), Step::Index(index)) if delete => {
                items.remove(*index);
            }
            (Value::Object(map), Step::Key(key)) => {
                if let Some(value) = map.get_mut(key) {
                    other(value);
                }
            }
            (Value::Array(items), Step::Index(index)) => other(&mut items[*index]),
            _ => {}
        }
    }
    let mut all = vec![("deleted", deleted)];
    if changed != *document {
        all.push(("changed", changed));
    }
    all
}

/// Another value of the same type.
fn other(value: &mut Value) {
    *value = match &*value {
        Value::Bool(b) => Value::Bool(!b),
        Value::Number(n) => n.as_i64().map_or(Value::from(7), |n| Value::from(n + 1)),
        Value::String(s) => Value::String(format!("{s}x")),
        other => other.clone(),
    };
}
