//! `kubectl migrate`: moves Kubernetes applications to Docker Compose or Swarm.

mod commands;
mod migration;
mod source;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use migrate::cli::images::{ImagesArgs, OrNames, images};
use migrate::cli::migration::{
    PlanArgs, ResumeArgs, RollbackArgs, RunArgs, StatusArgs, plan, resume, rollback,
    run as run_migration, status,
};
use migrate::cli::{
    CompletionArgs, DoctorArgs, Exit, ExplainArgs, completion, doctor, explain, start,
};
use migrate::host::Host;

use commands::convert::{ConvertArgs, convert};
use migration::ManifestMigration;
use source::ManifestArgs;

/// Moves Kubernetes applications to Docker Compose or Swarm
#[derive(Debug, Parser)]
#[command(
    name = "kubectl migrate",
    bin_name = "kubectl migrate",
    version,
    arg_required_else_help = true
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Convert Kubernetes objects to a Compose file or a Swarm stack
    Convert(Box<ConvertArgs>),
    /// List and copy the images that an application needs
    Images(ImagesArgs<OrNames<ManifestArgs>>),
    /// Say what a migration would do, and whether it would succeed; changes nothing
    Plan(Box<PlanArgs<ManifestMigration>>),
    /// Migrate the application: convert, copy images, start, wait until it is ready
    Run(Box<RunArgs<ManifestMigration>>),
    /// Show earlier runs
    Status(StatusArgs),
    /// Go on with a run that was interrupted or failed
    Resume(ResumeArgs),
    /// Undo a run: the target gets back what was there before
    Rollback(RollbackArgs),
    /// Say what happens to a field, or what a finding means
    Explain(ExplainArgs),
    /// Look at the installation, and at what can be reached
    Doctor(DoctorArgs),
    /// Get completion in a shell
    Completion(CompletionArgs),
}

/// Runs the program with all arguments, its own name first.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> Exit {
    let words = text(&arguments);
    start(Host::Kubectl, arguments, |args: Args| match args.command {
        Command::Convert(args) => convert(&args),
        Command::Images(args) => images(Host::Kubectl.command(), &args),
        Command::Plan(args) => plan(&args, &words),
        Command::Run(args) => run_migration(Host::Kubectl, &args, &words, None),
        Command::Status(args) => status(Host::Kubectl, &args),
        Command::Resume(args) => resume(Host::Kubectl, &args, |line, journal| {
            start(Host::Kubectl, line.clone(), |args: Args| {
                match args.command {
                    Command::Run(args) => {
                        run_migration(Host::Kubectl, &args, &text(&line), Some(journal))
                    }
                    _ => Exit::Input,
                }
            })
        }),
        Command::Rollback(args) => rollback(Host::Kubectl, &args),
        Command::Explain(args) => explain(&args),
        Command::Doctor(args) => doctor(Host::Kubectl, &args),
        Command::Completion(args) => completion(Host::Kubectl, &args),
    })
}

/// The command line, for man pages and documentation.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

/// The arguments without the program's name and what the host puts before them, to keep them for later.
fn text(arguments: &[OsString]) -> Vec<String> {
    let words = arguments.get(1..).unwrap_or_default();
    words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}
