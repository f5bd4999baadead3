//! The verb `doctor`: whether the program is installed as its host wants it, and whether it can reach what it needs.

mod docker;
mod helm;
mod kubectl;
mod path;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Exit, Printer};
use crate::host::Host;

/// How the diagnosis is shown.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Format of the diagnosis
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Do not talk to clusters and engines: look at what is installed only
    #[arg(long)]
    pub offline: bool,
}

/// Format of the diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people
    Text,
    /// JSON for programs
    Json,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// As it should be.
    Ok,
    /// Something that is not needed for everything is missing or odd.
    Warning,
    /// Broken: the program does not work as it should.
    Broken,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at: `kubectl`, `plugin`, `cluster`.
    subject: String,
    status: Status,
    /// What was seen.
    seen: String,
    /// The next command to type, or what else to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(subject: &str, seen: impl Into<String>) -> Self {
        Self::new(subject, Status::Ok, seen, None)
    }

    fn warning(subject: &str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(subject, Status::Warning, seen, Some(remedy.into()))
    }

    fn broken(subject: &str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(subject, Status::Broken, seen, Some(remedy.into()))
    }

    fn new(subject: &str, status: Status, seen: impl Into<String>, remedy: Option<String>) -> Self {
        Self {
            subject: subject.to_owned(),
            status,
            seen: seen.into(),
            remedy,
        }
    }
}

/// Runs the verb: exit code 1 if something is broken.
#[must_use]
pub fn doctor(host: Host, args: &DoctorArgs) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    let mut checks = vec![own_program(host)];
    let online = !args.offline;
    // The own host first, and with all that belongs to it; of the others only what a hand-off needs.
    match host {
        Host::Kubectl => {
            checks.extend(kubectl::installation());
            checks.extend(kubectl::host(online, true));
            checks.extend(docker::host(online, false));
        }
        Host::Docker => {
            checks.extend(docker::installation());
            checks.extend(docker::host(online, true));
            checks.extend(kubectl::host(online, false));
        }
        Host::Helm => {
            checks.extend(helm::installation());
            checks.extend(helm::host());
            checks.extend(kubectl::host(online, false));
        }
    }
    let text = match args.output {
        Format::Text => to_text(&checks),
        Format::Json => {
            let value = serde_json::json!({
                "schema": 1,
                "program": host.program(),
                "version": env!("CARGO_PKG_VERSION"),
                "checks": checks,
            });
            // Writing JSON values to memory cannot fail.
            let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
            text.push('\n');
            text
        }
    };
    if let Err(error) = printer.data(&text) {
        printer.complain(&format!("error: standard output: {error}"));
        return Exit::Failed;
    }
    if checks.iter().any(|check| check.status == Status::Broken) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

fn own_program(host: Host) -> Check {
    let path = std::env::current_exe().map_or_else(
        |_| "unknown path".to_owned(),
        |path| path.display().to_string(),
    );
    Check::ok(
        host.program(),
        format!("{} at {path}", env!("CARGO_PKG_VERSION")),
    )
}

fn to_text(checks: &[Check]) -> String {
    let width = checks.iter().map(|c| c.subject.len()).max().unwrap_or(0);
    let mut out = String::new();
    for check in checks {
        let word = match check.status {
            Status::Ok => "ok     ",
            Status::Warning => "warning",
            Status::Broken => "BROKEN ",
        };
        out.push_str(&format!(
            "{word} {:width$}  {}\n",
            check.subject, check.seen
        ));
        for line in check.remedy.iter().flat_map(|remedy| remedy.lines()) {
            out.push_str(&format!("        {:width$}  {line}\n", ""));
        }
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (broken, warnings) = (count(Status::Broken), count(Status::Warning));
    if broken + warnings == 0 {
        out.push_str("Everything is in order.\n");
    } else {
        let plural = if warnings == 1 { "" } else { "s" };
        out.push_str(&format!("{broken} broken, {warnings} warning{plural}.\n"));
    }
    out
}
