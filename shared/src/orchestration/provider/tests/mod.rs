//! Conversions of small objects, each for one thing that must not go wrong.

mod ingress;
mod other;
mod pods;
mod service;

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Converted, Mapping, Options, Provider, convert};
use crate::source::{Limits, Sources, parse};

/// What a conversion gave, for looking at.
struct Done {
    objects: Vec<Json>,
    converted: Converted,
}

impl Done {
    /// The first object of a kind.
    fn of(&self, kind: &str) -> &Json {
        let found = self.objects.iter().find(|o| o["kind"] == kind);
        found.unwrap_or(&Json::Null)
    }

    /// An annotation of the first object of a kind.
    fn annotation(&self, kind: &str, key: &str) -> Option<&str> {
        self.of(kind)["metadata"]["annotations"][key].as_str()
    }

    /// Whether a finding of this code has this text.
    fn says(&self, code: &str, text: &str) -> bool {
        let findings = self.converted.findings.as_slice();
        findings
            .iter()
            .any(|f| f.code.0 == code && f.message.contains(text))
    }

    /// All findings, for messages.
    fn said(&self) -> String {
        let findings = self.converted.findings.as_slice();
        let lines: Vec<String> = findings
            .iter()
            .map(|f| format!("{}: {}", f.code.0, f.message))
            .collect();
        lines.join("\n")
    }
}

fn run(from: &str, to: &str, text: &str) -> Done {
    run_with(from, to, text, &Options::default())
}

fn run_with(from: &str, to: &str, text: &str, options: &Options) -> Done {
    let file = Sources::default().add("x.yaml", text);
    let nodes = parse(file, text, &Limits::default()).unwrap_or_default();
    assert!(!nodes.is_empty(), "nothing was read of {text}");
    let nodes: Vec<_> = nodes.into_iter().map(Arc::new).collect();
    let provider = |name: &str| Provider::named(name).unwrap();
    let (from, to) = (provider(from), provider(to));
    let converted = convert(&nodes, &from, &to, &Mapping::default(), options);
    Done {
        objects: converted.objects().map(|node| node.to_json()).collect(),
        converted,
    }
}
