//! `docker migrate`: moves Compose applications and Swarm stacks to Kubernetes.

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
    CompletionArgs, DoctorArgs, Exit, ExplainArgs, InstallArgs, completion, doctor, explain,
    install, start, uninstall,
};
use migrate::host::Host;

use commands::convert::{ConvertArgs, convert};
use migration::ComposeMigration;
use source::ImagesOfCompose;

/// Moves Compose applications and Swarm stacks to Kubernetes
#[derive(Debug, Parser)]
#[command(
    name = "docker migrate",
    bin_name = "docker migrate",
    version,
    arg_required_else_help = true
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Convert a Compose file or a Swarm stack to Kubernetes objects
    Convert(Box<ConvertArgs>),
    /// List and copy the images that an application needs
    Images(ImagesArgs<OrNames<ImagesOfCompose>>),
    /// Say what a migration would do, and whether it would succeed; changes nothing
    Plan(Box<PlanArgs<ComposeMigration>>),
    /// Migrate the application: convert, copy images, start, wait until it is ready
    Run(Box<RunArgs<ComposeMigration>>),
    /// Show earlier runs
    Status(StatusArgs),
    /// Go on with a run that was interrupted or failed
    Resume(ResumeArgs),
    /// Undo a run: the target gets back what was there before
    Rollback(RollbackArgs),
    /// Say what happens to a key, or what a finding means
    Explain(ExplainArgs),
    /// Look at the installation, and at what can be reached
    Doctor(DoctorArgs),
    /// Get completion in a shell
    Completion(CompletionArgs),
    /// Copy this program to where docker looks for plugins
    Install(InstallArgs),
    /// Remove what `install` copied
    Uninstall,
}

/// Runs the program with all arguments, its own name first.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> Exit {
    let words = text(&arguments);
    start(Host::Docker, arguments, |args: Args| match args.command {
        Command::Convert(args) => convert(&args),
        Command::Images(args) => images(Host::Docker.command(), &args),
        Command::Plan(args) => plan(&args, &words),
        Command::Run(args) => run_migration(Host::Docker, &args, &words, None),
        Command::Status(args) => status(Host::Docker, &args),
        Command::Resume(args) => resume(Host::Docker, &args, |line, journal| {
            start(Host::Docker, line.clone(), |args: Args| {
                match args.command {
                    Command::Run(args) => {
                        run_migration(Host::Docker, &args, &text(&line), Some(journal))
                    }
                    _ => Exit::Input,
                }
            })
        }),
        Command::Rollback(args) => rollback(Host::Docker, &args),
        Command::Explain(args) => explain(&args),
        Command::Doctor(args) => doctor(Host::Docker, &args),
        Command::Completion(args) => completion(Host::Docker, &args),
        Command::Install(args) => install(&args),
        Command::Uninstall => uninstall(),
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
