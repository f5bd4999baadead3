//! All ordered pairs of the seven providers: what comes out is taken by a real API server.

use std::collections::{BTreeMap, BTreeSet};

use migrate::orchestration::provider::Provider;
use migrate::source::Node;
use serde_json::Value;
use tests::lab::{Components, ControlPlane};

use super::inputs::{everywhere, text};
use crate::charts::charts_folder;

#[test]
fn each_pair_gives_objects_that_the_api_server_takes() {
    let components = Components::from_env();
    let plane = match ControlPlane::start(&components) {
        Ok(plane) => plane,
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "kube-apiserver is required here: {error}"
            );
            println!("NOT TESTED: {error}");
            return;
        }
    };
    let kubectl = |arguments: &[&str]| {
        let output = plane.kubectl().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), told, said)
    };
    let crds = charts_folder().join("provider-crds.yaml");
    let (done, _, said) = kubectl(&["apply", "--server-side", "-f", &crds.display().to_string()]);
    assert!(done, "{said}");
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd",
        "--all",
    ];
    let (done, _, said) = kubectl(&wait);
    assert!(done, "{said}");
    let (_, served, _) = kubectl(&["api-versions"]);
    let served: BTreeSet<&str> = served.lines().collect();

    let mut pairs: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut objects: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for input in everywhere() {
        for to in Provider::all().iter().filter(|to| to.name() != input.from) {
            *pairs
                .entry((input.from.clone(), to.name().to_owned()))
                .or_default() += 1;
            for object in input.convert(to).objects().map(Node::to_json) {
                let version = object["apiVersion"].as_str().unwrap_or_default();
                let kind = object["kind"].as_str().unwrap_or_default();
                let version_served = served.contains(version);
                // Kinds of versions that no server of today has, and those of add-ons.
                if !version_served || kind.is_empty() || kind == "List" {
                    continue;
                }
                let mut object = object;
                object["metadata"]
                    .as_object_mut()
                    .map(|m| m.shift_remove("namespace"));
                open_paths(&mut object);
                let name = format!("{} to {}", input.name, to.name());
                objects.entry(object.to_string()).or_insert((name, object));
            }
        }
    }
    assert_eq!(pairs.len(), 42, "{pairs:?}");
    let folder = tempfile::tempdir().unwrap();
    for (index, (_, object)) in objects.values().enumerate() {
        let file = folder.path().join(format!("{index:05}.yaml"));
        std::fs::write(file, text(std::slice::from_ref(object))).unwrap();
    }
    let names: Vec<&String> = objects.values().map(|(name, _)| name).collect();
    let path = folder.path().display().to_string();
    let (_, taken, said) = kubectl(&[
        "create",
        "--dry-run=server",
        "--validate=strict",
        "-o",
        "name",
        "-f",
        &path,
    ]);
    let taken = taken.lines().count();
    println!(
        "{} conversions of 42 pairs; {taken} of {} different objects are taken",
        pairs.values().sum::<usize>(),
        objects.len()
    );
    let explained: Vec<String> = said
        .lines()
        .map(|line| {
            let number = line
                .split(&format!("{path}/"))
                .nth(1)
                .and_then(|rest| rest.get(..5))
                .and_then(|digits| digits.parse::<usize>().ok());
            match number.and_then(|n| names.get(n)) {
                Some(name) => format!("{name}: {line}"),
                None => line.to_owned(),
            }
        })
        .collect();
    assert_eq!(taken, objects.len(), "{}", explained.join("\n"));
}

/// CCE has a field in the paths of Ingresses that Kubernetes does not know; a placeholder is no range of addresses.
fn open_paths(object: &mut Value) {
    for rule in list(object, "/spec/rules") {
        let paths = list(rule, "/http/paths");
        for path in paths {
            path.as_object_mut().map(|p| p.shift_remove("property"));
        }
    }
    for range in list(object, "/spec/loadBalancerSourceRanges") {
        if range.as_str().is_some_and(|r| r.starts_with("TODO-")) {
            *range = Value::from("192.0.2.0/24");
        }
    }
}

fn list<'v>(value: &'v mut Value, pointer: &str) -> impl Iterator<Item = &'v mut Value> {
    let items = value.pointer_mut(pointer).and_then(Value::as_array_mut);
    items.into_iter().flatten()
}
