//! How many requests a registry still allows, as it says itself: `ratelimit-remaining: 76;w=21600` (Docker Hub, "Pull
//! usage and limits"), or `ratelimit-remaining` with `ratelimit-reset` (GitLab, "Rate limits").

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use serde::Serialize;

/// Numbers from here on are points in time and no seconds from now.
const POINT_IN_TIME: u64 = 1_000_000_000;

/// What a registry says of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// Requests that are left.
    pub remaining: u64,
    /// Requests in all, if it says so.
    pub limit: Option<u64>,
    /// Seconds for which the limit counts, if it says so.
    #[serde(rename = "window_seconds")]
    pub window: Option<u64>,
    /// Seconds until there are more, if it says so.
    #[serde(rename = "reset_seconds")]
    pub reset: Option<u64>,
}

impl Allowance {
    /// What these headers say; `None` if they say nothing.
    pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Option<Self> {
        let number = |name: &str| {
            let plain = headers.get(format!("ratelimit-{name}"));
            let text = plain
                .or_else(|| headers.get(format!("x-ratelimit-{name}")))?
                .to_str()
                .ok()?;
            let mut parts = text.split([';', ',']).map(str::trim);
            let value: u64 = parts.next()?.parse().ok()?;
            let window = parts.find_map(|part| part.strip_prefix("w=")?.parse::<u64>().ok());
            Some((value, window))
        };
        let (remaining, window) = number("remaining")?;
        let (limit, limit_window) = number("limit").unzip();
        let since_1970 = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let reset = number("reset").map(|(at, _)| {
            if at < POINT_IN_TIME {
                at
            } else {
                at.saturating_sub(since_1970)
            }
        });
        Some(Self {
            remaining,
            limit,
            window: window.or(limit_window.flatten()),
            reset,
        })
    }

    /// How long to wait when nothing is left.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.reset.or(self.window).map(Duration::from_secs)
    }
}

impl std::fmt::Display for Allowance {
    /// `76 of 100 requests in 6 h are left`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.remaining)?;
        if let Some(limit) = self.limit {
            write!(f, " of {limit}")?;
        }
        write!(f, " requests")?;
        match self.window {
            Some(seconds) if seconds >= 3600 && seconds % 3600 == 0 => {
                write!(f, " in {} h", seconds / 3600)?;
            }
            Some(seconds) => write!(f, " in {seconds} s")?,
            None => {}
        }
        f.write_str(" are left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Option<Allowance> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        Allowance::of(&headers, UNIX_EPOCH + Duration::from_secs(1_700_000_000))
    }

    #[test]
    fn registries_say_it_in_two_ways() {
        let hub = of(&[
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "76;w=21600"),
        ])
        .unwrap();
        assert_eq!(hub.to_string(), "76 of 100 requests in 6 h are left");
        let gitlab = of(&[
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "1700000030"),
        ])
        .unwrap();
        assert_eq!(gitlab.pause(), Some(Duration::from_secs(30)));
        assert_eq!(gitlab.to_string(), "0 requests are left");
        let old = of(&[("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "7")]).unwrap();
        assert_eq!((old.remaining, old.reset), (5, Some(7)));
        assert_eq!(of(&[("ratelimit-remaining", "some")]), None);
        assert_eq!(of(&[]), None);
    }
}
