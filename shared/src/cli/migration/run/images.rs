//! The phase of a run that copies images.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{Migration, Prepared, Runner};
use crate::application::Terms;
use crate::application::terms::seconds;
use crate::cli::Exit;
use crate::cli::images::{count, progress, size};
use crate::images::ImageError;
use crate::images::sync::{Engine, ImageOutcome, Summary};

impl<Source: Migration> Runner<'_, Source> {
    /// Copies the images. The exit code is there if some could not be copied; it was said why.
    pub(super) async fn images(
        &self,
        prepared: &Prepared,
        engine: &Engine,
        cancellation: &CancellationToken,
        terms: &mut Terms,
    ) -> (Summary, Option<Exit>) {
        let begun = Instant::now();
        let shown = progress(self.args.progress, self.printer, &prepared.items);
        let summary = engine
            .sync(&prepared.items, &shown.observer, cancellation)
            .await;
        shown.finish();
        terms.image_sync = seconds(begun.elapsed());
        terms.images_were_there =
            !prepared.items.is_empty() && summary.images.iter().all(|image| image.up_to_date);
        let mut exit = None;
        for (index, image) in summary.images.iter().enumerate() {
            let Some(error) = &image.error else { continue };
            if *error != ImageError::Cancelled {
                self.complain(&format!("error: {}: {error}", image.source));
                for place in prepared.asked_by(index) {
                    self.complain(&format!("  it is asked for by {place}"));
                }
                if let Some(remedy) = error.remedy() {
                    self.complain(&format!("  {remedy}"));
                }
            }
            exit = exit.or(Some(error.exit()));
        }
        (summary, exit)
    }
}

/// What became of the images, in a line.
pub(super) fn images_line(summary: &Summary) -> String {
    if summary.images.is_empty() {
        return "none to copy".to_owned();
    }
    let there = summary
        .images
        .iter()
        .filter(|image| image.up_to_date)
        .count();
    let total = |bytes: fn(&ImageOutcome) -> u64| -> u64 { summary.images.iter().map(bytes).sum() };
    format!(
        "{}, {there} there before; {} sent, {} mounted",
        count(summary.images.len(), "image"),
        size(summary.transferred()),
        size(total(|image| image.mounted))
    )
}
