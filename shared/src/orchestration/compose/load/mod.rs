//! From the files that a user names to one canonical Compose document.
//!
//! The loader does all that happens before a key means anything: discovery, interpolation, merging, `extends`,
//! `include`, profiles, `env_file`, and the translation of old versions and short forms into the long forms of
//! today's specification. What it consumes that way it accounts for itself, with findings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::finding::Findings;
use crate::orchestration::model::Dialect;
use crate::source::{Files, Limits, Node, Origin, Sources};

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
    /// `--profile`, in addition to `COMPOSE_PROFILES`.
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
    let _ = (options, files, sources, findings);
    Err(Findings::default())
}
