//! Reading what runs: why it cannot be read.

use crate::cli::Exit;

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// The selection contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there.
    #[error("{0}")]
    Missing(String),
    /// The account may not read it.
    #[error("{0}")]
    Denied(String),
    /// The cluster or engine does not answer.
    #[error("{0}")]
    Unreachable(String),
}

impl LiveError {
    /// The exit code that it means.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Missing(_) => Exit::Input,
            Self::Denied(_) => Exit::Authentication,
            Self::Unreachable(_) => Exit::Unreachable,
        }
    }
}
