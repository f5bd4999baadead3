//! How new instances replace old ones.

use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, Deployment, DeploymentSpec,
    DeploymentStrategy, RollingUpdateDaemonSet, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::plan::Plan;
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Amount, Rollout, RolloutStrategy};
use crate::orchestration::quantity::seconds_up;
use crate::source::Sourced;

/// How long a Deployment waits for progress unless told otherwise, in seconds (API default).
const PROGRESS_DEADLINE: u64 = 600;

pub(super) fn deployment(
    metadata: ObjectMeta,
    replicas: Option<i32>,
    selector: LabelSelector,
    template: PodTemplateSpec,
    rollout: &Rollout,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Deployment {
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
    } = rollout;
    failures(
        failure_action.as_ref(),
        max_failure_ratio.as_ref(),
        partition.as_ref(),
        findings,
    );
    let ready = delay.as_ref().map(|d| number(seconds_up(d.value)));
    let deadline = monitor.as_ref().map(|monitor| {
        // The API server wants it to be longer than the time until an instance counts as ready.
        let least = ready.unwrap_or(0).saturating_add(1);
        let mut wanted = seconds_up(monitor.value);
        if plan.docker {
            // Docker begins to count when the task runs. Here the time for images and their start is part of it.
            wanted = wanted.saturating_add(PROGRESS_DEADLINE);
            let message = format!(
                "a rollout without progress for {wanted} s, starting included, counts as failed, and stays as it is"
            );
            findings.add(Code("rollout-monitor"), &monitor.origin, message);
        }
        number(wanted).max(least)
    });
    let recreate = match strategy.as_ref().map(|s| s.value) {
        Some(RolloutStrategy::Recreate) => true,
        Some(RolloutStrategy::OnDelete) => {
            if let Some(strategy) = strategy {
                let message = "a Deployment replaces its Pods by itself";
                findings.add(Code("rollout-manner"), &strategy.origin, message);
            }
            false
        }
        Some(RolloutStrategy::Rolling) | None => false,
    };
    let strategy = if recreate {
        for amount in [max_unavailable, max_surge].into_iter().flatten() {
            findings.add(
                Code("rollout-manner"),
                &amount.origin,
                "all instances are replaced at once",
            );
        }
        Some(DeploymentStrategy {
            rolling_update: None,
            type_: Some("Recreate".to_owned()),
        })
    } else if plan.docker || max_unavailable.is_some() || max_surge.is_some() || strategy.is_some()
    {
        let (unavailable, surge) =
            amounts(max_unavailable.as_ref(), max_surge.as_ref(), plan, findings);
        let rolling = RollingUpdateDeployment {
            max_surge: surge,
            max_unavailable: unavailable,
        };
        Some(DeploymentStrategy {
            rolling_update: Some(rolling)
                .filter(|rolling| *rolling != RollingUpdateDeployment::default()),
            type_: Some("RollingUpdate".to_owned()),
        })
    } else {
        None
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            min_ready_seconds: ready,
            paused: None,
            progress_deadline_seconds: deadline,
            replicas,
            revision_history_limit: history.as_ref().map(|h| number(u64::from(h.value))),
            selector,
            strategy,
            template,
        }),
        status: None,
    }
}

/// How many may be missing, and how many more may run. Docker stops one before it starts another unless told
/// otherwise; both being zero would never replace anything, and the API server refuses it.
pub(super) fn amounts(
    unavailable: Option<&Sourced<Amount>>,
    surge: Option<&Sourced<Amount>>,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> (Option<IntOrString>, Option<IntOrString>) {
    let zero = |amount: Option<&Sourced<Amount>>| {
        amount.is_some_and(|a| matches!(a.value, Amount::Count(0) | Amount::Percent(0)))
    };
    if zero(unavailable) && (zero(surge) || (surge.is_none() && plan.docker)) {
        if let Some(unavailable) = unavailable {
            let message = "one instance may be missing, since otherwise none could be replaced";
            findings.add(Code("rollout-manner"), &unavailable.origin, message);
        }
        return (Some(IntOrString::Int(1)), Some(IntOrString::Int(0)));
    }
    let surge_given = surge.filter(|_| !zero(surge));
    let default = |value: i32| plan.docker.then_some(IntOrString::Int(value));
    let written_unavailable = match unavailable {
        Some(amount) => Some(self::amount(amount.value, true)),
        None => default(i32::from(surge_given.is_none())),
    };
    let written_surge = match surge {
        Some(amount) => Some(self::amount(amount.value, false)),
        None => default(0),
    };
    (written_unavailable, written_surge)
}

pub(super) fn amount(amount: Amount, bounded: bool) -> IntOrString {
    match amount {
        Amount::Count(count) => IntOrString::Int(number(u64::from(count))),
        Amount::Percent(percent) if bounded => {
            IntOrString::String(format!("{}%", percent.min(100)))
        }
        Amount::Percent(percent) => IntOrString::String(format!("{percent}%")),
    }
}

pub(super) fn daemon_set(
    metadata: ObjectMeta,
    selector: LabelSelector,
    template: PodTemplateSpec,
    rollout: &Rollout,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> DaemonSet {
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
    } = rollout;
    failures(
        failure_action.as_ref(),
        max_failure_ratio.as_ref(),
        partition.as_ref(),
        findings,
    );
    no_deadline(monitor.as_ref(), findings);
    let on_delete = strategy
        .as_ref()
        .is_some_and(|s| s.value == RolloutStrategy::OnDelete);
    let mut surge = max_surge
        .as_ref()
        .filter(|a| !matches!(a.value, Amount::Count(0) | Amount::Percent(0)));
    let mut missing = max_unavailable.as_ref();
    if let Some(strategy) = strategy
        .as_ref()
        .filter(|s| s.value == RolloutStrategy::Recreate)
    {
        findings.add(
            Code("rollout-manner"),
            &strategy.origin,
            "the nodes are gone through one after the other",
        );
    }
    // The API server wants one of the two.
    if let (Some(more), Some(fewer)) = (surge, missing)
        && !matches!(fewer.value, Amount::Count(0) | Amount::Percent(0))
    {
        let message = "no instance is started before the old one is stopped";
        findings.add(Code("rollout-manner"), &more.origin, message);
        surge = None;
    }
    if surge.is_none() {
        missing = missing.filter(|a| !matches!(a.value, Amount::Count(0) | Amount::Percent(0)));
    }
    let strategy = if on_delete {
        Some(DaemonSetUpdateStrategy {
            rolling_update: None,
            type_: Some("OnDelete".to_owned()),
        })
    } else if plan.docker || surge.is_some() || missing.is_some() || strategy.is_some() {
        let fewer = match (missing, surge) {
            (_, Some(_)) => Some(IntOrString::Int(0)),
            (Some(missing), None) => Some(amount(missing.value, true)),
            (None, None) => plan.docker.then_some(IntOrString::Int(1)),
        };
        let more = match surge {
            Some(surge) => Some(amount(surge.value, true)),
            None => plan.docker.then_some(IntOrString::Int(0)),
        };
        let rolling = RollingUpdateDaemonSet {
            max_surge: more,
            max_unavailable: fewer,
        };
        Some(DaemonSetUpdateStrategy {
            rolling_update: Some(rolling)
                .filter(|rolling| *rolling != RollingUpdateDaemonSet::default()),
            type_: Some("RollingUpdate".to_owned()),
        })
    } else {
        None
    };
    DaemonSet {
        metadata,
        spec: Some(DaemonSetSpec {
            min_ready_seconds: delay.as_ref().map(|d| number(seconds_up(d.value))),
            revision_history_limit: history.as_ref().map(|h| number(u64::from(h.value))),
            selector,
            template,
            update_strategy: strategy,
        }),
        status: None,
    }
}

/// What happens after a failed rollout: Kubernetes leaves it as it is.
pub(super) fn failures(
    action: Option<&Sourced<String>>,
    ratio: Option<&Sourced<f64>>,
    partition: Option<&Sourced<u32>>,
    findings: &mut Findings,
) {
    if let Some(action) = action {
        if action.value == "pause" {
            let message =
                "a rollout that makes no progress stays as it is, which is near to a pause";
            findings.add(Code("rollout-pause"), &action.origin, message);
        } else {
            let message = format!(
                "after a failure, a rollout stays as it is: no `{}`",
                action.value
            );
            findings.add(Code("rollout-failure"), &action.origin, message);
        }
    }
    if let Some(ratio) = ratio {
        let message = "a rollout does not count failures";
        findings.add(Code("rollout-failure"), &ratio.origin, message);
    }
    if let Some(partition) = partition {
        findings.add(
            Code("rollout-manner"),
            &partition.origin,
            "only a StatefulSet is replaced in parts",
        );
    }
}

pub(super) fn no_deadline(monitor: Option<&Sourced<std::time::Duration>>, findings: &mut Findings) {
    if let Some(monitor) = monitor {
        let message = "a rollout of this kind never counts as failed";
        findings.add(Code("rollout-failure"), &monitor.origin, message);
    }
}

/// Controllers that do not replace their Pods know the time until ready only.
pub(super) fn only_ready(rollout: &Rollout, findings: &mut Findings) {
    let without = Rollout {
        delay: None,
        ..rollout.clone()
    };
    no_rollout(&without, findings);
}

/// Says that nothing of a rollout is kept.
pub(super) fn no_rollout(rollout: &Rollout, findings: &mut Findings) {
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
    } = rollout;
    let places = [
        strategy.as_ref().map(|v| &v.origin),
        max_unavailable.as_ref().map(|v| &v.origin),
        max_surge.as_ref().map(|v| &v.origin),
        delay.as_ref().map(|v| &v.origin),
        monitor.as_ref().map(|v| &v.origin),
        failure_action.as_ref().map(|v| &v.origin),
        max_failure_ratio.as_ref().map(|v| &v.origin),
        history.as_ref().map(|v| &v.origin),
        partition.as_ref().map(|v| &v.origin),
    ];
    for origin in places.into_iter().flatten() {
        findings.add(
            Code("no-rollout"),
            origin,
            "an object of this kind does not replace its Pods",
        );
    }
}

pub(super) fn number(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
