//! What the seven providers are tried with: the cases, and what helm renders from the charts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use migrate::orchestration::provider::{Converted, Options, Provider, convert};
use migrate::source::{Node, emit};
use serde_json::Value;

use super::cases::{cases, mapping, nodes, provider};
use crate::charts::{helms, values_sets};

/// Objects that belong together, and whose they are.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) objects: Vec<Value>,
    /// Those that no other input has.
    pub(super) own: Vec<usize>,
}

impl Input {
    /// The objects as they are read from a file.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        nodes(&text(&self.objects))
    }

    /// The conversion, with placeholders for what is missing.
    pub(super) fn convert(&self, to: &Provider) -> Converted {
        let options = Options {
            allow_missing: true,
            ..Options::default()
        };
        convert(
            &self.nodes(),
            &provider(&self.from),
            to,
            &mapping(""),
            &options,
        )
    }
}

/// Objects as documents of a file.
pub(super) fn text(objects: &[Value]) -> String {
    let documents: Vec<String> = objects.iter().map(emit).collect();
    documents.join("---\n")
}

/// The cases and the charts, as they are written.
pub(super) fn written() -> Vec<Input> {
    let mut all: Vec<Input> = cases()
        .into_iter()
        .map(|case| Input {
            objects: nodes(&case.input)
                .iter()
                .map(|node| node.to_json())
                .collect(),
            name: case.name,
            from: case.from,
            own: Vec::new(),
        })
        .collect();
    let Some((_, helm)) = helms().into_iter().next() else {
        return all;
    };
    for (name, from, chart, values) in values_sets() {
        all.push(Input {
            name,
            from,
            objects: rendered(&helm, &chart, &values),
            own: Vec::new(),
        });
    }
    all
}

fn rendered(helm: &PathBuf, chart: &PathBuf, values: &[PathBuf]) -> Vec<Value> {
    let mut command = Command::new(helm);
    command.args(["template", "shop"]);
    for file in values {
        command.arg("-f").arg(file);
    }
    let output = command.arg(chart).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let objects = nodes(&String::from_utf8(output.stdout).unwrap());
    objects
        .iter()
        .filter(|node| !node.is_null())
        .map(|node| node.to_json())
        .collect()
}

/// What was written for one provider, and what it became for each of the others: each provider is a source then.
/// Each set of objects is there once.
pub(super) fn everywhere() -> Vec<Input> {
    let mut seen: BTreeMap<String, Input> = BTreeMap::new();
    let mut objects: BTreeSet<(String, String)> = BTreeSet::new();
    for input in written() {
        for to in Provider::all() {
            let mut next = if to.name() == input.from {
                input.clone()
            } else {
                Input {
                    name: format!("{} at {}", input.name, to.name()),
                    from: to.name().to_owned(),
                    objects: input.convert(to).objects().map(Node::to_json).collect(),
                    own: Vec::new(),
                }
            };
            let key = format!("{}\n{}", next.from, text(&next.objects));
            let new = |(index, object): (usize, &Value)| {
                let unlike = objects.insert((next.from.clone(), object.to_string()));
                unlike.then_some(index)
            };
            next.own = next.objects.iter().enumerate().filter_map(new).collect();
            seen.entry(key).or_insert(next);
        }
    }
    seen.into_values().collect()
}
