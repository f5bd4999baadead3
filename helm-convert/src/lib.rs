//! `helm convert`: turns a chart for one cloud provider into a chart for another.

mod commands;
mod migration;
mod record;
mod source;

use std::ffi::OsString;

use clap::{Args as ArgumentGroup, CommandFactory as _, Parser, Subcommand};
use migrate::cli::images::{ImagesArgs, images};
use migrate::cli::migration::{
    PlanArgs, ResumeArgs, RollbackArgs, RunArgs, StatusArgs, plan, resume, rollback,
    run as run_migration, status,
};
use migrate::cli::{
    CompletionArgs, DoctorArgs, Exit, ExplainArgs, completion, doctor, explain, start,
};
use migrate::host::Host;

use commands::chart::{ChartArgs, chart};
use commands::install_post_render::install_post_render;
use commands::post_render::{PostRenderArgs, post_render};
use migration::ChartMigration;
use record::{Again, Kept as _};
use source::RenderedChart;

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
    /// List and copy the images that a chart needs
    Images(ImagesArgs<RenderedChart>),
    /// Turn a chart for one provider into a chart for another
    Chart(Box<ChartArgs>),
    /// Convert manifests between helm's rendering and installing: standard input to standard output
    PostRender(Box<PostRenderArgs>),
    /// Make `post-render` a plugin of Helm 4: `helm install --post-renderer convert-post-render`
    InstallPostRender,
    /// Say what a migration would do, and whether it would succeed; changes nothing
    Plan(Box<PlanArgs<ChartMigration>>),
    /// Migrate the application: convert the chart, copy images, upgrade or install, wait until it is ready
    Run(Box<RunArgs<ChartMigration>>),
    /// Show earlier runs
    Status(StatusArgs),
    /// Go on with a run that was interrupted or failed
    Resume(ResumeChart),
    /// Undo a run: the release goes, or gets back the revision that it had; claims stay
    Rollback(RollbackArgs),
    /// Say what happens to a key, or what a finding means
    Explain(ExplainArgs),
    /// Look at the installation, and at what can be reached
    Doctor(DoctorArgs),
    /// Get completion in a shell
    Completion(CompletionArgs),
}

#[derive(Debug, ArgumentGroup)]
struct ResumeChart {
    #[command(flatten)]
    earlier: ResumeArgs,
    #[command(flatten)]
    again: Again,
}

/// Runs the program with all arguments, its own name first.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> Exit {
    let words = arguments.clone();
    start(Host::Helm, arguments, |args: Args| match args.command {
        Command::Plan(args) => {
            let kept = record::words(&words, &args.source().cluster());
            plan(&args, &kept)
        }
        Command::Run(args) => {
            let kept = record::words(&words, &args.source().cluster());
            run_migration(Host::Helm, &args, &kept, None)
        }
        Command::Status(args) => status(Host::Helm, &args),
        Command::Resume(args) => resume(Host::Helm, &args.earlier, |mut line, journal| {
            line.extend(args.again.words());
            start(Host::Helm, line.clone(), |args: Args| match args.command {
                Command::Run(args) => {
                    let kept = record::words(&line, &args.source().cluster());
                    run_migration(Host::Helm, &args, &kept, Some(journal))
                }
                _ => Exit::Input,
            })
        }),
        Command::Rollback(args) => rollback(Host::Helm, &args),
        Command::Images(args) => images(Host::Helm.command(), &args),
        Command::Chart(args) => chart(&args),
        Command::PostRender(args) => post_render(&args),
        Command::InstallPostRender => install_post_render(),
        Command::Explain(args) => explain(&args),
        Command::Doctor(args) => doctor(Host::Helm, &args),
        Command::Completion(args) => completion(Host::Helm, &args),
    })
}

/// The command line, for man pages and documentation.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}
