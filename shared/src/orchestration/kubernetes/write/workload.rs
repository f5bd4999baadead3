//! Deployments and the other objects that make Pods.

use k8s_openapi::api::apps::v1::{
    ReplicaSet, ReplicaSetSpec, RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetOrdinals,
    StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    Pod as KubernetesPod, PodTemplateSpec, ReplicationController, ReplicationControllerSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;
use serde_json::Value;

use super::binds::Binds;
use super::documents::{Documents, Rank, subject};
use super::plan::{Plan, UnitPlan};
use super::pod::{self, Frame, Template};
use super::restart::Shape;
use super::{claims, docker_tools, jobs, metadata, restart, rollout, services};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{
    Amount, Controller, Dialect, Role, Rollout, RolloutStrategy, StatefulSettings, Unit,
};
use crate::orchestration::names::{DIALECT, to_label};
use crate::orchestration::quantity::seconds_up;

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
    let (shape, policy) = restart::shape(unit, planned, plan, findings);
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
    if plan.docker {
        docker_tools::report([user, &unit.instance_metadata], findings);
    }
    if let Some(restart) = restart {
        restart::retries(restart, &shape, findings);
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
        jobs::apart(&mut template, planned, plan);
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
    let count = replicas
        .as_ref()
        .map(|r| rollout::number(u64::from(r.value)));
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
            &rollout::deployment(meta, count, selector, template, rollout, plan, findings),
            "/spec/template/spec",
            volumes,
        ),
        Shape::Replicas(controller) => {
            rollout::only_ready(rollout, findings);
            let ready = rollout
                .delay
                .as_ref()
                .map(|d| rollout::number(seconds_up(d.value)));
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
            let set = rollout::daemon_set(meta, selector, template, rollout, plan, findings);
            with_volumes(&set, "/spec/template/spec", volumes)
        }
        Shape::Stateful(settings) => {
            let set = stateful_set(
                meta, count, selector, template, &settings, unit, planned, plan, findings,
            );
            with_volumes(&set, "/spec/template/spec", volumes)
        }
        Shape::Job(settings) => {
            rollout::no_rollout(rollout, findings);
            let job = Job {
                metadata: meta,
                spec: Some(jobs::job(template, &settings, unit, plan)),
                status: None,
            };
            with_volumes(&job, "/spec/template/spec", volumes)
        }
        Shape::Cron(settings) => {
            rollout::no_rollout(rollout, findings);
            let cron = jobs::cron_job(meta, template, &settings, unit, plan, findings);
            with_volumes(&cron, "/spec/jobTemplate/spec/template/spec", volumes)
        }
        Shape::Pod => {
            if let Some(replicas) = replicas.as_ref().filter(|r| r.value != 1) {
                let message = format!("a bare Pod is one instance, not {}", replicas.value);
                findings.add(Code("replicas-lost"), &replicas.origin, message);
            }
            rollout::no_rollout(rollout, findings);
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
    rollout::failures(
        failure_action.as_ref(),
        max_failure_ratio.as_ref(),
        None,
        findings,
    );
    rollout::no_deadline(monitor.as_ref(), findings);
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
                    partition: Some(rollout::number(u64::from(partition.value))),
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
            min_ready_seconds: delay.as_ref().map(|d| rollout::number(seconds_up(d.value))),
            ordinals: first_ordinal.as_ref().map(|first| StatefulSetOrdinals {
                start: Some(rollout::number(u64::from(first.value))),
            }),
            pod_management_policy: parallel
                .map(|p| if p { "Parallel" } else { "OrderedReady" }.to_owned()),
            replicas,
            revision_history_limit: history
                .as_ref()
                .map(|h| rollout::number(u64::from(h.value))),
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
