//! From the model to Kubernetes objects.
//!
//! [`plan`] settles first what several objects have to agree on (names, labels, access to volumes); the other
//! modules then write one kind of object each. Everything that Kubernetes 1.34 cannot say exactly is a finding.

mod aliases;
mod binds;
mod claims;
mod command;
mod container;
mod docker_tools;
mod documents;
mod environment;
mod files;
mod fill;
mod jobs;
mod lifecycle;
mod mentions;
mod metadata;
mod mounts;
mod objects;
mod own_name;
mod placeholders;
mod placement;
mod plan;
mod pod;
mod policies;
mod ports;
mod probes;
mod publish;
mod resources;
mod restart;
mod rollout;
mod routes;
mod security;
mod services;
mod settings;
mod usage;
mod volumes;
mod wait;
mod workload;

#[cfg(test)]
mod tests;

use super::KubernetesOptions;
use crate::finding::Findings;
use crate::orchestration::model::Application;
use crate::orchestration::output::Output;
use crate::source::Files;

use binds::Binds;
use documents::Documents;
use plan::Plan;
pub(crate) use wait::waited_for;

/// Writes objects in the order in which they should be applied. `files` and `directory` (the project folder) are
/// for bind mounts whose content becomes a ConfigMap.
#[must_use]
pub fn write(
    application: &Application,
    options: &KubernetesOptions,
    files: &dyn Files,
    directory: &std::path::Path,
    findings: &mut Findings,
) -> Output {
    // What the reader had no home for (`leftovers`) is reported and carried by the caller.
    let Application {
        dialect: _,
        name: _,
        units,
        names: _,
        routes,
        networks,
        volumes,
        objects,
        whole,
        leftovers: _,
    } = application;
    let plan = Plan::new(application, options, findings);
    let mut documents = Documents::default();
    let mut binds = Binds::new(files, directory);

    if let Some(namespace) = &options.namespace {
        objects::namespace(namespace, whole, &mut documents);
    }
    objects::write(objects, &plan, &mut documents, findings);
    for (unit, planned) in units.iter().zip(&plan.units) {
        workload::write(unit, planned, &plan, &mut binds, &mut documents, findings);
    }
    binds.write(&plan, &mut documents, findings);
    claims::write(volumes, &plan, &mut documents, findings);
    services::write(&plan, &mut documents, findings);
    routes::write(routes, &plan, &mut documents, findings);
    policies::write(networks, &plan, &mut documents, findings);
    for object in whole {
        documents.whole(object);
    }
    documents.finish()
}
