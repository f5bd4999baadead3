//! The real helm: the only thing that ever renders a chart.

mod running;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{ChartError, ChartOutput};
use crate::host::helm;
use crate::host::private::PrivateFolder;

pub(crate) use running::Running;
use running::Spans;

/// What helm may hold before it collects garbage after all.
const MOST_GARBAGE: &str = "512MiB";
/// Longest that one rendering may take.
const LONGEST_RENDERING: Duration = Duration::from_mins(2);
/// Longest that a rendering with a look at the cluster may take.
const LONGEST_LOOK: Duration = Duration::from_secs(20);
/// Longest that a download may take.
const LONGEST_DOWNLOAD: Duration = Duration::from_mins(5);

/// The helm program.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    runs: AtomicUsize,
    spans: Spans,
}

/// One rendering.
#[derive(Debug, Clone)]
pub(crate) struct Render<'r> {
    /// Folder or archive of the chart.
    pub chart: &'r Path,
    /// Name of the release.
    pub release: &'r str,
    /// Namespace of the release.
    pub namespace: &'r str,
    /// `-f`, `--set` and the like.
    pub values: &'r [OsString],
    /// `--kube-version`, `--api-versions`.
    pub capabilities: &'r [OsString],
}

/// What a chart becomes in a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Release<'r> {
    /// Its name.
    pub name: &'r str,
    /// Its namespace.
    pub namespace: &'r str,
    /// Options of helm that lead to the cluster: `--kube-context`.
    pub access: &'r [OsString],
    /// `--kube-version`, `--api-versions`, for a cluster that does not answer.
    pub capabilities: &'r [OsString],
}

impl Helm {
    /// Finds helm: `HELM_BIN`, else the one on `PATH`.
    ///
    /// # Errors
    /// There is none.
    pub fn find() -> Result<Self, ChartError> {
        Ok(Self::at(
            which::which(helm::program()).map_err(|_| ChartError::HelmMissing)?,
        ))
    }

    /// The helm at a path.
    #[must_use]
    pub fn at(program: PathBuf) -> Self {
        Self {
            program,
            runs: AtomicUsize::new(0),
            spans: Spans::default(),
        }
    }

    /// How often helm was run.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }

    /// For how long helm was running. Moments in which it ran more than once count once.
    #[must_use]
    pub fn busy(&self) -> Duration {
        self.spans.busy()
    }

    /// Begins `helm template`, with CRDs and hooks.
    pub(crate) fn template(&self, render: &Render<'_>) -> Result<Running, ChartError> {
        let mut command = self.rendering();
        command
            .arg("template")
            .arg(render.release)
            .arg(render.chart)
            .args(["--namespace", render.namespace, "--include-crds"])
            .args(render.values)
            .args(render.capabilities)
            // Plugins cost time at each start, and rendering needs none.
            .env("HELM_PLUGINS", "/nonexistent");
        let name = format!("helm template {}", render.chart.display());
        self.begin(command, &name, LONGEST_RENDERING)
    }

    /// The objects that a converted chart makes of a release, with hooks and CRDs.
    ///
    /// # Errors
    /// Helm cannot render it.
    pub fn objects_of_release(
        &self,
        chart: &ChartOutput,
        release: &Release<'_>,
    ) -> Result<Vec<serde_json::Value>, ChartError> {
        let folder = PrivateFolder::for_much()?;
        let root = folder.path().join("chart");
        chart.write(&root, false)?;
        let render = |from_cluster: bool| {
            let mut command = self.rendering();
            command.arg("template").arg(release.name).arg(&root).args([
                "--include-crds",
                "--namespace",
                release.namespace,
            ]);
            for (_, path) in &chart.twins {
                command.arg("--values").arg(root.join(path));
            }
            if from_cluster {
                // Templates may look things up there, and ask for its version.
                command.arg("--dry-run=server").args(release.access);
            } else {
                command.args(release.capabilities);
            }
            let limit = if from_cluster {
                LONGEST_LOOK
            } else {
                LONGEST_RENDERING
            };
            self.run(command, &format!("helm template {}", release.name), limit)
        };
        // Whether the cluster can be reached is said elsewhere.
        let text = render(true).or_else(|_| render(false))?;
        Ok(
            super::render::split(&text, &super::render::Known::default())
                .into_iter()
                .map(|document| Arc::unwrap_or_clone(document.value))
                .filter(serde_json::Value::is_object)
                .collect(),
        )
    }

    /// Downloads a chart into a folder.
    pub(crate) fn pull(
        &self,
        chart: &str,
        options: &[OsString],
        folder: &Path,
    ) -> Result<(), ChartError> {
        let mut command = self.command();
        command
            .args(["pull", chart])
            .args(options)
            .arg("--destination")
            .arg(folder);
        self.run(command, &format!("helm pull {chart}"), LONGEST_DOWNLOAD)
            .map(drop)
    }

    /// Downloads the dependencies that a chart's `Chart.yaml` names.
    pub(crate) fn update_dependencies(&self, chart: &Path) -> Result<(), ChartError> {
        let mut command = self.command();
        command.args(["dependency", "update"]).arg(chart);
        self.run(command, "helm dependency update", LONGEST_DOWNLOAD)
            .map(drop)
    }

    /// Begins `helm lint`, which fails with what it complains about. An archive is unpacked in the folder that it is in.
    pub(crate) fn lint(&self, chart: &Path) -> Result<Running, ChartError> {
        let mut command = self.command();
        command
            .arg("lint")
            .arg(chart)
            .env("HELM_PLUGINS", "/nonexistent");
        if let Some(folder) = chart.parent() {
            command.env("TMPDIR", folder);
        }
        let name = format!("helm lint {}", chart.display());
        self.begin(command, &name, LONGEST_RENDERING)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Debug output of ours is not debug output of each rendering.
            .env_remove("HELM_DEBUG");
        command
    }

    /// A command that renders once. Linting allocates so much that it would only make the system clear pages.
    fn rendering(&self) -> Command {
        let mut command = self.command();
        let is_theirs = |name| std::env::var_os(name).is_some();
        if !is_theirs("GOGC") && !is_theirs("GOMEMLIMIT") {
            // A rendering is over before it is worth while to collect garbage, which takes two fifths of its time.
            command.env("GOGC", "off").env("GOMEMLIMIT", MOST_GARBAGE);
        }
        command
    }

    fn run(&self, command: Command, name: &str, limit: Duration) -> Result<String, ChartError> {
        self.begin(command, name, limit)?.end()
    }

    fn begin(&self, command: Command, name: &str, limit: Duration) -> Result<Running, ChartError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Running::begin(command, name, limit, &self.spans).map_err(|error| ChartError::HelmStart {
            program: self.program.clone(),
            error,
        })
    }
}

/// The release name that charts are rendered with. No chart has it by chance, so that it can be told apart, and no
/// chart's name is a part of it: the usual helper for names (`contains $name .Release.Name`) would leave that name out.
pub(crate) const RELEASE: &str = "zq7xk9vj";
/// Another one, for what must not depend on it.
pub(crate) const OTHER_RELEASE: &str = "yx8wqz3k";
/// The namespace that charts are rendered with.
pub(crate) const NAMESPACE: &str = "nq4zx8kj";

/// A text for a person, who knows nothing of the names that charts are rendered with.
pub(crate) fn for_people(text: &str) -> String {
    let text = text.replace(RELEASE, "RELEASE");
    let text = text.replace(OTHER_RELEASE, "RELEASE");
    text.replace(NAMESPACE, "NAMESPACE")
}

/// The text of [`for_people`] as it is rendered.
pub(crate) fn from_people(text: &str) -> String {
    let text = text.replace("RELEASE", RELEASE);
    text.replace("NAMESPACE", NAMESPACE)
}
