//! What the program writes is accepted by the real tools.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use migrate::orchestration::compose::ComposeTarget;
use migrate::orchestration::convert::{Conversion, to_yaml};
use migrate::source::Disk;
use tests::fixtures;
use tests::lab::{Components, ControlPlane, validators};
use tests::run::{text_to_file, to_file, to_objects};

static COMPONENTS: LazyLock<Components> = LazyLock::new(Components::from_env);

/// Says plainly which real component is missing. Where `MIGRATE_LAB_REQUIRED` is set, that is a failure.
fn missing(what: &str) -> bool {
    let required = std::env::var_os("MIGRATE_LAB_REQUIRED").is_some();
    assert!(
        !required,
        "{what} is required here and could not be started"
    );
    println!("NOT TESTED: {what} could not be started (tests/lab/components says why)");
    true
}

#[test]
fn api_server_accepts_every_object() {
    let plane = match ControlPlane::start(&COMPONENTS) {
        Ok(plane) => plane,
        Err(error) => {
            println!("{error}");
            missing("kube-apiserver");
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let mut refused = Vec::new();
    let mut accepted = 0;
    for fixture in fixtures::compose() {
        let Ok(conversion) = to_objects(&fixture, &Disk) else {
            continue;
        };
        let path = folder.path().join(format!("{}.yaml", fixture.name));
        std::fs::write(
            &path,
            to_yaml(conversion.output.documents.iter().map(|d| &d.value)),
        )
        .unwrap();
        match validators::kubernetes(&plane, &[path]) {
            Ok(()) => accepted += 1,
            Err(error) => refused.push(format!("{}: {error}", fixture.name)),
        }
    }
    println!("{accepted} applications accepted by a real API server");
    assert!(
        refused.is_empty(),
        "{} refused:\n{}",
        refused.len(),
        refused.join("\n")
    );
}

#[test]
fn api_server_accepts_every_path() {
    let Ok(plane) = ControlPlane::start(&COMPONENTS) else {
        missing("kube-apiserver");
        return;
    };
    let cases = fixtures::folder().join("cases");
    let mut all = String::new();
    for (index, row) in fixtures::table("compose-paths.tsv")
        .iter()
        .skip(1)
        .enumerate()
    {
        let mut files = tests::run::Overlay::default();
        files
            .changed
            .add(cases.join("case.yaml"), row[2].as_bytes());
        let options = migrate::orchestration::compose::load::LoadOptions {
            files: vec![PathBuf::from("case.yaml")],
            working_dir: cases.clone(),
            profiles: vec!["*".into()],
            environment: tests::run::environment(),
            allow_outside: true,
            ..Default::default()
        };
        let target = migrate::orchestration::kubernetes::KubernetesOptions {
            namespace: Some(format!("case-{index}")),
            ..Default::default()
        };
        let Ok(conversion) =
            migrate::orchestration::convert::to_kubernetes(&options, &target, true, &files)
        else {
            continue;
        };
        // One namespace for all, but names of their own, would need a rename of references: instead each case is
        // written as a document set of its own and only checked for schema and validation.
        for document in &conversion.output.documents {
            let mut value = document.value.clone();
            if let Some(metadata) = value.get_mut("metadata").and_then(|m| m.as_object_mut()) {
                metadata.shift_remove("namespace");
                let name = metadata
                    .get("name")
                    .and_then(|n| n.as_str())
                    .unwrap_or("x")
                    .to_owned();
                let short: String = name.chars().take(50).collect();
                metadata.insert(
                    "name".into(),
                    format!("{}-{index}", short.trim_end_matches(['-', '.'])).into(),
                );
            }
            all.push_str("---\n");
            all.push_str(&value.to_string());
            all.push('\n');
        }
    }
    if let Err(error) = validators::kubernetes_text(&plane, &all) {
        panic!("{error}");
    }
}

#[test]
fn docker_compose_accepts_every_file() {
    check(ComposeTarget::Compose, "docker compose", |file, folder| {
        validators::compose(&COMPONENTS, file, folder).map(drop)
    });
}

#[test]
fn docker_stack_accepts_every_file() {
    check(ComposeTarget::Swarm, "docker stack", |file, _| {
        validators::stack(&COMPONENTS, file).map(drop)
    });
}

fn check(target: ComposeTarget, tool: &str, accept: impl Fn(&Path, &Path) -> Result<(), String>) {
    if COMPONENTS.docker.is_none()
        || (target == ComposeTarget::Compose && COMPONENTS.docker_config.is_none())
    {
        missing(tool);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut refused = Vec::new();
    let mut accepted = 0;
    let mut judge = |name: &str, conversion: &Conversion| {
        let place = folder.path().join(name);
        let file = write(conversion, &place);
        match accept(&file, &place) {
            Ok(()) => accepted += 1,
            Err(error) => refused.push(format!("{name}: {error}")),
        }
    };
    for fixture in fixtures::kubernetes() {
        if let Ok(conversion) = to_file(&fixture, target, &Disk) {
            judge(&fixture.name, &conversion);
        }
    }
    // And the way back of every Compose project.
    for fixture in fixtures::compose() {
        let Ok(there) = to_objects(&fixture, &Disk) else {
            continue;
        };
        let text = to_yaml(there.output.documents.iter().map(|d| &d.value));
        if let Ok(conversion) = text_to_file(text, target) {
            judge(&format!("{}-back", fixture.name), &conversion);
        }
    }
    for (index, row) in fixtures::table("kubernetes-fields.tsv")
        .iter()
        .skip(1)
        .enumerate()
    {
        // A process for each of them would take minutes; every fourth covers each type.
        if index % 4 == 0
            && let Ok(conversion) = text_to_file(row[2].clone(), target)
        {
            judge(&format!("field-{index}"), &conversion);
        }
    }
    println!("{accepted} files accepted by {tool}");
    assert!(
        refused.is_empty(),
        "{} refused by {tool}:\n{}",
        refused.len(),
        refused.join("\n")
    );
}

/// Writes a conversion into a folder and returns the document's path.
fn write(conversion: &Conversion, folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    for file in &conversion.output.files {
        let path = folder.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.bytes).unwrap();
    }
    let file = folder.join("compose.yaml");
    std::fs::write(
        &file,
        to_yaml(conversion.output.documents.iter().map(|d| &d.value)),
    )
    .unwrap();
    file
}
