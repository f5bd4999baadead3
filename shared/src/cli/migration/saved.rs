//! A plan in a file: run later, and refused when the world has changed since.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Goal;
use super::prepare::{Outlook, Prepared};
use crate::images::Digest;

/// Version of the file; others are refused.
const VERSION: u32 = 1;

/// What a plan was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedPlan {
    schema: u32,
    /// The arguments of the run that it stands for.
    pub(super) arguments: Vec<String>,
    /// The folder that they mean.
    pub(super) folder: String,
    /// Hash over the converted application.
    application: Digest,
    /// Hash over what was seen of the target.
    target: Digest,
    /// Digests of the images at the source.
    images: Vec<(String, Option<Digest>)>,
}

impl SavedPlan {
    pub(super) fn of(prepared: &Prepared, outlook: &Outlook, arguments: Vec<String>) -> Self {
        let output = &prepared.conversion.output;
        let mut text = String::new();
        // What a tool makes of files can be random.
        let renders = matches!(&prepared.goal, Goal::Target(target) if target.renders());
        for document in output.documents.iter().filter(|_| !renders) {
            text.push_str(&document.value.to_string());
        }
        for file in &output.files {
            text.push_str(&format!("{}\n{}\n", file.path, Digest::of(&file.bytes)));
        }
        let place = match &prepared.goal {
            Goal::Target(target) => target.address().to_string(),
            Goal::Bundle(folder, _) => folder.display().to_string(),
        };
        let checks = serde_json::to_string(&outlook.checks).unwrap_or_default();
        Self {
            schema: VERSION,
            arguments,
            folder: std::env::current_dir()
                .unwrap_or_default()
                .display()
                .to_string(),
            application: Digest::of(text.as_bytes()),
            target: Digest::of(format!("{place}\n{checks}").as_bytes()),
            images: outlook
                .images
                .images
                .iter()
                .map(|image| (image.source.clone(), image.digest.clone()))
                .collect(),
        }
    }

    pub(super) fn write(&self, file: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs_err::write(file, text)
    }

    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let bytes = fs_err::read(file).map_err(|error| error.to_string())?;
        let plan: Self = serde_json::from_slice(&bytes)
            .map_err(|error| format!("{} is no plan: {error}", file.display()))?;
        if plan.schema != VERSION {
            return Err(format!(
                "{} has version {}, which this program does not know",
                file.display(),
                plan.schema
            ));
        }
        Ok(plan)
    }

    /// What has changed since the plan was made; `None` if nothing.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        let mut changed = Vec::new();
        if self.application != now.application {
            changed.push("the application".to_owned());
        }
        if self.target != now.target {
            changed.push("the target".to_owned());
        }
        for (image, digest) in &now.images {
            if !self
                .images
                .iter()
                .any(|(other, old)| other == image && old == digest)
            {
                changed.push(format!("the image {image}"));
            }
        }
        (!changed.is_empty()).then(|| changed.join(", "))
    }
}
