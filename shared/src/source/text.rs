//! From bytes to text.

use std::io;

use super::{Position, Sources};

/// The text of a file: UTF-8, or UTF-16 with its mark, as YAML allows both.
///
/// # Errors
/// Where the first character stands that is none, in a file that `sources` then has under this name.
pub fn decode(bytes: Vec<u8>, name: &str, sources: &mut Sources) -> Result<String, Position> {
    let sixteen = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => Some(utf_16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Some(utf_16(rest, u16::from_be_bytes)),
        _ => None,
    };
    let (good, shown) = match sixteen {
        Some(Ok(text)) => return Ok(text),
        Some(Err(good)) => (good.clone(), good),
        None => match String::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
                (shown[..valid].to_owned(), shown)
            }
        },
    };
    let start = good.rfind('\n').map_or(0, |end| end + 1);
    Err(Position {
        file: sources.add(name, shown),
        line: count(good.bytes().filter(|b| *b == b'\n').count()),
        column: count(good[start..].chars().count()),
    })
}

/// How often something was passed, as a number that begins with 1.
fn count(passed: usize) -> u32 {
    u32::try_from(passed).map_or(u32::MAX, |n| n.saturating_add(1))
}

/// The text, or what stands before its first fault.
fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(text),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(text) }
}

/// All of a stream, unless it is longer than the limit.
///
/// # Errors
/// It cannot be read, or is longer.
pub fn read_all(stream: impl io::Read, limit: u64) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    stream
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it has more than {} MiB, which is the limit", limit >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_what_is_none() {
        let place = |bytes: &[u8]| {
            decode(bytes.to_vec(), "t", &mut Sources::default()).map_err(|at| (at.line, at.column))
        };
        assert_eq!(place("a: ü".as_bytes()), Ok("a: ü".to_owned()));
        assert_eq!(place(b"\xff\xfea\0:\0 \0b\0"), Ok("a: b".to_owned()));
        assert_eq!(place(b"\xfe\xff\0a"), Ok("a".to_owned()));
        assert_eq!(place(b"a: b\nc: \xc3\xbc\xff"), Err((2, 5)));
        assert_eq!(place(b"\xff"), Err((1, 1)));
        assert_eq!(place(b"\xff\xfea\0\n\0\0\xd8"), Err((2, 1)));
        assert_eq!(place(b"\xff\xfea\0b"), Err((1, 2)));
    }

    #[test]
    fn a_stream_without_end() {
        let error = read_all(io::repeat(b'a'), 1 << 20).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has more than 1 MiB, which is the limit"
        );
        assert_eq!(read_all(&b"abc"[..], 3).unwrap(), b"abc");
    }
}
