//! `docker migrate`: moves Compose applications and Swarm stacks to Kubernetes.

mod commands;
mod source;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};
use migrate::cli::images::{ImagesArgs, OrNames, images};
use migrate::cli::{
    CompletionArgs, DoctorArgs, Exit, ExplainArgs, InstallArgs, completion, doctor, explain,
    install, start, uninstall,
};
use migrate::host::Host;

use commands::convert::{ConvertArgs, convert};
use source::ComposeArgs;

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
    Images(ImagesArgs<OrNames<ComposeArgs>>),
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
    start(Host::Docker, arguments, |args: Args| match args.command {
        Command::Convert(args) => convert(&args),
        Command::Images(args) => images(Host::Docker.command(), &args),
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
