//! Conversions in this process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use migrate::finding::Findings;
use migrate::orchestration::compose::load::LoadOptions as ComposeLoad;
use migrate::orchestration::compose::{ComposeOptions, ComposeTarget};
use migrate::orchestration::convert::{Conversion, Failure, to_compose, to_kubernetes};
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::orchestration::kubernetes::load::LoadOptions as KubernetesLoad;
use migrate::orchestration::model::Dialect;
use migrate::source::{Disk, Files, Memory, PathKind};

use crate::fixtures::{ComposeFixture, KubernetesFixture};

/// The files of the disk with some of them replaced.
#[derive(Debug, Default)]
pub struct Overlay {
    /// Replacements by absolute path.
    pub changed: Memory,
}

impl Files for Overlay {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.changed.kind(path) {
            PathKind::File(_) => self.changed.read(path, limit),
            _ => Disk.read(path, limit),
        }
    }

    fn kind(&self, path: &Path) -> PathKind {
        match self.changed.kind(path) {
            PathKind::Missing => Disk.kind(path),
            other => other,
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Disk.list(folder).unwrap_or_default();
        names.extend(self.changed.list(folder).unwrap_or_default());
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        match self.changed.kind(path) {
            PathKind::File(_) => self.changed.mode(path),
            _ => Disk.mode(path),
        }
    }
}

/// Variables that fixtures may use.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    [
        ("HOME", "/home/user"),
        ("FROM_SHELL", "shell value"),
        ("SECRET_FROM_SHELL", "s3cret"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

/// How a Compose fixture is loaded.
#[must_use]
pub fn compose_options(fixture: &ComposeFixture) -> ComposeLoad {
    ComposeLoad {
        files: fixture.files.clone(),
        working_dir: fixture.folder.clone(),
        project_directory: fixture.project_directory.clone(),
        profiles: fixture.profiles.clone(),
        env_files: fixture.env_files.clone(),
        environment: environment(),
        dialect: fixture.swarm.map(|swarm| {
            if swarm {
                Dialect::Swarm
            } else {
                Dialect::Compose
            }
        }),
        ..ComposeLoad::default()
    }
}

/// Converts a Compose fixture.
///
/// # Errors
/// The conversion was refused.
pub fn to_objects(fixture: &ComposeFixture, files: &dyn Files) -> Result<Conversion, Box<Failure>> {
    to_kubernetes(
        &compose_options(fixture),
        &KubernetesOptions::default(),
        true,
        files,
    )
}

/// Converts Kubernetes manifests.
///
/// # Errors
/// The conversion was refused.
pub fn to_file(
    fixture: &KubernetesFixture,
    target: ComposeTarget,
    files: &dyn Files,
) -> Result<Conversion, Box<Failure>> {
    let options = KubernetesLoad {
        files: vec![fixture.path.clone()],
        working_dir: PathBuf::from("/"),
        ..KubernetesLoad::default()
    };
    to_compose(&options, &compose_target(target), true, files)
}

/// Converts the text of Kubernetes manifests.
///
/// # Errors
/// The conversion was refused.
pub fn text_to_file(text: String, target: ComposeTarget) -> Result<Conversion, Box<Failure>> {
    let options = KubernetesLoad {
        files: vec![PathBuf::from("-")],
        stdin: Some(text),
        ..KubernetesLoad::default()
    };
    to_compose(&options, &compose_target(target), true, &Memory::default())
}

/// The default choices for a target.
#[must_use]
pub fn compose_target(target: ComposeTarget) -> ComposeOptions {
    ComposeOptions {
        target,
        ..ComposeOptions::default()
    }
}

/// Findings without their positions, which change with every edit of a file.
#[must_use]
pub fn without_positions(findings: &Findings) -> Vec<String> {
    let mut lines: Vec<_> = findings
        .as_slice()
        .iter()
        .map(|f| format!("{:?} {} {} {}", f.severity(), f.code.0, f.path, f.message))
        .collect();
    lines.sort();
    lines
}

/// All that a conversion says, as text for comparing: documents, files and findings; or the findings of a refusal.
#[must_use]
pub fn outcome(result: &Result<Conversion, Box<Failure>>) -> String {
    match result {
        Ok(conversion) => {
            let mut out = String::new();
            for document in &conversion.output.documents {
                out.push_str(&document.value.to_string());
                out.push('\n');
            }
            for file in &conversion.output.files {
                out.push_str(&format!(
                    "{} {:?}\n",
                    file.path,
                    String::from_utf8_lossy(&file.bytes)
                ));
            }
            out.push_str(&without_positions(&conversion.findings).join("\n"));
            out
        }
        Err(failure) => format!(
            "refused\n{}",
            without_positions(&failure.findings).join("\n")
        ),
    }
}
