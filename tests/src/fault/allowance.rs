//! A limit on requests as Docker Hub has one: manifests that are read count, and each answer says how many are left.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many manifests may be read within so many seconds.
#[derive(Debug)]
pub(super) struct Allowance {
    limit: usize,
    window: Duration,
    /// When those that count were asked for.
    counted: VecDeque<Instant>,
}

impl Allowance {
    pub(super) fn new(limit: usize, window: Duration) -> Self {
        Self {
            limit,
            window,
            counted: VecDeque::new(),
        }
    }

    /// Whether a request may pass, which then counts if it is one that does.
    pub(super) fn take(&mut self, method: &str, path: &str) -> bool {
        let now = Instant::now();
        while self
            .counted
            .front()
            .is_some_and(|at| now.duration_since(*at) >= self.window)
        {
            self.counted.pop_front();
        }
        if method != "GET" || !path.contains("/manifests/") {
            return true;
        }
        if self.counted.len() >= self.limit {
            return false;
        }
        self.counted.push_back(now);
        true
    }

    /// The headers of an answer.
    pub(super) fn headers(&self) -> [(&'static str, String); 2] {
        let window = self.window.as_secs();
        let left = self.limit - self.counted.len();
        [
            ("ratelimit-limit", format!("{};w={window}", self.limit)),
            ("ratelimit-remaining", format!("{left};w={window}")),
        ]
    }
}
