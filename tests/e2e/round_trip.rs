//! There and back again: what the target cannot say travels along.

use std::path::{Path, PathBuf};

use migrate::finding::Findings;
use migrate::orchestration::compose::ComposeTarget;
use migrate::orchestration::compose::load::{LoadOptions, load};
use migrate::orchestration::convert::{to_kubernetes, to_yaml};
use migrate::orchestration::kubernetes::{self, KubernetesOptions};
use migrate::orchestration::model::Dialect;
use migrate::source::{Disk, Files, Sources};
use serde_json::Value;
use tests::fixtures::{self, ComposeFixture};
use tests::run::{Overlay, compose_options, environment, text_to_file, to_file, to_objects};

#[test]
fn compose_to_kubernetes_to_compose() {
    let mut wrong = Vec::new();
    for fixture in fixtures::compose() {
        let Ok(there) = to_objects(&fixture, &Disk) else {
            continue;
        };
        let (mut want, dialect, name) = canonical(&compose_options(&fixture), &Disk);
        for finding in there.findings.as_slice() {
            if finding.code.0 == "secret-not-carried" {
                assert!(without(&mut want, &finding.path), "{}", finding.path);
            }
        }
        let target = if dialect == Dialect::Swarm {
            ComposeTarget::Swarm
        } else {
            ComposeTarget::Compose
        };
        let text = to_yaml(there.output.documents.iter().map(|d| &d.value));
        let back = match text_to_file(text, target) {
            Ok(back) => back,
            Err(failure) => {
                wrong.push(format!("{}: {:?}", fixture.name, failure.findings));
                continue;
            }
        };
        let mut files = Overlay::default();
        let path = fixture.folder.join("there-and-back.yaml");
        files.changed.add(
            &path,
            to_yaml(back.output.documents.iter().map(|d| &d.value)),
        );
        for file in &back.output.files {
            files
                .changed
                .add(fixture.folder.join(&file.path), file.bytes.clone());
        }
        let options = LoadOptions {
            files: vec![path],
            profiles: vec!["*".into()],
            project_name: Some(name),
            dialect: Some(dialect),
            ..compose_options(&bare(&fixture))
        };
        let (have, ..) = canonical(&options, &files);
        compare(
            &fixture.name,
            &without_meta(want),
            &without_meta(have),
            &mut wrong,
        );
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Takes out what a finding says does not come back. Whether it was there.
fn without(document: &mut Value, path: &str) -> bool {
    let Some((parent, key)) = path.rsplit_once('.') else {
        return false;
    };
    document
        .pointer_mut(&format!("/{}", parent.replace('.', "/")))
        .and_then(Value::as_object_mut)
        .is_some_and(|parent| parent.shift_remove(key).is_some())
}

#[test]
fn kubernetes_to_compose_to_kubernetes() {
    let mut wrong = Vec::new();
    for fixture in fixtures::kubernetes() {
        for target in [ComposeTarget::Compose, ComposeTarget::Swarm] {
            let Ok(there) = to_file(&fixture, target, &Disk) else {
                continue;
            };
            let folder = Path::new("/round/trip");
            let mut files = Overlay::default();
            files.changed.add(
                folder.join("compose.yaml"),
                to_yaml(there.output.documents.iter().map(|d| &d.value)),
            );
            for file in &there.output.files {
                files
                    .changed
                    .add(folder.join(&file.path), file.bytes.clone());
            }
            let options = LoadOptions {
                files: vec![folder.join("compose.yaml")],
                working_dir: folder.to_owned(),
                profiles: vec!["*".into()],
                environment: environment(),
                project_name: Some(there.name.clone()),
                dialect: Some(if target == ComposeTarget::Swarm {
                    Dialect::Swarm
                } else {
                    Dialect::Compose
                }),
                ..LoadOptions::default()
            };
            // These mount a ConfigMap that is not in the input, so that the way back has no content for it.
            if ["projected", "sub-path"].contains(&fixture.name.as_str())
                && target == ComposeTarget::Compose
            {
                continue;
            }
            let back = match to_kubernetes(&options, &KubernetesOptions::default(), false, &files) {
                Ok(back) => back,
                Err(failure) => {
                    wrong.push(format!(
                        "{} {target:?}: {:?}",
                        fixture.name, failure.findings
                    ));
                    continue;
                }
            };
            let want = objects(&fixture.path, None);
            let have = objects(
                Path::new("-"),
                Some(to_yaml(back.output.documents.iter().map(|d| &d.value))),
            );
            compare(
                &format!("{} {target:?}", fixture.name),
                &want,
                &have,
                &mut wrong,
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The fixture without files of its own.
fn bare(fixture: &ComposeFixture) -> ComposeFixture {
    ComposeFixture {
        files: Vec::new(),
        ..fixture.clone()
    }
}

fn canonical(options: &LoadOptions, files: &dyn Files) -> (Value, Dialect, String) {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let project = load(options, files, &mut sources, &mut findings)
        .unwrap_or_else(|f| panic!("{options:?}: {f:?}"));
    (project.node.to_json(), project.dialect, project.name)
}

/// The name may stand in the file or come from the folder.
fn without_meta(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("name");
        // What Compose cannot say of the objects in between; they are not the source.
        map.shift_remove("x-migrate");
    }
    value
}

/// All objects by kind, namespace and name; the content of Secrets in one form.
fn objects(path: &Path, text: Option<String>) -> Value {
    let options = kubernetes::load::LoadOptions {
        files: vec![PathBuf::from(path)],
        working_dir: PathBuf::from("/"),
        stdin: text,
        ..Default::default()
    };
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let objects =
        kubernetes::load::load(&options, &Disk, &mut sources, &mut findings).unwrap_or_default();
    let mut all = serde_json::Map::new();
    for object in objects {
        let mut value = object.node.to_json();
        if object.kind == "Secret" {
            secret(&mut value);
        }
        let key = format!(
            "{}/{}/{}",
            object.kind,
            object.namespace.unwrap_or_default(),
            object.name
        );
        all.insert(key, value);
    }
    Value::Object(all)
}

fn secret(value: &mut Value) {
    use base64::Engine as _;
    let Some(map) = value.as_object_mut() else {
        return;
    };
    let plain = map.shift_remove("stringData");
    let mut data = map
        .shift_remove("data")
        .and_then(|d| d.as_object().cloned())
        .unwrap_or_default();
    for (key, value) in plain
        .as_ref()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let text = value.as_str().unwrap_or_default();
        data.insert(
            key.clone(),
            base64::engine::general_purpose::STANDARD
                .encode(text)
                .into(),
        );
    }
    map.insert("data".into(), Value::Object(data));
}

/// Every place where two documents differ.
fn compare(name: &str, want: &Value, have: &Value, wrong: &mut Vec<String>) {
    for change in migrate::orchestration::carry::diff(want, have) {
        let value = change
            .value
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let instead = if change.was.is_some() {
            "something else"
        } else {
            "nothing"
        };
        let short: String = value.chars().take(160).collect();
        wrong.push(format!(
            "{name}: {}: should be {short}, is {instead}",
            change.display_path()
        ));
    }
}
