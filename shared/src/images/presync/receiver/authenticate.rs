//! Whether a sender may send.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::images::presync::rules::Receiver;

/// Headers in which registries carry a secret: `Authorization` as `Bearer SECRET`, `Basic` with the secret as password,
/// or the bare secret (Harbor, SWR), and one for those that can set any header.
const SECRET_HEADERS: [&str; 2] = ["authorization", "x-migrate-secret"];

/// Headers with `sha256=HEX` of the body.
const SIGNATURE_HEADERS: [&str; 2] = ["x-hub-signature-256", "x-migrate-signature-256"];

type HmacSha256 = Hmac<Sha256>;

/// Knows the secret. Compares in constant time.
pub(super) struct Guard {
    secret: Option<Vec<u8>>,
    hmac: Option<Vec<u8>>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard(<redacted>)")
    }
}

impl Guard {
    pub(super) fn new(receiver: &Receiver) -> Self {
        Self {
            secret: receiver.secret.as_ref().map(|s| s.bytes().to_vec()),
            hmac: receiver.hmac.as_ref().map(|s| s.bytes().to_vec()),
        }
    }

    /// Whether the secret or the signature is right. Where both are set, one of them is enough: registries can do one or
    /// the other.
    pub(super) fn admits(&self, headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> bool {
        if self.secret.is_none() && self.hmac.is_none() {
            return true;
        }
        let by_secret = self.secret.as_ref().is_some_and(|secret| {
            presented(headers, query)
                .iter()
                .any(|given| equal(secret, given))
        });
        let by_signature = self.hmac.as_ref().is_some_and(|key| {
            SIGNATURE_HEADERS
                .iter()
                .filter_map(|name| headers.get(*name)?.to_str().ok())
                .filter_map(|text| from_hex(text.strip_prefix("sha256=")?))
                .any(|signature| {
                    HmacSha256::new_from_slice(key).is_ok_and(|mut mac| {
                        mac.update(body);
                        mac.verify_slice(&signature).is_ok()
                    })
                })
        });
        by_secret || by_signature
    }
}

/// All that could be the secret. The query is for senders that can set nothing but the address: `?secret=`.
fn presented(headers: &HeaderMap, query: Option<&str>) -> Vec<Vec<u8>> {
    let mut presented = Vec::new();
    for value in SECRET_HEADERS.iter().filter_map(|name| headers.get(*name)) {
        let bytes = value.as_bytes();
        presented.push(bytes.to_vec());
        if let Some(token) = without_scheme(bytes, b"bearer ") {
            presented.push(token.to_vec());
        }
        if let Some(pair) =
            without_scheme(bytes, b"basic ").and_then(|text| STANDARD.decode(text).ok())
            && let Some(colon) = pair.iter().position(|b| *b == b':')
        {
            presented.push(pair[colon + 1..].to_vec());
        }
    }
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name == "secret" {
            presented.push(value.into_owned().into_bytes());
        }
    }
    presented
}

fn without_scheme<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (head, rest) = value.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Compares by authentication codes under a key of this comparison, so that neither the place of a difference nor the
/// length shows in the time.
fn equal(secret: &[u8], given: &[u8]) -> bool {
    let key: [u8; 32] = rand::random();
    let code = |text: &[u8]| {
        HmacSha256::new_from_slice(&key).ok().map(|mut mac| {
            mac.update(text);
            mac
        })
    };
    match (code(secret), code(given)) {
        (Some(expected), Some(found)) => expected
            .verify_slice(&found.finalize().into_bytes())
            .is_ok(),
        _ => false,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}
