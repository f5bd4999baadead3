//! From the files that a user names to one canonical Compose document.
//!
//! The loader does all that happens before a key means anything: discovery, interpolation, merging, `extends`,
//! `include`, profiles, `env_file`, and the translation of old versions and short forms into the long forms of
//! today's specification. What it consumes that way it accounts for itself, with findings.

mod canonical;
mod check;
mod command;
mod contradictions;
mod dialect;
pub mod dotenv;
mod environment;
mod extends;
mod files;
mod include;
pub mod interpolate;
mod legacy;
mod merge;
mod profiles;
mod project;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::finding::{Code, Findings};
use crate::orchestration::model::Dialect;
use crate::source::{Files, KeyPath, Limits, Node, Origin, Sources, Value, normalize};

/// What to load, and in which surroundings.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Files in merge order (`-f`); `-` is `stdin`. Empty: `COMPOSE_FILE`, then discovery upward from `working_dir`.
    pub files: Vec<PathBuf>,
    /// Text of standard input, for a file named `-`.
    pub stdin: Option<String>,
    /// Where relative paths of `files` and discovery begin; absolute.
    pub working_dir: PathBuf,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// `--project-name`.
    pub project_name: Option<String>,
    /// `--profile`, in place of `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// `--env-file`; empty means `.env` in the project folder.
    pub env_files: Vec<PathBuf>,
    /// The caller's environment.
    pub environment: BTreeMap<String, String>,
    /// Which dialect is spoken; `None` decides by the files themselves.
    pub dialect: Option<Dialect>,
    /// Whether paths in the input may leave the project folder.
    pub allow_outside: bool,
    /// Bounds on each file.
    pub limits: Limits,
    /// What was found when the files were made of what runs on an engine.
    pub found: Findings,
}

/// One loaded project.
#[derive(Debug, Clone)]
pub struct Project {
    /// The canonical document.
    pub node: Node,
    /// Project name, normalised.
    pub name: String,
    /// The place that gave the project its name, if a file did.
    pub name_origin: Option<Origin>,
    /// `Compose` or `Swarm`.
    pub dialect: Dialect,
    /// The version that the first file declares, as written; `1` for a file of the first version.
    pub version: Option<String>,
    /// Project folder, absolute.
    pub directory: PathBuf,
    /// The caller's environment with `.env` beneath, for configs and secrets from variables.
    pub environment: BTreeMap<String, String>,
}

/// Loads a project.
///
/// # Errors
/// All findings so far, at least one of severity error, when the input cannot be understood.
pub fn load(
    options: &LoadOptions,
    files: &dyn Files,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Result<Project, Findings> {
    whole(None, options, files, sources, findings)
}

/// As [`load`], of a document that was read already; it stands for the one file that the options name.
///
/// # Errors
/// As [`load`].
pub fn load_node(
    document: Node,
    options: &LoadOptions,
    files: &dyn Files,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Result<Project, Findings> {
    whole(Some(document), options, files, sources, findings)
}

fn whole(
    document: Option<Node>,
    options: &LoadOptions,
    files: &dyn Files,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Result<Project, Findings> {
    let mut own = options.found.clone();
    let project = load_into(document, options, files, sources, &mut own);
    match project {
        Some(project) if !own.has_errors() => {
            findings.extend(own);
            Ok(project)
        }
        _ => {
            let mut all = std::mem::take(findings);
            all.extend(own);
            Err(all)
        }
    }
}

fn load_into(
    mut given: Option<Node>,
    options: &LoadOptions,
    files: &dyn Files,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Option<Project> {
    let found = project::find(options, files, findings)?;
    let environment = project::environment(options, &found.directory, files, sources, findings);
    let mut assembler = files::Assembler {
        files,
        sources,
        findings,
        limits: options.limits,
        allow_outside: options.allow_outside,
        directory: found.directory.clone(),
        home: options.environment.get("HOME").cloned(),
        stdin: options.stdin.as_deref(),
        warned: BTreeSet::new(),
        including: Vec::new(),
        version: None,
    };
    let mut root: Option<Node> = None;
    for file in &found.files {
        let documents = match given.take() {
            Some(node) => assembler.assemble(vec![node], file, "", &environment),
            None => assembler.documents(file, "", &environment),
        };
        for document in documents {
            match &mut root {
                None => root = Some(merge::settle(document)),
                Some(root) => merge::merge(root, document, &KeyPath::root(), assembler.findings),
            }
        }
    }
    let version = assembler.version.take();
    let mut root = match root {
        Some(root) => root,
        None if findings.has_errors() => return None,
        None => {
            let name = found
                .files
                .first()
                .map_or_else(String::new, |f| f.display().to_string());
            let origin = Origin::file(sources.add(name.clone(), ""));
            findings.add(Code("empty-file"), &origin, format!("`{name}` is empty"));
            return None;
        }
    };
    let at = root.at;
    let Value::Mapping(map) = &mut root.value else {
        findings.add(
            Code("wrong-type"),
            &Origin::new(at, KeyPath::root()),
            "a Compose file is a mapping",
        );
        return None;
    };
    let dialect = dialect::decide(
        options.dialect,
        map,
        version.as_deref(),
        &found.files,
        at,
        findings,
    );
    check::sections(map, at, findings);
    if dialect == Dialect::Swarm {
        project::of_stack(options, &found.directory, files, at, findings);
    }
    let (name, name_origin) = project::name(options, map, &found.directory, &environment, findings);
    profiles::select(map, options, &environment, findings);
    let around = environment::Surroundings {
        variables: &environment,
        files,
        directory: &found.directory,
        allow_outside: options.allow_outside,
        swarm: dialect == Dialect::Swarm,
    };
    let services = KeyPath::root().key("services");
    if let Some(Value::Mapping(all)) = map.0.get_mut("services").map(|e| &mut e.node.value) {
        command::resolve(all, dialect, findings);
        let mut unresolved = environment::Unresolved::default();
        for (name, entry) in all.0.iter_mut() {
            if let Value::Mapping(service) = &mut entry.node.value {
                let path = services.key(name);
                environment::resolve(name, service, &path, &around, &mut unresolved, findings);
            }
        }
        unresolved.report(findings);
    }
    check::check(map, dialect, options.allow_outside, findings);
    contradictions::check(map, findings);
    Some(Project {
        node: root,
        name,
        name_origin,
        dialect,
        version,
        directory: found.directory,
        environment,
    })
}

/// Whether a path leaves the folder that it is relative to.
fn outside(path: &str) -> bool {
    Path::new(path).is_absolute() || normalize(Path::new(path)).starts_with("..")
}

fn outside_error(path: &str, origin: &Origin, findings: &mut Findings) {
    let message = format!("`{path}` is outside of the project folder and is not read");
    findings.add(Code("path-outside-project"), origin, message);
}
