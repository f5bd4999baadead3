//! Deployments and the other objects that make Pods.

use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, Deployment, DeploymentSpec,
    DeploymentStrategy, ReplicaSet, ReplicaSetSpec, RollingUpdateDaemonSet,
    RollingUpdateDeployment, RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetOrdinals,
    StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Affinity, Pod as KubernetesPod, PodAffinityTerm, PodAntiAffinity, PodTemplateSpec,
    ReplicationController, ReplicationControllerSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde_json::Value;

use super::binds::Binds;
use super::documents::{Documents, Rank, subject};
use super::plan::{Plan, UnitPlan};
use super::pod::{self, Frame, Template};
use super::{claims, metadata, services};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::ControllerChoice;
use crate::orchestration::model::{
    Amount, Concurrency, Controller, CronSettings, Dialect, JobSettings, Restart, RestartCondition,
    Role, Rollout, RolloutStrategy, StatefulSettings, Unit, UnitKind,
};
use crate::orchestration::names::{DIALECT, to_label};
use crate::orchestration::quantity::seconds_up;
use crate::source::Sourced;

/// What a unit becomes.
enum Shape {
    Replicas(Controller),
    Daemon,
    Stateful(StatefulSettings),
    Job(JobSettings),
    Cron(CronSettings),
    Pod,
}

pub(super) fn write(
    unit: &Unit,
    planned: &UnitPlan,
    plan: &Plan<'_>,
    binds: &mut Binds<'_>,
    documents: &mut Documents,
    findings: &mut Findings,
) {
    let Unit {
        name,
        namespace,
        kind: _,
        replicas,
        containers,
        metadata: user,
        instance_metadata: _,
        restart,
        rollout,
        placement: _,
        settings: _,
        networks: _,
        dependencies: _,
        origin: _,
    } = unit;
    let (shape, policy) = shape(unit, planned, plan, findings);
    let mut meta = metadata::new(
        &planned.object,
        namespace.as_ref(),
        Some(&planned.label),
        plan,
    );
    metadata::original(&mut meta, &name.value);
    match plan.application.dialect {
        Dialect::Compose => metadata::annotate(&mut meta, DIALECT, "compose"),
        Dialect::Swarm => metadata::annotate(&mut meta, DIALECT, "swarm"),
        Dialect::Kubernetes => {}
    }
    metadata::add_user(&mut meta, user, findings);
    if let Some(restart) = restart {
        retries(restart, &shape, plan, findings);
    }
    let frame = Frame {
        restart: policy,
        everywhere: matches!(shape, Shape::Daemon),
        claims: match &shape {
            Shape::Stateful(settings) => settings
                .claims
                .iter()
                .map(|c| c.name.value.as_str())
                .collect(),
            _ => Vec::new(),
        },
    };
    let mut template = pod::template(unit, planned, plan, binds, &frame, findings);
    let each_node = match &shape {
        Shape::Job(job) => job.on_each_node.as_ref(),
        Shape::Cron(cron) => cron.job.on_each_node.as_ref(),
        _ => None,
    };
    if let Some(each) = each_node.filter(|each| each.value) {
        let message = "a Job runs once, not once on each node";
        findings.add(Code("job-on-each-node"), &each.origin, message);
        apart(&mut template, planned, plan);
    }
    let subjects = containers
        .iter()
        .filter(|c| {
            plan.docker && matches!(c.role, Role::Main | Role::Sidecar | Role::NativeSidecar)
        })
        .map(|c| subject("services", &c.name.value));
    let mut subjects: Vec<_> = std::iter::once(subject("services", &name.value))
        .chain(subjects)
        .collect();
    subjects.dedup();
    let mut seen = std::collections::BTreeSet::new();
    subjects.retain(|subject| seen.insert(subject.clone()));
    let count = replicas.as_ref().map(|r| number(u64::from(r.value)));
    let Template {
        metadata: pod_meta,
        spec,
        volumes,
    } = template;
    let selector = LabelSelector {
        match_expressions: None,
        match_labels: Some(services::selector(planned, plan)),
    };
    let template = PodTemplateSpec {
        metadata: Some(pod_meta),
        spec: Some(spec),
    };
    let value = match shape {
        Shape::Replicas(Controller::Deployment) => with_volumes(
            &deployment(meta, count, selector, template, rollout, plan, findings),
            "/spec/template/spec",
            volumes,
        ),
        Shape::Replicas(controller) => {
            only_ready(rollout, plan, findings);
            let ready = rollout.delay.as_ref().map(|d| number(seconds_up(d.value)));
            if controller == Controller::ReplicaSet {
                let set = ReplicaSet {
                    metadata: meta,
                    spec: Some(ReplicaSetSpec {
                        min_ready_seconds: ready,
                        replicas: count,
                        selector,
                        template: Some(template),
                    }),
                    status: None,
                };
                with_volumes(&set, "/spec/template/spec", volumes)
            } else {
                let controller = ReplicationController {
                    metadata: meta,
                    spec: Some(ReplicationControllerSpec {
                        min_ready_seconds: ready,
                        replicas: count,
                        selector: selector.match_labels,
                        template: Some(template),
                    }),
                    status: None,
                };
                with_volumes(&controller, "/spec/template/spec", volumes)
            }
        }
        Shape::Daemon => {
            if let Some(replicas) = replicas {
                let message =
                    "one instance runs on each node, whatever the number of replicas says";
                findings.add(Code("replicas-lost"), &replicas.origin, message);
            }
            let set = daemon_set(meta, selector, template, rollout, plan, findings);
            with_volumes(&set, "/spec/template/spec", volumes)
        }
        Shape::Stateful(settings) => {
            let set = stateful_set(
                meta, count, selector, template, &settings, unit, planned, plan, findings,
            );
            with_volumes(&set, "/spec/template/spec", volumes)
        }
        Shape::Job(settings) => {
            no_rollout(rollout, plan, findings);
            let job = Job {
                metadata: meta,
                spec: Some(job(template, &settings, unit, plan)),
                status: None,
            };
            with_volumes(&job, "/spec/template/spec", volumes)
        }
        Shape::Cron(settings) => {
            no_rollout(rollout, plan, findings);
            let cron = cron_job(meta, template, &settings, unit, plan, findings);
            with_volumes(&cron, "/spec/jobTemplate/spec/template/spec", volumes)
        }
        Shape::Pod => {
            if let Some(replicas) = replicas.as_ref().filter(|r| r.value != 1) {
                let message = format!("a bare Pod is one instance, not {}", replicas.value);
                findings.add(Code("replicas-lost"), &replicas.origin, message);
            }
            no_rollout(rollout, plan, findings);
            // The Pod is the workload and the instance in one.
            let PodTemplateSpec {
                metadata: inner,
                spec,
            } = template;
            if let Some(inner) = inner {
                meta.labels
                    .get_or_insert_default()
                    .extend(inner.labels.unwrap_or_default());
                if let Some(annotations) = inner.annotations {
                    meta.annotations.get_or_insert_default().extend(annotations);
                }
            }
            let pod = KubernetesPod {
                metadata: meta,
                spec,
                status: None,
            };
            with_volumes(&pod, "/spec", volumes)
        }
    };
    documents.add_value(Rank::Workload, value, subjects);
}

/// The object with the Pod's volumes, of which some only exist as plain values.
fn with_volumes(object: &impl Serialize, pod: &str, volumes: Vec<Value>) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if !volumes.is_empty()
        && let Some(Value::Object(spec)) = value.pointer_mut(pod)
    {
        spec.insert("volumes".to_owned(), Value::Array(volumes));
    }
    value
}

/// What a unit becomes, and the restart policy of its Pods.
fn shape(
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
                let settings = StatefulSettings::default();
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
fn always(unit: &Unit, plan: &Plan<'_>, findings: &mut Findings) -> &'static str {
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

fn bare(condition: Option<&Sourced<RestartCondition>>, plan: &Plan<'_>) -> &'static str {
    match condition.map(|c| c.value) {
        Some(RestartCondition::Never) => "Never",
        Some(RestartCondition::OnFailure) => "OnFailure",
        Some(RestartCondition::Always | RestartCondition::UnlessStopped) => "Always",
        None if plan.application.dialect == Dialect::Compose => "Never",
        None => "Always",
    }
}

fn job_policy(condition: Option<&Sourced<RestartCondition>>, plan: &Plan<'_>) -> &'static str {
    match condition.map(|c| c.value) {
        Some(RestartCondition::Never) => "Never",
        Some(_) => "OnFailure",
        // Swarm starts a failed task of a job again; Compose does not.
        None if plan.application.dialect == Dialect::Swarm => "OnFailure",
        None => "Never",
    }
}

/// A service of Compose or Swarm runs to its end, or all the time: what it says, and what others want of it.
fn by_restart(
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
    let serves = unit
        .main()
        .is_some_and(|c| !c.ports.is_empty() || !c.probes.is_empty())
        || planned.wanted_running;
    let ends = match condition.map(|c| c.value) {
        Some(RestartCondition::Never) => Some("Never"),
        Some(RestartCondition::OnFailure) => Some("OnFailure"),
        _ => None,
    };
    match (ends, condition) {
        (Some(policy), Some(condition)) => {
            if serves && !planned.wanted_completed {
                let message = "it serves others, so it is restarted whenever it ends";
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

/// What of a restart policy has no place.
fn retries(restart: &Restart, shape: &Shape, plan: &Plan<'_>, findings: &mut Findings) {
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
    let _ = plan;
}

fn deployment(
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
        let wanted = number(seconds_up(monitor.value));
        if plan.docker {
            let message =
                "a rollout without progress for that long counts as failed, and stays as it is";
            findings.add(Code("rollout-monitor"), &monitor.origin, message);
        }
        wanted.max(least)
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
fn amounts(
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

fn amount(amount: Amount, bounded: bool) -> IntOrString {
    match amount {
        Amount::Count(count) => IntOrString::Int(number(u64::from(count))),
        Amount::Percent(percent) if bounded => {
            IntOrString::String(format!("{}%", percent.min(100)))
        }
        Amount::Percent(percent) => IntOrString::String(format!("{percent}%")),
    }
}

fn daemon_set(
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

#[expect(clippy::too_many_arguments, reason = "each is a part of the object")]
fn stateful_set(
    metadata: ObjectMeta,
    replicas: Option<i32>,
    selector: LabelSelector,
    template: PodTemplateSpec,
    settings: &StatefulSettings,
    unit: &Unit,
    planned: &UnitPlan,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> StatefulSet {
    let StatefulSettings {
        service_name,
        claims: templates,
        parallel,
        first_ordinal,
    } = settings;
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
    } = &unit.rollout;
    failures(
        failure_action.as_ref(),
        max_failure_ratio.as_ref(),
        None,
        findings,
    );
    no_deadline(monitor.as_ref(), findings);
    // More than one at a time needs a feature gate in 1.34 (MaxUnavailableStatefulSet).
    let one = |amount: &Amount| matches!(amount, Amount::Count(0 | 1));
    let none = |amount: &Amount| matches!(amount, Amount::Count(0) | Amount::Percent(0));
    for amount in [
        max_unavailable.as_ref().filter(|a| !one(&a.value)),
        max_surge.as_ref().filter(|a| !none(&a.value)),
    ]
    .into_iter()
    .flatten()
    {
        let message = "a StatefulSet replaces one instance after the other";
        findings.add(Code("rollout-manner"), &amount.origin, message);
    }
    if let Some(strategy) = strategy
        .as_ref()
        .filter(|s| s.value == RolloutStrategy::Recreate)
    {
        let message = "a StatefulSet replaces one instance after the other";
        findings.add(Code("rollout-manner"), &strategy.origin, message);
    }
    let on_delete = strategy
        .as_ref()
        .is_some_and(|s| s.value == RolloutStrategy::OnDelete);
    let update = if on_delete {
        Some(StatefulSetUpdateStrategy {
            rolling_update: None,
            type_: Some("OnDelete".to_owned()),
        })
    } else if partition.is_some() || strategy.is_some() {
        Some(StatefulSetUpdateStrategy {
            rolling_update: partition
                .as_ref()
                .map(|partition| RollingUpdateStatefulSetStrategy {
                    max_unavailable: None,
                    partition: Some(number(u64::from(partition.value))),
                }),
            type_: Some("RollingUpdate".to_owned()),
        })
    } else {
        None
    };
    // Docker starts all instances at once.
    let parallel = parallel
        .as_ref()
        .map(|p| p.value)
        .or(plan.docker.then_some(true));
    let templates: Vec<_> = templates
        .iter()
        .map(|claim| claims::template(claim, &to_label(&claim.name.value), plan, findings))
        .collect();
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            min_ready_seconds: delay.as_ref().map(|d| number(seconds_up(d.value))),
            ordinals: first_ordinal.as_ref().map(|first| StatefulSetOrdinals {
                start: Some(number(u64::from(first.value))),
            }),
            pod_management_policy: parallel
                .map(|p| if p { "Parallel" } else { "OrderedReady" }.to_owned()),
            replicas,
            revision_history_limit: history.as_ref().map(|h| number(u64::from(h.value))),
            selector,
            service_name: match service_name {
                Some(name) => Some(name.value.clone()),
                None => plan.docker.then(|| planned.label.clone()),
            },
            template,
            update_strategy: update,
            volume_claim_templates: Some(templates).filter(|templates| !templates.is_empty()),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

fn job(template: PodTemplateSpec, settings: &JobSettings, unit: &Unit, plan: &Plan<'_>) -> JobSpec {
    let JobSettings {
        completions,
        parallelism,
        backoff_limit,
        suspend,
        // Reported by the caller.
        on_each_node: _,
        indexed,
    } = settings;
    let number_of =
        |value: &Option<Sourced<u32>>| value.as_ref().map(|v| number(u64::from(v.value)));
    let replicas = number_of(&unit.replicas);
    let policy = template
        .spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.clone());
    let attempts = unit
        .restart
        .as_ref()
        .and_then(|r| number_of(&r.max_attempts));
    let limit = number_of(backoff_limit)
        .or(attempts)
        .or(match policy.as_deref() {
            _ if !plan.docker => None,
            Some("Never") => Some(0),
            // Docker tries without end unless told otherwise.
            _ => Some(i32::MAX),
        });
    let indexed = indexed.as_ref().map(|indexed| indexed.value);
    let completions = number_of(completions).or(replicas);
    JobSpec {
        backoff_limit: limit,
        completion_mode: indexed
            .filter(|indexed| !indexed || completions.is_some())
            .map(|indexed| if indexed { "Indexed" } else { "NonIndexed" }.to_owned()),
        completions,
        parallelism: number_of(parallelism).or(replicas),
        suspend: suspend.as_ref().map(|s| s.value),
        template,
        ..JobSpec::default()
    }
}

fn cron_job(
    metadata: ObjectMeta,
    template: PodTemplateSpec,
    settings: &CronSettings,
    unit: &Unit,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> CronJob {
    let CronSettings {
        schedule,
        time_zone,
        suspend,
        concurrency,
        job: inner,
    } = settings;
    let mut suspended = suspend.as_ref().map(|s| s.value);
    let schedule = match schedule {
        Some(schedule) => schedule.value.clone(),
        None => {
            let message = "there is no schedule, so it is suspended";
            findings.add(Code("cron-schedule"), &unit.name.origin, message);
            suspended = Some(true);
            "0 0 1 1 *".to_owned()
        }
    };
    CronJob {
        metadata,
        spec: Some(CronJobSpec {
            concurrency_policy: concurrency.as_ref().map(|c| {
                match c.value {
                    Concurrency::Allow => "Allow",
                    Concurrency::Forbid => "Forbid",
                    Concurrency::Replace => "Replace",
                }
                .to_owned()
            }),
            job_template: JobTemplateSpec {
                metadata: None,
                spec: Some(job(template, inner, unit, plan)),
            },
            schedule,
            suspend: suspended,
            time_zone: time_zone.as_ref().map(|zone| zone.value.clone()),
            ..CronJobSpec::default()
        }),
        status: None,
    }
}

/// Instances of a job on different nodes, as many as there are.
fn apart(template: &mut Template, planned: &UnitPlan, plan: &Plan<'_>) {
    let affinity = template.spec.affinity.get_or_insert_with(Affinity::default);
    affinity.pod_anti_affinity = Some(PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: None,
        required_during_scheduling_ignored_during_execution: Some(vec![PodAffinityTerm {
            label_selector: Some(LabelSelector {
                match_expressions: None,
                match_labels: Some(services::selector(planned, plan)),
            }),
            topology_key: "kubernetes.io/hostname".to_owned(),
            ..PodAffinityTerm::default()
        }]),
    });
}

/// What happens after a failed rollout: Kubernetes leaves it as it is.
fn failures(
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

fn no_deadline(monitor: Option<&Sourced<std::time::Duration>>, findings: &mut Findings) {
    if let Some(monitor) = monitor {
        let message = "a rollout of this kind never counts as failed";
        findings.add(Code("rollout-failure"), &monitor.origin, message);
    }
}

/// Controllers that do not replace their Pods know the time until ready only.
fn only_ready(rollout: &Rollout, plan: &Plan<'_>, findings: &mut Findings) {
    let without = Rollout {
        delay: None,
        ..rollout.clone()
    };
    no_rollout(&without, plan, findings);
}

/// Says that nothing of a rollout is kept.
fn no_rollout(rollout: &Rollout, plan: &Plan<'_>, findings: &mut Findings) {
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
    let _ = plan;
}

fn number(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
