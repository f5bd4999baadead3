//! A Kubernetes cluster, through the kubectl that called us: its context, its credentials, its plugins.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::wait::{Waiting, until_ready};
use super::{Check, Failure, OnConflict, Readiness, Scale, Target, run, run_with_input};
use crate::application::Journal;
use crate::host::kubectl;
use crate::orchestration::convert::to_yaml;
use crate::orchestration::output::Output;

mod preflight;
mod ready;
mod scale;

/// Who owns the fields that we write, for server-side apply.
const MANAGER: &str = "migrate";
/// Marks objects with the run that made them.
const RUN_LABEL: &str = "migrate.dev/lock";
/// A lock that is older belongs to a run that died.
const LOCK_LIFE: Duration = Duration::from_mins(30);

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
    /// Whether this process has made the namespace.
    made_namespace: std::cell::Cell<bool>,
}

/// An object as kubectl names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ObjectName {
    /// `deployments.apps`, as far as it is known: `Deployment.v1.apps`.
    kind: String,
    name: String,
    namespace: Option<String>,
}

impl ObjectName {
    fn of(object: &Value) -> Option<Self> {
        let api = object["apiVersion"].as_str()?;
        let kind = object["kind"].as_str()?;
        // kubectl takes KIND.VERSION.GROUP.
        let kind = match api.split_once('/') {
            Some((group, version)) => format!("{kind}.{version}.{group}"),
            None => format!("{kind}.{api}."),
        };
        Some(Self {
            kind,
            name: object["metadata"]["name"].as_str()?.to_owned(),
            namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
        })
    }

    /// `deployment/web`
    fn short(&self) -> String {
        let kind = self
            .kind
            .split('.')
            .next()
            .unwrap_or(&self.kind)
            .to_lowercase();
        format!("{kind}/{}", self.name)
    }
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
            made_namespace: std::cell::Cell::default(),
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
            made_namespace: std::cell::Cell::default(),
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

    fn call(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.kubectl()?;
        command.args(arguments);
        run(command)
    }

    fn call_with(&self, arguments: &[&str], input: &str) -> Result<String, Failure> {
        let mut command = self.kubectl()?;
        command.args(arguments);
        run_with_input(command, input)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let text = self.call(arguments)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text)
            .map_err(|error| Failure::tool(format!("kubectl does not answer with JSON: {error}")))
    }

    /// An object, or `None` if it is not there.
    fn get(&self, name: &ObjectName) -> Result<Option<Value>, Failure> {
        let mut arguments = vec![
            "get",
            &name.kind,
            &name.name,
            "--ignore-not-found",
            "--output=json",
        ];
        let namespace = name.namespace.as_ref().map(|n| format!("--namespace={n}"));
        arguments.extend(namespace.as_deref());
        let value = self.json(&arguments)?;
        Ok((!value.is_null()).then_some(value))
    }

    /// The namespace that objects without one go to.
    pub(crate) fn namespace(&self) -> String {
        self.namespace.clone().unwrap_or_else(|| {
            let asked = self.call(&[
                "config",
                "view",
                "--minify",
                "--output=jsonpath={..namespace}",
            ]);
            let name = asked.unwrap_or_default().trim().to_owned();
            if name.is_empty() {
                "default".to_owned()
            } else {
                name
            }
        })
    }

    /// Makes the namespace if it is not there. Without the right to see namespaces it has to be.
    fn make_namespace(&self) -> Result<(), Failure> {
        let namespace = self.namespace();
        let question = [
            "get",
            "namespace",
            &namespace,
            "--ignore-not-found",
            "--output=json",
        ];
        if self.json(&question).is_ok_and(|value| value.is_null()) {
            self.call(&["create", "namespace", &namespace])?;
            self.made_namespace.set(true);
        }
        Ok(())
    }

    fn lock_name(&self) -> String {
        format!("migrate-lock-{}", self.application)
    }

    fn live(&self, output: &Output) -> Result<Vec<(ObjectName, Option<Value>)>, Failure> {
        let mut found = Vec::new();
        for name in names(output) {
            let live = self.get(&name)?;
            found.push((name, live));
        }
        Ok(found)
    }
}

fn names(output: &Output) -> Vec<ObjectName> {
    output
        .documents
        .iter()
        .filter_map(|document| ObjectName::of(&document.value))
        .collect()
}

/// What is kept of an object for undoing: without what a server adds, and without the content of Secrets, which must
/// not lie on a disk.
fn kept(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "managedFields",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "selfLink",
        ] {
            metadata.remove(field);
        }
    }
    if object["kind"] == "Secret" {
        object = json!({
            "apiVersion": object["apiVersion"],
            "kind": "Secret",
            "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]},
            "secret": true,
        });
    }
    object
}

impl Target for Kubernetes {
    fn describe(&self) -> String {
        let context = self.context.clone().unwrap_or_else(|| {
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
        preflight::checks(self, output, conflict)
    }

    fn lock(&self, run: &str) -> Result<(), Failure> {
        self.make_namespace()?;
        let until = jiff::Timestamp::now() + LOCK_LIFE;
        let lock = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.lock_name(), "labels": {RUN_LABEL: "true"}},
            "data": {"run": run, "until": until.to_string()},
        });
        let text = lock.to_string();
        let Err(error) = self.call_with(&["create", "--filename=-", "--output=name"], &text) else {
            return Ok(());
        };
        if !error.message.contains("AlreadyExists") {
            return Err(error);
        }
        let held = self.json(&[
            "get",
            "configmap",
            &self.lock_name(),
            "--ignore-not-found",
            "--output=json",
        ])?;
        let holder = held["data"]["run"].as_str().unwrap_or_default();
        let alive = held["data"]["until"]
            .as_str()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .is_some_and(|until| until > jiff::Timestamp::now());
        if holder == run || !alive || Journal::is_over(holder) || held.is_null() {
            // Replacing with the version that was seen fails if somebody else was faster.
            let mut lock = lock;
            lock["metadata"]["resourceVersion"] = held["metadata"]["resourceVersion"].clone();
            return self
                .call_with(
                    &["replace", "--filename=-", "--output=name"],
                    &lock.to_string(),
                )
                .map(drop);
        }
        Err(Failure::refused(format!(
            "another run ({holder}) is changing `{}` there; wait for it, or remove its lock if it died: kubectl delete configmap {} --namespace {}",
            self.application,
            self.lock_name(),
            self.namespace()
        )))
    }

    fn unlock(&self, run: &str) {
        let held = self.json(&[
            "get",
            "configmap",
            &self.lock_name(),
            "--ignore-not-found",
            "--output=json",
        ]);
        if held.is_ok_and(|held| held["data"]["run"] == run) {
            // It ends by itself if this fails.
            let _ = self.call(&[
                "delete",
                "configmap",
                &self.lock_name(),
                "--ignore-not-found",
                "--wait=false",
            ]);
        }
    }

    fn snapshot(&self, output: &Output) -> Result<Value, Failure> {
        let namespace = self.namespace();
        let namespace_is_new = self.made_namespace.get();
        let objects: Vec<Value> = self
            .live(output)?
            .into_iter()
            .filter_map(|(_, live)| Some(kept(&live?)))
            .collect();
        Ok(
            json!({"namespace_is_new": namespace_is_new, "namespace": namespace, "objects": objects}),
        )
    }

    fn deploy(&self, output: &Output, _: &Path, conflict: OnConflict) -> Result<Value, Failure> {
        let existing: BTreeSet<ObjectName> = self
            .live(output)?
            .into_iter()
            .filter_map(|(name, live)| live.map(|_| name))
            .collect();
        let wanted: Vec<&Value> = output
            .documents
            .iter()
            .map(|document| &document.value)
            .filter(|object| {
                conflict != OnConflict::Skip
                    || ObjectName::of(object).is_none_or(|name| !existing.contains(&name))
            })
            .collect();
        let text = to_yaml(wanted.iter().copied());
        let manager = format!("--field-manager={MANAGER}");
        let mut arguments = vec![
            "apply",
            "--server-side",
            &manager,
            "--filename=-",
            "--output=json",
        ];
        if conflict == OnConflict::Overwrite {
            arguments.push("--force-conflicts");
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
        let watched: Vec<ObjectName> = names(output)
            .into_iter()
            .filter(ready::is_watched)
            .collect();
        let look = || {
            let mut waiting = Vec::new();
            for name in &watched {
                let state = match self.get(name)? {
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
        };
        until_ready(limit, cancellation, say, look, |what| {
            let name = watched.iter().find(|name| name.short() == what);
            name.map(|name| ready::reasons(self, name))
                .unwrap_or_default()
        })
    }

    fn undo(&self, before: &Value, changed: &Value, force: bool) -> Result<Vec<String>, Failure> {
        let mut done = Vec::new();
        let objects = |value: &Value| value["objects"].as_array().cloned().unwrap_or_default();
        let old: Vec<Value> = objects(before);
        let was_there = |name: &ObjectName| {
            old.iter().any(|object| {
                ObjectName::of(object)
                    .is_some_and(|other| other.kind == name.kind && other.name == name.name)
            })
        };
        let touched = objects(changed);
        let mut foreign = Vec::new();
        for object in &touched {
            let Some(name) = ObjectName::of(object) else {
                continue;
            };
            let live = self.get(&name)?;
            let edited = live.as_ref().is_some_and(|live| {
                (!object["uid"].is_null() && live["metadata"]["uid"] != object["uid"])
                    || (!object["generation"].is_null()
                        && live["metadata"]["generation"] != object["generation"])
            });
            if edited && !force {
                foreign.push(name.short());
            }
        }
        if !foreign.is_empty() {
            return Err(Failure::refused(format!(
                "changed by somebody else since: {}; nothing was undone. To undo all the same: --force",
                foreign.join(", ")
            )));
        }
        for object in touched.iter().rev() {
            let Some(name) = ObjectName::of(object) else {
                continue;
            };
            if was_there(&name) {
                continue;
            }
            let mut arguments = vec![
                "delete",
                &name.kind,
                &name.name,
                "--ignore-not-found",
                "--wait=false",
                "--output=name",
            ];
            let namespace = name.namespace.as_ref().map(|n| format!("--namespace={n}"));
            arguments.extend(namespace.as_deref());
            self.call(&arguments)?;
            done.push(format!("removed {}", name.short()));
        }
        for object in &old {
            let Some(name) = ObjectName::of(object) else {
                continue;
            };
            if object["secret"] == true {
                done.push(format!(
                    "left {}: the content of Secrets is not kept",
                    name.short()
                ));
                continue;
            }
            let text = object.to_string();
            if self
                .call_with(&["replace", "--filename=-", "--output=name"], &text)
                .is_err()
            {
                // Fields that cannot be changed: the object is made anew, as it was.
                self.call_with(
                    &["replace", "--force", "--filename=-", "--output=name"],
                    &text,
                )?;
            }
            done.push(format!("brought back {}", name.short()));
        }
        if before["namespace_is_new"] == true
            && let Some(namespace) = before["namespace"].as_str()
        {
            self.call(&[
                "delete",
                "namespace",
                namespace,
                "--ignore-not-found",
                "--wait=false",
                "--output=name",
            ])?;
            done.push(format!("removed namespace/{namespace}"));
        }
        Ok(done)
    }

    fn scales(&self, workloads: &Output) -> Result<Value, Failure> {
        scale::scales(self, workloads)
    }

    fn scale(&self, scales: &Value, scale: Scale) -> Result<Vec<String>, Failure> {
        scale::scale(self, scales, scale)
    }
}
