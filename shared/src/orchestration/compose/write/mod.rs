//! From the model to a Compose file or a Swarm stack.
//!
//! One service for each container. What Compose can say and a stack of schema 3.13 cannot (docker/cli
//! `cli/compose/types`, `schema/data/config_schema_v3.13.json`) never is written into a stack: it becomes a finding.

mod application;
mod container;
mod cron;
mod deploy;
mod document;
mod env_file;
mod environment;
mod field_files;
mod fields;
mod files;
mod health;
mod hooks;
mod keys;
mod mounts;
mod names;
mod networks;
mod object_mounts;
mod objects;
mod placement;
mod plan;
mod ports;
mod restart;
mod rollout;
mod routes;
mod security;
mod service;
mod settings;
mod volumes;
mod writer;

#[cfg(test)]
mod tests;

use crate::finding::Findings;
use crate::orchestration::model::Application;
use crate::orchestration::output::Output;

/// Writes the one Compose document and the files that it refers to.
#[must_use]
pub fn write(
    application: &Application,
    options: &super::ComposeOptions,
    findings: &mut Findings,
) -> Output {
    let plan = plan::Plan::new(application, options, findings);
    writer::Writer::new(application, options, &plan, findings).write()
}
