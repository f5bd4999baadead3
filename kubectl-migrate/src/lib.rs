//! `kubectl migrate`: moves Kubernetes applications to Docker Compose or Swarm.

mod commands;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use migrate::cli::{
    CompletionArgs, DoctorArgs, Exit, ExplainArgs, completion, doctor, explain, start,
};
use migrate::host::Host;

use commands::convert::{ConvertArgs, convert};

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
