//! Answers of a registry that are not the wanted ones, as errors (OCI distribution specification, "Error Codes").

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::images::{Digest, ImageError};

/// Most that is read of an error's text, in bytes.
const LONGEST_TEXT: usize = 64 << 10;

/// One entry of the error body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Problem {
    /// `MANIFEST_UNKNOWN`, ...
    pub(super) code: String,
    /// The registry's words.
    pub(super) message: String,
    /// Digests that the detail names.
    pub(super) digests: Vec<Digest>,
}

/// Reads the body of an error and turns it into ours. `what` is what was asked for.
pub(super) async fn failure(place: &str, what: &str, response: Response) -> ImageError {
    let status = response.status();
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let problems = problems(response).await;
    to_error(place, what, status, retry_after, &problems)
}

fn to_error(
    place: &str,
    what: &str,
    status: StatusCode,
    retry_after: Option<Duration>,
    problems: &[Problem],
) -> ImageError {
    let place = place.to_owned();
    let what = what.to_owned();
    let reason = words(status, problems);
    let has = |code: &str| problems.iter().any(|problem| problem.code == code);
    if has("MANIFEST_BLOB_UNKNOWN") || (has("BLOB_UNKNOWN") && what.starts_with("manifest")) {
        let blobs = problems.iter().flat_map(|p| p.digests.clone()).collect();
        return ImageError::BlobsMissing { place, blobs };
    }
    match status.as_u16() {
        401 | 403 => ImageError::Denied {
            what,
            place,
            reason,
        },
        404 => ImageError::NotFound {
            what: format!("{what} ({reason})"),
            place,
        },
        429 => ImageError::RateLimited { place, retry_after },
        408 | 425 | 500..=599 => ImageError::ServerFailed { place, reason },
        400..=499 => ImageError::Refused {
            what,
            place,
            reason,
        },
        _ => ImageError::Protocol {
            place,
            reason: format!("{reason} for {what}"),
        },
    }
}

/// `400 Bad Request: TAG_INVALID: manifest tag did not match URI`
fn words(status: StatusCode, problems: &[Problem]) -> String {
    let mut text = status.to_string();
    for problem in problems {
        for part in [&problem.code, &problem.message] {
            if !part.is_empty() {
                text.push_str(": ");
                text.push_str(part);
            }
        }
    }
    text
}

async fn problems(response: Response) -> Vec<Problem> {
    let mut response = response;
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST_TEXT
        && let Ok(Ok(Some(chunk))) =
            tokio::time::timeout(Duration::from_secs(10), response.chunk()).await
    {
        bytes.extend_from_slice(&chunk);
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Vec<Problem> {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        return Vec::new();
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    body["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| Problem {
            code: text(&error["code"]),
            message: text(&error["message"]),
            digests: digests(&error["detail"]),
        })
        .collect()
}

/// Digests anywhere in the detail: registries disagree about its shape.
fn digests(detail: &Value) -> Vec<Digest> {
    match detail {
        Value::String(text) => text.parse().into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(digests).collect(),
        Value::Object(fields) => fields.values().flat_map(digests).collect(),
        _ => Vec::new(),
    }
}

/// `Retry-After`, as seconds or as a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = http_date(text)?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7)
fn http_date(text: &str) -> Option<SystemTime> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(date.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_has_two_forms() {
        let headers = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            headers
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(
            retry_after(&headers("120"), now),
            Some(Duration::from_mins(2))
        );
        assert_eq!(
            retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT"), now),
            Some(Duration::from_secs(7))
        );
        assert_eq!(retry_after(&headers("soon"), now), None);
    }

    #[test]
    fn missing_blobs_are_named() {
        let digest = Digest::of(b"layer");
        for detail in [
            serde_json::json!(digest.to_string()),
            serde_json::json!({"digest": digest.to_string()}),
        ] {
            let body = serde_json::json!({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "x", "detail": detail}]});
            let problems = parse(body.to_string().as_bytes());
            let error = to_error("r", "manifest a", StatusCode::BAD_REQUEST, None, &problems);
            assert_eq!(
                error,
                ImageError::BlobsMissing {
                    place: "r".into(),
                    blobs: vec![digest.clone()]
                }
            );
        }
    }
}
