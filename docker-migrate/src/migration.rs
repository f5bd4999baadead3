//! What `docker migrate` migrates: Compose files and stacks, to Kubernetes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use migrate::application::target::compose::Compose;
use migrate::application::target::docker::Engine;
use migrate::application::target::kubernetes::Kubernetes;
use migrate::application::target::swarm::Swarm;
use migrate::application::{Origin, Target};
use migrate::cli::migration::{Goal, Migration, To};
use migrate::cli::{Exit, Printer};
use migrate::images::rewrite::Rules;
use migrate::orchestration::convert::{Conversion, to_kubernetes};
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::orchestration::output::Output;
use migrate::report;

use crate::commands::convert::TargetArgs;
use crate::source::ComposeArgs;

/// Compose files, and the cluster that they go to.
#[derive(Debug, Args)]
pub(crate) struct ComposeMigration {
    /// Folder of a bundle, instead of Compose files
    #[arg(value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    source: ComposeArgs,
    /// What to convert to, or a folder that travels: bundle:DIR
    #[arg(
        long,
        value_name = "kubernetes|bundle:DIR",
        default_value = "kubernetes"
    )]
    to: To<Format>,
    /// Context of the target's cluster [default: kubectl's current one]
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    kube_context: Option<String>,
    /// Kubeconfig of the target's cluster [default: kubectl's own choice]
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    kubeconfig: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What a Compose application is converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Kubernetes objects
    Kubernetes,
}

impl ComposeMigration {
    fn cluster(&self, application: &str) -> Kubernetes {
        Kubernetes::new(
            application,
            self.kube_context.clone(),
            self.kubeconfig.clone(),
            self.target.namespace.clone(),
        )
    }
}

impl Migration for ComposeMigration {
    fn convert(&self, printer: Printer, images: &Rules) -> Result<Conversion, Exit> {
        let options = self.source.load_options(printer)?;
        let target = KubernetesOptions {
            images: images.clone(),
            ..self.target.options()
        };
        to_kubernetes(&options, &target, true, self.source.files()).map_err(|failure| {
            printer.complain(&report::to_text(
                &failure.findings,
                &failure.sources,
                printer.style(),
            ));
            Exit::Input
        })
    }

    fn goal(&self, _: Printer, application: &str) -> Result<Goal, Exit> {
        Ok(match &self.to {
            To::Format(Format::Kubernetes) => Goal::Target(Box::new(self.cluster(application))),
            To::Bundle(folder) => Goal::Bundle(folder.clone(), "kubernetes"),
        })
    }

    fn bundle(&self) -> Option<PathBuf> {
        self.bundle.clone()
    }

    fn origin(&self, application: &str) -> Option<Origin> {
        let engine = Engine::default();
        let place: Box<dyn Target> = if self.source.is_stack() {
            Box::new(Swarm {
                engine,
                stack: application.to_owned(),
            })
        } else {
            Box::new(Compose {
                engine,
                project: application.to_owned(),
            })
        };
        Some(Origin {
            place,
            workloads: Output::default(),
        })
    }

    fn bundle_target(
        &self,
        printer: Printer,
        application: &str,
        format: &str,
    ) -> Result<Box<dyn Target>, Exit> {
        if format == "kubernetes" {
            return Ok(Box::new(self.cluster(application)));
        }
        printer.complain(&format!(
            "error: the bundle is for {format}; deploy it with `kubectl migrate run`"
        ));
        Err(Exit::Usage)
    }
}
