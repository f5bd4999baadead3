//! What is to be synchronised, and what came of it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::images::store::{Name, Source, Target};
use crate::images::{Digest, ImageError, Platform};

/// One image on its way.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where it is.
    pub source: Arc<dyn Source>,
    /// Its repository there.
    pub source_repository: String,
    /// Tag or digest there.
    pub source_name: Name,
    /// Where it goes.
    pub target: Arc<dyn Target>,
    /// Its repository there.
    pub target_repository: String,
    /// Tag or digest there. A digest has to be that of the source.
    pub target_name: Name,
    /// Platforms of an index to copy; empty is all. Anything else than all leaves the index incomplete at the target,
    /// with its digest and signatures unchanged.
    pub platforms: Vec<Platform>,
    /// Copy signatures and other referrers as well.
    pub referrers: bool,
}

impl Item {
    /// The source as people write it: `registry/repository:tag`.
    #[must_use]
    pub fn source_text(&self) -> String {
        text(
            self.source.location(),
            &self.source_repository,
            &self.source_name,
        )
    }

    /// The target as people write it.
    #[must_use]
    pub fn target_text(&self) -> String {
        text(
            self.target.location(),
            &self.target_repository,
            &self.target_name,
        )
    }
}

/// Stores that are no registries are written as skopeo writes them: `oci:FOLDER:REPOSITORY:TAG`.
fn text(location: &str, repository: &str, name: &Name) -> String {
    let kind = location.split_once(':').map(|(kind, _)| kind);
    let place = match kind {
        Some("docker-daemon") => "docker-daemon:".to_owned(),
        Some(kind @ ("oci" | "oci-archive" | "docker-archive")) => {
            let path = std::path::Path::new(&location[kind.len() + 1..]);
            // As short as people would write it.
            let shown = std::env::current_dir()
                .ok()
                .and_then(|here| path.strip_prefix(here).ok().map(std::path::Path::to_owned));
            format!("{kind}:{}:", shown.as_deref().unwrap_or(path).display())
        }
        _ => format!("{location}/"),
    };
    match name {
        Name::Tag(tag) => format!("{place}{repository}:{tag}"),
        Name::Digest(digest) => format!("{place}{repository}@{digest}"),
    }
}

/// What has to move for an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImagePlan {
    /// The image at the source.
    pub source: String,
    /// The image at the target.
    pub target: String,
    /// Digest at the source.
    pub digest: Option<Digest>,
    /// The target has this very image under this name.
    pub up_to_date: bool,
    /// Platforms of it.
    pub platforms: Vec<String>,
    /// Bytes of all its blobs, each once.
    pub size: u64,
    /// Bytes that have to cross the network. A blob of several images counts with the first.
    pub to_move: u64,
    /// Blobs that have to cross the network.
    pub blobs_to_move: usize,
    /// Bytes that the target has, in this or another repository, or gets with another image of the plan.
    pub present: u64,
    /// Manifests that have to be written.
    pub manifests: usize,
    /// Layers that stay at the servers which their URLs name, because they may not be distributed.
    #[serde(skip_serializing_if = "is_none")]
    pub elsewhere: usize,
    /// Signatures and other referrers.
    pub referrers: usize,
    /// Why nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The same with its kind, for exit codes.
    #[serde(skip)]
    pub failure: Option<ImageError>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

/// What has to move for all images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// One for each item, in its order.
    pub images: Vec<ImagePlan>,
}

impl Plan {
    /// Bytes that have to cross the network.
    #[must_use]
    pub fn to_move(&self) -> u64 {
        self.images.iter().map(|image| image.to_move).sum()
    }
}

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobOutcome {
    /// Its bytes were sent.
    Transferred,
    /// The target took it from another repository of its own.
    Mounted,
    /// The repository had it.
    Skipped,
}

/// What became of an image.
#[derive(Debug, Clone)]
pub struct ImageOutcome {
    /// The image at the source.
    pub source: String,
    /// The image at the target.
    pub target: String,
    /// Its digest, the same on both sides.
    pub digest: Option<Digest>,
    /// The target had it already.
    pub up_to_date: bool,
    /// Bytes that were sent.
    pub transferred: u64,
    /// Bytes that were mounted.
    pub mounted: u64,
    /// Bytes that were there.
    pub skipped: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Why it is not there, if it is not.
    pub error: Option<ImageError>,
}

/// What became of all images.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// One for each item, in its order.
    pub images: Vec<ImageOutcome>,
    /// How long it took in all.
    pub elapsed: Duration,
}

impl Summary {
    /// Bytes that were sent.
    #[must_use]
    pub fn transferred(&self) -> u64 {
        self.images.iter().map(|image| image.transferred).sum()
    }

    /// Images that are not at the target.
    pub fn failed(&self) -> impl Iterator<Item = &ImageOutcome> {
        self.images.iter().filter(|image| image.error.is_some())
    }
}

/// What happens during a sync. `item` is the place of the image in the list of items.
#[derive(Debug, Clone)]
pub enum Event {
    /// An image is looked at.
    ImageStarted {
        /// The image.
        item: usize,
    },
    /// It is known what the image consists of.
    ImagePlanned {
        /// The image.
        item: usize,
        /// Bytes of its blobs.
        size: u64,
    },
    /// Bytes of a blob were handed to the target.
    Advanced {
        /// The image.
        item: usize,
        /// How many.
        bytes: u64,
    },
    /// A transfer broke and goes on from an earlier byte.
    WentBack {
        /// The image.
        item: usize,
        /// How many bytes earlier.
        bytes: u64,
    },
    /// A blob is at the target.
    BlobDone {
        /// The image.
        item: usize,
        /// The blob.
        digest: Digest,
        /// Its size.
        size: u64,
        /// How it got there.
        outcome: BlobOutcome,
    },
    /// A step failed and is tried again.
    Retry {
        /// The image.
        item: usize,
        /// Why.
        reason: String,
        /// After which pause.
        pause: Duration,
    },
    /// An image is done, well or not.
    ImageDone {
        /// The image.
        item: usize,
        /// What became of it.
        outcome: Box<ImageOutcome>,
    },
}

/// Sees what happens during a sync: a progress bar, a log, a counter.
pub trait Observer: Debug + Send + Sync {
    /// Something happened. Called from several tasks; must not block.
    fn see(&self, event: Event);
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Observer for Quiet {
    fn see(&self, _: Event) {}
}
