//! The one place that writes to the terminal: data to standard output, talk to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use crate::report::Style;

/// Writes to both streams.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// Nothing but errors is said.
    pub quiet: bool,
    /// Notes are shown as well.
    pub verbose: bool,
}

impl Printer {
    /// Data, to standard output. A reader that has gone away is no failure.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn data(self, text: &str) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Talk, to standard error, unless `--quiet`.
    pub fn say(self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// An error, to standard error.
    pub fn complain(self, text: &str) {
        let mut err = anstream::stderr().lock();
        // Nobody is left to tell when standard error is closed.
        let _ = err.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = err.write_all(b"\n");
        }
    }

    /// How findings are shown on standard error.
    #[must_use]
    pub fn style(self) -> Style {
        let terminal = io::stderr().is_terminal();
        Style {
            excerpts: terminal,
            colour: terminal,
            info: self.verbose,
            width: std::env::var("COLUMNS")
                .ok()
                .and_then(|c| c.parse().ok())
                .or_else(|| {
                    let (width, _) = terminal_size::terminal_size_of(io::stderr())?;
                    Some(usize::from(width.0))
                })
                .unwrap_or(100),
        }
    }
}
