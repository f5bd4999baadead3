//! Which application is meant: files with Kubernetes objects, or a kustomization.

use std::path::PathBuf;

use clap::Args;
use migrate::cli::images::{ApplicationImages, ImageSource};
use migrate::cli::{Exit, Printer, read_stdin};
use migrate::finding::Findings;
use migrate::host::kubectl::{KubectlError, kustomize};
use migrate::images::inventory;
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
}

impl ManifestArgs {
    /// How the objects are loaded.
    pub(crate) fn load_options(&self, printer: Printer) -> Result<LoadOptions, Exit> {
        if self.filename.is_empty() && self.kustomize.is_none() {
            printer.complain(
                "error: which objects? Name files or folders with `-f FILE`, `-f -` for standard input, or a kustomization with `-k DIR`.",
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
        Self::images_of(&self.load_options(printer)?, printer)
    }

    fn is_named(&self) -> bool {
        !self.filename.is_empty() || self.kustomize.is_some()
    }
}
