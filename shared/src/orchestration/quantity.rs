//! Sizes, durations and shares of a processor, as both worlds write them.

use std::time::Duration;

/// Bytes as Compose writes them: `64m`, `1.5 GB`, `512`. All units are powers of 1024, in any case (compose-go
/// `types/bytes.go`, go-units `RAMInBytes`).
#[must_use]
pub fn bytes_from_compose(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim().to_ascii_lowercase();
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" | "ki" | "kib" => 1 << 10,
        "m" | "mb" | "mi" | "mib" => 1 << 20,
        "g" | "gb" | "gi" | "gib" => 1 << 30,
        "t" | "tb" | "ti" | "tib" => 1 << 40,
        "p" | "pb" | "pi" | "pib" => 1 << 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let value: f64 = number.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "factors are powers of two")]
    let bytes = value * factor as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the bounds are checked"
    )]
    (0.0..9.2e18).contains(&bytes).then_some(bytes as u64)
}

/// Bytes as Compose writes them: the largest unit that keeps the exact number, else plain bytes (`b`).
#[must_use]
pub fn bytes_to_compose(bytes: u64) -> String {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}b")
}

/// Bytes as Kubernetes writes them: the largest binary unit that keeps the exact number.
#[must_use]
pub fn bytes_to_kubernetes(bytes: u64) -> String {
    for (shift, unit) in [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A Kubernetes quantity (`128Mi`, `1e3`, `100m`, `0.5`) in thousandths, rounded up.
#[must_use]
pub fn quantity_in_thousandths(text: &str) -> Option<u128> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    // Factor as a fraction, so that nothing is lost to floating point.
    let (numerator, denominator): (u128, u128) = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            let value: i32 = digits.parse().ok()?;
            let power = 10_u128.checked_pow(value.unsigned_abs())?;
            if value < 0 { (1, power) } else { (power, 1) }
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let top = digits.checked_mul(numerator)?.checked_mul(1000)?;
    Some(top.div_ceil(denominator.checked_mul(scale)?))
}

/// A Kubernetes quantity of bytes, rounded up to a whole byte.
#[must_use]
pub fn bytes_from_kubernetes(text: &str) -> Option<u64> {
    u64::try_from(quantity_in_thousandths(text)?.div_ceil(1000)).ok()
}

/// A Kubernetes quantity of processors in thousandths of a core, rounded up.
#[must_use]
pub fn millicores_from_kubernetes(text: &str) -> Option<u64> {
    u64::try_from(quantity_in_thousandths(text)?).ok()
}

/// Thousandths of a core as Kubernetes writes them: `500m`, `2`.
#[must_use]
pub fn millicores_to_kubernetes(millicores: u64) -> String {
    if millicores.is_multiple_of(1000) {
        (millicores / 1000).to_string()
    } else {
        format!("{millicores}m")
    }
}

/// Processors as Compose writes them (`0.5`, `2`) in thousandths of a core, rounded up.
#[must_use]
pub fn millicores_from_compose(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    millicores_from_kubernetes(text)
}

/// Thousandths of a core as Compose writes them: `0.5`, `2`.
#[must_use]
pub fn millicores_to_compose(millicores: u64) -> String {
    let (whole, rest) = (millicores / 1000, millicores % 1000);
    if rest == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{rest:03}");
    text.trim_end_matches('0').to_owned()
}

/// A duration as Compose writes it: Go's syntax (`1m30s`, `1.5h`, `100ms`) with `d` and `w` on top (compose-go
/// `types/duration.go`).
#[must_use]
pub fn duration_from_compose(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(split);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let factor: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            "d" => 86_400 * 1_000_000_000,
            "w" => 604_800 * 1_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 || whole.len() > 18 {
            return None;
        }
        let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        let digits: u128 = format!("0{whole}{fraction}").parse().ok()?;
        nanos = nanos.checked_add(digits.checked_mul(factor)? / scale)?;
        rest = tail;
    }
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// A duration as Go prints it: `1m30s`, `500ms`, `0s`.
#[must_use]
pub fn duration_to_compose(duration: Duration) -> String {
    let mut out = String::new();
    let mut seconds = duration.as_secs();
    for (size, unit) in [(3600, 'h'), (60, 'm')] {
        if seconds >= size {
            out.push_str(&(seconds / size).to_string());
            out.push(unit);
            seconds %= size;
        }
    }
    let nanos = duration.subsec_nanos();
    if nanos == 0 {
        if seconds > 0 || out.is_empty() {
            out.push_str(&format!("{seconds}s"));
        }
    } else if seconds == 0 && nanos.is_multiple_of(1_000_000) {
        out.push_str(&format!("{}ms", nanos / 1_000_000));
    } else if seconds == 0 && nanos.is_multiple_of(1_000) {
        out.push_str(&format!("{}us", nanos / 1_000));
    } else if seconds == 0 {
        out.push_str(&format!("{nanos}ns"));
    } else {
        let fraction = format!("{nanos:09}");
        out.push_str(&format!("{seconds}.{}s", fraction.trim_end_matches('0')));
    }
    out
}

/// Whole seconds, rounded up: what Kubernetes takes.
#[must_use]
pub fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes() {
        for (text, bytes) in [
            ("50m", Some(50 << 20)),
            ("1gb", Some(1 << 30)),
            ("1.5 GB", Some(3 << 29)),
            ("64KiB", Some(64 << 10)),
            ("300", Some(300)),
            ("12b", Some(12)),
            ("x", None),
            ("1zb", None),
            ("", None),
            ("-1", None),
            ("99999999999999999999p", None),
        ] {
            assert_eq!(bytes_from_compose(text), bytes, "{text}");
        }
        assert_eq!(bytes_to_compose(64 << 20), "64M");
        assert_eq!(bytes_to_compose(1500), "1500b");
        assert_eq!(bytes_to_kubernetes(3 << 29), "1536Mi");
        assert_eq!(bytes_to_kubernetes(1500), "1500");
    }

    #[test]
    fn quantities() {
        for (text, bytes) in [
            ("128Mi", Some(128 << 20)),
            ("1e3", Some(1000)),
            ("100m", Some(1)),
            ("128974848000m", Some(128_974_848)),
            ("1.5Gi", Some(3 << 29)),
            ("1E", Some(1_000_000_000_000_000_000)),
            ("12x", None),
            (".", None),
        ] {
            assert_eq!(bytes_from_kubernetes(text), bytes, "{text}");
        }
        assert_eq!(millicores_from_kubernetes("250m"), Some(250));
        assert_eq!(millicores_from_kubernetes("0.1"), Some(100));
        assert_eq!(millicores_from_compose("0.50"), Some(500));
        assert_eq!(millicores_to_compose(1250), "1.25");
        assert_eq!(millicores_to_kubernetes(2000), "2");
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("100ms", Some(100)),
            ("2d", Some(172_800_000)),
            ("0", Some(0)),
            ("10", None),
            ("s", None),
            ("1y", None),
            ("", None),
        ] {
            assert_eq!(
                duration_from_compose(text),
                millis.map(Duration::from_millis),
                "{text}"
            );
        }
        for text in ["1m30s", "1h", "500ms", "1.5s", "0s", "1h0m1s"] {
            let parsed = duration_from_compose(text).unwrap();
            assert_eq!(
                duration_from_compose(&duration_to_compose(parsed)),
                Some(parsed),
                "{text}"
            );
        }
        assert_eq!(duration_to_compose(Duration::from_secs(90)), "1m30s");
        assert_eq!(seconds_up(Duration::from_millis(1001)), 2);
    }
}
