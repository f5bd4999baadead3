//! A page for each verb, written from what the program itself says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use migrate::finding::{Severity, catalog};

use crate::{Failure, programs, say};

/// Writes the pages of all programs into their `docs` folders, or checks that they are as they would be written.
pub(crate) fn docs(root: &Path, check: bool) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for (program, command) in programs() {
        let folder = root.join(program).join("docs");
        let pages = pages(command);
        for stale in existing(&folder)? {
            if !pages.contains_key(&stale) {
                if check {
                    wrong.push(folder.join(&stale));
                } else {
                    fs_err::remove_file(folder.join(&stale))?;
                }
            }
        }
        for (name, text) in pages {
            let file = folder.join(name);
            let same = fs_err::read_to_string(&file).is_ok_and(|there| there == text);
            if same {
                continue;
            }
            if check {
                wrong.push(file);
            } else {
                fs_err::create_dir_all(&folder)?;
                fs_err::write(&file, text)?;
                say(&format!("{}", file.display()));
            }
        }
    }
    let findings = root.join("shared/docs/findings.md");
    let text = findings_page();
    if !fs_err::read_to_string(&findings).is_ok_and(|there| there == text) {
        if check {
            wrong.push(findings);
        } else {
            fs_err::create_dir_all(root.join("shared/docs"))?;
            fs_err::write(&findings, text)?;
            say(&format!("{}", findings.display()));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let files: Vec<_> = wrong
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    Err(format!(
        "not as the programs say: {}; run `cargo run -p tests --bin xtask -- docs`",
        files.join(", ")
    )
    .into())
}

/// Troubleshooting: every code that a finding can have, with what it means and what to do.
fn findings_page() -> String {
    let mut out = String::from(
        "# Findings\n\nWhat the programs say about an input, by code. `explain CODE` says the same on the command line.\n",
    );
    for (severity, title) in [
        (
            Severity::Error,
            "Errors: the input is wrong, and nothing is written",
        ),
        (
            Severity::Loss,
            "Losses: something with an effect at run time was not carried",
        ),
        (Severity::Warning, "Warnings: converted approximately"),
        (Severity::Info, "Notes: without effect at run time"),
    ] {
        let _ = write!(
            out,
            "\n## {title}\n\n| code | what it is | what it means | what to do |\n|---|---|---|---|\n"
        );
        for row in catalog().filter(|row| row.severity == severity) {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                row.code,
                cell(row.title),
                cell(row.consequence),
                cell(row.remedy)
            );
        }
    }
    out
}

fn existing(folder: &Path) -> Result<Vec<String>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md")
            && let Some(name) = path.file_name()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// File names and texts.
fn pages(mut command: Command) -> BTreeMap<String, String> {
    command = command.term_width(100);
    command.build();
    let mut pages = BTreeMap::new();
    let title = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let mut index = format!("# `{title}`\n\n{}\n\n", about(&command));
    index.push_str("| verb | does |\n|---|---|\n");
    let mut verbs = Vec::new();
    collect(&command, "", &mut verbs);
    for (path, verb) in verbs {
        let file = format!("{}.md", path.replace(' ', "-"));
        let _ = writeln!(
            index,
            "| [`{path}`]({file}) | {} |",
            about(&verb).lines().next().unwrap_or_default()
        );
        pages.insert(file, page(&format!("{title} {path}"), &verb));
    }
    pages.insert("README.md".to_owned(), index);
    pages
}

/// The verbs without sub-verbs, with their paths.
fn collect(command: &Command, path: &str, verbs: &mut Vec<(String, Command)>) {
    for verb in command.get_subcommands() {
        if verb.is_hide_set() || verb.get_name() == "help" {
            continue;
        }
        let path = format!("{path} {}", verb.get_name()).trim().to_owned();
        if verb.has_subcommands() {
            collect(verb, &path, verbs);
        } else {
            verbs.push((path, verb.clone()));
        }
    }
}

fn page(title: &str, verb: &Command) -> String {
    let mut out = format!("# `{title}`\n\n{}\n\n", about(verb));
    let mut usage = verb.clone().bin_name(title);
    let usage = usage.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = write!(out, "```\n{usage}\n```\n\n");
    if let Some(text) = verb.get_after_long_help().or(verb.get_after_help()) {
        let text = text.to_string();
        match text.strip_prefix("Examples:\n") {
            Some(examples) => {
                let _ = write!(out, "## Examples\n\n```sh\n{}\n```\n\n", undent(examples));
            }
            None => {
                let _ = write!(out, "{text}\n\n");
            }
        }
    }
    let mut groups: Vec<(String, Vec<&Arg>)> = Vec::new();
    for argument in verb.get_arguments().filter(|a| !a.is_hide_set()) {
        if matches!(argument.get_id().as_str(), "help" | "version") {
            continue;
        }
        let heading = match argument.get_help_heading() {
            Some(heading) => heading.to_owned(),
            None if argument.is_positional() => "Arguments".to_owned(),
            None => "Options".to_owned(),
        };
        match groups.iter_mut().find(|(name, _)| *name == heading) {
            Some((_, arguments)) => arguments.push(argument),
            None => groups.push((heading, vec![argument])),
        }
    }
    for (heading, arguments) in groups {
        let _ = write!(out, "## {heading}\n\n| | |\n|---|---|\n");
        for argument in arguments {
            let _ = writeln!(
                out,
                "| {} | {} |",
                spelling(argument),
                description(argument)
            );
        }
        out.push('\n');
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

/// `` `-d`, `--out-dir DIR` ``
fn spelling(argument: &Arg) -> String {
    let value = argument
        .get_value_names()
        .filter(|_| argument.get_action().takes_values())
        .map(|names| {
            names
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .unwrap_or_default();
    if argument.is_positional() {
        return cell(&format!("`{value}`"));
    }
    let mut parts = Vec::new();
    if let Some(short) = argument.get_short() {
        parts.push(format!("`-{short}`"));
    }
    if let Some(long) = argument.get_long() {
        let text = format!("--{long} {value}");
        parts.push(format!("`{}`", text.trim()));
    }
    cell(&parts.join(", "))
}

fn description(argument: &Arg) -> String {
    let mut out = argument
        .get_long_help()
        .or(argument.get_help())
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace("\n\n", "<br>")
        .replace('\n', " ");
    if !argument.is_hide_default_value_set() {
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        if !defaults.is_empty() && argument.get_action().takes_values() {
            let _ = write!(out, " (default {})", defaults.join(", "));
        }
    }
    if argument.get_action().takes_values() && !argument.is_hide_possible_values_set() {
        for value in argument
            .get_possible_values()
            .iter()
            .filter(|v| !v.is_hide_set())
        {
            let help = value
                .get_help()
                .map(|help| format!(": {help}"))
                .unwrap_or_default();
            let _ = write!(out, "<br>`{}`{help}", value.get_name());
        }
    }
    cell(&out)
}

/// A bar would end the cell of the table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn about(command: &Command) -> String {
    command
        .get_long_about()
        .or(command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn undent(text: &str) -> String {
    let lines: Vec<_> = text
        .trim_end()
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect();
    lines.join("\n")
}
