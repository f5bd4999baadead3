//! The verbs `images list`, `sync`, `watch` and `queue`: the image layer on the command line.

mod list;
mod pin;
mod progress;
mod queue;
mod select;
mod stores;
mod sync;
mod watch;

use clap::{Args, Subcommand};

use super::{Exit, Printer};
use crate::finding::Findings;
use crate::images::inventory::Needed;
use crate::source::Sources;

pub(crate) use pin::pin;
pub use progress::ProgressMode;
pub(crate) use progress::progress;
pub use stores::{Place, StoreOptions, Stores};
pub use sync::{TransferOptions, Verify};

/// Which images an application needs, read from what the host tool takes.
pub trait ImageSource: Args {
    /// The images, with what was found on the way.
    ///
    /// # Errors
    /// The application cannot be read; it was said why.
    fn images(&self, printer: Printer) -> Result<ApplicationImages, Exit>;

    /// Whether the user has named an application at all.
    fn is_named(&self) -> bool;

    /// Images that the user has named instead of an application.
    fn names(&self) -> &[String] {
        &[]
    }
}

/// An application, or images by name.
#[derive(Debug, Args)]
pub struct OrNames<Source: ImageSource> {
    /// Images by name, instead of those of an application
    #[arg(value_name = "IMAGE")]
    image: Vec<String>,
    #[command(flatten)]
    source: Source,
}

impl<Source: ImageSource> ImageSource for OrNames<Source> {
    fn images(&self, printer: Printer) -> Result<ApplicationImages, Exit> {
        self.source.images(printer)
    }

    fn is_named(&self) -> bool {
        !self.image.is_empty() || self.source.is_named()
    }

    fn names(&self) -> &[String] {
        &self.image
    }
}

/// The images of an application.
#[derive(Debug, Default)]
pub struct ApplicationImages {
    /// The images.
    pub needed: Vec<Needed>,
    /// What was found on the way.
    pub findings: Findings,
    /// The texts that findings and images point into.
    pub sources: Sources,
    /// Secrets of the application by which it pulls its images.
    pub pull_secrets: Vec<serde_json::Value>,
}

/// The verb group `images`.
#[derive(Debug, Args)]
pub struct ImagesArgs<Source: ImageSource> {
    #[command(subcommand)]
    command: ImagesCommand<Source>,
}

#[derive(Debug, Subcommand)]
enum ImagesCommand<Source: ImageSource> {
    /// List the images, and what the target has of them
    List(Box<list::ListArgs<Source>>),
    /// Copy the images that the target lacks
    Sync(Box<sync::SyncArgs<Source>>),
    /// Watch sources and copy new images before a migration needs them
    Watch(Box<watch::WatchArgs>),
    /// Look at the queue of `images watch`, and mend it
    Queue(queue::QueueArgs),
}

/// Runs a verb of the group. `command` is what users type: `docker migrate`.
#[must_use]
pub fn images<Source: ImageSource>(command: &str, args: &ImagesArgs<Source>) -> Exit {
    match &args.command {
        ImagesCommand::List(args) => list::list(args),
        ImagesCommand::Sync(args) => sync::sync(command, args),
        ImagesCommand::Watch(args) => watch::watch(command, args),
        ImagesCommand::Queue(args) => queue::queue(command, args),
    }
}

/// `1.5 GB`, in powers of a thousand as registries and docker show them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `1 image`, `3 images`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_951, "10 kB"),
            (664_000_000, "664 MB"),
            (999_600_000, "1.0 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
