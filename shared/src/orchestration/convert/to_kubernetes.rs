//! Compose or Swarm to Kubernetes.

use super::{Conversion, Failure};
use crate::finding::Findings;
use crate::images::inventory;
use crate::orchestration::carry;
use crate::orchestration::compose::load::{LoadOptions, Project, load, load_node};
use crate::orchestration::compose::{ComposeOptions, ComposeTarget, read, write as compose_write};
use crate::orchestration::kubernetes::{self, KubernetesOptions};
use crate::orchestration::model::Dialect;
use crate::orchestration::output::Output;
use crate::orchestration::table::{Target, report_leftovers};
use crate::parallel;
use crate::source::{Files, Ledger, Limits, Memory, Node, Position, Sources, reread, reread_owned};

/// Converts a Compose project to Kubernetes objects. With `carry`, what Kubernetes cannot say is packed into
/// annotations.
///
/// # Errors
/// The input is wrong, or cannot be written as Kubernetes objects under these options.
pub fn to_kubernetes(
    options: &LoadOptions,
    target: &KubernetesOptions,
    carry_along: bool,
    files: &dyn Files,
) -> Result<Conversion, Box<Failure>> {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let mut project = match load(options, files, &mut sources, &mut findings) {
        Ok(project) => project,
        Err(errors) => {
            findings.extend(errors);
            return Err(Failure::new(findings, sources));
        }
    };
    let carried = carry::kubernetes::unpack(&mut project.node, &mut findings);
    let mut ledger = Ledger::new();
    let mut application = read::read(&project, files, &mut ledger);
    findings.extend(ledger.findings);
    let mut target = target.clone();
    let mut images = inventory::of_conversion(&application, &mut findings);
    inventory::of_waiting(&mut images, &application, &mut target, &mut findings);
    inventory::rewrite(&mut application, &target.images, &mut findings);
    if findings.has_errors() {
        return Err(Failure::new(findings, sources));
    }
    let mut output = kubernetes::write::write(
        &application,
        &target,
        files,
        &project.directory,
        &mut findings,
    );
    report_leftovers(
        &application.leftovers,
        project.dialect,
        Target::Kubernetes,
        &mut findings,
    );
    // Reading back needs the memory.
    parallel::free(application);
    if findings.has_errors() {
        return Err(Failure::new(findings, sources));
    }
    if !carried.is_empty() {
        let limit = Limits::default().bytes as u64;
        let read_file = |path: &str| {
            let inside = !crate::source::normalize(path.as_ref()).starts_with("..")
                && !path.starts_with('/');
            files
                .read(&project.directory.join(path), limit)
                .ok()
                .filter(|_| inside)
        };
        carried.apply(&mut output, read_file, &mut findings);
    }
    if carry_along && let Some(have) = read_back(&project, &output) {
        carry::compose::pack(
            &project.node,
            &have,
            project.dialect,
            &project.name,
            &mut output,
            &mut findings,
        );
        parallel::free(have);
    }
    parallel::free(project.node);
    findings.sort();
    Ok(Conversion {
        output,
        findings,
        sources,
        name: project.name,
        images,
        pull_secrets: Vec::new(),
    })
}

/// The canonical Compose document that a reader of these objects would write.
fn read_back(project: &Project, output: &Output) -> Option<Node> {
    let objects = parallel::parts(&output.documents, |documents| {
        let mut sources = Sources::default();
        let at = Position::start_of(sources.add("", ""));
        let nodes = documents.iter().map(|d| reread(&d.value, at));
        kubernetes::load::load_nodes(nodes, &mut sources, &mut Findings::default()).ok()
    });
    let objects: Option<Vec<_>> = objects.into_iter().collect();
    let objects: Vec<_> = objects?.into_iter().flatten().collect();
    let mut ledger = Ledger::new();
    let application = kubernetes::read::read(&objects, &mut ledger);
    parallel::free(objects);
    let target = match project.dialect {
        Dialect::Swarm => ComposeTarget::Swarm,
        Dialect::Compose | Dialect::Kubernetes => ComposeTarget::Compose,
    };
    let options = ComposeOptions {
        target,
        ..Default::default()
    };
    let written = compose_write::write(&application, &options, &mut Findings::default());
    parallel::free(application);
    canonical(written, project)
}

/// The canonical form of a Compose document that was just written, in the surroundings of `project`.
pub(super) fn canonical(written: Output, project: &Project) -> Option<Node> {
    let directory = &project.directory;
    let mut files = Memory::default();
    for file in written.files {
        files.add(directory.join(&file.path), file.bytes);
    }
    let document = written.documents.into_iter().next()?.value;
    let options = LoadOptions {
        files: vec![directory.join("compose.yaml")],
        working_dir: directory.clone(),
        project_directory: Some(directory.clone()),
        project_name: Some(project.name.clone()),
        profiles: vec!["*".into()],
        environment: project.environment.clone(),
        dialect: Some(project.dialect),
        allow_outside: true,
        ..Default::default()
    };
    let mut sources = Sources::default();
    let node = reread_owned(document, Position::start_of(sources.add("", "")));
    let mut ignored = Findings::default();
    let project = load_node(node, &options, &files, &mut sources, &mut ignored).ok()?;
    Some(project.node)
}
