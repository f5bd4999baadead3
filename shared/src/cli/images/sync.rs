//! `images sync`

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::list::{places, to_json, to_text};
use super::progress::{ProgressMode, progress};
use super::select::{Selected, Selection};
use super::stores::{StoreOptions, Stores};
use super::{ImageSource, count, size};
use crate::cli::unless_stopped;
use crate::cli::{Exit, Printer, state_folder};
use crate::host::interrupt::cancellation;
use crate::images::ImageError;
use crate::images::sync::{Engine, Rate, Schedule, Settings, Summary};

/// What is copied, and how.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  images sync --to-registry registry.example/shop          all images of the application
  images sync --images-from list.txt --to-registry dc2:5000  those of a list, one a line
  images sync --repository quay.io/team/app --tags 'semver:>=1.2' --to-registry dc2:5000
  images sync --to oci:bundle/images                       into a folder that travels
  images sync --to-registry dc2:5000 --dry-run             what would move, to the byte")]
pub(super) struct SyncArgs<Source: ImageSource> {
    #[command(flatten)]
    selection: Selection<Source>,
    #[command(flatten)]
    stores: StoreOptions,
    #[command(flatten)]
    transfer: TransferOptions,
    /// Say what would move, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Format of the summary
    #[arg(long, short, value_enum, default_value_t = SummaryFormat::Text)]
    output: SummaryFormat,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto)]
    progress: ProgressMode,
}

/// How bytes are moved.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Transfer")]
pub struct TransferOptions {
    /// Most bytes for each second: 20MB, or by hour: 08:00-18:00=5MB,100MB
    #[arg(long, value_name = "RATE")]
    pub max_rate: Option<Schedule>,
    /// Blobs that are sent at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub transfers: u16,
    /// How much is checked: every byte on its way, or all that the target has as well
    #[arg(long, value_enum, default_value_t = Verify::Passing)]
    pub verify: Verify,
    /// Copy layers that may not be distributed as well (base layers of Windows); otherwise they stay at their own servers
    #[arg(long)]
    pub foreign_layers: bool,
    /// Folder for what outlives an interruption [default: that of the user's state]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// Every byte is hashed on its way
    Passing,
    /// All blobs are read again from the target as well
    Deep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SummaryFormat {
    /// Lines for people
    Text,
    /// JSON for programs
    Json,
}

impl TransferOptions {
    /// Settings of an engine. A limit that follows the hours is kept up to date as long as the runtime lives.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let rate = Arc::new(Rate::new(self.max_rate.as_ref().and_then(Schedule::now)));
        if let Some(schedule) = self.max_rate.clone() {
            let rate = Arc::clone(&rate);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
                    rate.set(schedule.now());
                }
            });
        }
        Settings {
            transfers: usize::from(self.transfers),
            rate,
            deep: self.verify == Verify::Deep,
            foreign: self.foreign_layers,
            state: self
                .state_dir
                .clone()
                .or_else(|| Some(state_folder()?.join("images"))),
            ..Settings::default()
        }
    }
}

/// Runs the verb.
pub(super) fn sync<Source: ImageSource>(command: &str, args: &SyncArgs<Source>) -> Exit {
    let printer = Printer {
        quiet: args.progress == ProgressMode::Quiet,
        verbose: false,
    };
    if !args.selection.has_target() {
        printer.complain(
            "error: where should the images go? Name it: --to-registry HOST[:PORT][/PREFIX], --map-registry SOURCE=TARGET, or --to oci:DIR for a folder that travels",
        );
        return Exit::Usage;
    }
    if let Some(file) = args.selection.occupied() {
        printer.complain(&format!(
            "error: `{}` is there already; remove it or choose another name",
            file.display()
        ));
        return Exit::Refused;
    }
    crate::cli::block_on(printer, async {
        let stores = match Stores::new(&args.stores) {
            Ok(stores) => stores.with_state_in(args.transfer.state_dir.as_deref()),
            Err(error) => return failed(printer, &error),
        };
        let cancellation = cancellation();
        let select = args.selection.select(&stores, printer);
        let selected = match unless_stopped(printer, &cancellation, select).await {
            Ok(Ok(selected)) => selected,
            Ok(Err(exit)) | Err(exit) => return exit,
        };
        let engine = match Engine::new(args.transfer.settings()) {
            Ok(engine) => engine,
            Err(error) => return failed(printer, &error),
        };
        if args.dry_run {
            let plan = engine.plan(&selected.items);
            let plan = match unless_stopped(printer, &cancellation, plan).await {
                Ok(plan) => plan,
                Err(exit) => return exit,
            };
            let text = match args.output {
                SummaryFormat::Text => to_text(&selected, &plan, true, false),
                SummaryFormat::Json => to_json(&selected, &plan, true),
            };
            say_allowances(printer, &stores);
            let written = printer.data(&text);
            let is_whole = plan.images.iter().all(|image| image.error.is_none());
            return if written.is_ok() && is_whole {
                Exit::Done
            } else {
                Exit::Failed
            };
        }
        let observer = progress(args.progress, printer, &selected.items);
        let summary = engine
            .sync(&selected.items, &observer.observer, &cancellation)
            .await;
        observer.finish();
        if summary.failed().next().is_none()
            && let Err(exit) = hand_over(&stores, printer).await
        {
            return exit;
        }
        if args.output == SummaryFormat::Json
            && printer.data(&summary_json(&summary, &stores)).is_err()
        {
            return Exit::Failed;
        }
        say_allowances(printer, &stores);
        conclude(command, printer, &selected, &summary)
    })
}

/// Says how many requests registries still allow, where they tell.
pub(super) fn say_allowances(printer: Printer, stores: &Stores) {
    for (host, allowance) in stores.allowances() {
        printer.say(&format!("note: {host}: {allowance}"));
    }
}

/// Hands the images over to an archive or engine, and says what has to be known about them.
async fn hand_over(stores: &Stores, printer: Printer) -> Result<(), Exit> {
    match stores.finish().await {
        Ok(notes) => {
            for note in notes {
                printer.say(&format!("note: {note}"));
            }
        }
        Err(error) => return Err(failed(printer, &error)),
    }
    if !stores.keeps_digests() {
        printer.say(
            "note: the source keeps its layers unpacked; they were compressed anew, so the manifests have new digests. The digests of the configurations (the image ids) are the old ones.",
        );
    }
    Ok(())
}

/// Says what became of all, and chooses the exit code.
fn conclude(command: &str, printer: Printer, selected: &Selected, summary: &Summary) -> Exit {
    let mut worst = None;
    for (index, image) in summary.images.iter().enumerate() {
        let Some(error) = &image.error else { continue };
        if *error != ImageError::Cancelled {
            printer.complain(&format!("error: {}: {error}", image.source));
            for place in places(selected, index) {
                printer.complain(&format!("  asked for at {place}"));
            }
            let is_built = selected
                .images
                .needed
                .get(index)
                .is_some_and(|needed| needed.built);
            if is_built && matches!(error, ImageError::NotFound { .. }) {
                printer.complain("  It is built from source there: build it and push it first (`docker compose build --push`).");
            } else if let Some(remedy) = error.remedy() {
                printer.complain(&format!("  {remedy}"));
            }
        }
        worst = worst.or_else(|| Some(error.clone()));
    }
    let total = |bytes: fn(&crate::images::sync::ImageOutcome) -> u64| -> u64 {
        summary.images.iter().map(bytes).sum()
    };
    let up_to_date = summary
        .images
        .iter()
        .filter(|i| i.up_to_date && i.error.is_none())
        .count();
    let failed = summary.failed().count();
    let copied = summary.images.len() - up_to_date - failed;
    let mut line = format!("{} copied, {up_to_date} up to date", count(copied, "image"));
    if failed > 0 {
        line.push_str(&format!(", {failed} failed"));
    }
    let bytes: Vec<String> = [
        (summary.transferred(), "sent"),
        (total(|image| image.mounted), "mounted"),
        (total(|image| image.skipped), "there"),
    ]
    .into_iter()
    .filter(|(bytes, _)| *bytes > 0)
    .map(|(bytes, what)| format!("{} {what}", size(bytes)))
    .collect();
    if !bytes.is_empty() {
        line.push_str(&format!("; {}", bytes.join(", ")));
    }
    line.push_str(&format!("; {:.1} s", summary.elapsed.as_secs_f64()));
    printer.say(&line);
    let Some(error) = worst else {
        return Exit::Done;
    };
    if error == ImageError::Cancelled {
        printer.complain(&format!(
            "Stopped. What has arrived stays; the same `{command} images sync` goes on where this one was."
        ));
        return Exit::Interrupted;
    }
    // With nothing done, the reason says more than "part-way".
    let same = summary
        .failed()
        .all(|image| image.error.as_ref().map(ImageError::exit) == Some(error.exit()));
    if failed == summary.images.len() && same && summary.transferred() == 0 {
        return error.exit();
    }
    printer.complain(&format!(
        "Not all images are there. The same `{command} images sync` sends only what is missing."
    ));
    Exit::Resumable
}

fn summary_json(summary: &Summary, stores: &Stores) -> String {
    let allowances: serde_json::Map<String, serde_json::Value> = stores
        .allowances()
        .into_iter()
        .map(|(host, allowance)| (host, json!(allowance)))
        .collect();
    let images: Vec<_> = summary
        .images
        .iter()
        .map(|image| {
            json!({
                "source": image.source,
                "target": image.target,
                "digest": image.digest,
                "up_to_date": image.up_to_date,
                "transferred": image.transferred,
                "mounted": image.mounted,
                "skipped": image.skipped,
                "seconds": image.elapsed.as_secs_f64(),
                "error": image.error.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    let value = json!({
        "schema": 1,
        "images": images,
        "allowances": allowances,
        "transferred": summary.transferred(),
        "seconds": summary.elapsed.as_secs_f64(),
    });
    format!("{value:#}\n")
}

/// Says what went wrong and what to do.
pub(super) fn failed(printer: Printer, error: &ImageError) -> Exit {
    printer.complain(&format!("error: {error}"));
    if let Some(remedy) = error.remedy() {
        printer.complain(remedy);
    }
    error.exit()
}
