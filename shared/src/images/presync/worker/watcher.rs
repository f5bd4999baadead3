//! What a copy tells while it goes on: figures, and how far it is.

use std::sync::Arc;

use crate::images::presync::live::Live;
use crate::images::sync::{BlobOutcome, Event, Observer};

/// Counts what the engine does.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) live: Arc<Live>,
    pub(super) key: String,
}

impl Observer for Watcher {
    fn see(&self, event: Event) {
        match event {
            Event::ImagePlanned { size, .. } => {
                self.live
                    .set_progress(&self.key, |progress| progress.size = size);
            }
            Event::Advanced { bytes, .. } => self
                .live
                .set_progress(&self.key, |progress| progress.done += bytes),
            Event::WentBack { bytes, .. } => self.live.set_progress(&self.key, |progress| {
                progress.done = progress.done.saturating_sub(bytes);
            }),
            Event::BlobDone { size, outcome, .. } => {
                self.live.metrics.bytes(outcome, size);
                if outcome != BlobOutcome::Transferred {
                    self.live
                        .set_progress(&self.key, |progress| progress.done += size);
                }
            }
            Event::Retry { .. } => self.live.metrics.transfer_retried(),
            Event::ImageStarted { .. } | Event::ImageDone { .. } => {}
        }
    }
}
