//! What is seen of a sync while it goes on: a bar on a terminal, a line for each image elsewhere.

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{count, size};
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
    // Until it is known how much there is to do: archives and engines can have to compress first.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.set_message(format!("looking at {}", count(names.len(), "image")));
    bar.enable_steady_tick(Duration::from_millis(200));
    Shown {
        observer: Arc::new(Bar {
            shown: bar.clone(),
            names,
            state: Mutex::default(),
        }),
        bar: Some(bar),
    }
}

/// A bar below the lines of what is done.
#[derive(Debug)]
struct Bar {
    shown: ProgressBar,
    names: Vec<String>,
    state: Mutex<BarState>,
}

/// What the bar shows.
#[derive(Debug, Default)]
struct BarState {
    total: u64,
    position: u64,
    mounted: u64,
    there: u64,
    images: usize,
    /// Positions of the last seconds, for the rate.
    window: VecDeque<(Instant, u64)>,
}

/// Over so long the rate is measured.
const WINDOW: Duration = Duration::from_secs(3);

impl BarState {
    fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        let now = Instant::now();
        if self
            .window
            .back()
            .is_none_or(|(at, _)| now - *at >= Duration::from_millis(100))
        {
            self.window.push_back((now, self.position));
        }
        while self
            .window
            .front()
            .is_some_and(|(at, _)| now - *at > WINDOW)
        {
            self.window.pop_front();
        }
    }

    /// Bytes for each second.
    fn rate(&self) -> Option<u64> {
        let ((begun, from), (ended, to)) = (self.window.front()?, self.window.back()?);
        let milliseconds = u64::try_from((*ended - *begun).as_millis()).ok()?;
        (milliseconds >= 300).then(|| to.saturating_sub(*from) * 1000 / milliseconds)
    }

    /// `282 MB of 300 MB, 58 MB/s, 1 s left; 0/1 images; 80 MB mounted`
    fn text(&self, images: usize) -> String {
        let mut text = format!("{} of {}", size(self.position), size(self.total));
        if let Some(rate) = self.rate().filter(|rate| *rate > 0) {
            let left = self.total.saturating_sub(self.position) / rate;
            text.push_str(&format!(", {}/s, {}", size(rate), left_text(left)));
        }
        text.push_str(&format!("; {}/{images} images", self.images));
        if self.mounted > 0 {
            text.push_str(&format!("; {} mounted", size(self.mounted)));
        }
        if self.there > 0 {
            text.push_str(&format!("; {} there", size(self.there)));
        }
        text
    }
}

fn left_text(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s left"),
        100..6000 => format!("{} min left", seconds / 60),
        _ => format!("{} h left", seconds / 3600),
    }
}

impl Bar {
    fn show(&self, state: &BarState) {
        if state.total == 0 {
            return;
        }
        if self.shown.length() == Some(0)
            && let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}")
        {
            self.shown.set_style(style);
        }
        self.shown.set_length(state.total);
        self.shown.set_position(state.position);
        self.shown.set_message(state.text(self.names.len()));
    }
}

impl Observer for Bar {
    fn see(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ImagePlanned { size, .. } => state.total += size,
            Event::Advanced { bytes, .. } => state.advance(bytes),
            Event::WentBack { bytes, .. } => {
                state.position = state.position.saturating_sub(bytes);
                state.window.clear();
            }
            Event::BlobDone { size, outcome, .. } => match outcome {
                BlobOutcome::Transferred => {}
                BlobOutcome::Mounted => {
                    state.mounted += size;
                    state.position += size;
                    state.window.clear();
                }
                BlobOutcome::Skipped => {
                    state.there += size;
                    state.position += size;
                    state.window.clear();
                }
            },
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
                state.images += 1;
                if !outcome.up_to_date && outcome.error.is_none() {
                    self.shown.println(line(&outcome));
                }
            }
            Event::ImageStarted { .. } => return,
        }
        self.show(&state);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_what_is_done_and_what_is_left() {
        let now = Instant::now();
        let earlier = now.checked_sub(Duration::from_secs(2)).unwrap_or(now);
        let mut state = BarState {
            total: 300_000_000,
            position: 200_000_000,
            mounted: 80_000_000,
            ..BarState::default()
        };
        assert_eq!(state.text(3), "200 MB of 300 MB; 0/3 images; 80 MB mounted");
        state.window = [(earlier, 100_000_000), (now, 200_000_000)].into();
        assert_eq!(
            state.text(3),
            "200 MB of 300 MB, 50 MB/s, 2 s left; 0/3 images; 80 MB mounted"
        );
        assert!(state.text(3).len() < 78);
    }
}
