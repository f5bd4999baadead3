//! Which hosts are down, so that a thousand jobs do not find out one by one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open a breaker.
const FAILURES: u32 = 3;
/// How long a breaker stays open after that; doubles with each failed probe.
const FIRST: Duration = Duration::from_secs(1);
/// At most so long.
const MOST: Duration = Duration::from_secs(30);
/// One job probes a host; the others wait so long for what it finds.
const PROBE: Duration = Duration::from_secs(5);

/// A breaker for each host.
#[derive(Debug, Default)]
pub struct Breakers(Mutex<BTreeMap<String, Host>>);

#[derive(Debug, Clone)]
struct Host {
    failures: u32,
    open_until: Option<Instant>,
    reason: String,
}

impl Breakers {
    /// Whether a host may be asked; else after which pause.
    ///
    /// # Errors
    /// The pause.
    pub fn admit(&self, host: &str) -> Result<(), Duration> {
        self.admit_at(host, Instant::now())
    }

    fn admit_at(&self, host: &str, now: Instant) -> Result<(), Duration> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = hosts.get_mut(host) else {
            return Ok(());
        };
        match state.open_until {
            Some(until) if until > now => Err(until - now),
            Some(_) => {
                state.open_until = Some(now + PROBE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A host answered.
    pub fn success(&self, host: &str) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts
            .remove(host)
            .is_some_and(|state| state.open_until.is_some())
        {
            tracing::info!(host, "the host answers again");
        }
    }

    /// A host did not answer.
    pub fn failure(&self, host: &str, reason: &str) {
        self.failure_at(host, reason, Instant::now());
    }

    fn failure_at(&self, host: &str, reason: &str, now: Instant) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = hosts.entry(host.to_owned()).or_insert(Host {
            failures: 0,
            open_until: None,
            reason: String::new(),
        });
        state.failures += 1;
        reason.clone_into(&mut state.reason);
        if state.failures >= FAILURES {
            if state.failures == FAILURES {
                tracing::warn!(
                    host,
                    reason,
                    "the host is down; it is asked again with growing pauses"
                );
            }
            let doublings = (state.failures - FAILURES).min(10);
            state.open_until = Some(now + (FIRST * 2_u32.pow(doublings)).min(MOST));
        }
    }

    /// The hosts that are down, with the reason.
    #[must_use]
    pub fn down(&self) -> Vec<(String, String)> {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts
            .iter()
            .filter(|(_, state)| state.open_until.is_some())
            .map(|(host, state)| (host.clone(), state.reason.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_down_is_probed_by_one_job() {
        let breakers = Breakers::default();
        let now = Instant::now();
        for _ in 0..FAILURES {
            assert_eq!(breakers.admit_at("a", now), Ok(()));
            breakers.failure_at("a", "refused", now);
        }
        assert_eq!(breakers.admit_at("a", now), Err(FIRST));
        assert_eq!(breakers.admit_at("b", now), Ok(()));
        let later = now + FIRST;
        assert_eq!(breakers.admit_at("a", later), Ok(()), "the probe");
        assert_eq!(breakers.admit_at("a", later), Err(PROBE), "the others");
        breakers.failure_at("a", "refused", later);
        assert_eq!(breakers.admit_at("a", later), Err(FIRST * 2));
        for _ in 0..100 {
            breakers.failure_at("a", "refused", later);
        }
        assert_eq!(breakers.admit_at("a", later), Err(MOST));
        breakers.success("a");
        assert_eq!(breakers.admit_at("a", later), Ok(()));
    }
}
