//! Whose turn it is to send.
//!
//! A blob goes through two stations: the network, and the target's storage, which most registries only write to when the
//! last byte has come. Both are busy from beginning to end if blobs go in the right order: where the network is slower,
//! the largest first, so that little is left to store at the end; where the storage is slower, the smallest first, so that
//! it has something to do soon (Johnson's rule for two machines). Which of them it is shows with the first blob.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Smaller blobs do not show how fast anything is, and do not wait for larger ones.
const TELLING: u64 = 1 << 20;
/// Small blobs at the same time.
const SMALL: usize = 16;

/// Whether a blob of this size has to wait for its turn.
pub(super) fn is_large(size: u64) -> bool {
    size >= TELLING
}

/// The blobs that wait for one pair of stations.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    /// Whether a small blob goes first to find out which station is slower.
    tries: bool,
    state: Mutex<State>,
    small: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: Vec<Waiting>,
    /// The small blob is on its way.
    trying: bool,
    /// Seconds for each byte at both stations, in sum.
    seen: Option<(f64, f64)>,
}

#[derive(Debug)]
struct Waiting {
    size: u64,
    turn: oneshot::Sender<Turn>,
}

/// The right to have bytes on the way; given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    /// Without one, it is that of a small blob.
    turns: Option<Arc<Turns>>,
    _small: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = &self.turns {
            turns.lock().running -= 1;
            turns.admit();
        }
    }
}

impl Turns {
    /// So many blobs at the same time, the largest first.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            tries: false,
            state: Mutex::default(),
            small: Arc::new(Semaphore::new(SMALL)),
        }
    }

    /// So many blobs at the same time, in the order that suits network and storage.
    pub(super) fn trying(most: usize) -> Self {
        Self {
            tries: true,
            ..Self::new(most)
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to send a blob of this size.
    pub(super) async fn take(self: &Arc<Self>, size: u64) -> Turn {
        if !is_large(size) {
            return Turn {
                turns: None,
                // Nobody closes the semaphore.
                _small: Arc::clone(&self.small).acquire_owned().await.ok(),
            };
        }
        let (turn, given) = oneshot::channel();
        self.lock().waiting.push(Waiting { size, turn });
        // Blobs that are ready at the same moment are compared with each other, not served as they come.
        tokio::task::yield_now().await;
        self.admit();
        match given.await {
            Ok(turn) => turn,
            // Nobody drops the other end; if it were so, one blob more would be on its way.
            Err(_) => {
                self.lock().running += 1;
                self.turn()
            }
        }
    }

    fn turn(self: &Arc<Self>) -> Turn {
        Turn {
            turns: Some(Arc::clone(self)),
            _small: None,
        }
    }

    /// Lets as many go as there is room for.
    fn admit(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                if state.running >= self.most {
                    return;
                }
                let Some(index) = state.next(self.tries) else {
                    return;
                };
                state.running += 1;
                state.waiting.swap_remove(index)
            };
            // Whoever has given up waiting gives the turn back by dropping it.
            drop(next.turn.send(self.turn()));
        }
    }

    /// A blob was sent, which took so long until its last byte and so long from then on.
    pub(super) fn saw(&self, size: u64, sending: Duration, storing: Duration) {
        if !self.tries || !is_large(size) {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let for_each = |time: Duration| time.as_secs_f64() / size as f64;
        let mut state = self.lock();
        let (network, storage) = state.seen.unwrap_or_default();
        // What was seen last counts most.
        state.seen = Some((
            network / 2.0 + for_each(sending),
            storage / 2.0 + for_each(storing),
        ));
    }
}

impl State {
    /// Who goes next.
    fn next(&mut self, tries: bool) -> Option<usize> {
        self.waiting.retain(|waiting| !waiting.turn.is_closed());
        let waiting = || self.waiting.iter().enumerate();
        let by_size = |(_, waiting): &(usize, &Waiting)| waiting.size;
        let chosen = match self.seen {
            None if tries && !self.trying => {
                self.trying = !self.waiting.is_empty();
                waiting().min_by_key(by_size)
            }
            Some((network, storage)) if storage > network => waiting().min_by_key(by_size),
            _ => waiting().max_by_key(by_size),
        };
        chosen.map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which blobs of these sizes get their turn, one at a time.
    async fn order(turns: &Arc<Turns>, sizes: &[u64]) -> Vec<u64> {
        let busy = turns.take(TELLING).await;
        turns.lock().trying = false;
        let (seen, mut order) = tokio::sync::mpsc::unbounded_channel();
        for size in sizes.iter().copied() {
            let (turns, seen) = (Arc::clone(turns), seen.clone());
            tokio::spawn(async move {
                let _turn = turns.take(size).await;
                seen.send(size)
            });
        }
        drop(seen);
        while turns.lock().waiting.len() < sizes.len() {
            tokio::task::yield_now().await;
        }
        drop(busy);
        let mut found = Vec::new();
        while let Some(size) = order.recv().await {
            found.push(size);
        }
        found
    }

    const SIZES: [u64; 4] = [80 << 20, 12 << 20, 200 << 20, 40 << 20];

    #[tokio::test]
    async fn a_slow_network_gets_the_largest_first() {
        let turns = Arc::new(Turns::new(1));
        let found = order(&turns, &SIZES).await;
        assert_eq!(found, [200 << 20, 80 << 20, 40 << 20, 12 << 20]);
    }

    #[tokio::test]
    async fn a_small_blob_shows_which_station_is_slower() {
        let turns = Arc::new(Turns::trying(1));
        let found = order(&turns, &SIZES).await;
        assert_eq!(found, [12 << 20, 200 << 20, 80 << 20, 40 << 20]);
        turns.saw(
            12 << 20,
            Duration::from_millis(20),
            Duration::from_millis(40),
        );
        let found = order(&turns, &SIZES).await;
        assert_eq!(found, [12 << 20, 40 << 20, 80 << 20, 200 << 20]);
        turns.saw(
            200 << 20,
            Duration::from_millis(1600),
            Duration::from_millis(200),
        );
        let found = order(&turns, &SIZES).await;
        assert_eq!(found, [200 << 20, 80 << 20, 40 << 20, 12 << 20]);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_takes_no_turn() {
        let turns = Arc::new(Turns::new(1));
        let busy = turns.take(TELLING).await;
        let waiting = tokio::time::timeout(Duration::from_millis(5), turns.take(9 << 20)).await;
        assert!(waiting.is_err());
        // A small one does not wait.
        drop(turns.take(9).await);
        drop(busy);
        drop(turns.take(2 << 20).await);
        assert_eq!(turns.lock().running, 0);
    }
}
