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

use super::load::Project;
use crate::finding::Code;
use crate::orchestration::model::{Application, Dialect};
use crate::source::{Files, Item, KeyPath, Ledger, Origin, Sourced};

/// What every part of the reader needs.
struct Reader<'a> {
    project: &'a Project,
    files: &'a dyn Files,
    ledger: &'a mut Ledger,
}

impl Reader<'_> {
    fn swarm(&self) -> bool {
        self.project.dialect == Dialect::Swarm
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
        application.units = reader.group(services);
    }
    for (_, item) in fields.take_rest(|key| key.starts_with("x-")) {
        reader.ledger.leave("x-*", &item);
    }
    fields.finish(reader.ledger);
    application.leftovers = std::mem::take(&mut ledger.leftovers);
    application
}
