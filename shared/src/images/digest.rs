//! The name of content: a hash of its bytes (OCI image specification, `descriptor.md`, section Digests).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

/// Hash functions that content can be named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, which everybody uses.
    Sha256,
    /// SHA-512, which the specification allows.
    Sha512,
}

impl Algorithm {
    /// Its name in a digest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// `sha256:` and 64 lower-case hexadecimal digits, or `sha512:` and 128.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest; `sha256:` and 64 lower-case hexadecimal digits are expected")]
pub struct InvalidDigest(pub String);

impl Digest {
    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits without the name of the hash function.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.hex.get(..12).unwrap_or(&self.hex)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDigest(text.to_owned());
        let (name, hex) = text.split_once(':').ok_or_else(invalid)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(invalid()),
        };
        let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || hex.len() != algorithm.hex_length() {
            return Err(invalid());
        }
        Ok(Self {
            algorithm,
            hex: hex.into(),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes bytes as they pass. Its state can be kept, so that another process goes on where this one was.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    bytes: u64,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::new(Sha512::new())),
        };
        Self { state, bytes: 0 }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
        self.bytes += bytes.len() as u64;
    }

    /// How many bytes it has seen.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of all bytes.
    #[must_use]
    pub fn finish(self) -> Digest {
        let (algorithm, bytes) = match self.state {
            State::Sha256(hash) => (Algorithm::Sha256, hash.finalize().to_vec()),
            State::Sha512(hash) => (Algorithm::Sha512, hash.finalize().to_vec()),
        };
        Digest {
            algorithm,
            hex: to_hex(&bytes).into(),
        }
    }

    /// The state as text, for a file; `None` for SHA-512, which is begun anew.
    #[must_use]
    pub fn save(&self) -> Option<String> {
        match &self.state {
            State::Sha256(hash) => Some(format!("{}:{}", self.bytes, to_hex(&hash.serialize()))),
            State::Sha512(_) => None,
        }
    }

    /// The state that [`Self::save`] wrote; `None` if the text is damaged.
    #[must_use]
    pub fn restore(text: &str) -> Option<Self> {
        let (bytes, hex) = text.split_once(':')?;
        let raw = from_hex(hex)?;
        let raw = SerializedState::<Sha256>::try_from(raw.as_slice()).ok()?;
        Some(Self {
            state: State::Sha256(Sha256::deserialize(&raw).ok()?),
            bytes: bytes.parse().ok()?,
        })
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({} bytes)", self.bytes)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_and_written() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b""), text.parse().unwrap());
        assert_eq!(Digest::of(b"").to_string(), text);
        for wrong in ["", "sha256", "sha256:abc", "md5:abc", &text.to_uppercase()] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hash_goes_on_in_another_process() {
        let text: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        for cut in [0, 1, 63, 64, 65, 99_999] {
            let mut first = Hasher::new(Algorithm::Sha256);
            first.update(&text[..cut]);
            let mut second = Hasher::restore(&first.save().unwrap()).unwrap();
            assert_eq!(second.bytes(), cut as u64);
            second.update(&text[cut..]);
            assert_eq!(second.finish(), Digest::of(&text));
        }
        assert!(Hasher::restore("12:abc").is_none());
    }
}
