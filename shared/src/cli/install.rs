//! The verbs `install` and `uninstall` of `docker migrate`: docker does not look for plugins on `PATH`.

use clap::Args;

use super::{Exit, Printer};
use crate::host::docker::{self, InstallError, Installed};

/// How to install.
#[derive(Debug, Clone, Args)]
pub struct InstallArgs {
    /// Overwrite another program of the same name
    #[arg(long)]
    force: bool,
}

/// Copies the running program into docker's folder of plugins.
#[must_use]
pub fn install(args: &InstallArgs) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    let installed = std::env::current_exe()
        .map_err(InstallError::from)
        .and_then(|program| docker::install(&program, args.force));
    match installed {
        Ok(Installed::New(path)) => {
            printer.say(&format!(
                "Installed as {}.\nNext: docker migrate --help",
                path.display()
            ));
            Exit::Done
        }
        Ok(Installed::Unchanged(path)) => {
            printer.say(&format!("{} is this very program already.", path.display()));
            Exit::Done
        }
        Err(error) => failed(&error, printer),
    }
}

/// Removes what [`install`] copied.
#[must_use]
pub fn uninstall() -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    match docker::uninstall() {
        Ok(Some(path)) => {
            printer.say(&format!("Removed {}.", path.display()));
            Exit::Done
        }
        Ok(None) => {
            printer.say("It was not installed for this user.");
            Exit::Done
        }
        Err(error) => failed(&error, printer),
    }
}

fn failed(error: &InstallError, printer: Printer) -> Exit {
    printer.complain(&format!("error: {error}"));
    match error {
        InstallError::Occupied(_) | InstallError::NotOurs(_) => Exit::Refused,
        InstallError::NoHome | InstallError::Io(_) => Exit::Failed,
    }
}
