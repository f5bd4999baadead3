//! What a failure means for a job: again later, or a person has to look.

use std::time::Duration;

use super::jittered;
use crate::images::ImageError;
use crate::images::presync::live::Live;
use crate::images::presync::queue::{Finish, Job};
use crate::images::presync::rules::Retry;

/// Pauses before what is not there is looked for again. Registries are behind their own events: distribution sends the
/// event of a push before it writes the tag.
pub(super) const UNTIL_THERE: [Duration; 6] = [
    Duration::from_millis(15),
    Duration::from_millis(40),
    Duration::from_millis(150),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
];
/// Tries of what is not allowed: credentials are renewed.
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
        ImageError::NotFound { .. } => u32::try_from(UNTIL_THERE.len()).unwrap_or(u32::MAX) + 1,
        ImageError::Denied { .. } => TRIES_OF_REFUSALS,
        ImageError::WrongBytes { .. }
        | ImageError::WrongSize { .. }
        | ImageError::BlobsMissing { .. }
        | ImageError::UploadLost { .. }
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
    let usual = backoff(job.attempts, retry);
    let pause = match error {
        ImageError::RateLimited { retry_after, .. } => usual.max(retry_after.unwrap_or_default()),
        ImageError::NotFound { .. } => usize::try_from(job.attempts)
            .ok()
            .and_then(|attempts| UNTIL_THERE.get(attempts).copied())
            .unwrap_or(usual),
        _ => usual,
    };
    Finish::Retry {
        pause,
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
        | ImageError::UploadLost { place, .. }
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
            most: Duration::from_mins(10),
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
