//! The queue in memory, and what of it has to be written.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::job::{Dead, Done, Finish, Job, JobKey, JobState, Via};
use super::store::{Change, DEAD, HISTORY, JOBS, Store, TAGS, Table};
use super::{Depth, MOST_DEAD, MOST_HISTORY, MOST_JOBS, QueueError};

/// Everything that the queue knows, but the tags, which are many and stay in the file.
#[derive(Debug, Default)]
pub(super) struct Book {
    jobs: HashMap<JobKey, Entry>,
    /// Jobs to work on: by priority, then by age.
    ready: BTreeSet<(Reverse<i32>, u64, JobKey)>,
    /// Jobs that wait.
    delayed: BTreeSet<(Instant, JobKey)>,
    running: usize,
    dead: BTreeMap<u64, (JobKey, Dead)>,
    dead_index: HashMap<JobKey, u64>,
    history: VecDeque<(u64, Done)>,
    counter: u64,
    changes: BTreeMap<(Table, String), Option<Vec<u8>>>,
    /// How many changes were noted so far: a commit that holds the change of this number holds all before it.
    noted: u64,
}

/// What became of a job that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// It was not there before.
    pub(super) new: bool,
    /// It can be worked on now, and could not before.
    pub(super) ready: bool,
    /// Number of the change with which it is on disk.
    pub(super) noted: u64,
}

/// What a change that is not committed yet makes of a record.
#[derive(Debug)]
pub(super) enum Pending {
    /// The file says what it is.
    Unchanged,
    /// It is gone.
    Removed,
    /// It has this value.
    Written(Vec<u8>),
}

#[derive(Debug)]
struct Entry {
    job: Job,
    place: Place,
    /// When the first event came that no copy has served yet; unknown after a restart.
    received: Option<Instant>,
    /// Whether an event came while the job was worked on.
    again: Again,
    /// Number of the job's last change.
    noted: u64,
}

/// Whether the work on a job has to be done again when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    No,
    /// Unless the digest that the newest event reported is what arrived.
    UnlessServed,
    Always,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Ready(u64),
    Delayed(Instant),
    Running,
}

impl Book {
    /// Reads what the file holds.
    pub(super) fn load(&mut self, store: &Store) {
        for (key, value) in store.all(JOBS) {
            let (Some(key), Ok(mut job)) =
                (JobKey::parse(&key), serde_json::from_slice::<Job>(&value))
            else {
                tracing::warn!(key, "a job in the queue cannot be read and is left out");
                continue;
            };
            job.state = JobState::Pending;
            let entry = Entry {
                job,
                place: Place::Running,
                received: None,
                again: Again::No,
                noted: 0,
            };
            self.jobs.insert(key.clone(), entry);
            self.running += 1;
            self.make_ready(&key);
        }
        let mut dead: Vec<(JobKey, Dead)> = store
            .all(DEAD)
            .into_iter()
            .filter_map(|(key, value)| {
                Some((JobKey::parse(&key)?, serde_json::from_slice(&value).ok()?))
            })
            .collect();
        dead.sort_by_key(|(_, dead)| dead.at_ms);
        for (key, dead) in dead {
            self.counter += 1;
            self.dead_index.insert(key.clone(), self.counter);
            self.dead.insert(self.counter, (key, dead));
        }
        for (key, value) in store.all(HISTORY) {
            if let (Ok(number), Ok(done)) = (key.parse::<u64>(), serde_json::from_slice(&value)) {
                self.history.push_back((number, done));
                self.counter = self.counter.max(number);
            }
        }
    }

    /// Puts a job in or folds it into the one that is there. The same news again need not be written: the job on disk
    /// is what serves them.
    pub(super) fn put(
        &mut self,
        key: JobKey,
        job: Job,
        now: Instant,
    ) -> Result<Placed, QueueError> {
        if let Some(entry) = self.jobs.get_mut(&key) {
            let moved = entry.job.digest != job.digest || entry.job.deleted != job.deleted;
            let mut ready = false;
            let again = if job.digest.is_some() {
                Again::UnlessServed
            } else {
                Again::Always
            };
            entry.job.events = entry.job.events.saturating_add(job.events);
            entry.job.via = job.via;
            entry.job.deleted = job.deleted;
            entry.job.digest = job.digest.or(entry.job.digest.take());
            entry.received.get_or_insert(now);
            match entry.place {
                // Two comparisons of the same state are one.
                Place::Running if job.via == Via::Reconcile => {}
                Place::Running => entry.again = entry.again.max(again),
                // News about the image end its pause; the same again does not.
                Place::Delayed(_) if moved => {
                    entry.job.attempts = 0;
                    ready = true;
                }
                _ => {}
            }
            if ready {
                self.make_ready(&key);
            }
            if moved {
                self.write_job(&key);
            }
            return Ok(Placed {
                new: false,
                ready,
                noted: self.jobs.get(&key).map_or(0, |entry| entry.noted),
            });
        }
        if self.jobs.len() >= MOST_JOBS {
            return Err(QueueError::Full);
        }
        self.forget_dead(&key);
        let entry = Entry {
            job,
            place: Place::Running,
            received: Some(now),
            again: Again::No,
            noted: 0,
        };
        self.jobs.insert(key.clone(), entry);
        self.running += 1;
        self.make_ready(&key);
        self.write_job(&key);
        Ok(Placed {
            new: true,
            ready: true,
            noted: self.noted,
        })
    }

    /// The next job, or when to look again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(JobKey, Job), Option<Instant>> {
        while let Some((at, key)) = self.delayed.first().cloned() {
            if at > now {
                break;
            }
            self.make_ready(&key);
        }
        let Some((_, _, key)) = self.ready.pop_first() else {
            return Err(self.delayed.first().map(|(at, _)| *at));
        };
        let Some(entry) = self.jobs.get_mut(&key) else {
            // The sets and the map change together.
            return Err(None);
        };
        entry.place = Place::Running;
        entry.job.state = JobState::Copying;
        entry.again = Again::No;
        self.running += 1;
        let job = entry.job.clone();
        // A crash makes it pending again, so the change of state need not be on disk.
        Ok((key, job))
    }

    /// Ends the work on a job; how long its first event is ago.
    pub(super) fn finish(
        &mut self,
        key: &JobKey,
        finish: Finish,
        now: Instant,
        now_ms: u64,
    ) -> Duration {
        let Some(entry) = self.jobs.get_mut(key) else {
            return Duration::ZERO;
        };
        let lag = entry.received.map_or_else(
            || Duration::from_millis(now_ms.saturating_sub(entry.job.since_ms)),
            |received| now.saturating_duration_since(received),
        );
        match finish {
            Finish::Done { mut done, known } => {
                done.lag_ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
                done.at_ms = now_ms;
                let served =
                    done.digest.is_some() && done.digest == entry.job.digest && !entry.job.deleted;
                if served && entry.again == Again::UnlessServed {
                    entry.again = Again::No;
                }
                let known = known.and_then(|known| serde_json::to_vec(&known).ok());
                self.write(TAGS, &key.text(), known);
                self.add_history(*done);
                self.leave_or_repeat(key, now, now_ms);
            }
            Finish::Retry {
                pause,
                reason,
                counts,
            } => {
                entry.job.attempts += u32::from(counts);
                entry.job.last_error = Some(reason);
                if entry.again == Again::No {
                    entry.job.state = JobState::Waiting;
                    let at = now + pause;
                    entry.place = Place::Delayed(at);
                    self.running -= 1;
                    self.delayed.insert((at, key.clone()));
                } else {
                    entry.again = Again::No;
                    entry.job.attempts = 0;
                    self.make_ready(key);
                }
                self.write_job(key);
            }
            Finish::Dead { reason, remedy } => {
                let job = entry.job.clone();
                let again = entry.again;
                self.leave_or_repeat(key, now, now_ms);
                if again == Again::No {
                    self.add_dead(
                        key.clone(),
                        Dead {
                            job,
                            reason,
                            remedy,
                            at_ms: now_ms,
                        },
                    );
                }
            }
        }
        lag
    }

    /// Removes a job whose work is done, unless an event came meanwhile.
    fn leave_or_repeat(&mut self, key: &JobKey, now: Instant, now_ms: u64) {
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        if entry.again == Again::No {
            self.remove(key);
            return;
        }
        entry.again = Again::No;
        entry.received = Some(now);
        entry.job.since_ms = now_ms;
        entry.job.attempts = 0;
        entry.job.last_error = None;
        self.make_ready(key);
        self.write_job(key);
    }

    fn remove(&mut self, key: &JobKey) {
        if let Some(entry) = self.jobs.remove(key) {
            match entry.place {
                Place::Ready(number) => {
                    self.ready
                        .remove(&(Reverse(entry.job.priority), number, key.clone()));
                }
                Place::Delayed(at) => {
                    self.delayed.remove(&(at, key.clone()));
                }
                Place::Running => self.running -= 1,
            }
            self.write(JOBS, &key.text(), None);
        }
    }

    fn make_ready(&mut self, key: &JobKey) {
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        match entry.place {
            Place::Ready(_) => return,
            Place::Delayed(at) => {
                self.delayed.remove(&(at, key.clone()));
            }
            Place::Running => self.running -= 1,
        }
        self.counter += 1;
        entry.place = Place::Ready(self.counter);
        entry.job.state = JobState::Pending;
        self.ready
            .insert((Reverse(entry.job.priority), self.counter, key.clone()));
    }

    fn add_history(&mut self, done: Done) {
        self.counter += 1;
        let number = self.counter;
        if let Ok(bytes) = serde_json::to_vec(&done) {
            self.write(HISTORY, &format!("{number:020}"), Some(bytes));
        }
        self.history.push_back((number, done));
        while self.history.len() > MOST_HISTORY {
            if let Some((old, _)) = self.history.pop_front() {
                self.write(HISTORY, &format!("{old:020}"), None);
            }
        }
    }

    fn add_dead(&mut self, key: JobKey, dead: Dead) {
        self.forget_dead(&key);
        self.counter += 1;
        if let Ok(bytes) = serde_json::to_vec(&dead) {
            self.write(DEAD, &key.text(), Some(bytes));
        }
        self.dead_index.insert(key.clone(), self.counter);
        self.dead.insert(self.counter, (key, dead));
        while self.dead.len() > MOST_DEAD {
            let Some((_, (oldest, _))) = self.dead.first_key_value() else {
                break;
            };
            let oldest = oldest.clone();
            self.forget_dead(&oldest);
        }
    }

    fn forget_dead(&mut self, key: &JobKey) {
        if let Some(number) = self.dead_index.remove(key) {
            self.dead.remove(&number);
            self.write(DEAD, &key.text(), None);
        }
    }

    /// Makes dead and waiting jobs ready.
    pub(super) fn retry(
        &mut self,
        wanted: &impl Fn(&JobKey) -> bool,
        now: Instant,
        now_ms: u64,
    ) -> Result<usize, QueueError> {
        let waiting: Vec<_> = self
            .delayed
            .iter()
            .map(|(_, key)| key.clone())
            .filter(|key| wanted(key))
            .collect();
        for key in &waiting {
            if let Some(entry) = self.jobs.get_mut(key) {
                entry.job.attempts = 0;
            }
            self.make_ready(key);
            self.write_job(key);
        }
        let dead: Vec<_> = self
            .dead
            .values()
            .filter(|(key, _)| wanted(key))
            .cloned()
            .collect();
        let count = waiting.len() + dead.len();
        for (key, dead) in dead {
            let mut job = dead.job;
            job.attempts = 0;
            job.last_error = Some(dead.reason);
            job.since_ms = now_ms;
            job.via = Via::Hand;
            self.put(key, job, now)?;
        }
        Ok(count)
    }

    /// Removes dead letters and jobs that nobody works on.
    pub(super) fn drop_jobs(&mut self, wanted: &impl Fn(&JobKey) -> bool) -> usize {
        let dead: Vec<_> = self
            .dead_index
            .keys()
            .filter(|key| wanted(key))
            .cloned()
            .collect();
        let jobs: Vec<_> = self
            .jobs
            .iter()
            .filter(|(key, entry)| !matches!(entry.place, Place::Running) && wanted(key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &dead {
            self.forget_dead(key);
        }
        for key in &jobs {
            self.remove(key);
        }
        dead.len() + jobs.len()
    }

    pub(super) fn depth(&self) -> Depth {
        Depth {
            ready: self.ready.len(),
            delayed: self.delayed.len(),
            running: self.running,
            dead: self.dead.len(),
        }
    }

    pub(super) fn jobs(&self, limit: usize, now: Instant) -> Vec<(JobKey, Job, Duration)> {
        let running = self
            .jobs
            .iter()
            .filter(|(_, entry)| matches!(entry.place, Place::Running))
            .map(|(key, _)| (key, now));
        let ready = self.ready.iter().map(|(_, _, key)| (key, now));
        let delayed = self.delayed.iter().map(|(at, key)| (key, *at));
        running
            .chain(ready)
            .chain(delayed)
            .take(limit)
            .filter_map(|(key, at)| {
                let entry = self.jobs.get(key)?;
                Some((
                    key.clone(),
                    entry.job.clone(),
                    at.saturating_duration_since(now),
                ))
            })
            .collect()
    }

    pub(super) fn dead(&self, limit: usize) -> Vec<(JobKey, Dead)> {
        self.dead.values().rev().take(limit).cloned().collect()
    }

    pub(super) fn history(&self, limit: usize) -> Vec<Done> {
        self.history
            .iter()
            .rev()
            .take(limit)
            .map(|(_, done)| done.clone())
            .collect()
    }

    fn write_job(&mut self, key: &JobKey) {
        let bytes = self
            .jobs
            .get(key)
            .and_then(|entry| serde_json::to_vec(&entry.job).ok());
        self.write(JOBS, &key.text(), bytes);
        let noted = self.noted;
        if let Some(entry) = self.jobs.get_mut(key) {
            entry.noted = noted;
        }
    }

    /// Notes a change for the next commit; `None` removes.
    pub(super) fn write(&mut self, table: Table, key: &str, value: Option<Vec<u8>>) {
        self.noted += 1;
        self.changes.insert((table, key.to_owned()), value);
    }

    /// What a change that is not committed yet makes of a record.
    pub(super) fn pending(&self, table: Table, key: &str) -> Pending {
        match self.changes.get(&(table, key.to_owned())) {
            None => Pending::Unchanged,
            Some(None) => Pending::Removed,
            Some(Some(value)) => Pending::Written(value.clone()),
        }
    }

    /// The changes since the last commit, and the number of the last one.
    pub(super) fn changes(&mut self) -> (Vec<Change>, u64) {
        let changes = std::mem::take(&mut self.changes)
            .into_iter()
            .map(|((table, key), value)| Change { table, key, value })
            .collect();
        (changes, self.noted)
    }

    /// Number of the last change.
    pub(super) fn noted(&self) -> u64 {
        self.noted
    }

    /// All that memory holds, for a file that is begun anew.
    pub(super) fn everything(&self) -> Vec<Change> {
        let change = |table, key, value: serde_json::Result<Vec<u8>>| {
            Some(Change {
                table,
                key,
                value: Some(value.ok()?),
            })
        };
        let jobs = self
            .jobs
            .iter()
            .filter_map(|(key, entry)| change(JOBS, key.text(), serde_json::to_vec(&entry.job)));
        let dead = self
            .dead
            .values()
            .filter_map(|(key, dead)| change(DEAD, key.text(), serde_json::to_vec(dead)));
        let history = self.history.iter().filter_map(|(number, done)| {
            change(HISTORY, format!("{number:020}"), serde_json::to_vec(done))
        });
        jobs.chain(dead).chain(history).collect()
    }
}
