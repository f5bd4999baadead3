//! A release in a cluster, through the helm that called us. What helm makes is looked at as in every other cluster.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::kubernetes::{Kubernetes, kept};
use super::wait::{Waiting, until_ready};
use super::{Check, Deployment, Failure, OnConflict, Readiness, Scale, Target, Undo};
use crate::host::helm;
use crate::host::private::PrivateFolder;
use crate::orchestration::output::Output;

mod preflight;
mod release;
mod tool;
mod undo;

use release::Revision;
use tool::Running;

/// Folder of the chart among the files of an output.
pub const CHART: &str = "chart";
/// Begins the description of the revisions that we make.
const DESCRIPTION: &str = "migrate run ";
/// How often helm is looked at until it has begun.
const POLL: Duration = Duration::from_millis(100);
/// Helm gives up later than we do: what is not ready is ours to tell.
const LATER: Duration = Duration::from_secs(30);

/// A release in a namespace.
#[derive(Debug)]
pub struct Helm {
    /// The namespace. Its application is the release.
    cluster: Kubernetes,
    /// Name of the chart.
    chart: String,
    /// Its values files, in order, by their paths in the chart.
    values: Vec<String>,
    /// Helm, while it waits.
    running: RefCell<Option<Running>>,
}

impl Helm {
    /// A release of a chart; `values` are paths in it.
    #[must_use]
    pub fn new(cluster: Kubernetes, chart: &str, values: Vec<String>) -> Self {
        Self {
            cluster,
            chart: chart.to_owned(),
            values,
            running: RefCell::default(),
        }
    }

    /// The target of an earlier run.
    pub(super) fn from_address(address: &Value) -> Option<Self> {
        let chart = address["chart"].as_str()?;
        Some(Self::new(
            Kubernetes::from_address(address)?,
            chart,
            Vec::new(),
        ))
    }

    fn release(&self) -> &str {
        &self.cluster.application
    }

    /// Helm for this namespace.
    fn helm(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(helm::program());
        command
            .args(verb)
            .arg(format!("--namespace={}", self.cluster.namespace()))
            // Debug output of ours is not debug output of helm.
            .env_remove("HELM_DEBUG");
        if let Some(context) = &self.cluster.context {
            command.arg(format!("--kube-context={context}"));
        }
        if let Some(kubeconfig) = &self.cluster.kubeconfig {
            command.arg(format!("--kubeconfig={kubeconfig}"));
        }
        command
    }

    /// Whether an object belongs to the release, by helm's own marks.
    fn owns(&self, object: &Value) -> bool {
        let annotations = &object["metadata"]["annotations"];
        annotations["meta.helm.sh/release-name"] == self.release()
            && annotations["meta.helm.sh/release-namespace"] == self.cluster.namespace()
    }

    /// Objects of the same names that belong to somebody else.
    fn foreign(&self, output: &Output) -> Result<Vec<Value>, Failure> {
        let live = self.cluster.live(output)?;
        Ok(live
            .into_iter()
            .filter_map(|(_, object)| object)
            .filter(|object| !self.owns(object))
            .collect())
    }

    /// The chart in a folder for its owner only.
    fn files(deployment: &Deployment<'_>) -> Result<PrivateFolder, Failure> {
        let failed = |error: std::io::Error| Failure::disk(&error);
        let folder = PrivateFolder::new(0, deployment.folder).map_err(failed)?;
        deployment
            .output
            .write_files(folder.path())
            .map_err(failed)?;
        Ok(folder)
    }

    fn upgrade(&self, deployment: &Deployment<'_>) -> Result<Running, Failure> {
        let files = Self::files(deployment)?;
        let chart = files.path().join(CHART);
        let mut command = self.helm(&["upgrade", "--install"]);
        command.arg(self.release()).arg(&chart);
        for values in &self.values {
            command.arg("--values").arg(chart.join(values));
        }
        let run = deployment.folder.file_name().unwrap_or_default();
        command.arg(format!(
            "--description={DESCRIPTION}{}",
            run.to_string_lossy()
        ));
        if deployment.conflict == OnConflict::Overwrite
            && !self.foreign(deployment.output)?.is_empty()
        {
            command.arg("--take-ownership");
        }
        if let Some(patience) = deployment.patience {
            let seconds = (patience + LATER).as_secs();
            command.args(["--wait", &format!("--timeout={seconds}s")]);
        }
        Running::start(command, files)
    }

    /// What helm is at, if it still works; its failure, if it has failed.
    fn poll(&self) -> Result<bool, Failure> {
        let mut running = self.running.borrow_mut();
        match running.as_mut().map(Running::poll) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(result)) => {
                *running = None;
                result.map(|()| false)
            }
        }
    }

    /// Ends helm, if it still works.
    fn stop(&self) {
        if let Some(running) = self.running.borrow_mut().take() {
            running.stop();
        }
    }
}

impl Target for Helm {
    fn describe(&self) -> String {
        format!("release {} in {}", self.release(), self.cluster.describe())
    }

    fn address(&self) -> Value {
        let mut address = self.cluster.address();
        address["kind"] = json!("helm");
        address["chart"] = json!(self.chart);
        // A record is read where helm has chosen another one.
        address["namespace"] = json!(self.cluster.namespace());
        address
    }

    fn renders(&self) -> bool {
        true
    }

    fn preflight(&self, output: &Output, conflict: OnConflict) -> Vec<Check> {
        preflight::checks(self, output, conflict)
    }

    fn lock(&self, run: &str) -> Result<(), Failure> {
        self.cluster.lock(run)
    }

    fn unlock(&self, run: &str) {
        self.cluster.unlock(run);
    }

    fn snapshot(&self, output: &Output) -> Result<Value, Failure> {
        let empty = Output::default();
        let mut before = self.cluster.snapshot(&empty)?;
        if before["namespace_is_new"] == true {
            before["release"] = Value::Null;
            return Ok(before);
        }
        let foreign: Vec<Value> = self.foreign(output)?.iter().map(kept).collect();
        before["objects"] = json!(foreign);
        let history = self.revisions()?;
        before["release"] = json!(release::standing(&history).map(|one| one.revision));
        Ok(before)
    }

    fn deploy(&self, deployment: &Deployment<'_>) -> Result<Value, Failure> {
        self.settle()?;
        let newest = |history: &[Revision]| history.last().map_or(0, |one| one.revision);
        let before = newest(&self.revisions()?);
        let running = self.upgrade(deployment)?;
        if deployment.patience.is_none() {
            running.finish()?;
        } else {
            *self.running.borrow_mut() = Some(running);
            let mut asked = Instant::now();
            // Until helm has written its new revision nothing is changed.
            while self.poll()? {
                if asked.elapsed() >= POLL {
                    if self
                        .revisions()
                        .is_ok_and(|history| newest(&history) > before)
                    {
                        break;
                    }
                    asked = Instant::now();
                }
                std::thread::sleep(POLL / 10);
            }
        }
        let documents = deployment.output.documents.iter();
        let objects: Vec<Value> = documents
            .filter_map(|document| {
                Some(super::kubernetes::ObjectName::of(&document.value)?.to_json())
            })
            .collect();
        Ok(json!({"revision": newest(&self.revisions()?), "objects": objects}))
    }

    fn wait(
        &self,
        output: &Output,
        limit: Duration,
        cancellation: &CancellationToken,
        say: &mut dyn FnMut(&str),
    ) -> Result<Readiness, Failure> {
        let watched = self.cluster.watched(output);
        let mut failed = None;
        let look = || {
            if failed.is_none() {
                failed = self.poll().err();
            }
            if let Some(failure) = &failed {
                return Ok(vec![Waiting {
                    hopeless: true,
                    ..Waiting::for_it(format!("release/{}", self.release()), &failure.message)
                }]);
            }
            let mut waiting = self.cluster.look(&watched)?;
            if waiting.is_empty() && self.running.borrow().is_some() {
                waiting.push(Waiting::for_it(
                    format!("release/{}", self.release()),
                    "helm still waits: for its hooks, or for what only it knows",
                ));
            }
            Ok(waiting)
        };
        let ended = until_ready(limit, cancellation, say, look, |what| {
            let reasons = self.cluster.reasons(&watched, what);
            if !reasons.is_empty() || !what.starts_with("release/") {
                return reasons;
            }
            // Helm says which one it gave up; why is to be seen there.
            let waiting = self.cluster.look(&watched).unwrap_or_default();
            waiting
                .iter()
                .flat_map(|part| {
                    let why = self.cluster.reasons(&watched, &part.what);
                    std::iter::once(format!("{}: {}", part.what, part.why)).chain(why)
                })
                .collect()
        });
        if !matches!(ended, Ok(Readiness::Ready)) {
            self.stop();
        }
        ended
    }

    fn undo(&self, undo: &Undo<'_>) -> Result<Vec<String>, Failure> {
        self.stop();
        undo::undo(self, undo)
    }

    fn scales(&self, workloads: &Output) -> Result<Value, Failure> {
        self.cluster.scales(workloads)
    }

    fn scale(&self, scales: &Value, scale: Scale) -> Result<Vec<String>, Failure> {
        self.cluster.scale(scales, scale)
    }
}

/// The documents of a chart that helm itself keeps as objects of the release: without hooks, which come and go, and
/// without objects of kinds that the chart itself brings, which the cluster cannot be asked about before.
#[must_use]
pub fn kept_objects(objects: Vec<Value>) -> Vec<Value> {
    let own: BTreeSet<(String, String)> = objects
        .iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .filter_map(|object| {
            let spec = &object["spec"];
            Some((
                spec["group"].as_str()?.to_owned(),
                spec["names"]["kind"].as_str()?.to_owned(),
            ))
        })
        .collect();
    let is_new = |object: &Value| {
        let api = object["apiVersion"].as_str().unwrap_or_default();
        let group = api.split_once('/').map_or("", |(group, _)| group);
        let kind = object["kind"].as_str().unwrap_or_default();
        own.contains(&(group.to_owned(), kind.to_owned()))
    };
    objects
        .into_iter()
        .filter(|object| {
            object["metadata"]["annotations"]["helm.sh/hook"].is_null() && !is_new(object)
        })
        .collect()
}
