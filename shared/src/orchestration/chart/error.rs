//! Why a chart could not be converted.

use std::io;
use std::path::PathBuf;

/// A failure, in words for the user: what happened, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// There is no helm.
    #[error(
        "helm is not on PATH; charts are only ever rendered by the real helm: install Helm 3 or 4 \
         (https://helm.sh/docs/intro/install/), or set HELM_BIN to its path"
    )]
    HelmMissing,
    /// Helm could not be started.
    #[error("`{}` cannot be started: {error}", .program.display())]
    HelmStart {
        /// The program.
        program: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Helm refused, in its own words.
    #[error("`{command}` failed:\n{message}")]
    Helm {
        /// What was run.
        command: String,
        /// Its standard error.
        message: String,
    },
    /// Helm printed more than is read.
    #[error(
        "`{command}` printed more than {} MB, and was stopped; render less, for example with other values",
        .limit >> 20
    )]
    TooMuchOutput {
        /// What was run.
        command: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// Helm did not end.
    #[error("`{command}` was still running after {seconds} s, and was stopped")]
    Late {
        /// What was run.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// The input is not a chart.
    #[error("{0}")]
    NotAChart(String),
    /// The archive cannot be trusted.
    #[error("`{archive}`: {problem}; nothing was unpacked")]
    Archive {
        /// The archive.
        archive: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the input cannot be understood.
    #[error("{0}")]
    Input(String),
    /// A choice on the command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// What a person has to give is missing.
    #[error("{0}")]
    Missing(String),
    /// The converted chart does not render what it should.
    #[error("{0}")]
    Law(String),
    /// Something is in the way of the output.
    #[error("`{}` is there already; use another folder, or --force to replace its files", .0.display())]
    Exists(PathBuf),
    /// The file system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}
