//! How a new version replaces the old one.

use super::document::{Map, put, put_map, put_some};
use super::plan::runs_on;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{Amount, Controller, Rollout, RolloutStrategy, UnitKind};
use crate::orchestration::quantity::duration_to_compose;

/// The share that a Deployment may miss or exceed when nothing is said (Kubernetes API, `RollingUpdateDeployment`).
const DEPLOYMENT_SHARE: Amount = Amount::Percent(25);

impl Writer<'_> {
    /// `deploy.update_config`.
    pub(super) fn write_rollout(&mut self, site: &Site<'_>, deploy: &mut Map) {
        if !runs_on(site.container) || self.joins(site) {
            return;
        }
        let Rollout {
            strategy,
            max_unavailable,
            max_surge,
            delay,
            monitor,
            failure_action,
            max_failure_ratio,
            history,
            partition,
        } = &site.unit.rollout;
        let key = site.key();
        let swarm = self.is_swarm();
        if site.is_main() {
            if let Some(history) = history {
                let message = format!("Docker keeps no {} old versions of `{key}`", history.value);
                self.note("revision-history", &history.origin, message);
            }
            if let Some(partition) = partition.as_ref().filter(|p| p.value > 0) {
                let message = format!(
                    "all instances of `{key}` are replaced, not only those from {} on",
                    partition.value
                );
                self.note("rollout-partition", &partition.origin, message);
            }
        }
        // Jobs are not updated in place, and Swarm refuses an update policy for them.
        if matches!(site.unit.kind, UnitKind::Job(_) | UnitKind::Cron(_)) {
            return;
        }
        let kind = strategy.as_ref().map(|s| s.value);
        if let Some(strategy) = strategy
            .as_ref()
            .filter(|s| s.value == RolloutStrategy::OnDelete && site.is_main())
        {
            let message = format!(
                "`{key}` is replaced at the next deployment, not when a person deletes its instances"
            );
            self.note("rollout-amounts", &strategy.origin, message);
        }
        let deployment = matches!(
            site.unit.kind,
            UnitKind::Service(Some(Controller::Deployment))
        );
        let fill = self.from_kubernetes()
            && deployment
            && (swarm || max_unavailable.is_some() || max_surge.is_some());
        let silent = fill.then_some(DEPLOYMENT_SHARE);
        let unavailable = max_unavailable.as_ref().map(|a| a.value).or(silent);
        let surge = max_surge.as_ref().map(|a| a.value).or(silent);
        let replicas = site.replicas();

        let mut map = Map::new();
        if kind == Some(RolloutStrategy::Recreate) {
            put(&mut map, "parallelism", 0);
            put(&mut map, "order", "stop-first");
        } else if kind != Some(RolloutStrategy::OnDelete) {
            let more = surge.map(|amount| count(amount, replicas, true));
            let fewer = unavailable.map(|amount| count(amount, replicas, false));
            match (more, fewer) {
                (Some(more), fewer) if more != Parallel::Some(0) => {
                    put(&mut map, "parallelism", more.number());
                    put(&mut map, "order", "start-first");
                    if let (Some(given), Some(fewer)) = (max_unavailable, fewer)
                        && fewer != Parallel::Some(0)
                        && site.is_main()
                    {
                        let message = format!(
                            "`{key}` starts new instances before it stops old ones; none is missing meanwhile"
                        );
                        self.note("rollout-amounts", &given.origin, message);
                    }
                }
                (more, Some(fewer)) => {
                    put(
                        &mut map,
                        "parallelism",
                        fewer.number().max(u32::from(fewer != Parallel::All)),
                    );
                    if more.is_some() {
                        put(&mut map, "order", "stop-first");
                    }
                }
                (Some(_), None) => put(&mut map, "order", "stop-first"),
                (None, None) => {}
            }
        }
        put_some(
            &mut map,
            "delay",
            delay.as_ref().map(|d| duration_to_compose(d.value)),
        );
        put_some(
            &mut map,
            "monitor",
            monitor.as_ref().map(|m| duration_to_compose(m.value)),
        );
        if let Some(timing) = delay
            .as_ref()
            .or(monitor.as_ref())
            .filter(|_| swarm && self.from_kubernetes() && site.is_main())
        {
            let message = format!(
                "Swarm pauses between two replacements of `{key}` instead of watching each for a while"
            );
            self.note("rollout-timing", &timing.origin, message);
        }
        put_some(
            &mut map,
            "failure_action",
            failure_action.as_ref().map(|f| f.value.clone()),
        );
        put_some(
            &mut map,
            "max_failure_ratio",
            max_failure_ratio.as_ref().map(|r| r.value),
        );
        if !map.is_empty() && !swarm && self.from_kubernetes() && site.is_main() && site.is_first()
        {
            let message = format!(
                "`docker compose up` replaces all instances of `{key}`, whatever its rollout says"
            );
            let origin = strategy.as_ref().map_or(&site.unit.origin, |s| &s.origin);
            self.note("rollout-of-compose", origin, message);
        }
        put_map(deploy, "update_config", map);
    }
}

/// How many instances at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parallel {
    /// All.
    All,
    /// So many.
    Some(u32),
}

impl Parallel {
    /// As `parallelism` says it.
    fn number(self) -> u32 {
        match self {
            Self::All => 0,
            Self::Some(number) => number,
        }
    }
}

/// Instances of a share: Kubernetes rounds a surplus up and a shortage down.
fn count(amount: Amount, replicas: u32, up: bool) -> Parallel {
    match amount {
        Amount::Count(number) => Parallel::Some(number),
        Amount::Percent(percent) if percent >= 100 => Parallel::All,
        Amount::Percent(percent) => {
            let product = u64::from(replicas).saturating_mul(u64::from(percent));
            let number = if up {
                product.div_ceil(100)
            } else {
                product / 100
            };
            Parallel::Some(u32::try_from(number).unwrap_or(u32::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_as_kubernetes_does() {
        for (percent, replicas, up, expected) in [
            (25, 1, true, Parallel::Some(1)),
            (25, 1, false, Parallel::Some(0)),
            (25, 10, true, Parallel::Some(3)),
            (25, 10, false, Parallel::Some(2)),
            (100, 3, false, Parallel::All),
            (0, 3, true, Parallel::Some(0)),
        ] {
            assert_eq!(
                count(Amount::Percent(percent), replicas, up),
                expected,
                "{percent} % of {replicas}"
            );
        }
    }
}
