//! When a unit is started, restarted and replaced.

use std::time::Duration;

use super::{AccessMode, Metadata};
use crate::source::{Origin, Sourced};

/// What happens when a container ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Restart {
    /// When it is started again.
    pub condition: Option<Sourced<RestartCondition>>,
    /// How often at most.
    pub max_attempts: Option<Sourced<u32>>,
    /// Between two attempts.
    pub delay: Option<Sourced<Duration>>,
    /// How long it must run for an attempt to count as successful.
    pub window: Option<Sourced<Duration>>,
}

/// When a container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartCondition {
    /// Always.
    Always,
    /// Always, unless a person stopped it.
    UnlessStopped,
    /// When it failed.
    OnFailure,
    /// Never.
    Never,
}

/// How a new version replaces the old one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rollout {
    /// In which manner.
    pub strategy: Option<Sourced<RolloutStrategy>>,
    /// How many may be missing meanwhile.
    pub max_unavailable: Option<Sourced<Amount>>,
    /// How many more may run meanwhile.
    pub max_surge: Option<Sourced<Amount>>,
    /// Time that an instance must be ready before the next one is replaced.
    pub delay: Option<Sourced<Duration>>,
    /// Time after which a rollout without progress counts as failed.
    pub monitor: Option<Sourced<Duration>>,
    /// What happens then: `continue`, `pause`, `rollback`.
    pub failure_action: Option<Sourced<String>>,
    /// Share of failures that is tolerated.
    pub max_failure_ratio: Option<Sourced<f64>>,
    /// Old versions that are kept.
    pub history: Option<Sourced<u32>>,
    /// Only instances from this ordinal on are replaced (StatefulSet).
    pub partition: Option<Sourced<u32>>,
}

/// In which manner instances are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutStrategy {
    /// A few at a time.
    Rolling,
    /// All are stopped before new ones start.
    Recreate,
    /// When a person deletes the old one.
    OnDelete,
}

/// A number of instances, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

/// A unit that runs to its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobSettings {
    /// How many must succeed.
    pub completions: Option<Sourced<u32>>,
    /// How many run at once.
    pub parallelism: Option<Sourced<u32>>,
    /// Failures until it is given up.
    pub backoff_limit: Option<Sourced<u32>>,
    /// Started by hand later.
    pub suspend: Option<Sourced<bool>>,
    /// One on each node (Swarm's `global-job`).
    pub on_each_node: Option<Sourced<bool>>,
    /// Each instance knows its index.
    pub indexed: Option<Sourced<bool>>,
}

/// A job that starts by the clock.
#[derive(Debug, Clone, PartialEq)]
pub struct CronSettings {
    /// When, in cron's five fields.
    pub schedule: Option<Sourced<String>>,
    /// In which time zone.
    pub time_zone: Option<Sourced<String>>,
    /// Not started at present.
    pub suspend: Option<Sourced<bool>>,
    /// What happens when the last one still runs.
    pub concurrency: Option<Sourced<Concurrency>>,
    /// What is started.
    pub job: JobSettings,
}

/// What happens when a job is due while the last one still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// Both run.
    Allow,
    /// The new one is left out.
    Forbid,
    /// The old one is ended.
    Replace,
}

/// Instances with an identity and storage of their own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatefulSettings {
    /// The headless Service that names the instances.
    pub service_name: Option<Sourced<String>>,
    /// Storage of each instance.
    pub claims: Vec<ClaimTemplate>,
    /// All start at once instead of one after the other.
    pub parallel: Option<Sourced<bool>>,
    /// First ordinal.
    pub first_ordinal: Option<Sourced<u32>>,
}

/// Storage that each instance gets for itself. Mounts refer to it as [`super::MountSource::Volume`] by name.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimTemplate {
    /// Its name.
    pub name: Sourced<String>,
    /// Requested size in bytes.
    pub size: Option<Sourced<u64>>,
    /// Who may mount it.
    pub access: Vec<Sourced<AccessMode>>,
    /// Storage class.
    pub class: Option<Sourced<String>>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Where it stood.
    pub origin: Origin,
}
