//! Kubernetes to Compose or Swarm.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::to_kubernetes::canonical;
use super::{Conversion, Failure};
use crate::finding::{Code, Finding, Findings};
use crate::images::inventory;
use crate::orchestration::carry;
use crate::orchestration::compose::form;
use crate::orchestration::compose::load::{LoadOptions as ComposeLoad, Project, load_node};
use crate::orchestration::compose::{
    ComposeOptions, ComposeTarget, read as compose_read, write as compose_write,
};
use crate::orchestration::kubernetes::load::{LoadOptions, Object, load, load_nodes};
use crate::orchestration::kubernetes::{self, KubernetesOptions};
use crate::orchestration::model::{Application, Dialect};
use crate::orchestration::output::Output;
use crate::orchestration::table::{self, Target, report_leftovers};
use crate::parallel;
use crate::source::{Files, Ledger, Memory, Node, Position, Sources, reread};

/// Converts Kubernetes objects to a Compose document and its files. With `carry_along`, what Compose cannot say is
/// packed into the document.
///
/// # Errors
/// The input is wrong, or cannot be written as Compose under these options.
pub fn to_compose(
    options: &LoadOptions,
    target: &ComposeOptions,
    carry_along: bool,
    files: &dyn Files,
) -> Result<Conversion, Box<Failure>> {
    to_compose_with(options, target, carry_along, files, Sources::default())
}

/// As [`to_compose`], with texts that were read before (the output of `kubectl kustomize`, for example).
///
/// # Errors
/// As [`to_compose`].
pub fn to_compose_with(
    options: &LoadOptions,
    target: &ComposeOptions,
    carry_along: bool,
    files: &dyn Files,
    mut sources: Sources,
) -> Result<Conversion, Box<Failure>> {
    let mut findings = Findings::default();
    let mut objects = match load(options, files, &mut sources, &mut findings) {
        Ok(objects) => objects,
        Err(errors) => {
            findings.extend(errors);
            return Err(Failure::new(findings, sources));
        }
    };
    let carried = carry::compose::unpack(&mut objects, &mut findings);
    let mut ledger = Ledger::new();
    let mut application = kubernetes::read::read(&objects, &mut ledger);
    findings.extend(ledger.findings);
    let images = inventory::of_conversion(&application, &mut findings);
    inventory::rewrite(&mut application, &target.images, &mut findings);
    if findings.has_errors() {
        return Err(Failure::new(findings, sources));
    }
    let mut output = compose_write::write(&application, target, &mut findings);
    let (dialect, table_target) = match target.target {
        ComposeTarget::Compose => (Dialect::Compose, Target::Compose),
        ComposeTarget::Swarm => (Dialect::Swarm, Target::Swarm),
    };
    report_leftovers(
        &application.leftovers,
        Dialect::Kubernetes,
        table_target,
        &mut findings,
    );
    table::report_whole(&application.whole, table_target, carry_along, &mut findings);
    if findings.has_errors() {
        return Err(Failure::new(findings, sources));
    }
    let surroundings = surroundings(&application, dialect);
    if let Some(from) = carried.dialect {
        if from == dialect {
            restore(&carried, &surroundings, &mut output, &mut findings);
        } else {
            let message = "keys of the other Compose dialect were carried along and are left out";
            findings.push(Finding::new(Code("carried-other-dialect"), message));
        }
    }
    if carry_along
        && let Some(have) = read_back(&surroundings, &output)
        && let Some(document) = output.documents.first_mut()
    {
        let is_known = |object: &Object| {
            application
                .whole
                .iter()
                .all(|whole| whole.known || whole.kind != object.kind || whole.name != object.name)
        };
        carry::kubernetes::pack(
            &objects,
            &have,
            is_known,
            &mut document.value,
            &mut output.files,
        );
        parallel::free(have);
    }
    parallel::free(application);
    findings.sort();
    let pull_secrets = inventory::pull_secrets(&objects);
    parallel::free(objects);
    Ok(Conversion {
        output,
        findings,
        sources,
        name: surroundings.name,
        images,
        pull_secrets,
    })
}

/// Folder in memory in which the written document is read again.
const MEMORY_FOLDER: &str = "/project";

fn surroundings(application: &Application, dialect: Dialect) -> Project {
    let name = application
        .name
        .as_ref()
        .map_or("application", |n| n.value.as_str());
    Project {
        node: Node::plain("", Position::start_of(Sources::default().add("", ""))),
        name: name.to_owned(),
        name_origin: None,
        dialect,
        version: None,
        directory: PathBuf::from(MEMORY_FOLDER),
        environment: std::env::vars().collect(),
    }
}

/// Applies what was carried along to the canonical form of the document, and keeps the paths of files in step.
fn restore(
    carried: &carry::compose::Packets,
    surroundings: &Project,
    output: &mut Output,
    findings: &mut Findings,
) {
    let Some(document) = canonical(output.clone(), surroundings) else {
        return;
    };
    let mut document = document.to_json();
    let before = file_paths(&document);
    carried.apply(&mut document, findings);
    let after = file_paths(&document);
    for (place, old) in before {
        if let Some((_, new)) = after.iter().find(|(p, _)| *p == place)
            && *new != old
        {
            let (old, new) = (old.trim_start_matches("./"), new.trim_start_matches("./"));
            // Only files inside of the output folder are ours to write.
            if !new.starts_with('/') && !new.starts_with("..") {
                for file in output.files.iter_mut().filter(|f| f.path == old) {
                    new.clone_into(&mut file.path);
                }
            }
        }
    }
    form::from_canonical(&mut document, surroundings.dialect);
    if let Some(first) = output.documents.first_mut() {
        first.value = document;
    }
}

/// The `file` keys of configs and secrets.
fn file_paths(document: &Value) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for section in ["configs", "secrets"] {
        let items = document.get(section).and_then(Value::as_object);
        for (name, item) in items.into_iter().flatten() {
            if let Some(path) = item.get("file").and_then(Value::as_str) {
                paths.push((format!("{section}.{name}"), path.to_owned()));
            }
        }
    }
    paths
}

/// The objects that a reader of this Compose document would write.
fn read_back(surroundings: &Project, written: &Output) -> Option<Vec<Object>> {
    let folder = Path::new(MEMORY_FOLDER);
    let mut files = Memory::default();
    for file in &written.files {
        files.add(folder.join(&file.path), file.bytes.clone());
    }
    let options = ComposeLoad {
        files: vec![folder.join("compose.yaml")],
        working_dir: folder.to_owned(),
        project_directory: Some(folder.to_owned()),
        project_name: Some(surroundings.name.clone()),
        profiles: vec!["*".into()],
        environment: surroundings.environment.clone(),
        dialect: Some(surroundings.dialect),
        allow_outside: true,
        ..Default::default()
    };
    let mut sources = Sources::default();
    let mut ignored = Findings::default();
    let at = Position::start_of(sources.add("", ""));
    let document = reread(&written.documents.first()?.value, at);
    let project = load_node(document, &options, &files, &mut sources, &mut ignored).ok()?;
    let mut ledger = Ledger::new();
    let application = compose_read::read(&project, &files, &mut ledger);
    let target = KubernetesOptions::default();
    let output = kubernetes::write::write(
        &application,
        &target,
        &files,
        &project.directory,
        &mut ignored,
    );
    if output.documents.is_empty() {
        return Some(Vec::new());
    }
    parallel::free(application);
    parallel::free(project.node);
    let objects = parallel::parts(&output.documents, |documents| {
        let nodes = documents.iter().map(|document| reread(&document.value, at));
        load_nodes(nodes, &mut Sources::default(), &mut Findings::default()).ok()
    });
    let objects: Option<Vec<_>> = objects.into_iter().collect();
    Some(objects?.into_iter().flatten().collect())
}
