//! `helm convert`: turns a chart for one cloud provider into a chart for another.

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use migrate::cli::{Exit, ExplainArgs, explain};

/// Turns a chart for one cloud provider into a chart for another
#[derive(Debug, Parser)]
#[command(
    name = "helm convert",
    bin_name = "helm convert",
    version,
    arg_required_else_help = true
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what happens to a key, or what a finding means
    Explain(ExplainArgs),
}

/// Runs the program with all arguments, its own name first.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> Exit {
    match Args::try_parse_from(arguments) {
        Ok(args) => match args.command {
            Command::Explain(args) => explain(&args),
        },
        Err(error) => migrate::cli::usage(&error),
    }
}
