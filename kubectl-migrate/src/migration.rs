//! What `kubectl migrate` migrates: Kubernetes objects, to Compose and Swarm.

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
use migrate::orchestration::compose::ComposeTarget;
use migrate::orchestration::convert::{Conversion, to_compose};
use migrate::orchestration::output::{Document, Output};
use migrate::report;
use migrate::source::Disk;

use crate::commands::convert::TargetArgs;
use crate::source::ObjectArgs;

/// Kubernetes objects, and the engine that they go to.
#[derive(Debug, Args)]
pub(crate) struct ManifestMigration {
    #[command(flatten)]
    source: ObjectArgs,
    /// What to convert to, or a folder that travels: bundle:DIR
    #[arg(
        long,
        value_name = "compose|swarm|bundle:DIR",
        default_value = "compose"
    )]
    to: To<Format>,
    /// What the files of a bundle are for
    #[arg(long, value_enum, default_value_t = Format::Compose, help_heading = "Target")]
    bundle_format: Format,
    /// Context of the target's engine [default: docker's current one]
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    docker_context: Option<String>,
    /// Name of the stack or project [default: that of the application]
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    project: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What a Kubernetes application is converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A project of `docker compose`
    Compose,
    /// A stack of a Swarm
    Swarm,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Swarm => "swarm",
        }
    }
}

impl ManifestMigration {
    fn format(&self) -> Format {
        match &self.to {
            To::Format(format) => *format,
            To::Bundle(_) => self.bundle_format,
        }
    }

    fn engine(&self, application: &str, format: Format) -> Box<dyn Target> {
        let engine = Engine::of(self.docker_context.clone());
        let name = self
            .project
            .clone()
            .unwrap_or_else(|| application.to_owned());
        match format {
            Format::Compose => Box::new(Compose {
                engine,
                project: name,
            }),
            Format::Swarm => Box::new(Swarm {
                engine,
                stack: name,
            }),
        }
    }
}

impl Migration for ManifestMigration {
    fn convert(&self, printer: Printer, images: &Rules) -> Result<Conversion, Exit> {
        let options = self.source.load_options(printer)?;
        let target = match self.format() {
            Format::Compose => ComposeTarget::Compose,
            Format::Swarm => ComposeTarget::Swarm,
        };
        let target = self.target.options(target, images.clone());
        to_compose(&options, &target, true, &Disk).map_err(|failure| {
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
            To::Format(format) => Goal::Target(self.engine(application, *format)),
            To::Bundle(folder) => Goal::Bundle(folder.clone(), self.bundle_format.name()),
        })
    }

    fn bundle(&self) -> Option<PathBuf> {
        self.source.bundle()
    }

    fn origin(&self, application: &str) -> Option<Origin> {
        let (cluster, live) = self.source.live()?;
        let documents = live.workloads.iter().map(|workload| Document {
            name: workload["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            value: workload.clone(),
            subjects: Vec::new(),
        });
        Some(Origin {
            place: Box::new(Kubernetes::new(
                application,
                cluster.context,
                cluster.kubeconfig.map(|path| path.display().to_string()),
                Some(live.namespace.clone()),
            )),
            workloads: Output {
                documents: documents.collect(),
                ..Output::default()
            },
        })
    }

    fn bundle_target(
        &self,
        printer: Printer,
        application: &str,
        format: &str,
    ) -> Result<Box<dyn Target>, Exit> {
        match Format::from_str(format, true) {
            Ok(format) => Ok(self.engine(application, format)),
            Err(_) => {
                printer.complain(&format!(
                    "error: the bundle is for {format}; deploy it with `docker migrate run`"
                ));
                Err(Exit::Usage)
            }
        }
    }
}
