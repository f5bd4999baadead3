//! Charts for one provider become charts for another, with the real helm.

mod bad_input;
mod commands;
mod conditions;
mod edges;
mod fixtures;
mod law;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use migrate::orchestration::chart::{
    ChartConversion, ChartError, ChartOptions, ChartSource, Choice, Helm, convert_chart,
    convert_manifests,
};
use migrate::orchestration::provider::{Mapping, Options, Provider};
use serde::Deserialize as _;
use serde_json::Value;
use tests::lab::Components;

static COMPONENTS: LazyLock<Components> = LazyLock::new(Components::from_env);

/// Helm 3 and Helm 4, as far as they are here. Where they are required, each that is missing is a failure.
pub(crate) fn helms() -> Vec<(&'static str, PathBuf)> {
    let all = [
        ("helm3", COMPONENTS.helm3.clone()),
        ("helm4", COMPONENTS.helm4.clone()),
    ];
    let required = std::env::var_os("MIGRATE_LAB_REQUIRED").is_some();
    let mut found = Vec::new();
    for (name, path) in all {
        match path {
            Some(path) => found.push((name, path)),
            None => {
                assert!(
                    !required,
                    "{name} is required here; run tests/lab/components {name}"
                );
                println!("NOT TESTED with {name}: run tests/lab/components {name}");
            }
        }
    }
    found
}

pub(crate) fn charts_folder() -> PathBuf {
    tests::fixtures::folder().join("charts")
}

/// Each fixture with each of its values files: a name, the provider, the chart and the values.
pub(crate) fn values_sets() -> Vec<(String, String, PathBuf, Vec<PathBuf>)> {
    let mut all = Vec::new();
    for fixture in fixtures::all() {
        let from = fixture.from.to_owned();
        all.push((
            fixture.name.to_owned(),
            from.clone(),
            fixture.path(),
            Vec::new(),
        ));
        for file in fixture.values_files() {
            let name = format!("{} {}", fixture.name, file.file_name().unwrap().display());
            all.push((name, from.clone(), fixture.path(), vec![file]));
        }
    }
    all
}

fn provider(name: &str) -> Provider {
    Provider::named(name).unwrap()
}

/// How a fixture is converted: every id that is missing becomes a placeholder.
fn options(chart: &Path, from: &str, to: &str, values: &[PathBuf]) -> ChartOptions {
    ChartOptions {
        source: ChartSource {
            chart: chart.display().to_string(),
            ..ChartSource::default()
        },
        values: values.to_vec(),
        set: Vec::new(),
        capabilities: Vec::new(),
        from: Choice::Provider(provider(from)),
        to: provider(to),
        map: Mapping::default(),
        options: lenient(),
        flat: false,
    }
}

fn lenient() -> Options {
    Options {
        allow_missing: true,
        ..Options::default()
    }
}

fn convert(
    helm: &Path,
    chart: &Path,
    from: &str,
    to: &str,
    values: &[PathBuf],
) -> Result<ChartConversion, ChartError> {
    convert_chart(
        &options(chart, from, to, values),
        &Helm::at(helm.to_owned()),
    )
}

/// What helm renders, in its own words when it refuses.
fn render(helm: &Path, chart: &Path, values: &[PathBuf]) -> Result<String, String> {
    let mut command = Command::new(helm);
    command.args([
        "template",
        "shop",
        "--namespace",
        "market",
        "--include-crds",
    ]);
    for file in values {
        command.arg("-f").arg(file);
    }
    let output = command.arg(chart).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The objects of a rendering by kind, namespace and name. What differs at each rendering is taken out.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let mut value = Value::deserialize(document).unwrap();
        if value.is_null() {
            continue;
        }
        settle(&mut value);
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let name = format!(
            "{} {}/{}",
            text("/kind"),
            text("/metadata/namespace"),
            text("/metadata/name")
        );
        assert!(
            all.insert(name.clone(), value).is_none(),
            "{name} stands twice"
        );
    }
    all
}

/// Random values, digests of other templates, and keys that say nothing.
fn settle(value: &mut Value) {
    if value["kind"] == "Secret" {
        value.as_object_mut().unwrap().remove("data");
    }
    drop_noise(value);
}

fn drop_noise(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, inner| {
                !(inner.is_null()
                    || key.starts_with("checksum/")
                    || (matches!(key.as_str(), "annotations" | "labels")
                        && inner.as_object().is_some_and(serde_json::Map::is_empty)))
            });
            map.values_mut().for_each(drop_noise);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_noise),
        _ => {}
    }
}

/// The law, looked at from outside: what helm renders from the converted chart is what it renders from the original,
/// converted.
fn law(
    helm: &Path,
    (chart, values): (&Path, &[PathBuf]),
    (converted, twins): (&Path, &[PathBuf]),
    from: &str,
    to: &str,
) -> Result<(), String> {
    let before = render(helm, chart, values)?;
    let after = render(helm, converted, twins)?;
    let wanted = convert_manifests(
        &before,
        &Choice::Provider(provider(from)),
        &provider(to),
        &Mapping::default(),
        &Options {
            namespace: Some("market".to_owned()),
            ..lenient()
        },
    )
    .map_err(|error| error.to_string())?;
    let (wanted, found) = (objects(&wanted.text), objects(&after));
    let mut wrong = Vec::new();
    for (name, value) in &wanted {
        match found.get(name) {
            None => wrong.push(format!("{name} is missing")),
            Some(other) if other != value => wrong.push(format!(
                "{name} is\n{}\nand not\n{}",
                serde_yaml::to_string(other).unwrap(),
                serde_yaml::to_string(value).unwrap()
            )),
            Some(_) => {}
        }
    }
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        wrong.push(format!("{name} is too much"));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// A helm command, in its own words when it refuses.
fn run(helm: &Path, arguments: &[&std::ffi::OsStr]) -> Result<String, String> {
    let output = Command::new(helm).args(arguments).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}
