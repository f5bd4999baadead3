//! `kubectl migrate`: moves Kubernetes applications to Docker Compose or Swarm.

mod commands;
mod source;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use migrate::cli::images::{ImagesArgs, OrNames, images};
use migrate::cli::{
    CompletionArgs, DoctorArgs, Exit, ExplainArgs, completion, doctor, explain, start,
};
use migrate::host::Host;

use commands::convert::{ConvertArgs, convert};
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
    start(Host::Kubectl, arguments, |args: Args| match args.command {
        Command::Convert(args) => convert(&args),
        Command::Images(args) => images(Host::Kubectl.command(), &args),
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
