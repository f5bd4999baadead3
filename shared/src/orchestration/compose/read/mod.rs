//! From the canonical Compose document to the model.

mod deploy;
mod group;
mod health;
mod mounts;
mod network;
mod placement;
mod process;
mod security;
mod service;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::load::Project;
use crate::finding::Code;
use crate::orchestration::model::{Application, Dialect};
use crate::source::{Files, Item, KeyPath, Ledger, Mapping, Node, Origin, Sourced};

/// What every part of the reader needs.
struct Reader<'a> {
    project: &'a Project,
    files: &'a dyn Files,
    ledger: &'a mut Ledger,
    /// Services by the name of their one container; a stack does not name containers.
    containers: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn swarm(&self) -> bool {
        self.project.dialect == Dialect::Swarm
    }

    /// The service that `service:NAME` or `container:NAME` leads to. A container of another project stays unknown.
    fn shared_with(&self, text: &str) -> Option<String> {
        match text.strip_prefix("container:") {
            Some(container) => self.containers.get(container).cloned(),
            None => text.strip_prefix("service:").map(str::to_owned),
        }
    }

    fn error(&mut self, code: &'static str, origin: &Origin, message: impl Into<String>) {
        self.ledger.add(Code(code), origin, message);
    }
}

/// Reads a loaded project. Problems of the input are findings of severity error in the ledger; the application
/// then is as good as it could be made.
#[must_use]
pub fn read(project: &Project, files: &dyn Files, ledger: &mut Ledger) -> Application {
    let mut application = Application::new(project.dialect);
    let root = Item::root(&project.node);
    let origin = project
        .name_origin
        .clone()
        .unwrap_or_else(|| Origin::new(project.node.at, KeyPath::root()));
    application.name = Some(Sourced::new(project.name.clone(), origin));
    let Some(mut fields) = root.fields("", ledger) else {
        return application;
    };
    fields.take("name");
    let mut reader = Reader {
        project,
        files,
        ledger,
        containers: containers(project),
    };
    if let Some(item) = fields.take("networks") {
        application.networks = reader.networks(&item);
    }
    if let Some(item) = fields.take("volumes") {
        application.volumes = reader.volumes(&item);
    }
    for (key, kind) in [
        ("configs", crate::orchestration::model::ObjectKind::Config),
        ("secrets", crate::orchestration::model::ObjectKind::Secret),
    ] {
        if let Some(item) = fields.take(key) {
            application.objects.extend(reader.objects(&item, kind));
        }
    }
    if let Some(item) = fields.take("services") {
        let mut services = Vec::new();
        for (name, item) in item.entries(reader.ledger) {
            if let Some(service) = reader.service(name, &item, &mut application.names) {
                services.push(service);
            }
        }
        Reader::predefined_networks(&mut application.networks, &mut services);
        application.units =
            reader.group(services, &mut application.volumes, &mut application.names);
    }
    for (_, item) in fields.take_rest(|key| key.starts_with("x-")) {
        reader.ledger.leave("x-*", &item);
    }
    fields.finish(reader.ledger);
    application.leftovers = std::mem::take(&mut ledger.leftovers);
    application
}

/// An empty name, as a variable that is not set leaves it, is none.
fn is_given(name: &Sourced<String>) -> bool {
    !name.value.is_empty()
}

/// Services by their `container_name`.
fn containers(project: &Project) -> BTreeMap<String, String> {
    let root = project.node.as_mapping();
    let services = root
        .filter(|_| project.dialect != Dialect::Swarm)
        .and_then(|root| root.get("services"))
        .and_then(Node::as_mapping);
    services
        .into_iter()
        .flat_map(Mapping::iter)
        .filter_map(|(name, entry)| {
            let container = entry.node.as_mapping()?.get("container_name")?.as_text()?;
            Some((container.to_owned(), name.to_owned()))
        })
        .collect()
}
