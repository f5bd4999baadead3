//! What all parts of the writer share.

use std::collections::HashMap;

use serde_json::Value;

use super::document::{Map, escape_dollars, put, put_map};
use super::files::SideFiles;
use super::mounts::Sharing;
use super::names::{Outside, Reach};
use super::networks::Networks;
use super::objects::Objects;
use super::plan::Plan;
use super::ports::Published;
use super::volumes::Volumes;
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::compose::{ComposeOptions, ComposeTarget};
use crate::orchestration::model::{Application, Dialect};
use crate::orchestration::output::{Document, Output};
use crate::source::Origin;

/// The writer and what it has gathered so far.
pub(super) struct Writer<'a> {
    /// What is written.
    pub(super) app: &'a Application,
    /// How.
    pub(super) options: &'a ComposeOptions,
    /// What cannot be said exactly.
    pub(super) findings: &'a mut Findings,
    /// Services and their keys.
    pub(super) plan: &'a Plan,
    /// Names of each unit.
    pub(super) reach: Vec<Reach>,
    /// Addresses outside of the application that have names in it.
    pub(super) outside: Vec<Outside<'a>>,
    /// Whether Services without a namespace have names with `default` as well.
    pub(super) named_default: bool,
    /// Top-level volumes.
    pub(super) volumes: Volumes<'a>,
    /// Configs and secrets.
    pub(super) objects: Objects<'a>,
    /// Networks of the document by the name that units use, each with its key.
    pub(super) networks: Networks,
    /// How the containers of a unit mount what they share: by unit and name.
    pub(super) sharing: HashMap<(usize, &'a str), Sharing>,
    /// Files beside the document.
    pub(super) files: SideFiles,
    /// Published ports.
    pub(super) published: Published,
    /// Labels that routes put on services, by unit.
    pub(super) route_labels: HashMap<usize, Vec<(String, String)>>,
}

impl<'a> Writer<'a> {
    /// Plans the document.
    pub(super) fn new(
        app: &'a Application,
        options: &'a ComposeOptions,
        plan: &'a Plan,
        findings: &'a mut Findings,
    ) -> Self {
        let volumes = Volumes::new(app);
        let objects = Objects::new(app);
        Self {
            app,
            options,
            findings,
            plan,
            reach: Vec::new(),
            outside: Vec::new(),
            named_default: super::names::names_default(app),
            volumes,
            objects,
            networks: Networks::new(app),
            sharing: super::mounts::sharing(app),
            files: SideFiles::default(),
            published: Published::default(),
            route_labels: HashMap::new(),
        }
    }

    /// Writes everything.
    pub(super) fn write(mut self) -> Output {
        self.resolve_names();
        self.write_routes();
        let mut services = Map::new();
        for index in 0..self.app.units.len() {
            self.write_unit(index, &mut services);
        }
        self.report_application();

        let mut document = Map::new();
        if self.is_swarm() {
            put(&mut document, "version", "3.13");
        } else if let Some(name) = self.project_name() {
            put(&mut document, "name", name);
        }
        put(&mut document, "services", services);
        let networks = self.write_networks();
        put_map(&mut document, "networks", networks);
        let volumes = self.write_volumes();
        put_map(&mut document, "volumes", volumes);
        let (configs, secrets) = self.write_objects();
        put_map(&mut document, "configs", configs);
        put_map(&mut document, "secrets", secrets);
        let mut value = Value::Object(document);
        escape_dollars(&mut value);

        let name = if self.is_swarm() { "stack" } else { "compose" };
        Output {
            documents: vec![Document {
                name: name.to_owned(),
                value,
                subjects: Vec::new(),
            }],
            files: self.files.finish(),
        }
    }

    /// Whether a stack file is written.
    pub(super) fn is_swarm(&self) -> bool {
        self.options.target == ComposeTarget::Swarm
    }

    /// Whether the source's silence means what Kubernetes does by default.
    pub(super) fn from_kubernetes(&self) -> bool {
        self.app.dialect == Dialect::Kubernetes
    }

    /// Adds a finding at the place of a value.
    pub(super) fn note(&mut self, code: &'static str, origin: &Origin, message: impl Into<String>) {
        self.findings.add(Code(code), origin, message);
    }

    /// Adds a finding about the whole application.
    pub(super) fn note_all(&mut self, code: &'static str, message: impl Into<String>) {
        self.findings.push(Finding::new(Code(code), message));
    }
}
