//! A run whose target is a folder that travels.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::images::images_line;
use super::{Ladder, Migration, Prepared, Runner};
use crate::application::Terms;
use crate::cli::Exit;
use crate::cli::images::count;
use crate::cli::migration::bundle;
use crate::images::sync::{Engine, Summary};
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
            self.complain("The bundle is not complete; the same command goes on with it.");
            self.bundle_report(prepared, folder, &summary, &terms, false);
            return if exit == Exit::Interrupted {
                exit
            } else {
                Exit::Resumable
            };
        }
        ladder.note(&images_line(&summary));
        ladder.begin("orchestration");
        match bundle::write(self.printer, prepared, folder, format, &summary) {
            Ok(seconds) => terms.replicate = seconds,
            Err(_) => {
                self.complain("The bundle is not complete; the same command goes on with it.");
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
        self.bundle_report(prepared, folder, &summary, &terms, true)
    }

    fn bundle_report(
        &self,
        prepared: &Prepared,
        folder: &Path,
        summary: &Summary,
        terms: &Terms,
        complete: bool,
    ) -> Exit {
        let failure = if complete {
            Vec::new()
        } else {
            vec!["The bundle is not complete; the same command goes on with it.".to_owned()]
        };
        self.report(
            prepared,
            &report::Migration {
                application: prepared.conversion.name.clone(),
                target: format!("bundle {}", folder.display()),
                run: None,
                terms: Some(*terms),
                images: summary.images.clone(),
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
