//! The runtime for what waits: only verbs that need it start one.

use std::future::Future;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::{Exit, Printer};
use crate::host::interrupt::cancellation;

/// Runs a verb that waits for networks and processes.
pub fn block_on(printer: Printer, verb: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let exit = runtime.block_on(verb);
            // A helper program that hangs must not keep us.
            runtime.shutdown_timeout(std::time::Duration::from_millis(100));
            exit
        }
        Err(error) => {
            printer.complain(&format!("error: no threads: {error}"));
            Exit::Failed
        }
    }
}

/// Waits for something on a thread of its own, so that it may be called from a verb that waits itself.
///
/// # Errors
/// There are no threads.
pub fn wait_apart<T: Send>(future: impl Future<Output = T> + Send) -> std::io::Result<T> {
    let waiting = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(runtime.block_on(future))
    };
    std::thread::scope(|scope| match scope.spawn(waiting).join() {
        Ok(result) => result,
        Err(_) => Err(std::io::Error::other("the thread has ended")),
    })
}

/// Runs a verb that changes nothing, so that it may end at any time: also when docker alone is told to stop.
pub(crate) fn block_on_reading(printer: Printer, verb: impl Future<Output = Exit>) -> Exit {
    block_on(printer, async {
        let stop = cancellation();
        match unless_stopped(printer, &stop, verb).await {
            Ok(exit) | Err(exit) => exit,
        }
    })
}

/// Waits for something that changes nothing, unless the user wants us to stop first.
///
/// # Errors
/// The user wants us to stop; it was said that nothing was changed.
pub(crate) async fn unless_stopped<T>(
    printer: Printer,
    stop: &CancellationToken,
    wait: impl Future<Output = T>,
) -> Result<T, Exit> {
    tokio::select! {
        () = stop.cancelled() => {
            printer.complain("interrupted: nothing was changed");
            Err(Exit::Interrupted)
        }
        done = wait => Ok(done),
    }
}

/// The user's folder for state: `$XDG_STATE_HOME/migrate`, else `~/.local/state/migrate` (XDG Base Directory
/// specification). `None` where there is no home.
#[must_use]
pub fn state_folder() -> Option<PathBuf> {
    std::env::var_os("XDG_STATE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))
        .map(|folder| folder.join("migrate"))
}
