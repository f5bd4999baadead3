//! `docker migrate`: moves Compose applications and Swarm stacks to Kubernetes.

mod commands;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use migrate::cli::{Exit, ExplainArgs, Printer, explain};
use migrate::host::docker;

use commands::convert::{ConvertArgs, convert};

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
    /// Say what happens to a key, or what a finding means
    Explain(ExplainArgs),
}

/// Runs the program with all arguments, its own name first.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> Exit {
    if arguments
        .get(1)
        .is_some_and(|first| first == docker::METADATA_ARGUMENT)
    {
        let metadata = docker::metadata(
            env!("CARGO_PKG_VERSION"),
            "Move Compose applications and Swarm stacks to Kubernetes",
            env!("CARGO_PKG_REPOSITORY"),
        );
        return print(&metadata);
    }
    match Args::try_parse_from(docker::without_plugin_name(arguments, "migrate")) {
        Ok(args) => match args.command {
            Command::Convert(args) => convert(&args),
            Command::Explain(args) => explain(&args),
        },
        Err(error) => migrate::cli::usage(&error),
    }
}

fn print(text: &str) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    match printer.data(text) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}
