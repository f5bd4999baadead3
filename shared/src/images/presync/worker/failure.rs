//! What a failure means for a job: again later, or a person has to look.

use std::time::Duration;

use super::jittered;
use crate::images::ImageError;
use crate::images::presync::live::Live;
use crate::images::presync::queue::{Finish, Job};
use crate::images::presync::rules::Retry;

/// Tries of what is not there or not allowed: a registry can be behind its own events, and credentials are renewed.
const TRIES_OF_REFUSALS: u32 = 3;
/// Tries of what is wrong in itself.
const TRIES_OF_DAMAGE: u32 = 6;

pub(super) fn finish(error: &ImageError, job: &Job, retry: &Retry, live: &Live) -> Finish {
    if let Some(host) = host(error) {
        if error.is_transient() {
            live.breakers.failure(host, &error.to_string());
        } else {
            live.breakers.success(host);
        }
        if matches!(error, ImageError::Denied { .. }) {
            live.stores.forget(host);
        }
    }
    let tries = match error {
        // Nobody has to do anything; it goes on for as long as it takes.
        ImageError::Unreachable { .. }
        | ImageError::RateLimited { .. }
        | ImageError::ServerFailed { .. }
        | ImageError::Local(_) => u32::MAX,
        ImageError::NotFound { .. } | ImageError::Denied { .. } => TRIES_OF_REFUSALS,
        ImageError::WrongBytes { .. }
        | ImageError::WrongSize { .. }
        | ImageError::BlobsMissing { .. }
        | ImageError::Protocol { .. } => TRIES_OF_DAMAGE,
        ImageError::Refused { .. } | ImageError::Invalid { .. } => 1,
        ImageError::Cancelled => {
            return Finish::Retry {
                pause: Duration::ZERO,
                reason: "stopped".to_owned(),
                counts: false,
            };
        }
    };
    if job.attempts + 1 >= tries {
        return Finish::Dead {
            reason: error.to_string(),
            remedy: error.remedy().map(str::to_owned),
        };
    }
    let asked = match error {
        ImageError::RateLimited { retry_after, .. } => retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    Finish::Retry {
        pause: backoff(job.attempts, retry).max(asked),
        reason: error.to_string(),
        counts: true,
    }
}

/// The pause before the next try: doubling, capped, with a fifth of jitter.
fn backoff(attempts: u32, retry: &Retry) -> Duration {
    let doubled = retry.first.saturating_mul(1 << attempts.min(20));
    jittered(doubled.min(retry.most), 0.2).min(retry.most)
}

fn host(error: &ImageError) -> Option<&str> {
    match error {
        ImageError::NotFound { place, .. }
        | ImageError::Denied { place, .. }
        | ImageError::Unreachable { place, .. }
        | ImageError::RateLimited { place, .. }
        | ImageError::ServerFailed { place, .. }
        | ImageError::WrongBytes { place, .. }
        | ImageError::WrongSize { place, .. }
        | ImageError::BlobsMissing { place, .. }
        | ImageError::Refused { place, .. }
        | ImageError::Protocol { place, .. }
        | ImageError::Invalid { place, .. } => Some(place),
        ImageError::Local(_) | ImageError::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let retry = Retry {
            first: Duration::from_secs(1),
            most: Duration::from_secs(600),
        };
        for (attempts, seconds) in [
            (0, 1),
            (1, 2),
            (5, 32),
            (9, 512),
            (10, 600),
            (4_000_000, 600),
        ] {
            let pause = backoff(attempts, &retry).as_secs_f64();
            let expected = f64::from(seconds);
            assert!(
                pause >= expected * 0.8 && pause <= (expected * 1.2).min(600.0),
                "{pause}"
            );
        }
    }
}
