//! A run whose target is a folder that travels.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::images::images_line;
use super::{Ladder, Migration, Prepared, Runner};
use crate::application::Terms;
use crate::cli::Exit;
use crate::cli::images::count;
use crate::cli::migration::bundle;
use crate::images::sync::{Engine, ImageOutcome};
use crate::report;

impl<Source: Migration> Runner<'_, Source> {
    pub(super) async fn bundle(
        &self,
        prepared: &Prepared,
        folder: &Path,
        format: &str,
        engine: &Engine,
        cancellation: &CancellationToken,
    ) -> Exit {
        let mut terms = Terms {
            convert: prepared.convert_seconds,
            ..Terms::default()
        };
        let mut ladder = Ladder::new(self.printer, 2);
        ladder.begin("images");
        let (summary, failed) = self
            .images(prepared, engine, cancellation, &mut terms)
            .await;
        if let Some(exit) = failed {
            let errors = summary.images.iter().filter_map(|image| {
                let error = image.error.as_ref()?;
                Some(format!("error: {}: {error}", image.source))
            });
            let failure = self.incomplete(errors.collect());
            self.report_without_record(prepared, summary.images, Some(terms), failure);
            return if exit == Exit::Interrupted {
                exit
            } else {
                Exit::Resumable
            };
        }
        ladder.note(&images_line(&summary));
        ladder.begin("orchestration");
        match bundle::write(prepared, folder, format, &summary) {
            Ok(seconds) => terms.replicate = seconds,
            Err(error) => {
                let error = format!("error: {error}");
                self.complain(&error);
                let failure = self.incomplete(vec![error]);
                self.report_without_record(prepared, summary.images, Some(terms), failure);
                return Exit::Resumable;
            }
        }
        ladder.note(&format!(
            "{} in {}",
            count(prepared.conversion.output.documents.len(), "document"),
            folder.display()
        ));
        self.printer.say(&format!(
            "The bundle is complete. At the target: {} run {} --to-registry HOST[:PORT]",
            self.host.command(),
            folder.display()
        ));
        self.report_without_record(prepared, summary.images, Some(terms), Vec::new())
    }

    /// Says that the bundle is not complete. Gives the failure as it stands in the report, where what was said before comes
    /// first.
    fn incomplete(&self, mut failure: Vec<String>) -> Vec<String> {
        let text = "The bundle is not complete; the same command goes on with it.";
        self.complain(text);
        failure.push(text.to_owned());
        failure
    }

    /// Writes the report of a run that has no record: of a bundle, or one that was not begun.
    pub(super) fn report_without_record(
        &self,
        prepared: &Prepared,
        images: Vec<ImageOutcome>,
        terms: Option<Terms>,
        failure: Vec<String>,
    ) -> Exit {
        self.report(
            prepared,
            &report::Migration {
                application: prepared.conversion.name.clone(),
                target: prepared.goal.describe(),
                run: None,
                terms,
                images,
                failure,
            },
        )
    }

    /// Writes the report, if one is asked for.
    pub(super) fn report(&self, prepared: &Prepared, migration: &report::Migration) -> Exit {
        let Some(path) = &self.args.report else {
            return Exit::Done;
        };
        let conversion = &prepared.conversion;
        match report::write(
            path,
            &conversion.findings,
            &conversion.sources,
            Some(migration),
        ) {
            Ok(()) => Exit::Done,
            Err(error) => {
                self.complain(&format!("error: the report: {error}"));
                Exit::Failed
            }
        }
    }
}
