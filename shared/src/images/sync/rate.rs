//! A limit on bytes for each second, which can follow the hours of the day and be changed while bytes flow.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes may run ahead of the limit by so long, so that large pieces do not wait for each other.
const BURST: Duration = Duration::from_millis(100);

/// Limits by hour: `20MB`, or `08:00-18:00=5MB,100MB`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes of the day from and to, and bytes for each second.
    windows: Vec<(u16, u16, u64)>,
    /// Outside of all windows; `None` is no limit.
    otherwise: Option<u64>,
}

impl Schedule {
    /// The limit at a minute of the day.
    #[must_use]
    pub fn at(&self, minute: u16) -> Option<u64> {
        self.windows
            .iter()
            .find(|(from, to, _)| {
                if from <= to {
                    (*from..*to).contains(&minute)
                } else {
                    minute >= *from || minute < *to
                }
            })
            .map(|(_, _, rate)| *rate)
            .or(self.otherwise)
    }

    /// The limit now, by the clock of this machine.
    #[must_use]
    pub fn now(&self) -> Option<u64> {
        let now = jiff::Zoned::now();
        let minute = i16::from(now.hour()) * 60 + i16::from(now.minute());
        self.at(u16::try_from(minute).unwrap_or(0))
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut schedule = Self::default();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None if schedule.otherwise.is_none() => schedule.otherwise = Some(rate(part)?),
                None => return Err(format!("`{text}` has two limits without hours")),
                Some((hours, limit)) => {
                    let (from, to) = hours
                        .split_once('-')
                        .and_then(|(from, to)| Some((minute(from)?, minute(to)?)))
                        .ok_or_else(|| {
                            format!("`{hours}` is no time of the day; 08:00-18:00 is expected")
                        })?;
                    schedule.windows.push((from, to, rate(limit)?));
                }
            }
        }
        Ok(schedule)
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour <= 24 && minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

/// `20MB`, `512KiB`, `1.5GB` for each second; a `/s` at the end is allowed.
fn rate(text: &str) -> Result<u64, String> {
    let expected = || format!("`{text}` is no rate; 20MB or 512KiB (for each second) is expected");
    let lower = text.trim().trim_end_matches("/s").to_ascii_lowercase();
    let digits = lower
        .find(|c: char| c != '.' && !c.is_ascii_digit())
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let factor = match unit.trim() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    let bytes = number * factor;
    if !(1.0..1e15).contains(&bytes) {
        return Err(expected());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 1e15"
    )]
    Ok(bytes as u64)
}

/// One limit for all who share it.
#[derive(Default)]
pub struct Rate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes for each second; `None` is no limit.
    limit: Option<u64>,
    /// When all bytes so far have been paid for.
    paid_until: Option<Instant>,
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rate({:?})", self.limit())
    }
}

impl Rate {
    /// A limit in bytes for each second; `None` is none.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        let rate = Self::default();
        rate.set(limit);
        rate
    }

    /// Changes the limit, from the next piece on.
    pub fn set(&self, limit: Option<u64>) {
        self.lock().limit = limit.filter(|limit| *limit > 0);
    }

    /// The limit now.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.lock().limit
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many bytes may pass.
    pub async fn pass(&self, bytes: u64) {
        let wait = self.book(bytes, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn book(&self, bytes: u64, now: Instant) -> Duration {
        let mut state = self.lock();
        let Some(limit) = state.limit else {
            return Duration::ZERO;
        };
        let begin = state.paid_until.map_or(now, |until| until.max(now));
        // At most 1e15 bytes a second and pieces of a few MiB: far inside of u64.
        let cost = Duration::from_nanos(
            u64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(limit))
                .unwrap_or(u64::MAX),
        );
        state.paid_until = Some(begin + cost);
        (begin + cost).saturating_duration_since(now + BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_at_the_rate() {
        let rate = Rate::new(Some(1_000_000));
        let start = Instant::now();
        let mut wait = Duration::ZERO;
        for _ in 0..10 {
            wait = rate.book(500_000, start);
        }
        assert_eq!(wait, Duration::from_millis(4900));
        rate.set(None);
        assert_eq!(rate.book(1 << 40, start), Duration::ZERO);
    }

    #[test]
    fn hours_have_their_own_limits() {
        let schedule: Schedule = "08:00-18:00=5MB,22-06=1GiB,100MB".parse().unwrap();
        assert_eq!(schedule.at(8 * 60), Some(5_000_000));
        assert_eq!(schedule.at(18 * 60), Some(100_000_000));
        assert_eq!(schedule.at(23 * 60), Some(1 << 30));
        assert_eq!(schedule.at(5 * 60), Some(1 << 30));
        for wrong in [
            "",
            "fast",
            "10MB,20MB",
            "25:00-26:00=1MB",
            "-5MB",
            "8-18=0MB",
        ] {
            assert!(wrong.parse::<Schedule>().is_err(), "{wrong}");
        }
    }
}
