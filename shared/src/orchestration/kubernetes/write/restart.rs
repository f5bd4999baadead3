//! What a unit becomes: by its kind, the options, and what happens when it ends.

use super::claims;
use super::plan::{Plan, UnitPlan};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::ControllerChoice;
use crate::orchestration::model::{
    Controller, CronSettings, Dialect, JobSettings, Restart, RestartCondition, Rollout,
    StatefulSettings, Unit, UnitKind,
};
use crate::source::Sourced;

/// What a unit becomes.
pub(super) enum Shape {
    Replicas(Controller),
    Daemon,
    Stateful(StatefulSettings),
    Job(JobSettings),
    Cron(CronSettings),
    Pod,
}

/// What a unit becomes, and the restart policy of its Pods.
pub(super) fn shape(
    unit: &Unit,
    planned: &UnitPlan,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> (Shape, &'static str) {
    let condition = unit.restart.as_ref().and_then(|r| r.condition.as_ref());
    match &unit.kind {
        UnitKind::Service(controller) => match plan.options.controller {
            ControllerChoice::Auto => match controller {
                Some(controller) => (Shape::Replicas(*controller), always(unit, plan, findings)),
                None => by_restart(unit, planned, plan, findings),
            },
            ControllerChoice::Replicas(controller) => {
                (Shape::Replicas(controller), always(unit, plan, findings))
            }
            ControllerChoice::DaemonSet => (Shape::Daemon, always(unit, plan, findings)),
            ControllerChoice::StatefulSet => {
                let settings = StatefulSettings {
                    claims: claims::own(unit, plan),
                    ..StatefulSettings::default()
                };
                (Shape::Stateful(settings), always(unit, plan, findings))
            }
            ControllerChoice::Pod => (Shape::Pod, bare(condition, plan)),
        },
        UnitKind::Daemon => (Shape::Daemon, always(unit, plan, findings)),
        UnitKind::Stateful(settings) => (
            Shape::Stateful(settings.clone()),
            always(unit, plan, findings),
        ),
        UnitKind::Job(settings) => (Shape::Job(settings.clone()), job_policy(condition, plan)),
        UnitKind::Cron(settings) => (Shape::Cron(settings.clone()), job_policy(condition, plan)),
        UnitKind::Bare => (Shape::Pod, bare(condition, plan)),
    }
}

/// These controllers know no other policy.
pub(super) fn always(unit: &Unit, plan: &Plan<'_>, findings: &mut Findings) -> &'static str {
    let condition = unit.restart.as_ref().and_then(|r| r.condition.as_ref());
    match condition {
        Some(condition) => match condition.value {
            RestartCondition::Always => {}
            RestartCondition::UnlessStopped => {
                findings.add(
                    Code("unless-stopped"),
                    &condition.origin,
                    "it is restarted always",
                );
            }
            RestartCondition::OnFailure
                if plan.application.dialect == Dialect::Swarm
                    && matches!(unit.kind, UnitKind::Service(_))
                    && !runs_for_long(unit) =>
            {
                let message = "it has neither ports nor a health check and may be a task that ends: the Deployment would start it again and again";
                findings.add(Code("restart-of-task"), &condition.origin, message);
            }
            // Most services of a stack that say so never end.
            RestartCondition::OnFailure if plan.application.dialect == Dialect::Swarm => {
                let message =
                    "it is also started again after it ended well, which Swarm would not do";
                findings.add(Code("restart-after-success"), &condition.origin, message);
            }
            RestartCondition::OnFailure | RestartCondition::Never => {
                let message = "it is restarted whenever it ends, since it runs all the time";
                findings.add(Code("restart-changed"), &condition.origin, message);
            }
        },
        None if plan.application.dialect == Dialect::Compose => {
            let message =
                "it is restarted whenever it ends, which Compose does not do unless told to";
            findings.add(Code("restart-added"), &unit.name.origin, message);
        }
        None => {}
    }
    "Always"
}

pub(super) fn bare(condition: Option<&Sourced<RestartCondition>>, plan: &Plan<'_>) -> &'static str {
    match condition.map(|c| c.value) {
        Some(RestartCondition::Never) => "Never",
        Some(RestartCondition::OnFailure) => "OnFailure",
        None if plan.application.dialect == Dialect::Compose => "Never",
        Some(RestartCondition::Always | RestartCondition::UnlessStopped) | None => "Always",
    }
}

pub(super) fn job_policy(
    condition: Option<&Sourced<RestartCondition>>,
    plan: &Plan<'_>,
) -> &'static str {
    match condition.map(|c| c.value) {
        Some(RestartCondition::Never) => "Never",
        Some(_) => "OnFailure",
        // Swarm starts a failed task of a job again; Compose does not.
        None if plan.application.dialect == Dialect::Swarm => "OnFailure",
        None => "Never",
    }
}

/// A service of Compose or Swarm runs to its end, or all the time: what it says, and what others want of it.
pub(super) fn by_restart(
    unit: &Unit,
    planned: &UnitPlan,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> (Shape, &'static str) {
    let deployment = Shape::Replicas(Controller::Deployment);
    let condition = unit.restart.as_ref().and_then(|r| r.condition.as_ref());
    let job = || {
        Shape::Job(JobSettings {
            completions: unit.replicas.clone(),
            parallelism: unit.replicas.clone(),
            ..JobSettings::default()
        })
    };
    let serves = planned.wanted_running || runs_for_long(unit);
    let ends = match condition.map(|c| c.value) {
        Some(RestartCondition::Never) => Some("Never"),
        Some(RestartCondition::OnFailure) => Some("OnFailure"),
        _ => None,
    };
    // A stack has a mode for jobs, so what has another mode is none.
    let service_of_stack = plan.application.dialect == Dialect::Swarm
        && ends == Some("OnFailure")
        && !planned.wanted_completed;
    match (ends, condition) {
        _ if service_of_stack => (deployment, always(unit, plan, findings)),
        (Some(policy), Some(condition)) => {
            if serves && !planned.wanted_completed {
                let message =
                    "it looks like one that runs all the time, so it is restarted whenever it ends";
                findings.add(Code("restart-changed"), &condition.origin, message);
                return (deployment, "Always");
            }
            let message = "it is a Job, which runs when it is applied and not again";
            findings.add(Code("service-is-job"), &condition.origin, message);
            (job(), policy)
        }
        _ if condition.is_none()
            && planned.wanted_completed
            && plan.application.dialect == Dialect::Compose =>
        {
            let message = "another service waits for its end, so it is a Job";
            findings.add(Code("service-is-job"), &unit.name.origin, message);
            (job(), "Never")
        }
        _ => (deployment, always(unit, plan, findings)),
    }
}

/// Whether a unit shows that it is not there to end: it is reached, asked for its health, scaled or rolled out.
pub(super) fn runs_for_long(unit: &Unit) -> bool {
    unit.main()
        .is_some_and(|c| !c.ports.is_empty() || !c.probes.is_empty())
        || unit
            .networks
            .iter()
            .any(|attachment| !attachment.aliases.is_empty())
        || unit
            .replicas
            .as_ref()
            .is_some_and(|replicas| replicas.value > 1)
        || unit.rollout != Rollout::default()
}

/// What of a restart policy has no place.
pub(super) fn retries(restart: &Restart, shape: &Shape, findings: &mut Findings) {
    let Restart {
        condition: _,
        max_attempts,
        delay,
        window,
    } = restart;
    let job = matches!(shape, Shape::Job(_) | Shape::Cron(_));
    if let Some(most) = max_attempts.as_ref().filter(|_| !job) {
        let message = format!("it is restarted without end, not {} times", most.value);
        findings.add(Code("restart-endless"), &most.origin, message);
    }
    for (what, value) in [("delay", delay), ("window", window)] {
        if let Some(value) = value {
            let message = format!(
                "the kubelet waits 10 s, 20 s, ... 300 s between restarts, whatever `{what}` says"
            );
            findings.add(Code("restart-pauses"), &value.origin, message);
        }
    }
}
