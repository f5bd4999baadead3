//! How many bytes a second, by the hour of the day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Limits by the hour. The first window that holds the time counts; outside of all there is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// Minutes that local time is ahead of UTC.
    pub utc_offset: i32,
    /// Windows in the order of the file.
    pub windows: Vec<Window>,
}

/// Hours of the day with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First minute of the day.
    pub from: u16,
    /// Minute after the last one; at or before `from` it lies on the next day.
    pub until: u16,
    /// What is allowed.
    pub rate: Rate,
}

/// A limit of bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as it goes.
    Unlimited,
    /// So many bytes a second.
    Limited(u64),
    /// Nothing is copied.
    Paused,
}

const DAY: u64 = 24 * 60;

impl Bandwidth {
    /// What is allowed at a time.
    #[must_use]
    pub fn at(&self, time: SystemTime) -> Rate {
        let minute = self.minute(time);
        self.windows
            .iter()
            .find(|window| window.holds(minute))
            .map_or(Rate::Unlimited, |window| window.rate)
    }

    fn minute(&self, time: SystemTime) -> u16 {
        let minutes = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() / 60);
        let day = i64::try_from(DAY).unwrap_or(i64::MAX);
        let of_day = i64::try_from(minutes % DAY).unwrap_or(0);
        let local = (of_day + i64::from(self.utc_offset)).rem_euclid(day);
        u16::try_from(local).unwrap_or(0)
    }
}

impl Window {
    fn holds(&self, minute: u16) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

/// `08:00-20:00` as minutes of the day.
pub(super) fn parse_hours(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{text}` are no hours; an example: 08:00-20:00");
    let (from, until) = text.split_once('-').ok_or_else(wrong)?;
    Ok((
        parse_time(from.trim()).ok_or_else(wrong)?,
        parse_time(until.trim()).ok_or_else(wrong)?,
    ))
}

/// `+08:00` as minutes.
pub(super) fn parse_offset(text: &str) -> Result<i32, String> {
    let wrong = || format!("`{text}` is no offset from UTC; examples: +08:00, -03:30, Z");
    if text == "Z" {
        return Ok(0);
    }
    let (sign, time) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(time), _) => (1, time),
        (_, Some(time)) => (-1, time),
        _ => return Err(wrong()),
    };
    let minutes = parse_time(time)
        .filter(|m| *m <= 14 * 60)
        .ok_or_else(wrong)?;
    Ok(sign * i32::from(minutes))
}

fn parse_time(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 {
        return None;
    }
    let hour: u16 = hour.parse().ok().filter(|h| *h <= 24)?;
    let minute: u16 = minute.parse().ok().filter(|m| *m < 60)?;
    Some(hour * 60 + minute).filter(|all| u64::from(*all) <= DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_hour_of_the_day_decides() {
        let (from, until) = parse_hours("20:00-08:00").unwrap();
        let bandwidth = Bandwidth {
            utc_offset: parse_offset("+08:00").unwrap(),
            windows: vec![
                Window {
                    from,
                    until,
                    rate: Rate::Limited(7),
                },
                Window {
                    from: 12 * 60,
                    until: 13 * 60,
                    rate: Rate::Paused,
                },
            ],
        };
        let at = |hour: u64| bandwidth.at(UNIX_EPOCH + Duration::from_secs(hour * 3600));
        assert_eq!(at(12), Rate::Limited(7), "20:00 local");
        assert_eq!(at(23), Rate::Limited(7), "07:00 local");
        assert_eq!(at(0), Rate::Unlimited, "08:00 local");
        assert_eq!(at(4), Rate::Paused, "12:00 local");
        for wrong in ["8:00-20:00", "08:00", "25:00-26:00", "24:01-01:00"] {
            assert!(parse_hours(wrong).is_err(), "{wrong}");
        }
    }
}
