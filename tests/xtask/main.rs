//! What is done beside building: `cargo run -p tests --bin xtask -- dist`.

mod archive;
mod dist;
mod docs;
mod krew;
mod metadata;
mod targets;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What went wrong, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is done beside building
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the archives of a release
    Dist(dist::DistArgs),
    /// Write the page of each verb
    Docs {
        /// Write nothing: fail if a page is not as the program says
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Dist(args) => dist::dist(&args),
        Command::Docs { check } => docs::docs(&root(), check),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The three programs with their command lines.
fn programs() -> [(&'static str, clap::Command); 3] {
    [
        ("kubectl-migrate", kubectl_migrate::command()),
        ("docker-migrate", docker_migrate::command()),
        ("helm-convert", helm_convert::command()),
    ]
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

#[expect(clippy::print_stderr, reason = "a tool for developers")]
fn say(line: &str) {
    eprintln!("{line}");
}
