//! `kubectl migrate`: moves Kubernetes applications to Docker Compose or Swarm.

mod commands;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use migrate::cli::{Exit, ExplainArgs, explain};

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
}

/// Runs the program with all arguments, its own name first.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> Exit {
    match Args::try_parse_from(arguments) {
        Ok(args) => match args.command {
            Command::Convert(args) => convert(&args),
            Command::Explain(args) => explain(&args),
        },
        Err(error) => migrate::cli::usage(&error),
    }
}
