//! Questions that need a yes before something is changed.

use std::io::IsTerminal as _;

use super::{Exit, Printer};

/// Asks on the terminal. `without` is what to type where there is none, as it completes "there is no terminal to ask
/// on". Ctrl-C at the question is a no.
///
/// # Errors
/// There is no terminal, or the answer is no; it was said.
pub(crate) fn confirm(printer: Printer, question: &str, without: &str) -> Result<(), Exit> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        printer.complain(&format!("error: there is no terminal to ask on. {without}"));
        return Err(Exit::Usage);
    }
    // Reading a key turns Ctrl-C into the signal, which would end the process while the cursor is hidden.
    let guard = crate::host::interrupt::withhold();
    let answer = dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact_opt();
    drop(guard);
    match answer {
        Ok(Some(true)) => Ok(()),
        Ok(_) => {
            printer.complain("Nothing was changed.");
            Err(Exit::Interrupted)
        }
        Err(dialoguer::Error::IO(error)) => {
            let terminal = dialoguer::console::Term::stderr();
            // What remains to be done about a terminal that is gone: nothing.
            let _ = terminal.show_cursor();
            if error.kind() == std::io::ErrorKind::Interrupted {
                let _ = terminal.write_line("");
                printer.complain("Nothing was changed.");
                Err(Exit::Interrupted)
            } else {
                printer.complain(&format!("error: {error}"));
                Err(Exit::Failed)
            }
        }
    }
}
