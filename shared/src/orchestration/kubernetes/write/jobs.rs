//! What runs to its end.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{Affinity, PodAffinityTerm, PodAntiAffinity, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::plan::{Plan, UnitPlan};
use super::pod::Template;
use super::rollout::number;
use super::services;
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Concurrency, CronSettings, JobSettings, Unit};
use crate::source::Sourced;

pub(super) fn job(
    template: PodTemplateSpec,
    settings: &JobSettings,
    unit: &Unit,
    plan: &Plan<'_>,
) -> JobSpec {
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

pub(super) fn cron_job(
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
    let schedule = if let Some(schedule) = schedule {
        schedule.value.clone()
    } else {
        let message = "there is no schedule, so it is suspended";
        findings.add(Code("cron-schedule"), &unit.name.origin, message);
        suspended = Some(true);
        "0 0 1 1 *".to_owned()
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
pub(super) fn apart(template: &mut Template, planned: &UnitPlan, plan: &Plan<'_>) {
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
