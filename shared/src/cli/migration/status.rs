//! `status`, `resume` and `rollback`: earlier runs.

use clap::Args;
use serde_json::json;

use crate::application::journal::JournalError;
use crate::application::target::{Scale, Undo};
use crate::application::{Journal, Status, target};
use crate::cli::confirm::confirm;
use crate::cli::{Exit, Printer};
use crate::host::Host;
use crate::host::private::remove_left;

/// Which runs are shown.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// One run with all that is known of it
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Which run is gone on with.
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The run [default: the newest one]
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

/// Which run is undone.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// The run [default: the newest one]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Undo it even if somebody else has changed the target since
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

const PRINTER: Printer = Printer {
    quiet: false,
    verbose: false,
};

fn failed(host: Host, error: &JournalError) -> Exit {
    PRINTER.complain(&format!("error: {error}"));
    match error {
        JournalError::Unknown(_) => {
            PRINTER.complain(&format!("To see all runs: {} status", host.command()));
        }
        JournalError::None => PRINTER.complain(&format!("To begin one: {} run", host.command())),
        _ => {}
    }
    match error {
        JournalError::Unknown(_) | JournalError::None => Exit::Usage,
        JournalError::Damaged { .. } => Exit::Input,
        JournalError::NoFolder | JournalError::Io(_) => Exit::Failed,
    }
}

/// Shows runs.
#[must_use]
pub fn status(host: Host, args: &StatusArgs) -> Exit {
    remove_left(&std::env::temp_dir());
    let text = match &args.run {
        Some(id) => match Journal::open(Some(id)) {
            Ok(journal) if args.json => format!("{:#}\n", json!(journal.record)),
            Ok(journal) => one(host, &journal),
            Err(error) => return failed(host, &error),
        },
        None => match Journal::all() {
            Ok(all) if args.json => {
                let records: Vec<_> = all
                    .into_iter()
                    .flatten()
                    .map(|journal| journal.record)
                    .collect();
                format!("{:#}\n", json!({"schema": 1, "runs": records}))
            }
            Ok(all) if all.is_empty() => {
                PRINTER.say("There is no run yet.");
                return Exit::Done;
            }
            Ok(all) => {
                all.iter()
                    .map(|journal| match journal {
                        Ok(journal) => {
                            let record = &journal.record;
                            format!("{}  {}  {}", record.id, record.status.text(), record.target)
                        }
                        Err(error) => error.to_string(),
                    })
                    .collect::<Vec<_>>()
                    .join("\n")
                    + "\n"
            }
            Err(error) => return failed(host, &error),
        },
    };
    match PRINTER.data(&text) {
        Ok(()) => Exit::Done,
        Err(error) => {
            PRINTER.complain(&format!("error: standard output: {error}"));
            Exit::Failed
        }
    }
}

fn one(host: Host, journal: &Journal) -> String {
    let record = &journal.record;
    let mut out = format!(
        "{}\n  {}\n  {}\n",
        record.id,
        record.status.text(),
        record.target
    );
    out.push_str(&format!(
        "  {} {}\n",
        record.program,
        record.arguments.join(" ")
    ));
    if let Some(error) = &record.error {
        out.push_str(&format!("  {error}\n"));
    }
    if record.status == Status::Done {
        out.push_str(&record.terms.to_text());
    }
    if record.status.is_resumable() {
        out.push_str(&format!(
            "To go on: {} resume {}\n",
            host.command(),
            record.id
        ));
    }
    if record.status.has_changes() || (record.status == Status::Images && !record.before.is_null())
    {
        out.push_str(&format!(
            "To undo it: {} rollback {}\n",
            host.command(),
            record.id
        ));
    }
    out
}

/// Goes on with a run: `again` runs the program with the arguments of that run.
#[must_use]
pub fn resume(
    host: Host,
    args: &ResumeArgs,
    again: impl FnOnce(Vec<std::ffi::OsString>, Journal) -> Exit,
) -> Exit {
    let journal = match Journal::open(args.run.as_deref()) {
        Ok(journal) => journal,
        Err(error) => return failed(host, &error),
    };
    let record = &journal.record;
    if record.program != host.program() {
        PRINTER.complain(&format!(
            "error: the run {} is one of {}",
            record.id, record.program
        ));
        return Exit::Usage;
    }
    if !record.status.is_resumable() {
        PRINTER.say(&format!(
            "{}: {}. There is nothing to go on with.",
            record.id,
            record.status.text()
        ));
        return Exit::Done;
    }
    if record.arguments.iter().any(|argument| argument == "-") {
        PRINTER.complain(
            "error: the run read its application from standard input, which is gone. Run the command again; what was copied stays.",
        );
        return Exit::Usage;
    }
    if let Err(error) = std::env::set_current_dir(&record.folder) {
        PRINTER.complain(&format!("error: {}: {error}", record.folder.display()));
        return Exit::Failed;
    }
    let mut line = vec![std::ffi::OsString::from(host.program())];
    line.extend(record.arguments.iter().map(std::ffi::OsString::from));
    // It was agreed to when the run began.
    if !record
        .arguments
        .iter()
        .any(|argument| argument == "--yes" || argument == "-y")
    {
        line.push("--yes".into());
    }
    again(line, journal)
}

/// Undoes a run.
#[must_use]
pub fn rollback(host: Host, args: &RollbackArgs) -> Exit {
    let mut journal = match Journal::open(args.run.as_deref()) {
        Ok(journal) => journal,
        Err(error) => return failed(host, &error),
    };
    target::end_left(journal.folder());
    remove_left(journal.folder());
    let record = &journal.record;
    if record.before.is_null() {
        PRINTER.say(&format!(
            "{}: {}. There is nothing to undo.",
            record.id,
            record.status.text()
        ));
        return Exit::Done;
    }
    let Some(target) = target::open(&record.address) else {
        PRINTER.complain("error: the record names a target that this program does not know");
        return Exit::Input;
    };
    if !args.yes {
        let question = format!("Undo {} at {}?", record.id, record.target);
        if let Err(exit) = confirm(PRINTER, &question, "To undo it without a question: --yes") {
            return exit;
        }
    }
    let id = record.id.clone();
    if let Err(error) = target.lock(&id) {
        PRINTER.complain(&format!("error: {error}"));
        return error.exit;
    }
    // The source runs again before the target goes.
    if let Some(source) = target::open(&record.source["address"]) {
        match source.scale(&record.source["scales"], Scale::Back) {
            Ok(lines) => lines
                .iter()
                .for_each(|line| PRINTER.say(&format!("source: {line}"))),
            Err(error) => {
                target.unlock(&id);
                PRINTER.complain(&format!(
                    "error: the source was not scaled back, so the target stays: {error}"
                ));
                return error.exit;
            }
        }
    }
    // A run that was killed may not have written down what it changed.
    let undone = target.undo(&Undo {
        before: &record.before,
        changed: &record.changed,
        force: args.force || record.changed.is_null(),
        keep_data: matches!(
            record.status,
            Status::Done | Status::Waiting | Status::Failed
        ),
    });
    target.unlock(&id);
    match undone {
        Ok(lines) => {
            for line in lines {
                PRINTER.say(&line);
            }
            let noted = journal.note(|record| {
                record.status = Status::RolledBack;
                record.before = serde_json::Value::Null;
                record.changed = serde_json::Value::Null;
            });
            if let Err(error) = noted {
                return failed(host, &error);
            }
            PRINTER.say(&format!(
                "{id} is undone: {} {}",
                host.name(),
                journal.record.target
            ));
            Exit::Done
        }
        Err(error) => {
            PRINTER.complain(&format!("error: {error}"));
            error.exit
        }
    }
}
