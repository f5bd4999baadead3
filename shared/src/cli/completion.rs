//! The verb `completion`: how to get completion in a shell.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Exit, Printer};
use crate::host::{Host, complete};

/// What to do about completion.
#[derive(Debug, Clone, Args)]
pub struct CompletionArgs {
    #[command(subcommand)]
    command: CompletionCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum CompletionCommand {
    /// Print the script that completes the program when it is called by its own name
    Script {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Put the script that the host asks for completion where the host finds it
    Install {
        /// Folder for the script [default: that of the program]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Remove what `install` has put there
    Uninstall {
        /// Folder of the script [default: that of the program]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

/// Runs the verb.
#[must_use]
pub fn completion(host: Host, args: &CompletionArgs) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    match &args.command {
        CompletionCommand::Script { shell } => {
            let name = shell
                .to_possible_value()
                .map_or(String::new(), |value| value.get_name().to_owned());
            let printed = complete::registration(&name, host.program())
                .and_then(|script| printer.data(&script));
            match printed {
                Ok(()) => Exit::Done,
                Err(error) => {
                    printer.complain(&format!("error: {error}"));
                    Exit::Failed
                }
            }
        }
        CompletionCommand::Install { dir } => install(host, dir.clone(), printer),
        CompletionCommand::Uninstall { dir } => uninstall(host, dir.clone(), printer),
    }
}

fn install(host: Host, folder: Option<PathBuf>, printer: Printer) -> Exit {
    let Some((name, script)) = host.completion_script() else {
        printer.say(&format!(
            "{} asks the plugin itself: nothing has to be installed.\nCompletion works once docker's own does: `docker completion --help`.",
            host.name()
        ));
        return Exit::Done;
    };
    let written = script_folder(host, folder).and_then(|folder| {
        let file = folder.join(name);
        fs_err::write(&file, script)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok::<_, std::io::Error>(file)
    });
    match written {
        Ok(file) => {
            printer.say(&format!("{} is there now.", file.display()));
            if host == Host::Kubectl {
                printer.say(
                    "kubectl finds it if the folder is on PATH; kubectl's own completion has to be set up: `kubectl completion --help`.",
                );
            }
            Exit::Done
        }
        Err(error) => {
            printer.complain(&format!(
                "error: {error}\nName a folder that you may write to and that is on PATH: `{} completion install --dir DIR`",
                host.command()
            ));
            Exit::Failed
        }
    }
}

/// Where the host looks for the script.
fn script_folder(host: Host, named: Option<PathBuf>) -> std::io::Result<PathBuf> {
    if let Some(folder) = named {
        return Ok(folder);
    }
    // helm keeps its script beside plugin.yaml, the program lies in bin/.
    if host == Host::Helm
        && let Some(folder) = std::env::var_os("HELM_PLUGIN_DIR")
    {
        return Ok(folder.into());
    }
    // kubectl calls a plugin by its full path on PATH; behind it can be a link into krew's store.
    let program = match std::env::args_os().next().map(PathBuf::from) {
        Some(called) if called.is_absolute() => called,
        _ => std::env::current_exe()?,
    };
    Ok(program.parent().map(PathBuf::from).unwrap_or_default())
}

fn uninstall(host: Host, folder: Option<PathBuf>, printer: Printer) -> Exit {
    let Some((name, script)) = host.completion_script() else {
        printer.say(&format!(
            "{} asks the plugin itself: nothing was installed.",
            host.name()
        ));
        return Exit::Done;
    };
    let removed = script_folder(host, folder).and_then(|folder| {
        let file = folder.join(name);
        if file.symlink_metadata().is_err() {
            return Ok(None);
        }
        if fs_err::read(&file)? != script.as_bytes() {
            return Err(std::io::Error::other(format!(
                "`{}` is not what `completion install` writes; remove it by hand",
                file.display()
            )));
        }
        fs_err::remove_file(&file)?;
        Ok(Some(file))
    });
    match removed {
        Ok(Some(file)) => printer.say(&format!("Removed {}.", file.display())),
        Ok(None) => printer.say("It was not installed there."),
        Err(error) => {
            printer.complain(&format!("error: {error}"));
            return Exit::Failed;
        }
    }
    Exit::Done
}
