//! Numbers as the YAML library of Docker Compose, Docker and kubectl reads them.
//!
//! All three take Go's spelling of integers over the core schema's: a leading zero means octal, `_` separates digits,
//! and `0b` begins a binary number. Where a number stands for text, they write its value, not its spelling.

use std::borrow::Cow;

/// Whether unquoted text can be a number at all. Most text is none, and this is quick to see.
pub(super) fn is_possible(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.first(), Some(b'0'..=b'9' | b'-' | b'+' | b'.'))
        && bytes.iter().all(|b| {
            b.is_ascii_hexdigit()
                || matches!(
                    b,
                    b'_' | b'.'
                        | b'+'
                        | b'-'
                        | b'x'
                        | b'X'
                        | b'o'
                        | b'O'
                        | b'i'
                        | b'I'
                        | b'n'
                        | b'N'
                )
        })
}

fn without_separators(text: &str) -> Cow<'_, str> {
    if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// The value of an unquoted integer.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let plain = without_separators(digits);
    let (digits, radix) = match plain.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&plain[2..], 16),
        [b'0', b'o' | b'O', ..] => (&plain[2..], 8),
        [b'0', b'b' | b'B', ..] => (&plain[2..], 2),
        [b'0', _, ..] => (&plain[1..], 8),
        _ => (&*plain, 10),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    // Beyond 64 bits there is no integer; decimal digits are a float then, others are text.
    let fits = if negative {
        value <= 1 << 63
    } else {
        u64::try_from(value).is_ok()
    };
    let value = if negative { -value } else { value };
    fits.then_some(value)
}

/// The value of text that says a decimal integer, as in `"8080"`.
pub(super) fn decimal(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The value of an unquoted number with a fraction or an exponent, or of one that no integer can hold.
pub(super) fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let plain = without_separators(text);
    let body = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    let starts_like_number = !text.starts_with('_')
        && (body.starts_with(|c: char| c.is_ascii_digit())
            || body
                .strip_prefix('.')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    let numeric = body
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !starts_like_number || !numeric {
        return None;
    }
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A float as text: the shortest digits that give it back, with an exponent below 1e-4 and from 1e6 on.
pub(super) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, value) in [
            ("010", 8),
            ("0o10", 8),
            ("0O10", 8),
            ("0x1F", 31),
            ("0X1f", 31),
            ("0b11", 3),
            ("1_000", 1000),
            ("0_7", 7),
            ("0755", 493),
            ("-010", -8),
            ("-0x10", -16),
            ("+1", 1),
            ("-0", 0),
            ("00", 0),
            ("12345678901234567890", 12_345_678_901_234_567_890),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "08",
            "09",
            "0b",
            "0o",
            "0x",
            "_1",
            "0x-1",
            "1:20",
            "123456789012345678901234567890",
            "0xFFFFFFFFFFFFFFFFF",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!(decimal("010"), Some(10));
        assert_eq!(decimal("1_0"), None);
    }

    #[test]
    fn floats_and_their_text() {
        for (text, shown) in [
            ("08", "8"),
            ("1e3", "1000"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("+.5", "0.5"),
            ("1.", "1"),
            ("0.0", "0"),
            ("1_0.5", "10.5"),
            ("1e20", "1e+20"),
            ("1e21", "1e+21"),
            ("1E5", "100000"),
            ("123456789.5", "1.234567895e+08"),
            ("1234567.0", "1.234567e+06"),
            ("0.00001", "1e-05"),
            ("1e-7", "1e-07"),
            ("123456789012345678901234567890", "1.2345678901234568e+29"),
            (".inf", "+Inf"),
            ("-.inf", "-Inf"),
            (".nan", "NaN"),
        ] {
            assert_eq!(
                float(text).map(float_text).as_deref(),
                Some(shown),
                "{text}"
            );
        }
        for text in [
            "1e400", "0x1p3", "1.2.3", "1-2", "nan", "infinity", "_1.5", ".",
        ] {
            assert!(float(text).is_none(), "{text}");
        }
    }
}
