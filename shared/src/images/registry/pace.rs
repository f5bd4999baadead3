//! How many requests a registry gets at the same time: more while it answers, half as soon as it asks for fewer, and
//! never more than it says that it still allows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::allowance::Allowance;

/// Requests at the same time in the beginning.
const START: f64 = 16.0;
/// Most requests at the same time.
const MOST: f64 = 64.0;
/// Complaints within this time are about the same flood.
const EPOCH: Duration = Duration::from_millis(200);

/// With nothing left, more is waited for at most so long; after that the registry is asked all the same.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

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
    /// What the registry still allows, and when it said so.
    allowed: Option<(Allowance, Instant)>,
}

impl State {
    /// Whether another request may go now.
    fn is_free(&self) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "there are never so many requests that this matters"
        )]
        let fits = (self.running as f64) < self.window;
        // Those on their way may count as well. One always goes: what it meets is the truth.
        let left = self
            .allowed
            .map_or(u64::MAX, |(allowed, _)| allowed.remaining);
        fits && (self.running as u64) < left.max(1)
    }

    /// No request goes before this time.
    fn close(&mut self, until: Instant) {
        self.closed_until = Some(self.closed_until.map_or(until, |other| other.max(until)));
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            window: START,
            running: 0,
            cut_at: None,
            closed_until: None,
            allowed: None,
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
                if closed.is_none() {
                    if state.closed_until.take().is_some() {
                        // What was said before the pause counts no more.
                        state.allowed = None;
                    }
                    if state.is_free() {
                        state.running += 1;
                        return Permit(Arc::clone(self));
                    }
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

    /// The registry has said how many requests it still allows.
    pub(super) fn allowed(&self, allowance: Allowance) {
        let mut state = self.lock();
        let now = Instant::now();
        // Answers overtake each other: the fewest count.
        if let Some((last, at)) = state.allowed
            && last.remaining < allowance.remaining
            && now.duration_since(at) < EPOCH
        {
            return;
        }
        state.allowed = Some((allowance, now));
        if allowance.remaining == 0
            && let Some(pause) = allowance.pause().filter(|pause| *pause <= LONGEST_WAIT)
        {
            state.close(now + pause);
        }
    }

    /// What the registry said last of the requests that it still allows.
    pub(super) fn allowance(&self) -> Option<Allowance> {
        self.lock().allowed.map(|(allowance, _)| allowance)
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
            state.close(now + pause);
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
    #[test]
    fn no_more_are_on_their_way_than_are_left() {
        let pace = Arc::new(Pace::default());
        let left = |remaining| Allowance {
            remaining,
            limit: Some(100),
            window: Some(21_600),
            reset: None,
        };
        pace.allowed(left(2));
        // An answer that comes later and was given earlier.
        pace.allowed(left(3));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let mut take = || match std::pin::pin!(pace.acquire()).poll(&mut context) {
            std::task::Poll::Ready(permit) => Some(permit),
            std::task::Poll::Pending => None,
        };
        let permits = [take(), take()];
        assert!(permits.iter().all(Option::is_some));
        assert!(take().is_none());
        drop(permits);
        // Hours are not waited for.
        pace.allowed(left(0));
        assert!(take().is_some());
        pace.allowed(Allowance {
            reset: Some(30),
            ..left(0)
        });
        assert!(pace.lock().closed_until.is_some());
    }
}
