//! How many requests a sender may make.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Addresses that are remembered; beyond it the bookkeeping begins anew.
const MOST_ADDRESSES: usize = 10_000;

/// A bucket of requests for each address, which holds those of one second.
#[derive(Debug)]
pub(super) struct Limit {
    each_second: f64,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Limit {
    pub(super) fn new(each_second: u32) -> Self {
        Self {
            each_second: f64::from(each_second),
            buckets: Mutex::default(),
        }
    }

    pub(super) fn admit(&self, peer: IpAddr) -> bool {
        self.admit_at(peer, Instant::now())
    }

    fn admit_at(&self, peer: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_ADDRESSES && !buckets.contains_key(&peer) {
            buckets.clear();
        }
        let (left, at) = buckets.entry(peer).or_insert((self.each_second, now));
        let grown = now.saturating_duration_since(*at).as_secs_f64() * self.each_second;
        *left = (*left + grown).min(self.each_second);
        *at = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_address_has_its_own_second() {
        let limit = Limit::new(3);
        let now = Instant::now();
        let one = IpAddr::from([127, 0, 0, 1]);
        let other = IpAddr::from([127, 0, 0, 2]);
        let admitted = (0..10).filter(|_| limit.admit_at(one, now)).count();
        assert_eq!(admitted, 3);
        assert!(limit.admit_at(other, now));
        assert!(limit.admit_at(one, now + Duration::from_secs(1)));
    }
}
