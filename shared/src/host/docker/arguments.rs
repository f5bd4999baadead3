//! The shapes in which the docker CLI calls a plugin.
//!
//! | the user types | the plugin gets |
//! |---|---|
//! | `docker --context x migrate plan` | `--context x migrate plan` |
//! | `docker migrate --help` | `migrate --help` |
//! | `docker help migrate plan` | `help migrate plan` |
//! | `docker --help migrate` | `--help migrate` |
//! | completion | `__complete migrate WORD...` |
//! | the CLI itself | `docker-cli-plugin-metadata`, `migrate docker-cli-plugin-hooks JSON` |
//!
//! Called by hand (`docker-migrate plan`) the name is missing. Docker's own options stand before the name and ours
//! behind it, so that `-c` can mean two things.

use std::ffi::{OsStr, OsString};

use super::METADATA_ARGUMENT;

/// The argument with which the CLI tells a plugin what the user has just done.
const HOOKS_ARGUMENT: &str = "docker-cli-plugin-hooks";

/// Docker's global options that take a value (docker/cli, `cli/flags/options.go`).
const WITH_VALUE: [&str; 10] = [
    "--config",
    "-c",
    "--context",
    "-H",
    "--host",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
];
/// Docker's global options without a value.
const WITHOUT_VALUE: [&str; 4] = ["-D", "--debug", "--tls", "--tlsverify"];

/// What the CLI wants from the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// The metadata.
    Metadata,
    /// Something to say after another command; we have nothing.
    Hooks,
    /// Candidates for the last of these words.
    Complete(Vec<OsString>),
    /// A command of the user's: docker's own options, and ours.
    Run {
        /// Docker's global options, for the way back to docker.
        global_options: Vec<OsString>,
        /// Our own arguments, without a program name.
        arguments: Vec<OsString>,
    },
}

/// Takes the arguments apart; `arguments` has no program name, `name` is the plugin's (`migrate`).
#[must_use]
pub fn split(arguments: &[OsString], name: &str) -> Call {
    let is = |index: usize, word: &str| arguments.get(index).is_some_and(|a| a == OsStr::new(word));
    if is(0, METADATA_ARGUMENT) {
        return Call::Metadata;
    }
    if is(0, name) && is(1, HOOKS_ARGUMENT) {
        return Call::Hooks;
    }
    if is(0, "__complete") || is(0, "__completeNoDesc") {
        let words = arguments.get(1..).unwrap_or_default();
        return Call::Complete(without_first(words, name));
    }
    let own = global_option_words(arguments);
    let (global_options, rest) = arguments.split_at(own);
    let arguments = match rest.first().and_then(|first| first.to_str()) {
        // `docker help migrate plan` and `docker --help migrate`: our help, without our own name.
        Some(help @ ("help" | "--help" | "-h")) => {
            let mut ours = vec![OsString::from(help)];
            ours.extend(without_first(&rest[1..], name));
            ours
        }
        _ => without_first(rest, name),
    };
    Call::Run {
        global_options: global_options.to_vec(),
        arguments,
    }
}

/// How many words at the start are global options of docker's and their values.
fn global_option_words(arguments: &[OsString]) -> usize {
    let mut index = 0;
    while let Some(argument) = arguments.get(index).and_then(|a| a.to_str()) {
        let (option, has_value) = match argument.split_once('=') {
            Some((option, _)) => (option, true),
            None => (argument, false),
        };
        if WITH_VALUE.contains(&option) {
            index += if has_value { 1 } else { 2 };
        } else if WITHOUT_VALUE.contains(&option) || is_joined(argument) {
            index += 1;
        } else {
            break;
        }
    }
    index.min(arguments.len())
}

/// `-cNAME`, `-HURL`, `-ldebug`, `-DHURL`: short options in one word.
fn is_joined(argument: &str) -> bool {
    let Some(letters) = argument.strip_prefix('-') else {
        return false;
    };
    let letters = letters.trim_start_matches('D');
    letters.len() > 1 && letters.starts_with(['c', 'H', 'l'])
}

fn without_first(words: &[OsString], name: &str) -> Vec<OsString> {
    match words.split_first() {
        Some((first, rest)) if first == OsStr::new(name) => rest.to_vec(),
        _ => words.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn run(line: &str) -> (Vec<OsString>, Vec<OsString>) {
        match split(&words(line), "migrate") {
            Call::Run {
                global_options,
                arguments,
            } => (global_options, arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn docker_puts_its_own_options_in_front() {
        for (line, own, ours) in [
            ("migrate plan -c x", "", "plan -c x"),
            (
                "--context default -D migrate plan --context foo",
                "--context default -D",
                "plan --context foo",
            ),
            (
                "-H tcp://migrate:1 migrate run",
                "-H tcp://migrate:1",
                "run",
            ),
            ("--host=tcp://a:1 migrate run", "--host=tcp://a:1", "run"),
            ("-cdc1 -DHtcp://a migrate run", "-cdc1 -DHtcp://a", "run"),
            ("-c migrate migrate run", "-c migrate", "run"),
            ("plan -f x", "", "plan -f x"),
            ("migrate", "", ""),
            ("", "", ""),
            ("--context", "--context", ""),
        ] {
            assert_eq!(run(line), (words(own), words(ours)), "{line}");
        }
    }

    #[test]
    fn help_comes_in_three_shapes() {
        assert_eq!(run("migrate --help").1, words("--help"));
        assert_eq!(run("help migrate plan").1, words("help plan"));
        assert_eq!(run("--help migrate").1, words("--help"));
        assert_eq!(run("migrate plan --help").1, words("plan --help"));
    }

    #[test]
    fn docker_asks_for_more_than_commands() {
        let split = |line| split(&words(line), "migrate");
        assert_eq!(split("docker-cli-plugin-metadata"), Call::Metadata);
        assert_eq!(split("migrate docker-cli-plugin-hooks {}"), Call::Hooks);
        assert_eq!(
            split("__complete migrate plan --to"),
            Call::Complete(words("plan --to"))
        );
    }
}
