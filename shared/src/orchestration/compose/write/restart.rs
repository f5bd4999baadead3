//! What happens when a container ends.

use super::document::{Map, put, put_map};
use super::plan::runs_on;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{Dialect, JobSettings, Restart, RestartCondition, UnitKind};
use crate::orchestration::quantity::duration_to_compose;

/// Failures until Kubernetes gives a Job up (`JobSpec.backoffLimit`).
const BACKOFF_LIMIT: u32 = 6;

impl Writer<'_> {
    /// `restart` in Compose, `deploy.restart_policy` in a stack and for what `restart` cannot say.
    pub(super) fn write_restart(&mut self, site: &Site<'_>, service: &mut Map, deploy: &mut Map) {
        let swarm = self.is_swarm();
        if !runs_on(site.container) {
            // Init containers run once.
            if swarm {
                let mut policy = Map::new();
                put(&mut policy, "condition", "on-failure");
                put_map(deploy, "restart_policy", policy);
            } else {
                put(service, "restart", "no");
            }
            return;
        }
        let policy = match &site.unit.kind {
            UnitKind::Job(job) => Some(job_policy(site.unit.restart.as_ref(), job)),
            UnitKind::Cron(cron) => Some(job_policy(site.unit.restart.as_ref(), &cron.job)),
            UnitKind::Service(_) | UnitKind::Daemon | UnitKind::Stateful(_) | UnitKind::Bare => {
                None
            }
        };
        let policy = policy.unwrap_or_else(|| Policy::of(site.unit.restart.as_ref()));
        let Some(condition) = policy.condition.or_else(|| self.silent_condition()) else {
            if !policy.is_empty() {
                put_map(deploy, "restart_policy", policy.long(None));
            }
            return;
        };
        if swarm {
            // A task always is replaced unless a person removes the service.
            put_map(deploy, "restart_policy", policy.long(Some(condition)));
        } else if policy.delay.is_some() || policy.window.is_some() {
            put_map(deploy, "restart_policy", policy.long(Some(condition)));
        } else {
            let word = match (condition, policy.attempts) {
                (RestartCondition::Always, _) => "always".to_owned(),
                (RestartCondition::UnlessStopped, _) => "unless-stopped".to_owned(),
                (RestartCondition::OnFailure, None) => "on-failure".to_owned(),
                (RestartCondition::OnFailure, Some(attempts)) => format!("on-failure:{attempts}"),
                (RestartCondition::Never, _) => "no".to_owned(),
            };
            put(service, "restart", word);
            if let (RestartCondition::Always | RestartCondition::UnlessStopped, Some(attempts)) =
                (condition, policy.attempts)
            {
                let origin = site
                    .unit
                    .restart
                    .as_ref()
                    .and_then(|r| r.max_attempts.as_ref());
                let origin = origin.map_or(&site.unit.origin, |a| &a.origin);
                let message = format!(
                    "`{}` is restarted without end, not {attempts} times at most",
                    site.key()
                );
                self.note("restart-without-end", origin, message);
            }
        }
    }

    /// What silence means, where it means something else in the target.
    fn silent_condition(&self) -> Option<RestartCondition> {
        match (self.app.dialect, self.is_swarm()) {
            (Dialect::Kubernetes | Dialect::Swarm, false) => Some(RestartCondition::Always),
            (Dialect::Compose, true) => Some(RestartCondition::Never),
            (Dialect::Kubernetes | Dialect::Swarm, true) | (Dialect::Compose, false) => None,
        }
    }
}

/// A restart policy without places.
#[derive(Debug, Default)]
struct Policy {
    condition: Option<RestartCondition>,
    attempts: Option<u32>,
    delay: Option<String>,
    window: Option<String>,
}

impl Policy {
    fn of(restart: Option<&Restart>) -> Self {
        let Some(Restart {
            condition,
            max_attempts,
            delay,
            window,
        }) = restart
        else {
            return Self::default();
        };
        Self {
            condition: condition.as_ref().map(|c| c.value),
            attempts: max_attempts.as_ref().map(|a| a.value),
            delay: delay.as_ref().map(|d| duration_to_compose(d.value)),
            window: window.as_ref().map(|w| duration_to_compose(w.value)),
        }
    }

    fn is_empty(&self) -> bool {
        self.attempts.is_none() && self.delay.is_none() && self.window.is_none()
    }

    /// The long form, as Swarm has it.
    fn long(&self, condition: Option<RestartCondition>) -> Map {
        let mut map = Map::new();
        if let Some(condition) = condition {
            let word = match condition {
                RestartCondition::Always | RestartCondition::UnlessStopped => "any",
                RestartCondition::OnFailure => "on-failure",
                RestartCondition::Never => "none",
            };
            put(&mut map, "condition", word);
        }
        super::document::put_some(&mut map, "delay", self.delay.clone());
        super::document::put_some(&mut map, "max_attempts", self.attempts);
        super::document::put_some(&mut map, "window", self.window.clone());
        map
    }
}

/// Kubernetes starts a Job's Pod again until it succeeds, whether in place (`OnFailure`) or anew (`Never`).
fn job_policy(restart: Option<&Restart>, job: &JobSettings) -> Policy {
    let mut policy = Policy::of(restart);
    let limit = job
        .backoff_limit
        .as_ref()
        .map(|l| l.value)
        .or(policy.attempts);
    match limit.unwrap_or(BACKOFF_LIMIT) {
        0 => policy.condition = Some(RestartCondition::Never),
        limit => {
            policy.condition = Some(RestartCondition::OnFailure);
            policy.attempts = Some(limit);
        }
    }
    policy
}
