//! How many requests a registry gets at the same time: more while it answers, half as soon as it asks for fewer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Requests at the same time in the beginning.
const START: f64 = 16.0;
/// Most requests at the same time.
const MOST: f64 = 64.0;
/// Complaints within this time are about the same flood.
const EPOCH: Duration = Duration::from_millis(200);

/// The window of one registry: slow start, then additive increase, multiplicative decrease.
#[derive(Debug, Default)]
pub(super) struct Pace {
    state: Mutex<State>,
    free: Notify,
}

#[derive(Debug)]
struct State {
    window: f64,
    running: usize,
    cut_at: Option<Instant>,
    closed_until: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            window: START,
            running: 0,
            cut_at: None,
            closed_until: None,
        }
    }
}

/// The right to one request; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Pace>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.free.notify_one();
    }
}

impl Pace {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to send a request.
    pub(super) async fn acquire(self: &Arc<Self>) -> Permit {
        loop {
            let notified = self.free.notified();
            let pause = {
                let mut state = self.lock();
                let now = Instant::now();
                let closed = state
                    .closed_until
                    .and_then(|until| until.checked_duration_since(now));
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "there are never so many requests that this matters"
                )]
                if closed.is_none() && (state.running as f64) < state.window {
                    state.running += 1;
                    return Permit(Arc::clone(self));
                }
                closed
            };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => notified.await,
            }
        }
    }

    /// The registry has answered.
    pub(super) fn answered(&self) {
        let mut state = self.lock();
        // Twice as many after each round until the first complaint, one more after each round from then on.
        let step = match state.cut_at {
            None => 1.0,
            Some(_) => 1.0 / state.window,
        };
        state.window = (state.window + step).min(MOST);
        drop(state);
        self.free.notify_one();
    }

    /// The registry has asked for fewer requests, and perhaps for a pause.
    pub(super) fn complained(&self, pause: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        if state.cut_at.is_none_or(|at| now.duration_since(at) > EPOCH) {
            state.window = (state.window / 2.0).max(1.0);
            state.cut_at = Some(now);
        }
        if let Some(pause) = pause {
            let until = now + pause;
            state.closed_until = Some(state.closed_until.map_or(until, |other| other.max(until)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_opens_fast_until_somebody_complains() {
        let pace = Pace::default();
        for _ in 0..16 {
            pace.answered();
        }
        assert!((pace.lock().window - 32.0).abs() < f64::EPSILON);
        pace.complained(None);
        assert!((pace.lock().window - 16.0).abs() < f64::EPSILON);
        for _ in 0..16 {
            pace.answered();
        }
        assert!(pace.lock().window < 17.0);
    }
}
