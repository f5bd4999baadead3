//! Exit codes.

use std::process::ExitCode;

/// How a program of ours ends. The numbers are part of the contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed for a reason that has no code of its own.
    Failed,
    /// With `--strict` or `--detailed-exitcode`: there is something to look at.
    Findings,
    /// The command line is wrong.
    Usage,
    /// The input cannot be understood.
    Input,
    /// Something is not reachable.
    Unreachable,
    /// The native tool failed.
    NativeTool,
    /// Refused to overwrite.
    Refused,
    /// Stopped part-way and resumable.
    Resumable,
    /// Authentication failed.
    Authentication,
    /// Interrupted by the user.
    Interrupted,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Findings => 2,
            Self::Usage => 64,
            Self::Input => 65,
            Self::Unreachable => 69,
            Self::NativeTool => 70,
            Self::Refused => 73,
            Self::Resumable => 75,
            Self::Authentication => 77,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
