//! One run of helm, from its start to what it printed.

use std::io::Read as _;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::ChartError;

/// Most that is read of one rendering, in bytes.
const MOST_OUTPUT: usize = 100 << 20;
/// Most that is read of helm's messages.
const MOST_MESSAGES: u64 = 1 << 20;

/// When each run began and ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans(Arc<Mutex<Vec<(Instant, Instant)>>>);

impl Spans {
    fn push(&self, begun: Instant, ended: Instant) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.push((begun, ended));
    }

    /// For how long there was a run. Moments with more than one count once.
    pub(super) fn busy(&self) -> Duration {
        let mut spans = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        spans.sort();
        let mut busy = Duration::ZERO;
        let mut counted: Option<Instant> = None;
        for (begin, end) in spans {
            let begin = counted.map_or(begin, |last| last.max(begin));
            busy += end.saturating_duration_since(begin);
            counted = Some(counted.map_or(end, |last| last.max(end)));
        }
        busy
    }
}

/// A helm that runs. It is killed when nobody waits for its end.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    begun: Instant,
    limit: Duration,
    /// All that it printed, and when it closed its output.
    output: Receiver<(std::io::Result<Vec<u8>>, Instant)>,
    messages: Receiver<String>,
    /// Where it is noted, until it is.
    spans: Option<Spans>,
}

impl Running {
    /// Starts a command that prints into pipes.
    pub(super) fn begin(
        mut command: Command,
        name: &str,
        limit: Duration,
        spans: &Spans,
    ) -> std::io::Result<Self> {
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let (sender, output) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let read = stdout.take(MOST_OUTPUT as u64 + 1).read_to_end(&mut bytes);
                // Nobody waits any more once the time is up.
                let _ = sender.send((read.map(|_| bytes), Instant::now()));
            });
        }
        let (say, messages) = channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stderr.take(MOST_MESSAGES).read_to_end(&mut bytes);
                let _ = say.send(String::from_utf8_lossy(&bytes).into_owned());
            });
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            begun,
            limit,
            output,
            messages,
            spans: Some(spans.clone()),
        })
    }

    /// Waits for its end, and gives what it printed.
    pub(crate) fn end(mut self) -> Result<String, ChartError> {
        let asked = Instant::now();
        let left = self.limit.saturating_sub(self.begun.elapsed());
        let Ok((output, closed)) = self.output.recv_timeout(left) else {
            return Err(self.late());
        };
        let output = output?;
        if output.len() > MOST_OUTPUT {
            return Err(ChartError::TooMuchOutput {
                command: self.name.clone(),
                limit: MOST_OUTPUT,
            });
        }
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if self.begun.elapsed() > self.limit => return Err(self.late()),
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        if let Some(spans) = self.spans.take() {
            // Nobody saw the end of one that was over before it was asked for; it was no earlier than this.
            let ended = if closed < asked {
                closed
            } else {
                Instant::now()
            };
            spans.push(self.begun, ended);
        }
        if !status.success() {
            let messages = self.messages.recv_timeout(Duration::from_secs(1));
            return Err(ChartError::Helm {
                command: self.name.clone(),
                message: messages.unwrap_or_default().trim().to_owned(),
            });
        }
        String::from_utf8(output).map_err(|_| ChartError::Helm {
            command: self.name.clone(),
            message: "its output is not UTF-8".to_owned(),
        })
    }

    fn late(&self) -> ChartError {
        ChartError::Late {
            command: self.name.clone(),
            seconds: self.limit.as_secs(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(spans) = self.spans.take() else {
            return;
        };
        let _ = self.child.kill();
        let _ = self.child.wait();
        spans.push(self.begun, Instant::now());
    }
}
