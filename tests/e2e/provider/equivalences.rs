//! Every row of the equivalence tables, between all providers that have a form for it.
//!
//! The files below `fixtures/provider/equivalences` say how each provider writes one and the same thing. Each form is
//! converted to each other provider and has to become the form there; where a provider has none, a finding has to say
//! so. The forms come from the providers' documentation, not from this program's output.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use migrate::finding::Severity;
use migrate::orchestration::provider::{
    Converted, IngressChoice, Mapping, Options, Provider, convert,
};
use serde_json::{Map, Value, json};

use super::cases::{folder, mapping, nodes, provider, talk, yaml};
use super::inputs::text;

/// A file of rows: what all of them stand on, and the rows.
struct Table {
    name: String,
    /// The objects of each provider that the forms are laid over.
    base: Value,
    rows: Vec<Value>,
}

fn tables() -> Vec<Table> {
    let mut files: Vec<_> = std::fs::read_dir(folder().join("equivalences"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let content = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        let mut documents = nodes(&content).into_iter().map(|node| node.to_json());
        let base = documents.next().unwrap();
        let rows = documents.next().unwrap();
        Table {
            name: path.file_stem().unwrap().display().to_string(),
            base,
            rows: rows.as_array().unwrap().clone(),
        }
    };
    files.iter().map(read).collect()
}

/// One conversion that has to come out as it is written.
struct Expectation {
    name: String,
    from: String,
    to: String,
    input: Vec<Value>,
    wanted: Value,
    map: Value,
}

const KEYS: [&str; 8] = [
    "row", "at", "reads", "pairs", "map", "unless", "bare", "why",
];

/// What a row asks for: each form at each other provider, and what single pairs say besides.
fn expectations(table: &Table, row: &Value) -> Vec<Expectation> {
    let title = format!("{}: {}", table.name, row["row"].as_str().unwrap());
    for key in row.as_object().unwrap().keys() {
        assert!(KEYS.contains(&key.as_str()), "{title}: {key}");
    }
    let bare = row["bare"] == true;
    let mut sources: Vec<(String, Value)> = Vec::new();
    let forms = row["at"].as_object().cloned().unwrap_or_default();
    let is_form = |form: &Value| form.get("none").is_none() && form.get("same").is_none();
    for (from, form) in forms.iter().filter(|(_, form)| is_form(form)) {
        sources.push((from.clone(), form.clone()));
    }
    for (from, form) in row["reads"].as_object().into_iter().flatten() {
        for form in form.as_array().unwrap() {
            sources.push((from.clone(), form.clone()));
        }
    }
    let unless: Vec<&str> = row["unless"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut all = Vec::new();
    let mut push = |from: &str, to: &str, form: &Value, wanted: &Value| {
        let number = all.len() + 1;
        all.push(Expectation {
            name: format!("{title}: {from} to {to} ({number})"),
            from: from.to_owned(),
            to: to.to_owned(),
            input: input(&table.base, from, form, bare),
            wanted: wanted.clone(),
            map: row["map"].clone(),
        });
    };
    for (from, form) in &sources {
        for (to, wanted) in &forms {
            let pair = format!("{from} to {to}");
            if from != to
                && !unless.contains(&pair.as_str())
                && !unless.contains(&format!("to {to}").as_str())
            {
                push(from, to, form, wanted);
            }
        }
    }
    for pair in row["pairs"].as_array().into_iter().flatten() {
        let from = pair["from"]
            .as_str()
            .unwrap_or_else(|| panic!("{title}: a pair has `from`"));
        for (to, wanted) in pair["to"].as_object().unwrap() {
            push(from, to, &pair["form"], wanted);
        }
    }
    all
}

/// The objects of a provider with a form laid over them.
fn input(base: &Value, from: &str, form: &Value, bare: bool) -> Vec<Value> {
    let key = if bare || form["bare"] == true {
        "bare"
    } else {
        from
    };
    let mut objects: Vec<Value> = base["objects"].as_array().unwrap().clone();
    let more = base[key].as_array().cloned().unwrap_or_default();
    for part in more.iter().chain(&parts(form)) {
        let kind = part["kind"].as_str();
        let name = part.pointer("/metadata/name");
        let fits = |object: &&mut Value| {
            kind.is_none_or(|kind| object["kind"] == kind)
                && name.is_none_or(|name| object.pointer("/metadata/name") == Some(name))
        };
        match objects.iter_mut().find(fits) {
            Some(object) => lay(object, part),
            None => {
                let mut object = json!({});
                lay(&mut object, part);
                objects.push(object);
            }
        }
    }
    objects.retain(|object| object["drop"] != true);
    objects
}

/// A form: the part of the first object, and those of others.
fn parts(form: &Value) -> Vec<Value> {
    let mut first = Map::new();
    for (key, value) in form.as_object().into_iter().flatten() {
        match key.as_str() {
            "annotations" | "labels" => {
                let metadata = first.entry("metadata").or_insert_with(|| json!({}));
                metadata[key] = value.clone();
            }
            "objects" | "says" | "lacks" | "none" | "severity" | "missing" | "bare" => {}
            _ => {
                first.insert(key.clone(), value.clone());
            }
        }
    }
    let mut all = vec![Value::Object(first)];
    all.retain(|part| part.as_object().is_some_and(|map| !map.is_empty()));
    all.extend(form["objects"].as_array().into_iter().flatten().cloned());
    all
}

/// Lays one value over another; null takes a key out.
fn lay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    under.shift_remove(key);
                } else if value.is_object() {
                    if !under.get(key).is_some_and(Value::is_object) {
                        under.insert(key.clone(), json!({}));
                    }
                    lay(&mut under[key], value);
                } else {
                    under.insert(key.clone(), value.clone());
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// Whether a value has all of the wanted; where not, the path and what is there.
fn lacks(found: Option<&Value>, wanted: &Value, path: &str) -> Option<String> {
    match (found, wanted) {
        (None | Some(Value::Null), Value::Null) => None,
        (found, Value::Object(map)) => {
            // All keys of a part are wanted.
            map.iter().find_map(|(key, value)| {
                lacks(
                    found.and_then(|f| f.get(key)),
                    value,
                    &format!("{path}.{key}"),
                )
            })
        }
        (Some(Value::Array(found)), Value::Array(wanted)) => {
            wanted.iter().enumerate().find_map(|(index, item)| {
                let there = found.iter().any(|one| lacks(Some(one), item, "").is_none());
                (!there).then(|| format!("{path}[{index}] is missing: {item}; there is {found:?}"))
            })
        }
        (Some(Value::String(found)), Value::String(wanted)) => text_lacks(found, wanted, path),
        (Some(found), wanted) if found == wanted => None,
        (found, wanted) => {
            let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
            Some(format!("{path} is {found}, not {wanted}"))
        }
    }
}

/// Texts that hold JSON or pairs have members; others are equal or not.
fn text_lacks(found: &str, wanted: &str, path: &str) -> Option<String> {
    let json = |text: &str| {
        serde_json::from_str::<Value>(text)
            .ok()
            .filter(|v| v.is_object() || v.is_array())
    };
    if let (Some(found), Some(wanted)) = (json(found), json(wanted)) {
        return lacks(Some(&found), &wanted, path);
    }
    if path.contains("attributes") && wanted.contains('=') {
        let found: Vec<&str> = found.split(',').collect();
        let absent = wanted.split(',').find(|pair| !found.contains(pair));
        return absent.map(|pair| format!("{path} has no {pair}: {}", found.join(",")));
    }
    (found != wanted).then(|| format!("{path} is {found:?}, not {wanted:?}"))
}

/// Ids that stay what they are, so that forms can be compared; a row can have others.
fn ids(own: &Value) -> Mapping {
    let mut all = BTreeMap::new();
    let kinds = [
        ("load-balancer", "lb-1"),
        ("subnet", "subnet-1"),
        ("certificate", "cert-1"),
        ("acl", "acl-1"),
        ("key", "key-1"),
        ("network", "vpc-1"),
        ("volume", "vol-1"),
        ("file-system", "fs-1"),
        ("bucket", "bucket-1"),
        ("security-group", "sg-1"),
        ("project", "project-1"),
        ("account", "account-1"),
    ];
    for (kind, id) in kinds {
        all.insert(kind.to_owned(), json!({id: id}));
    }
    for kind in ["address", "file-server"] {
        let same = [
            "10.0.0.9",
            "eip-1",
            "fs.example",
            "fs.example:/data",
            "bucket.example",
        ]
        .map(|id| (id.to_owned(), json!(id)));
        all.insert(kind.to_owned(), Value::Object(same.into_iter().collect()));
    }
    for (kind, own) in own.as_object().into_iter().flatten() {
        all.insert(kind.clone(), own.clone());
    }
    mapping(&json!(all).to_string())
}

fn converted(it: &Expectation) -> Converted {
    let mut options = Options::default();
    // ingress-nginx stays where it is unless it is asked to go.
    if it.from == "onprem" {
        options.ingress = IngressChoice::Native;
    }
    convert(
        &nodes(&text(&it.input)),
        &provider(&it.from),
        &provider(&it.to),
        &ids(&it.map),
        &options,
    )
}

fn severity(word: &str) -> Severity {
    match word {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        "loss" => Severity::Loss,
        _ => panic!("{word} is no severity"),
    }
}

/// What is wrong with a conversion.
fn wrong(it: &Expectation, converted: &Converted) -> Vec<String> {
    let objects: Vec<Value> = converted.objects().map(|node| node.to_json()).collect();
    let output = yaml(converted);
    let said = talk(&converted.findings);
    let mut wrong = Vec::new();
    let first_kind = it.input[0]["kind"].clone();
    for mut part in parts(&it.wanted) {
        let kind = part.as_object_mut().unwrap().shift_remove("kind");
        let absent = part.as_object_mut().unwrap().shift_remove("absent") == Some(json!(true));
        let kind = kind.unwrap_or_else(|| first_kind.clone());
        let of_kind: Vec<&Value> = objects
            .iter()
            .filter(|object| object["kind"] == kind)
            .collect();
        let faults: Vec<String> = of_kind
            .iter()
            .filter_map(|object| lacks(Some(object), &part, ""))
            .collect();
        match (absent, of_kind.is_empty()) {
            (true, true) => {}
            (true, false) => wrong.push(format!("there is a {kind}")),
            (false, true) => wrong.push(format!("there is no {kind}")),
            // One of them has to be it.
            (false, false) if faults.len() == of_kind.len() => {
                wrong.push(format!("{kind} {}", faults.join(" / ")))
            }
            _ => {}
        }
    }
    for gone in it.wanted["lacks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if output.contains(gone) {
            wrong.push(format!("{gone:?} is in the output"));
        }
    }
    let says = it.wanted["says"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for word in says.chain(it.wanted["none"].as_str()) {
        let least = it.wanted["severity"]
            .as_str()
            .map_or(Severity::Info, severity);
        let found = converted.findings.as_slice().iter().any(|finding| {
            (finding.message.contains(word) || finding.code.0 == word)
                && finding.severity() >= least
        });
        if !found {
            wrong.push(format!("no finding of {least:?} says {word:?}"));
        }
    }
    for missing in it.wanted["missing"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !converted.missing.iter().any(|m| m.kind == missing) {
            wrong.push(format!("no {missing} is missing"));
        }
    }
    // Whatever a provider has no form for, nothing of the source stays. `same` is a thing that both write alike.
    if it.wanted.get("same").is_none() {
        for word in foreign(&it.from, &it.to) {
            if output.contains(word) {
                wrong.push(format!("{word:?} of {} stays in the output", it.from));
            }
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!(
            "{output}{said}{:?}",
            converted.missing.iter().map(|m| m.kind).collect::<Vec<_>>()
        ));
    }
    wrong
}

/// Words that only stand in what is written for a provider.
fn foreign(from: &str, to: &str) -> Vec<&'static str> {
    let words: &[&str] = match from {
        "huawei" => &[
            "everest",
            "kubernetes.io/elb.",
            "huawei.com/",
            "url-match-mode",
        ],
        "ali" => &[
            "alibabacloud.com",
            "alibaba-cloud",
            "alicloud",
            "k8s.alibabacloud",
        ],
        "aws" => &["aws-load-balancer", "csi.aws.com", "k8s.aws/"],
        "google" => &[
            "networking.gke.io",
            "cloud.google.com",
            "csi.storage.gke.io",
            "ingress.gcp",
        ],
        "azure" => &["azure"],
        "tencent" => &["tencent", "qcloud"],
        _ => &["metallb", "nginx.ingress"],
    };
    let both = |word: &&&str| {
        let is_own = to == "tencent" && from == "tencent";
        let is_of_nginx = to == "ali" && word.starts_with("nginx.ingress");
        !is_own && !is_of_nginx
    };
    words.iter().filter(both).copied().collect()
}

#[test]
fn each_row_of_the_equivalence_tables() {
    let only = std::env::var("ROW").unwrap_or_default();
    let mut faults = String::new();
    let mut counts = BTreeMap::new();
    for table in tables() {
        for row in &table.rows {
            for it in expectations(&table, row) {
                if !it.name.contains(&only) {
                    continue;
                }
                *counts.entry(table.name.clone()).or_insert(0_usize) += 1;
                let found = converted(&it);
                let wrong = wrong(&it, &found);
                if !wrong.is_empty() {
                    let _ = writeln!(faults, "== {}\n{}\n", it.name, wrong.join("\n"));
                }
            }
        }
    }
    let number = faults.matches("== ").count();
    println!("conversions of rows: {counts:?}");
    assert!(faults.is_empty(), "{number} are wrong\n{faults}");
}

/// A row that no provider can be asked about would hold whatever the program does.
#[test]
fn each_row_has_two_sides() {
    let all: Vec<&str> = Provider::all().iter().map(Provider::name).collect();
    for table in tables() {
        for row in &table.rows {
            let asked = expectations(&table, row);
            let title = row["row"].as_str().unwrap();
            assert!(!asked.is_empty(), "{}: {title}", table.name);
            for it in asked {
                assert!(
                    all.contains(&it.from.as_str()) && all.contains(&it.to.as_str()),
                    "{}",
                    it.name
                );
            }
        }
    }
}
