//! What can go wrong with images, told apart by what to do about it.

use std::time::Duration;

use super::Digest;
use crate::cli::Exit;

/// Why a step of the image layer failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// What was asked for does not exist.
    #[error("{what} is not in {place}")]
    NotFound {
        /// `image shop/web:1.0`, `blob sha256:...`.
        what: String,
        /// The registry or folder.
        place: String,
    },
    /// The registry wants other credentials, or these may not do it.
    #[error("{place} refuses access to {what}: {reason}")]
    Denied {
        /// What was asked for.
        what: String,
        /// The registry.
        place: String,
        /// Its own words, and which credentials were used.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("{place} cannot be reached: {reason}")]
    Unreachable {
        /// The registry or engine.
        place: String,
        /// Why.
        reason: String,
    },
    /// Too many requests.
    #[error("{place} asks for fewer requests")]
    RateLimited {
        /// The registry.
        place: String,
        /// How long it wants us to wait.
        retry_after: Option<Duration>,
    },
    /// The server failed (5xx).
    #[error("{place} failed: {reason}")]
    ServerFailed {
        /// The registry.
        place: String,
        /// Status and its own words.
        reason: String,
    },
    /// An upload that was begun cannot be finished; a new one can.
    #[error("{place} gave up the upload of {what}: {reason}")]
    UploadLost {
        /// The blob.
        what: String,
        /// The registry.
        place: String,
        /// Its own words.
        reason: String,
    },
    /// The bytes are not what their name says.
    #[error("{place} gave wrong bytes for {expected}: they have the digest {found}")]
    WrongBytes {
        /// Where they came from.
        place: String,
        /// What was asked for.
        expected: Digest,
        /// What the bytes really are.
        found: Digest,
    },
    /// The content does not have the size that its descriptor says.
    #[error("{place} gave {found} bytes for {digest}, which has {expected}")]
    WrongSize {
        /// Where they came from.
        place: String,
        /// What was asked for.
        digest: Digest,
        /// Size in the descriptor.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// A manifest names blobs that the target does not have.
    #[error("{place} lacks {} of a manifest: {}", if .blobs.len() == 1 { "a blob" } else { "blobs" }, .blobs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    BlobsMissing {
        /// The registry.
        place: String,
        /// The blobs it names; empty if it does not say.
        blobs: Vec<Digest>,
    },
    /// The target refuses for good: an immutable tag, a full quota, a media type it does not take.
    #[error("{place} refuses {what}: {reason}")]
    Refused {
        /// What was sent.
        what: String,
        /// The registry.
        place: String,
        /// Its own words.
        reason: String,
    },
    /// An answer that the protocol does not allow.
    #[error("{place} does not keep to the registry protocol: {reason}")]
    Protocol {
        /// The registry.
        place: String,
        /// What was wrong.
        reason: String,
    },
    /// A manifest or archive that cannot be understood.
    #[error("{place}: {reason}")]
    Invalid {
        /// Where it lies.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of ours cannot be read or written.
    #[error("{0}")]
    Local(String),
    /// The user or the host asked us to stop.
    #[error("stopped")]
    Cancelled,
}

impl ImageError {
    /// Whether the same step can succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::RateLimited { .. }
                | Self::ServerFailed { .. }
                | Self::UploadLost { .. }
        )
    }

    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Denied { .. } => Exit::Authentication,
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::ServerFailed { .. }
            | Self::UploadLost { .. } => Exit::Unreachable,
            Self::Invalid { .. } => Exit::Input,
            Self::Cancelled => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    /// What to do next, if there is something to say.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound { .. } => {
                "Check the name and the tag; `docker manifest inspect IMAGE` asks the registry."
            }
            Self::Denied { .. } => {
                "Log in with `docker login REGISTRY`, or name another configuration folder in DOCKER_CONFIG."
            }
            Self::Unreachable { place, .. } if place.starts_with("docker-daemon:") => {
                "Start the engine, or choose another one (--context, DOCKER_HOST); `docker info` asks the same one."
            }
            Self::Unreachable { .. } => {
                "Check the address and the network. A registry without TLS has to be named: --plain-http HOST. A private authority: --ca-file FILE."
            }
            Self::RateLimited { .. } => {
                "Wait, or log in: registries give more requests to known users."
            }
            Self::ServerFailed { .. } | Self::UploadLost { .. } => {
                "Try again; if it goes on, its log says why."
            }
            Self::WrongBytes { .. } | Self::WrongSize { .. } => {
                "Nothing was written under the tag. The source's storage or a proxy between is damaged: push the image to the source again."
            }
            Self::BlobsMissing { .. } => "Run the same command again: what is missing is sent.",
            Self::Refused { .. } => {
                "Ask the registry's administrator, or choose another repository or tag."
            }
            Self::Protocol { .. } => {
                "Check that the address is a registry's and not that of its web page."
            }
            Self::Invalid { .. } | Self::Local(_) | Self::Cancelled => return None,
        })
    }
}
