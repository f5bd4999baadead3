//! Which application is meant: files with Kubernetes objects, a kustomization, or what runs in a cluster.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use clap::Args;
use migrate::cli::images::{ApplicationImages, ImageSource};
use migrate::cli::{Exit, Printer, read_stdin, wait_apart};
use migrate::finding::Findings;
use migrate::host::kubectl::{KubectlError, kustomize};
use migrate::images::inventory;
use migrate::orchestration::kubernetes::live::{self, Cluster, Live, Selection};
use migrate::orchestration::kubernetes::load::{LoadOptions, load};
use migrate::report;
use migrate::source::{Disk, Sources};

/// Kubernetes objects, as `kubectl apply` takes them.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// File or folder with Kubernetes objects; `-` is standard input
    #[arg(long, short, value_name = "FILE|DIR")]
    filename: Vec<PathBuf>,
    /// Go into sub-folders as well
    #[arg(long, short = 'R')]
    recursive: bool,
    /// Folder with a kustomization, rendered by kubectl
    #[arg(long, short, value_name = "DIR", conflicts_with = "filename")]
    kustomize: Option<PathBuf>,
    #[command(flatten)]
    running: RunningArgs,
}

/// What runs in a cluster, instead of files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running workloads")]
struct RunningArgs {
    /// Namespace whose workloads are read, with what they depend on [default: that of the context]
    #[arg(long, short, value_name = "NAME", conflicts_with_all = ["filename", "kustomize"])]
    namespace: Option<String>,
    /// Read the workloads that have these labels, or whose Pods have them
    #[arg(long, short = 'l', value_name = "SELECTOR", conflicts_with_all = ["filename", "kustomize"])]
    selector: Option<String>,
    /// Context of the cluster that they run in [default: kubectl's current one]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["filename", "kustomize"])]
    context: Option<String>,
    /// Kubeconfig of that cluster [default: kubectl's own choice]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["filename", "kustomize"])]
    kubeconfig: Option<PathBuf>,
    /// What was read; a cluster is asked once.
    #[arg(skip)]
    live: OnceCell<Live>,
}

/// Files, or running workloads by name.
#[derive(Debug, Args)]
pub(crate) struct ObjectArgs {
    /// Running workloads, as `kubectl get` takes them: TYPE/NAME, or TYPE and names
    #[arg(value_name = "TYPE/NAME", conflicts_with_all = ["filename", "kustomize"])]
    words: Vec<String>,
    #[command(flatten)]
    manifests: ManifestArgs,
}

impl ObjectArgs {
    /// How the objects are loaded.
    pub(crate) fn load_options(&self, printer: Printer) -> Result<LoadOptions, Exit> {
        self.manifests.options(&self.words, printer)
    }

    /// The words are the folder of a bundle instead.
    pub(crate) fn bundle(&self) -> Option<PathBuf> {
        match self.words.as_slice() {
            [folder]
                if Path::new(folder)
                    .join(migrate::application::bundle::FILE)
                    .is_file() =>
            {
                Some(folder.into())
            }
            _ => None,
        }
    }

    /// The cluster and what was read from it, if the workloads are running ones.
    pub(crate) fn live(&self) -> Option<(Cluster, &Live)> {
        let running = &self.manifests.running;
        Some((running.cluster(), running.live.get()?))
    }
}

impl RunningArgs {
    fn is_named(&self) -> bool {
        self.namespace.is_some() || self.selector.is_some() || self.context.is_some()
    }

    fn cluster(&self) -> Cluster {
        Cluster {
            context: self.context.clone(),
            // A record is read in other folders as well.
            kubeconfig: self
                .kubeconfig
                .as_ref()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        }
    }

    /// Reads the cluster, or what was read before.
    fn read(&self, words: &[String], printer: Printer) -> Result<&Live, Exit> {
        if let Some(live) = self.live.get() {
            return Ok(live);
        }
        let selection = Selection {
            words: words.to_vec(),
            selector: self.selector.clone(),
            namespace: self.namespace.clone(),
        };
        let cluster = self.cluster();
        let read = wait_apart(live::read(&cluster, &selection)).map_err(|error| {
            printer.complain(&format!("error: {error}"));
            Exit::Failed
        })?;
        let live = read.map_err(|error| {
            printer.complain(&format!("error: {error}"));
            if let [word] = words
                && Path::new(word).is_dir()
            {
                printer.complain(&format!(
                    "The folder `{word}` is no bundle: it has no bundle.json."
                ));
            }
            error.exit()
        })?;
        Ok(self.live.get_or_init(|| live))
    }
}

impl ManifestArgs {
    /// How the objects are loaded. `words` name running workloads.
    fn options(&self, words: &[String], printer: Printer) -> Result<LoadOptions, Exit> {
        if self.running.is_named() || !words.is_empty() {
            let live = self.running.read(words, printer)?;
            return Ok(LoadOptions {
                texts: live.texts.clone(),
                found: live.findings.clone(),
                ..LoadOptions::default()
            });
        }
        if self.filename.is_empty() && self.kustomize.is_none() {
            printer.complain(
                "error: which objects? Name files or folders with `-f FILE`, `-f -` for standard input, a kustomization with `-k DIR`, or what runs in a cluster with TYPE/NAME, `-l SELECTOR` or `-n NAMESPACE`.",
            );
            return Err(Exit::Usage);
        }
        let (stdin, stdin_name) = self.text(printer)?;
        let working_dir = std::env::current_dir().map_err(|error| {
            printer.complain(&format!("error: the current folder: {error}"));
            Exit::Failed
        })?;
        Ok(LoadOptions {
            files: if self.kustomize.is_some() {
                vec![PathBuf::from("-")]
            } else {
                self.filename.clone()
            },
            recursive: self.recursive,
            stdin,
            stdin_name,
            working_dir,
            ..LoadOptions::default()
        })
    }

    /// The text of a kustomization or of standard input, and how it is called.
    fn text(&self, printer: Printer) -> Result<(Option<String>, String), Exit> {
        if let Some(folder) = &self.kustomize {
            let text = kustomize(folder).map_err(|error| {
                printer.complain(&format!("error: {error}"));
                match error {
                    KubectlError::Failed { .. } => Exit::NativeTool,
                    KubectlError::Missing | KubectlError::Start { .. } => Exit::Unreachable,
                }
            })?;
            return Ok((
                Some(text),
                format!("kubectl kustomize {}", folder.display()),
            ));
        }
        if self.filename.iter().any(|f| f.as_os_str() == "-") {
            let text = read_stdin().map_err(|error| {
                printer.complain(&format!("error: standard input: {error}"));
                Exit::Input
            })?;
            return Ok((Some(text), String::new()));
        }
        Ok((None, String::new()))
    }
}

impl ManifestArgs {
    /// The images of the objects that these options load.
    pub(crate) fn images_of(
        options: &LoadOptions,
        printer: Printer,
    ) -> Result<ApplicationImages, Exit> {
        let mut sources = Sources::default();
        let mut findings = Findings::default();
        let objects = match load(options, &Disk, &mut sources, &mut findings) {
            Ok(objects) => objects,
            Err(findings) => {
                printer.complain(&report::to_text(&findings, &sources, printer.style()));
                return Err(Exit::Input);
            }
        };
        // What happens to other fields is not the subject here.
        let mut findings = Findings::default();
        let needed = inventory::of_objects(&objects, &mut findings);
        Ok(ApplicationImages {
            needed,
            findings,
            sources,
            pull_secrets: inventory::pull_secrets(&objects),
        })
    }
}

impl ImageSource for ManifestArgs {
    fn images(&self, printer: Printer) -> Result<ApplicationImages, Exit> {
        Self::images_of(&self.options(&[], printer)?, printer)
    }

    fn is_named(&self) -> bool {
        !self.filename.is_empty() || self.kustomize.is_some() || self.running.is_named()
    }
}
