//! What of a command line goes into the record of a run: where the cluster is, as helm has handed it down, and no value,
//! since any of them may be secret.

use std::ffi::OsString;

use clap::Args;
use migrate::cli::{Exit, Printer};
use migrate::orchestration::chart::ValuesOption;

use crate::commands::values::SECRET_OPTIONS;
use crate::migration::ClusterArgs;

/// What is asked of a migration for its record.
pub(crate) trait Kept {
    /// The cluster, with what helm handed down.
    fn cluster(&self) -> ClusterArgs;
}

/// The words of a command line for the record of its run.
pub(crate) fn words(arguments: &[OsString], cluster: &ClusterArgs) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.clone(), None),
        };
        if SECRET_OPTIONS.contains(&name.as_str()) {
            let value = value.or_else(|| words.next()).unwrap_or_default();
            kept.push(format!("--withheld={name} {}", key(&value)));
        } else if ["--kube-context", "--kubeconfig", "--namespace", "-n"].contains(&name.as_str()) {
            // They are written as they came out.
            if value.is_none() {
                words.next();
            }
        } else {
            kept.push(word);
        }
    }
    kept.extend(cluster.words());
    kept
}

/// What a value is for: all that may be shown of `key=value`.
fn key(text: &str) -> &str {
    match text.split_once('=') {
        Some((key, _)) if !key.contains(['{', '"']) => key,
        _ => "JSON",
    }
}

/// Values that a run was begun with, given once more.
#[derive(Debug, Clone, Args)]
pub(crate) struct Again {
    /// Values of the run, which its record does not hold
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Text values of the run
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// JSON values of the run
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// Literal text values of the run
    #[arg(long, value_name = "KEY=VALUE")]
    set_literal: Vec<String>,
}

impl Again {
    /// As words of a command line.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let [set, string, json, literal] = SECRET_OPTIONS;
        [
            (set, &self.set),
            (string, &self.set_string),
            (json, &self.set_json),
            (literal, &self.set_literal),
        ]
        .into_iter()
        .flat_map(|(name, values)| {
            values
                .iter()
                .map(move |value| OsString::from(format!("{name}={value}")))
        })
        .collect()
    }
}

/// Says which values have to be given again.
///
/// # Errors
/// One is missing.
pub(crate) fn refuse_withheld(
    withheld: &[String],
    given: &[ValuesOption],
    printer: Printer,
) -> Result<(), Exit> {
    let missing: Vec<&String> = withheld
        .iter()
        .filter(|option| {
            !given
                .iter()
                .any(|one| **option == format!("{} {}", one.flag, key(&one.value)))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let options: Vec<String> = missing
        .iter()
        .map(|option| format!("{option}=VALUE"))
        .collect();
    printer.complain(&format!(
        "error: values of the run are not kept, since they may be secret; give them again: helm convert resume RUN {} (a file given with -f is read again by itself)",
        options.join(" ")
    ));
    Err(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_in_the_record() {
        let line = [
            "helm-convert",
            "run",
            "./shop",
            "--set",
            "db.password=hush",
            "--set-json={\"a\": \"hush\"}",
            "--set-string=b=hush=hush",
            "-f",
            "prod.yaml",
            "-n",
            "old",
        ]
        .map(OsString::from);
        let kept = words(&line, &ClusterArgs::default());
        assert_eq!(
            kept,
            [
                "run",
                "./shop",
                "--withheld=--set db.password",
                "--withheld=--set-json JSON",
                "--withheld=--set-string b",
                "-f",
                "prod.yaml",
            ]
        );
    }
}
