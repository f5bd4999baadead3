//! Health checks.

use std::time::Duration;

use crate::source::{Origin, Sourced};

/// One health check.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// What its answer decides.
    pub purpose: Purpose,
    /// How the container is asked.
    pub check: Check,
    /// When and how often.
    pub timings: Timings,
    /// Where it stood.
    pub origin: Origin,
}

/// What the answer of a health check decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Docker's only check: state in Compose, replacement of the task in Swarm.
    Health,
    /// Whether traffic is sent (readiness).
    Ready,
    /// Whether the container is restarted (liveness).
    Live,
    /// Whether the start is over (startup).
    Started,
}

/// How a container is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// A command without a shell; exit code 0 is healthy.
    Exec(Vec<String>),
    /// A line in the image's shell.
    Shell(String),
    /// HTTP GET; 200 to 399 is healthy.
    Http {
        /// Host name, if not the instance itself.
        host: Option<String>,
        /// Port number or name.
        port: String,
        /// Path with query.
        path: String,
        /// TLS without checking the certificate.
        https: bool,
        /// Headers.
        headers: Vec<(String, String)>,
    },
    /// A TCP connection to a port number or name.
    Tcp {
        /// Host name, if not the instance itself.
        host: Option<String>,
        /// Port number or name.
        port: String,
    },
    /// The gRPC health service.
    Grpc {
        /// Port number.
        port: String,
        /// Service name, if any.
        service: Option<String>,
    },
}

/// Between two checks in the start period where nothing is said of it (moby, `daemon/health.go`).
pub const START_INTERVAL: Duration = Duration::from_secs(5);

/// When and how often a container is asked. `None` where the source is silent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timings {
    /// Between two checks.
    pub interval: Option<Sourced<Duration>>,
    /// Until a check counts as failed.
    pub timeout: Option<Sourced<Duration>>,
    /// Failures in a row until unhealthy.
    pub retries: Option<Sourced<u32>>,
    /// Successes in a row until healthy.
    pub successes: Option<Sourced<u32>>,
    /// Before the first check (Kubernetes `initialDelaySeconds`).
    pub initial_delay: Option<Sourced<Duration>>,
    /// Time in which failures do not count (Docker `start_period`).
    pub start_period: Option<Sourced<Duration>>,
    /// Between two checks during the start period.
    pub start_interval: Option<Sourced<Duration>>,
}
