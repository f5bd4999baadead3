//! What is seen of a sync while it goes on: a bar on a terminal, a line for each image elsewhere.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::size;
use crate::cli::Printer;
use crate::images::sync::{BlobOutcome, Event, ImageOutcome, Item, Observer, Quiet};

/// How progress is shown, as docker compose names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, else lines
    Auto,
    /// A bar
    Tty,
    /// A line for each image
    Plain,
    /// A JSON object for each image
    Json,
    /// Nothing
    Quiet,
}

/// What shows the progress.
pub(crate) struct Shown {
    pub(crate) observer: Arc<dyn Observer>,
    bar: Option<ProgressBar>,
}

impl Shown {
    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// An observer that shows what happens on standard error.
pub(crate) fn progress(mode: ProgressMode, printer: Printer, items: &[Item]) -> Shown {
    let terminal = std::io::stderr().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let names: Vec<String> = items.iter().map(Item::source_text).collect();
    match mode {
        ProgressMode::Quiet => Shown {
            observer: Arc::new(Quiet),
            bar: None,
        },
        ProgressMode::Tty => bar(names),
        ProgressMode::Auto if terminal => bar(names),
        ProgressMode::Auto | ProgressMode::Plain => Shown {
            observer: Arc::new(Lines {
                printer,
                names,
                json: false,
            }),
            bar: None,
        },
        ProgressMode::Json => Shown {
            observer: Arc::new(Lines {
                printer,
                names,
                json: true,
            }),
            bar: None,
        },
    }
}

fn bar(names: Vec<String>) -> Shown {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    // A template that is part of the program is right, or the default is good enough.
    if let Ok(style) = ProgressStyle::with_template(
        "{spinner} {bytes:>9}/{total_bytes:9} {wide_bar} {binary_bytes_per_sec:>11} {eta:>4}  {msg}",
    ) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message(format!("0/{} images", names.len()));
    Shown {
        observer: Arc::new(Bar {
            shown: bar.clone(),
            names,
            done: std::sync::atomic::AtomicUsize::new(0),
        }),
        bar: Some(bar),
    }
}

#[derive(Debug)]
struct Bar {
    shown: ProgressBar,
    names: Vec<String>,
    done: std::sync::atomic::AtomicUsize,
}

impl Observer for Bar {
    fn see(&self, event: Event) {
        match event {
            Event::ImagePlanned { size, .. } => self.shown.inc_length(size),
            Event::Advanced { bytes, .. } => self.shown.inc(bytes),
            Event::WentBack { bytes, .. } => {
                let position = self.shown.position().saturating_sub(bytes);
                self.shown.set_position(position);
            }
            Event::BlobDone {
                size,
                outcome: BlobOutcome::Mounted | BlobOutcome::Skipped,
                ..
            } => self.shown.inc(size),
            Event::Retry {
                item,
                reason,
                pause,
            } => {
                let name = self.names.get(item).map_or("", String::as_str);
                self.shown.println(format!(
                    "{name}: {reason}; again in {:.1} s",
                    pause.as_secs_f64()
                ));
            }
            Event::ImageDone { outcome, .. } => {
                let done = self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                self.shown
                    .set_message(format!("{done}/{} images", self.names.len()));
                if !outcome.up_to_date && outcome.error.is_none() {
                    self.shown.println(line(&outcome));
                }
            }
            Event::ImageStarted { .. } | Event::BlobDone { .. } => {}
        }
    }
}

#[derive(Debug)]
struct Lines {
    printer: Printer,
    names: Vec<String>,
    json: bool,
}

impl Observer for Lines {
    fn see(&self, event: Event) {
        match event {
            Event::Retry {
                item,
                reason,
                pause,
            } if !self.json => {
                let name = self.names.get(item).map_or("", String::as_str);
                self.printer.say(&format!(
                    "{name}: {reason}; again in {:.1} s",
                    pause.as_secs_f64()
                ));
            }
            Event::ImageDone { outcome, .. } if self.json => {
                self.printer.say(
                    &json!({
                        "source": outcome.source,
                        "target": outcome.target,
                        "digest": outcome.digest,
                        "up_to_date": outcome.up_to_date,
                        "transferred": outcome.transferred,
                        "mounted": outcome.mounted,
                        "skipped": outcome.skipped,
                        "error": outcome.error.as_ref().map(ToString::to_string),
                    })
                    .to_string(),
                );
            }
            Event::ImageDone { outcome, .. } if !outcome.up_to_date && outcome.error.is_none() => {
                self.printer.say(&line(&outcome));
            }
            _ => {}
        }
    }
}

/// `localhost:5000/web:1 -> dc2:5000/web:1: 12 MB sent, 80 MB mounted, 1.2 s`
fn line(outcome: &ImageOutcome) -> String {
    let mut parts = Vec::new();
    for (bytes, what) in [
        (outcome.transferred, "sent"),
        (outcome.mounted, "mounted"),
        (outcome.skipped, "there"),
    ] {
        if bytes > 0 {
            parts.push(format!("{} {what}", size(bytes)));
        }
    }
    parts.push(format!("{:.1} s", outcome.elapsed.as_secs_f64()));
    format!(
        "{} -> {}: {}",
        outcome.source,
        outcome.target,
        parts.join(", ")
    )
}
