//! The start of each program: what its host wants of it, before clap sees the command line.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{CommandFactory, Parser};

use super::{Exit, Printer, usage};
use crate::host::docker::{self, Call};
use crate::host::{Host, complete};

/// Runs a program. `arguments` are all of the process, its own name first; `run` gets what clap understood.
#[must_use]
pub fn start<Arguments: Parser + CommandFactory>(
    host: Host,
    arguments: Vec<OsString>,
    run: impl FnOnce(Arguments) -> Exit,
) -> Exit {
    let (name, words) = match arguments.split_first() {
        Some((name, words)) => (name.clone(), words.to_vec()),
        None => (OsString::from(host.program()), Vec::new()),
    };
    let factory = || named::<Arguments>(host, &name);
    let words = match host {
        Host::Docker => match docker::split(&words, host.plugin()) {
            Call::Metadata => {
                let about = factory().get_about().map(ToString::to_string);
                return print(&docker::metadata(
                    env!("CARGO_PKG_VERSION"),
                    &about.unwrap_or_default(),
                    env!("CARGO_PKG_REPOSITORY"),
                ));
            }
            // Hooks are advice after other commands; there is none.
            Call::Hooks => return Exit::Done,
            Call::Complete(words) => return print(&complete::answer(factory(), &words)),
            Call::Run {
                global_options,
                arguments,
            } => {
                docker::keep_global_options(global_options);
                arguments
            }
        },
        Host::Kubectl | Host::Helm => {
            if let Some((first, rest)) = words.split_first()
                && first == OsStr::new("__complete")
            {
                return print(&complete::answer(factory(), rest));
            }
            words
        }
    };
    if complete::shell(&factory, &name, &words) {
        return Exit::Done;
    }
    let line = std::iter::once(name.clone()).chain(words);
    let parsed = factory()
        .try_get_matches_from(line)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(arguments) => run(arguments),
        Err(error) => {
            let exit = usage(&error);
            if host != Host::Helm
                && let Some(file) = misplaced_file(&error)
            {
                let printer = Printer {
                    quiet: false,
                    verbose: false,
                };
                printer.complain(&format!("Files are named by an option: -f {file}"));
            }
            exit
        }
    }
}

/// A word that nobody takes, if it looks like a file of an application.
fn misplaced_file(error: &clap::Error) -> Option<&str> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    let extension = Path::new(word).extension()?.to_str()?;
    ["yaml", "yml", "json"].contains(&extension).then_some(word)
}

/// The command under the name that users type. kubectl finds a plugin under any file name that begins with `kubectl-`,
/// with `_` for a hyphen in the name: a copy named `kubectl-compose_migrate` is `kubectl compose-migrate`.
fn named<Arguments: CommandFactory>(host: Host, program: &OsStr) -> clap::Command {
    let command = Arguments::command();
    let renamed = Path::new(program)
        .file_stem()
        .and_then(OsStr::to_str)
        .and_then(|stem| stem.strip_prefix("kubectl-"))
        .map(|plugin| format!("kubectl {}", plugin.replace('_', "-")));
    match renamed {
        Some(name) if host == Host::Kubectl => command.bin_name(name),
        _ => command.bin_name(host.command()),
    }
}

fn print(text: &str) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    match printer.data(text) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}
