//! How often and how fast: comparisons, tries, bytes by the hour.

use std::time::Duration;

use super::{MISSING, Reader};
use crate::images::presync::rules::quantity::{parse_bytes, parse_share};
use crate::images::presync::rules::schedule::{Bandwidth, Rate, Window, parse_hours, parse_offset};
use crate::images::presync::rules::{Reconcile, Retry};
use crate::source::Fields;

impl Reader<'_> {
    pub(super) fn reconcile(&mut self, fields: &mut Fields<'_>) -> Reconcile {
        let mut reconcile = Reconcile {
            interval: Duration::from_hours(1),
            jitter: 0.1,
        };
        if let Some(mut own) = fields.fields("reconcile", "presync.reconcile", self.ledger) {
            if let Some(interval) = self.duration(&mut own, "interval", Duration::from_secs(1)) {
                reconcile.interval = interval;
            }
            if let Some(jitter) = self.parsed(&mut own, "jitter", parse_share) {
                reconcile.jitter = jitter.min(0.5);
            }
            own.finish(self.ledger);
        }
        reconcile
    }

    pub(super) fn retry(&mut self, fields: &mut Fields<'_>) -> Retry {
        let mut retry = Retry {
            first: Duration::from_secs(1),
            most: Duration::from_mins(10),
        };
        if let Some(mut own) = fields.fields("retry", "presync.retry", self.ledger) {
            let shortest = Duration::from_millis(10);
            if let Some(first) = self.duration(&mut own, "first", shortest) {
                retry.first = first;
            }
            if let Some(most) = self.duration(&mut own, "most", shortest) {
                retry.most = most;
            }
            own.finish(self.ledger);
        }
        retry.most = retry.most.max(retry.first);
        retry
    }

    pub(super) fn bandwidth(&mut self, fields: &mut Fields<'_>) -> Bandwidth {
        let mut bandwidth = Bandwidth::default();
        let Some(mut own) = fields.fields("limits", "presync.limits", self.ledger) else {
            return bandwidth;
        };
        if let Some(offset) = self.parsed(&mut own, "utc_offset", parse_offset) {
            bandwidth.utc_offset = offset;
        }
        for item in own.items("bandwidth", self.ledger) {
            let Some(mut window) = item.fields("presync.limits.bandwidth[*]", self.ledger) else {
                continue;
            };
            let hours = if window.contains("hours") {
                self.parsed(&mut window, "hours", parse_hours)
            } else {
                Some((0, 24 * 60))
            };
            let rate = self.parsed(&mut window, "rate", parse_rate);
            if rate.is_none() && !window.contains("rate") {
                let message = format!("`{}.rate` is missing", item.path);
                self.ledger.add(MISSING, &item.origin(), message);
            }
            window.finish(self.ledger);
            if let (Some((from, until)), Some(rate)) = (hours, rate) {
                bandwidth.windows.push(Window { from, until, rate });
            }
        }
        own.finish(self.ledger);
        bandwidth
    }
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    match text {
        "unlimited" => Ok(Rate::Unlimited),
        "paused" => Ok(Rate::Paused),
        _ => match parse_bytes(text) {
            Ok(0) => Ok(Rate::Paused),
            Ok(bytes) => Ok(Rate::Limited(bytes)),
            Err(_) => Err(format!(
                "`{text}` is no rate; a number of bytes a second (20MB), `unlimited` or `paused` is expected"
            )),
        },
    }
}
