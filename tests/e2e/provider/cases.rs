//! Table-driven: what each line of the equivalence tables becomes.

use std::path::PathBuf;
use std::sync::Arc;

use migrate::finding::Findings;
use migrate::orchestration::provider::{Converted, Mapping, Options, Provider, convert};
use migrate::source::{Limits, Node, Sources, emit, parse};
use serde_json::Value;

use tests::fixtures;

/// The folder of the provider fixtures.
pub(super) fn folder() -> PathBuf {
    fixtures::folder().join("provider")
}

pub(super) fn nodes(text: &str) -> Vec<Arc<Node>> {
    let file = Sources::default().add("x", text);
    let nodes = parse(file, text, &Limits::default());
    let nodes = nodes.unwrap_or_else(|e| panic!("{}\n{text}", e.message));
    nodes.into_iter().map(Arc::new).collect()
}

pub(super) fn provider(name: &str) -> Provider {
    Provider::named(name).unwrap_or_else(|| panic!("no provider {name}"))
}

pub(super) fn mapping(text: &str) -> Mapping {
    let file = Sources::default().add("map", text);
    Mapping::parse(file, text, &Limits::default()).unwrap()
}

pub(super) fn yaml(converted: &Converted) -> String {
    let documents = converted.objects().map(|node| emit(&node.to_json()));
    documents.collect::<Vec<_>>().join("---\n")
}

pub(super) fn talk(findings: &Findings) -> String {
    let lines = findings.as_slice().iter().map(|f| {
        format!(
            "{:?} {} [{}] {}\n",
            f.severity(),
            f.code.0,
            f.path,
            f.message
        )
    });
    lines.collect()
}

/// A case: what goes in, and the texts that must stand in the output and among the findings.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) from: String,
    to: String,
    map: String,
    pub(super) input: String,
    has: Vec<String>,
    lacks: Vec<String>,
    says: Vec<String>,
    missing: Vec<String>,
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder().join("cases"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let text = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
        let list: Value = nodes(&text).first().unwrap().to_json();
        for case in list.as_array().unwrap() {
            let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
            let texts = |key: &str| -> Vec<String> {
                let items = case[key].as_array().into_iter().flatten();
                items
                    .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                    .collect()
            };
            let known = [
                "name", "from", "to", "map", "input", "has", "lacks", "says", "missing",
            ];
            for key in case.as_object().unwrap().keys() {
                assert!(known.contains(&key.as_str()), "{key} in {}", file.display());
            }
            all.push(Case {
                name: format!("{}: {}", file.file_stem().unwrap().display(), text("name")),
                from: text("from"),
                to: text("to"),
                map: text("map"),
                input: text("input"),
                has: texts("has"),
                lacks: texts("lacks"),
                says: texts("says"),
                missing: texts("missing"),
            });
        }
    }
    all
}

#[test]
fn each_line_of_the_tables() {
    let mut faults = String::new();
    let all = cases();
    let only = std::env::var("CASE").unwrap_or_default();
    for case in &all {
        if !case.name.contains(&only) {
            continue;
        }
        let input = nodes(&case.input);
        let converted = convert(
            &input,
            &provider(&case.from),
            &provider(&case.to),
            &mapping(&case.map),
            &Options::default(),
        );
        let output = yaml(&converted);
        let said = talk(&converted.findings);
        let missing: Vec<String> = converted
            .missing
            .iter()
            .map(|m| format!("{} {}", m.kind, m.source.clone().unwrap_or_default()))
            .collect();
        let mut wrong = Vec::new();
        wrong.extend(
            case.has
                .iter()
                .filter(|t| !output.contains(*t))
                .map(|t| format!("no {t:?}")),
        );
        wrong.extend(
            case.lacks
                .iter()
                .filter(|t| output.contains(*t))
                .map(|t| format!("has {t:?}")),
        );
        wrong.extend(
            case.says
                .iter()
                .filter(|t| !said.contains(*t))
                .map(|t| format!("does not say {t:?}")),
        );
        for wanted in &case.missing {
            if !missing.iter().any(|m| m.trim() == wanted) {
                wrong.push(format!("does not miss {wanted:?}, but {missing:?}"));
            }
        }
        if !wrong.is_empty() || !only.is_empty() {
            faults.push_str(&format!(
                "== {} ({} to {})\n{}\n{output}\n{said}{missing:?}\n\n",
                case.name,
                case.from,
                case.to,
                wrong.join("\n")
            ));
        }
    }
    println!("{} cases", all.len());
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn each_catalog_is_of_the_form() {
    let folder = fixtures::folder().join("../../shared/src/orchestration/provider/catalog");
    let mut faults = String::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        count += 1;
        let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
        let mut sources = Sources::default();
        let file = sources.add(path.display().to_string(), text.clone());
        if let Err(findings) = Provider::from_text(file, &text, &Limits::default()) {
            for finding in findings.as_slice() {
                let place = finding.place(&sources).unwrap_or_default();
                faults.push_str(&format!("{place}: {}\n", finding.message));
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
    assert_eq!(count, Provider::all().len());
}
