//! `images queue`: looks at the queue of `images watch`, whether it runs or not.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::count;
use crate::cli::{Exit, Printer, block_on};
use crate::images::presync::admin::{Answer, Listed, Request, Which, ask};
use crate::images::presync::queue::JobState;
use crate::images::presync::rules::{load_for_elsewhere, show_duration};

/// Arguments of `images queue`.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// List what waits, what failed for good, and what was done lately
    List(ListArgs),
    /// Try images again at once
    Retry(WhichArgs),
    /// Forget images; the next comparison finds those that the rules still want
    Drop(WhichArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct FolderArgs {
    /// Rules file of the daemon, which names the folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the queue
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Format of the list
    #[arg(long, short, value_enum, default_value_t = ListFormat::Text)]
    output: ListFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  images queue retry --config rules.yaml 3f2a91c0b7de     one image, by the id of `images queue list`
  images queue retry --config rules.yaml shop/web         all whose name holds these letters
  images queue drop --config rules.yaml --all             everything")]
struct WhichArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Ids, or parts of names
    #[arg(value_name = "ID|NAME", required_unless_present = "all")]
    which: Vec<String>,
    /// All images
    #[arg(long, conflicts_with = "which")]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// Lines for people
    Text,
    /// JSON for programs
    Json,
}

impl FolderArgs {
    fn folder(&self, printer: Printer) -> Result<PathBuf, Exit> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        let Some(config) = &self.config else {
            return Err(Exit::Usage);
        };
        match load_for_elsewhere(config).rules {
            Some(rules) => Ok(rules.state),
            None => {
                printer.complain(&format!(
                    "error: {} cannot be used; `images watch --config {0} --check` says why, and --state DIR does without it",
                    config.display()
                ));
                Err(Exit::Input)
            }
        }
    }
}

impl WhichArgs {
    fn which(&self) -> Which {
        if self.all {
            Which::All
        } else {
            Which::These(self.which.clone())
        }
    }
}

/// Runs the verb.
pub(super) fn queue(command: &str, args: &QueueArgs) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    let (folder, request, done) = match &args.command {
        QueueCommand::List(list) => (&list.folder, Request::List, ""),
        QueueCommand::Retry(which) => (
            &which.folder,
            Request::Retry {
                which: which.which(),
            },
            "tried again",
        ),
        QueueCommand::Drop(which) => (
            &which.folder,
            Request::Drop {
                which: which.which(),
            },
            "forgotten",
        ),
    };
    let folder = match folder.folder(printer) {
        Ok(folder) => folder,
        Err(exit) => return exit,
    };
    block_on(printer, async {
        match ask(&folder, request).await {
            Ok(Answer::Listed(listed)) => show(printer, args, command, &listed),
            Ok(Answer::Count(0)) => {
                printer.complain("error: no image of the queue has this id or name; those that are being copied cannot be dropped");
                Exit::Failed
            }
            Ok(Answer::Count(number)) => {
                printer.say(&format!("{} {done}", count(number, "image")));
                Exit::Done
            }
            Ok(Answer::Failed(error)) | Err(error) => {
                printer.complain(&format!("error: {error}"));
                Exit::Failed
            }
        }
    })
}

fn show(printer: Printer, args: &QueueArgs, command: &str, listed: &Listed) -> Exit {
    let json = matches!(&args.command, QueueCommand::List(list) if list.output == ListFormat::Json);
    let text = if json {
        match serde_json::to_string_pretty(listed) {
            Ok(text) => text + "\n",
            Err(error) => {
                printer.complain(&format!("error: {error}"));
                return Exit::Failed;
            }
        }
    } else {
        to_text(listed)
    };
    if printer.data(&text).is_err() {
        return Exit::Failed;
    }
    if !json && !listed.dead.is_empty() {
        printer.say(&format!(
            "When the cause is mended: {command} images queue retry ID"
        ));
    }
    Exit::Done
}

fn to_text(listed: &Listed) -> String {
    /// Lines of history.
    const LATELY: usize = 20;
    let mut out = String::new();
    if !listed.dead.is_empty() {
        out.push_str("Failed for good:\n");
        for item in &listed.dead {
            out.push_str(&format!("  {}  {}\n", item.id, item.image));
            out.push_str(&format!("                {}\n", item.dead.reason));
            if let Some(remedy) = &item.dead.remedy {
                out.push_str(&format!("                {remedy}\n"));
            }
        }
    }
    if listed.jobs.is_empty() {
        out.push_str("Nothing waits.\n");
    } else {
        out.push_str("On their way:\n");
        for item in &listed.jobs {
            let state = match item.job.state {
                JobState::Copying => "copying".to_owned(),
                JobState::Pending => "waits for its turn".to_owned(),
                JobState::Waiting => format!(
                    "again in {}",
                    show_duration(Duration::from_millis(item.pause_ms))
                ),
            };
            out.push_str(&format!("  {}  {}: {state}\n", item.id, item.image));
            if let Some(error) = &item.job.last_error {
                out.push_str(&format!("                {error}\n"));
            }
        }
    }
    if !listed.history.is_empty() {
        out.push_str("Lately:\n");
        for done in listed.history.iter().take(LATELY) {
            let lag = show_duration(Duration::from_millis(done.lag_ms));
            out.push_str(&format!(
                "  {}: {}, {lag} after the event",
                done.image, done.what
            ));
            if let Some(note) = &done.note {
                out.push_str(&format!(" ({note})"));
            }
            out.push('\n');
        }
    }
    out
}
