//! A Kubernetes cluster, through the kubectl that called us: its context, its credentials, its plugins.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::wait::{Waiting, until_ready};
use super::{
    Check, Deployment, Failure, OnConflict, Readiness, Scale, Target, Undo, run, run_with_input,
};
use crate::host::cluster::current_context;
use crate::host::kubectl;
use crate::orchestration::convert::to_yaml;
use crate::orchestration::output::Output;

mod lock;
mod object;
pub(super) mod preflight;
mod questions;
mod reads;
mod ready;
mod scale;
mod undo;

use questions::Questions;

pub(super) use object::{ObjectName, kept, names};
pub(super) use undo::{is_claim, left};

/// For objects that are known to be right.
const NOT_VALIDATED: &str = "--validate=false";

/// Who owns the fields that we write, for server-side apply.
const MANAGER: &str = "migrate";

/// A namespace of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kubernetes {
    /// Context of the kubeconfig; `None` is the current one.
    pub context: Option<String>,
    /// Path of the kubeconfig; `None` is kubectl's own choice.
    pub kubeconfig: Option<String>,
    /// Namespace; `None` is that of the context.
    pub namespace: Option<String>,
    /// Name of the application, for the lock.
    pub application: String,
    /// What this process knows of the namespace.
    seen: std::cell::Cell<Seen>,
    connection: Connection<Questions>,
}

/// What is known of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Seen {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It was not there a moment ago.
    Missing,
    /// This process has made it.
    Made,
}

impl Kubernetes {
    /// The target of an earlier run.
    pub(super) fn from_address(address: &Value) -> Option<Self> {
        let text = |key: &str| address[key].as_str().map(str::to_owned);
        Some(Self {
            context: text("context"),
            kubeconfig: text("kubeconfig"),
            namespace: text("namespace"),
            application: text("application")?,
            seen: std::cell::Cell::default(),
            connection: Connection::default(),
        })
    }

    /// A namespace of a cluster; what is `None` is left to kubectl.
    #[must_use]
    pub fn new(
        application: &str,
        context: Option<String>,
        kubeconfig: Option<String>,
        namespace: Option<String>,
    ) -> Self {
        Self {
            context,
            kubeconfig,
            namespace,
            application: application.to_owned(),
            seen: std::cell::Cell::default(),
            connection: Connection::default(),
        }
    }

    /// kubectl for this namespace.
    ///
    /// # Errors
    /// There is no kubectl.
    pub fn kubectl(&self) -> Result<Command, Failure> {
        let program =
            kubectl::program().map_err(|error| Failure::unreachable(error.to_string()))?;
        let mut command = Command::new(program);
        let mut option = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                command.arg(format!("--{name}={value}"));
            }
        };
        option("kubeconfig", &self.kubeconfig);
        option("context", &self.context);
        option("namespace", &self.namespace);
        Ok(command)
    }

    /// The answer to a question over our own connection; `None` if kubectl has to be asked.
    fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Questions) -> Result<T, kube::Error>,
    ) -> Option<T> {
        self.connection
            .ask(async || Questions::connect(self).await, question)
    }

    pub(super) fn call(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.kubectl()?;
        command.args(arguments);
        run(command)
    }

    pub(super) fn call_with(&self, arguments: &[&str], input: &str) -> Result<String, Failure> {
        let mut command = self.kubectl()?;
        command.args(arguments);
        run_with_input(command, input)
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let text = self.call(arguments)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text)
            .map_err(|error| Failure::tool(format!("kubectl does not answer with JSON: {error}")))
    }

    /// Whether the namespace is known not to be there.
    fn is_namespace_missing(&self, namespace: &str) -> bool {
        let name = ObjectName::of_kind(reads::NAMESPACE, namespace);
        self.get(&name).is_ok_and(|found| found.is_none())
    }

    /// Makes the namespace if it is not there. Without the right to see namespaces it has to be.
    fn make_namespace(&self) -> Result<(), Failure> {
        let namespace = self.namespace();
        if self.is_namespace_missing(&namespace) {
            self.call(&["create", "namespace", &namespace])?;
            self.seen.set(Seen::Made);
        }
        Ok(())
    }

    /// Makes the namespace that was not there and the lock in it at once: starting kubectl takes longer than an answer.
    fn make_with_lock(&self, run: &str) -> bool {
        let name = self.namespace();
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let items = [namespace, lock::object(self, run)];
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let made = self.call_with(
            &["create", NOT_VALIDATED, "--filename=-", "--output=name"],
            &list,
        );
        if made.is_ok() {
            self.seen.set(Seen::Made);
        }
        made.is_ok()
    }
}

/// Readiness, for whoever brings objects into the cluster.
impl Kubernetes {
    /// The objects of an output that become ready.
    pub(super) fn watched(&self, output: &Output) -> Vec<ObjectName> {
        names(output)
            .into_iter()
            .filter(ready::is_watched)
            .collect()
    }

    /// Those that are not ready.
    pub(super) fn look(&self, watched: &[ObjectName]) -> Result<Vec<Waiting>, Failure> {
        let mut waiting = Vec::new();
        for (name, object) in watched.iter().zip(self.get_all(watched)?) {
            let state = match object {
                Some(object) => ready::state(&object),
                None => ready::State::Waiting("it is not there".into()),
            };
            let (why, hopeless) = match state {
                ready::State::Ready => continue,
                ready::State::Waiting(why) => (why, false),
                ready::State::Failed(why) => (why, true),
            };
            waiting.push(Waiting {
                what: name.short(),
                why,
                hopeless,
            });
        }
        Ok(waiting)
    }

    /// Why one of them is not ready.
    pub(super) fn reasons(&self, watched: &[ObjectName], what: &str) -> Vec<String> {
        let name = watched.iter().find(|name| name.short() == what);
        name.map(|name| ready::reasons(self, name))
            .unwrap_or_default()
    }
}

impl Target for Kubernetes {
    fn describe(&self) -> String {
        let known = || current_context(self.kubeconfig.as_deref().map(Path::new));
        let context = self.context.clone().or_else(known).unwrap_or_else(|| {
            let asked = self.call(&["config", "current-context"]);
            asked.map_or_else(|_| "none".to_owned(), |name| name.trim().to_owned())
        });
        format!(
            "Kubernetes context {context}, namespace {}",
            self.namespace()
        )
    }

    fn address(&self) -> Value {
        json!({
            "kind": "kubernetes",
            "context": self.context,
            "kubeconfig": self.kubeconfig,
            "namespace": self.namespace,
            "application": self.application,
        })
    }

    /// The namespace is made if it is missing and may be made. As an object it would need rights on all namespaces.
    fn trim(&self, output: &mut Output) {
        let bare = self.namespace.as_ref().map(
            |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        );
        output
            .documents
            .retain(|document| Some(&document.value) != bare.as_ref());
    }

    fn preflight(&self, output: &Output, conflict: OnConflict) -> Vec<Check> {
        preflight::checks(self, output, conflict, &preflight::is_own)
    }

    fn lock(&self, run: &str) -> Result<(), Failure> {
        // Whatever is in the way of that is found out step by step.
        if self.seen.get() == Seen::Missing && self.make_with_lock(run) {
            return Ok(());
        }
        self.make_namespace()?;
        lock::take(self, run)
    }

    fn unlock(&self, run: &str) {
        lock::release(self, run);
    }

    fn snapshot(&self, output: &Output) -> Result<Value, Failure> {
        let namespace = self.namespace();
        let made = self.seen.get() == Seen::Made;
        if !made && self.is_namespace_missing(&namespace) {
            self.seen.set(Seen::Missing);
            return Ok(json!({"namespace_is_new": true, "namespace": namespace, "objects": []}));
        }
        let mut names = names(output);
        // Nothing can be in it yet.
        names.retain(|name| !made || !name.is_within(&namespace));
        let objects: Vec<Value> = self
            .live_of(names)?
            .into_iter()
            .filter_map(|(_, live)| Some(kept(&live?)))
            .collect();
        Ok(json!({"namespace_is_new": made, "namespace": namespace, "objects": objects}))
    }

    fn deploy(&self, deployment: &Deployment<'_>) -> Result<Value, Failure> {
        let Deployment {
            output, conflict, ..
        } = *deployment;
        let existing: BTreeSet<ObjectName> = if conflict == OnConflict::Skip {
            let live = self.live(output)?.into_iter();
            live.filter_map(|(name, live)| live.map(|_| name)).collect()
        } else {
            BTreeSet::new()
        };
        let wanted: Vec<&Value> = output
            .documents
            .iter()
            .map(|document| &document.value)
            .filter(|object| ObjectName::of(object).is_none_or(|name| !existing.contains(&name)))
            .collect();
        let text = to_yaml(wanted.iter().copied());
        let manager = format!("--field-manager={MANAGER}");
        let force = conflict == OnConflict::Overwrite;
        let rehearsed = self.ask(async |cluster| cluster.rehearse(&wanted, force).await);
        let mut arguments = vec![
            "apply",
            "--server-side",
            &manager,
            "--filename=-",
            "--output=json",
        ];
        if force {
            arguments.push("--force-conflicts");
        }
        if rehearsed.is_some() {
            // kubectl would read the description of each kind once more, which takes longer than all the rest. What the
            // cluster did not accept is left for it to say.
            arguments.push(NOT_VALIDATED);
        }
        let answer = self.call_with(&arguments, &text)?;
        let generations: Vec<Value> = serde_json::Deserializer::from_str(&answer)
            .into_iter::<Value>()
            .filter_map(Result::ok)
            .flat_map(|value| match value["items"].as_array() {
                Some(items) => items.clone(),
                None => vec![value],
            })
            .map(|object| {
                json!({
                    "apiVersion": object["apiVersion"],
                    "kind": object["kind"],
                    "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]},
                    "generation": object["metadata"]["generation"],
                    "uid": object["metadata"]["uid"],
                })
            })
            .collect();
        Ok(json!({"objects": generations}))
    }

    fn wait(
        &self,
        output: &Output,
        limit: Duration,
        cancellation: &CancellationToken,
        say: &mut dyn FnMut(&str),
    ) -> Result<Readiness, Failure> {
        let watched = self.watched(output);
        let look = || self.look(&watched);
        until_ready(limit, cancellation, say, look, |what| {
            self.reasons(&watched, what)
        })
    }

    fn undo(&self, undo: &Undo<'_>) -> Result<Vec<String>, Failure> {
        undo::undo(self, undo)
    }

    fn scales(&self, workloads: &Output) -> Result<Value, Failure> {
        scale::scales(self, workloads)
    }

    fn scale(&self, scales: &Value, scale: Scale) -> Result<Vec<String>, Failure> {
        scale::scale(self, scales, scale)
    }
}
