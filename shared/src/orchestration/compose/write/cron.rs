//! Jobs that start by the clock: Docker has no clock of its own.

use serde_json::Value;

use super::document::{Map, put};
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::compose::CronRunner;
use crate::orchestration::model::{Concurrency, CronSettings, UnitKind};
use crate::source::Sourced;

impl Writer<'_> {
    /// What starts a job by the clock.
    pub(super) fn write_schedule(&mut self, site: &Site<'_>, service: &mut Map, deploy: &mut Map) {
        let UnitKind::Cron(cron) = &site.unit.kind else {
            return;
        };
        let swarm = self.is_swarm();
        if swarm {
            // Nothing runs until somebody scales it up.
            deploy.remove("mode");
            put(deploy, "replicas", 0);
        }
        if !site.is_main() {
            return;
        }
        let CronSettings {
            schedule,
            time_zone,
            suspend,
            concurrency,
            job,
        } = cron;
        let runs = job.completions.as_ref().or(job.parallelism.as_ref());
        let runs = runs.map_or(1, |runs| runs.value.max(1));
        let key = site.key();
        let (when, origin) = schedule
            .as_ref()
            .map_or(("", &site.unit.origin), |schedule| {
                (schedule.value.as_str(), &schedule.origin)
            });
        let suspended = suspend.as_ref().is_some_and(|s| s.value);
        let forbid = concurrency
            .as_ref()
            .is_some_and(|c| c.value == Concurrency::Forbid);
        self.note_overlap(site, concurrency.as_ref());
        if let Some(zone) = time_zone {
            let message = format!(
                "`{key}` starts by the scheduler's own time zone, not by {}",
                zone.value
            );
            self.note("schedule-detail", &zone.origin, message);
        }
        if let Some(suspend) = suspend.as_ref().filter(|s| s.value) {
            self.note(
                "suspended-work",
                &suspend.origin,
                format!("`{key}` waits to be started by hand"),
            );
        }
        match (self.options.cron, swarm) {
            (CronRunner::None, false) => {
                let alone = if forbid {
                    format!("flock -n /tmp/{key}.lock ")
                } else {
                    String::new()
                };
                let message = format!(
                    "no scheduler starts `{key}`; as a line of crontab: {when} {alone}docker compose run --rm {key}"
                );
                self.note("no-scheduler", origin, message);
            }
            (CronRunner::None, true) => {
                let message = format!(
                    "no scheduler starts `{key}`; as a line of crontab: {when} docker service update --replicas {runs} --force STACK_{key}"
                );
                self.note("no-scheduler", origin, message);
            }
            (CronRunner::Labels, false) => {
                let mut labels = vec![
                    ("ofelia.enabled".to_owned(), (!suspended).to_string()),
                    (format!("ofelia.job-run.{key}.schedule"), when.to_owned()),
                    (format!("ofelia.job-run.{key}.container"), key.to_owned()),
                ];
                if forbid {
                    labels.push((
                        format!("ofelia.job-run.{key}.no-overlap"),
                        "true".to_owned(),
                    ));
                }
                add_to(service, "labels", labels);
                put(service, "container_name", key);
                let message = format!(
                    "`{key}` is started by ofelia, which has to run with access to Docker ({when})"
                );
                self.note("cron-by-labels", origin, message);
            }
            (CronRunner::Labels, true) => {
                let mut labels = vec![
                    ("swarm.cronjob.enable".to_owned(), (!suspended).to_string()),
                    ("swarm.cronjob.schedule".to_owned(), when.to_owned()),
                    ("swarm.cronjob.skip-running".to_owned(), forbid.to_string()),
                ];
                if runs > 1 {
                    labels.push(("swarm.cronjob.replicas".to_owned(), runs.to_string()));
                }
                add_to(deploy, "labels", labels);
                let message = format!(
                    "`{key}` is started by swarm-cronjob, which has to run on a manager ({when})"
                );
                self.note("cron-by-labels", origin, message);
            }
        }
    }
}

impl Writer<'_> {
    /// What happens to a run that lasts until the next one is due, where it is not what was asked for. A service that
    /// is updated by force loses the task that runs.
    fn note_overlap(&mut self, site: &Site<'_>, concurrency: Option<&Sourced<Concurrency>>) {
        let wanted = concurrency.map_or(Concurrency::Allow, |c| c.value);
        let origin = concurrency.map_or(&site.unit.origin, |c| &c.origin);
        let key = site.key();
        let message = match (wanted, self.options.cron, self.is_swarm()) {
            (Concurrency::Forbid, CronRunner::None, true) => format!(
                "a run of `{key}` that is due ends the one before, where it should be left out"
            ),
            (Concurrency::Allow, _, true) => {
                format!("a run of `{key}` that is due ends the one before, where both should run")
            }
            (Concurrency::Replace, _, false) => {
                format!("a run of `{key}` that is due does not end the one before")
            }
            _ => return,
        };
        self.note("overlapping-runs", origin, message);
    }
}

/// Adds to the mapping under a key.
fn add_to(map: &mut Map, key: &str, entries: Vec<(String, String)>) {
    let mut inner = match map.remove(key) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    for (name, value) in entries {
        put(&mut inner, &name, value);
    }
    put(map, key, inner);
}
