//! What kubectl, docker and helm expect of a plugin.

mod ask;
pub mod cluster;
pub mod complete;
pub mod docker;
pub mod helm;
pub mod interrupt;
pub mod kubectl;
pub(crate) mod private;
pub(crate) mod process;

pub use ask::{Answer, AskError, ask};

/// The tool that users call one of the three programs from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// `kubectl migrate`.
    Kubectl,
    /// `docker migrate`.
    Docker,
    /// `helm convert`.
    Helm,
}

impl Host {
    /// Name of the host's program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubectl => "kubectl",
            Self::Docker => "docker",
            Self::Helm => "helm",
        }
    }

    /// Name of the plugin, as users type it behind the host's.
    #[must_use]
    pub fn plugin(self) -> &'static str {
        match self {
            Self::Kubectl | Self::Docker => "migrate",
            Self::Helm => "convert",
        }
    }

    /// What users type: `docker migrate`.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Kubectl => "kubectl migrate",
            Self::Docker => "docker migrate",
            Self::Helm => "helm convert",
        }
    }

    /// Name of our program: `docker-migrate`.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Kubectl => "kubectl-migrate",
            Self::Docker => "docker-migrate",
            Self::Helm => "helm-convert",
        }
    }
}
