//! What the three programs share of their command line.

mod completion;
mod confirm;
mod convert;
mod doctor;
mod exit;
mod explain;
pub mod images;
mod install;
pub mod migration;
mod printer;
mod runtime;
mod start;
mod write;

pub use completion::{CompletionArgs, completion};
pub use convert::{ReportOptions, finish, write_report, write_timed_report};
pub use doctor::{DoctorArgs, doctor};
pub use exit::Exit;
pub use explain::{ExplainArgs, explain};
pub use install::{InstallArgs, install, uninstall};
pub use printer::Printer;
pub use runtime::{block_on, state_folder, wait_apart};
pub(crate) use runtime::{block_on_reading, unless_stopped};
pub use start::start;
pub use write::{DocumentFormat, ImageOptions, OutputOptions, PinOptions, WriteError};

/// Reads all of standard input as text.
///
/// # Errors
/// Standard input cannot be read, or is not UTF-8.
pub fn read_stdin() -> std::io::Result<String> {
    std::io::read_to_string(std::io::stdin())
}

/// Reads a file as text; the error names it.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn read_file(path: &std::path::Path) -> std::io::Result<String> {
    fs_err::read_to_string(path)
}

/// Reads a file; the error names it.
///
/// # Errors
/// The file cannot be read.
pub fn read_bytes(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    fs_err::read(path)
}

/// Makes a folder with those above it; the error names it.
///
/// # Errors
/// The folder cannot be made.
pub fn make_folder(path: &std::path::Path) -> std::io::Result<()> {
    fs_err::create_dir_all(path)
}

/// Writes a text to a file; the error names it.
///
/// # Errors
/// The file cannot be written.
pub fn write_text(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    fs_err::write(path, text)
}

/// Prints what clap has to say, and gives the exit code: 0 for help and version, 64 for a wrong command line.
#[must_use]
pub fn usage(error: &clap::Error) -> Exit {
    // Nobody is left to tell when both streams are closed.
    let _ = error.print();
    match error.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}
