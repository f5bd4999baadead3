//! Completion on the command line, for all hosts and shells.
//!
//! kubectl, docker and helm speak one protocol (Cobra's): the plugin gets the words that were typed, the last one
//! unfinished, and prints a line `candidate<TAB>description` for each candidate and `:DIRECTIVE` at the end. Called by
//! its own name, a program speaks to the shell itself (`COMPLETE=bash docker-migrate`).

mod candidates;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use clap::Command;
use clap_complete::CompletionCandidate;

pub use candidates::with_candidates;

/// The variable by which a shell asks for candidates.
const SHELL_VARIABLE: &str = "COMPLETE";

/// Cobra's directive "no space behind it": a folder, whose content comes next.
const NO_SPACE: u8 = 2;
/// Cobra's directive "do not offer files": we have offered them where they fit.
const NO_FILES: u8 = 4;

/// The answer to a question for candidates. `words` are what was typed behind the plugin's name; the last one is being
/// completed and may be empty.
#[must_use]
pub fn answer(command: Command, words: &[OsString]) -> String {
    let mut command = with_candidates(command, words);
    let mut arguments = vec![OsString::from(command.get_name())];
    arguments.extend_from_slice(words);
    if words.is_empty() {
        arguments.push(OsString::new());
    }
    let index = arguments.len() - 1;
    let current = arguments[index].clone();
    let folder = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, arguments, index, folder.as_deref())
        .unwrap_or_default();
    lines(&found, &current)
}

/// Serves a shell that was set up by [`registration`]: it calls the program with `COMPLETE=SHELL`. Returns whether that
/// was the case. `words` are the arguments without the program's name.
pub fn shell(factory: &dyn Fn() -> Command, program: &OsStr, words: &[OsString]) -> bool {
    if std::env::var_os(SHELL_VARIABLE).is_none() {
        return false;
    }
    let folder = std::env::current_dir().ok();
    let typed: Vec<OsString> = words.to_vec();
    let line = std::iter::once(program.to_owned()).chain(words.iter().cloned());
    clap_complete::CompleteEnv::with_factory(|| with_candidates(factory(), &typed))
        .var(SHELL_VARIABLE)
        .try_complete(line, folder.as_deref())
        .unwrap_or(false)
}

/// A script that sets up completion in a shell for a program that is called by its own name (`docker-migrate`).
///
/// # Errors
/// The shell is not one of `bash`, `zsh`, `fish`, `elvish`, `powershell`.
pub fn registration(shell: &str, program: &str) -> std::io::Result<String> {
    let shells = clap_complete::env::Shells::builtins();
    let shell = shells
        .completer(shell)
        .ok_or_else(|| std::io::Error::other(format!("there is no completion for `{shell}`")))?;
    let mut script = Vec::new();
    shell.write_registration(SHELL_VARIABLE, program, program, program, &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

fn lines(found: &[CompletionCandidate], current: &OsStr) -> String {
    // As the hosts do it: options are offered to those who have typed a hyphen.
    let options_wanted = current.to_string_lossy().starts_with('-');
    let shown: Vec<_> = found
        .iter()
        .filter(|candidate| !candidate.is_hide_set())
        .filter_map(|candidate| Some((candidate.get_value().to_str()?, candidate.get_help())))
        .filter(|(value, _)| options_wanted || !value.starts_with('-') || *value == "-")
        .collect();
    let mut out = String::new();
    for (value, help) in &shown {
        out.push_str(value);
        if let Some(line) = help
            .map(ToString::to_string)
            .as_deref()
            .and_then(first_line)
        {
            let _ = write!(out, "\t{line}");
        }
        out.push('\n');
    }
    let one_folder = matches!(shown.as_slice(), [(value, _)] if value.ends_with(['/', '=']));
    let directive = if one_folder {
        NO_FILES | NO_SPACE
    } else {
        NO_FILES
    };
    let _ = writeln!(out, ":{directive}");
    out
}

fn first_line(help: &str) -> Option<&str> {
    help.lines().next().map(str::trim).filter(|l| !l.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ValueEnum};

    #[derive(Debug, Clone, Copy, ValueEnum)]
    enum Target {
        /// One host
        Compose,
        /// Many hosts
        Swarm,
    }

    fn command() -> Command {
        Command::new("docker migrate")
            .subcommand(
                Command::new("convert")
                    .about("Convert a file\n\nAt length.")
                    .arg(
                        Arg::new("to")
                            .long("to")
                            .value_parser(clap::builder::EnumValueParser::<Target>::new()),
                    ),
            )
            .subcommand(Command::new("secret").hide(true))
    }

    fn complete(line: &[&str]) -> String {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        answer(command(), &words)
    }

    #[test]
    fn verbs_come_with_their_first_line() {
        assert_eq!(complete(&["c"]), "convert\tConvert a file\n:4\n");
        let all = complete(&[]);
        assert!(
            all.contains("convert\t") && !all.contains("secret"),
            "{all}"
        );
        assert!(!all.contains("--help"), "{all}");
    }

    #[test]
    fn options_are_offered_behind_a_hyphen() {
        assert!(complete(&["convert", "--t"]).starts_with("--to"));
    }

    #[test]
    fn values_of_an_option() {
        assert_eq!(
            complete(&["convert", "--to", "s"]),
            "swarm\tMany hosts\n:4\n"
        );
        assert_eq!(
            complete(&["convert", "--to=s"]),
            "--to=swarm\tMany hosts\n:4\n"
        );
    }
}
