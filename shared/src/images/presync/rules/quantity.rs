//! Durations, sizes and shares as people write them.

use std::time::Duration;

/// `30s`, `5m`, `1h30m`, `100ms`, `2d`.
///
/// # Errors
/// Says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; examples: 500ms, 30s, 5m, 1h30m, 1d");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let milliseconds = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        let part = number.checked_mul(milliseconds).ok_or_else(wrong)?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or_else(wrong)?;
    }
    Ok(total)
}

/// A duration for people: `850 ms`, `12.3 s`, `4 min 5 s`, `3 h 20 min`, `2 d 4 h`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{}.{} s", seconds, (milliseconds % 1000) / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Bytes: `1048576`, `20MB` (decimal), `1MiB` (binary); a `/s` at the end does not matter.
///
/// # Errors
/// Says what is expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of bytes; examples: 1048576, 20MB, 1MiB");
    let plain = text.trim().trim_end_matches("/s");
    let digits = plain
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(plain.len());
    let number: u64 = plain[..digits].parse().map_err(|_| wrong())?;
    let unit = match plain[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" | "k" => 1000,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

/// A share: `10%` is 0.1.
///
/// # Errors
/// Says what is expected.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let percent: f64 = text
        .trim()
        .strip_suffix('%')
        .and_then(|number| number.trim().parse().ok())
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| format!("`{text}` is no share; an example: 10%"))?;
    Ok(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in [
            "",
            "5",
            "m",
            "5 minutes",
            "-1s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(show_duration(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(show_duration(Duration::from_secs(245)), "4 min 5 s");
    }

    #[test]
    fn sizes_and_shares() {
        assert_eq!(parse_bytes("20MB/s"), Ok(20_000_000));
        assert_eq!(parse_bytes("1MiB"), Ok(1 << 20));
        assert!(parse_bytes("1.5MB").is_err());
        assert!(parse_bytes("20XB").is_err());
        assert_eq!(parse_share("10%"), Ok(0.1));
        assert!(parse_share("0.1").is_err());
        assert!(parse_share("101%").is_err());
    }
}
