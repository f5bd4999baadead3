//! Replicas, mode and resources.

use serde_json::{Value, json};

use super::document::{Map, put, put_list, put_map, put_some};
use super::names::Endpoint;
use super::plan::runs_on;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{DeviceRequest, JobSettings, Resources, UnitKind};
use crate::orchestration::quantity::{bytes_to_compose, millicores_to_compose};
use crate::source::Sourced;

/// The least share of a processor in thousandths: the kernel's scheduler takes a quota of 1 ms at least (moby
/// `daemon/daemon_unix.go`).
const LEAST_CPU: u64 = 10;

/// The least memory as limit and as reservation: what the engine takes (moby `daemon/daemon_unix.go`), and what Swarm
/// takes as a reservation, which it does not hand on to the engine (swarmkit `manager/controlapi/service.go`).
fn least_memory(swarm: bool) -> [u64; 2] {
    const ENGINE: u64 = 6 << 20;
    const SWARM: u64 = 4 << 20;
    [ENGINE, if swarm { SWARM } else { ENGINE }]
}

impl<'a> Writer<'a> {
    /// `deploy.mode`, `deploy.replicas`, `deploy.endpoint_mode`.
    pub(super) fn write_mode(&mut self, site: &Site<'a>, deploy: &mut Map) {
        let swarm = self.is_swarm();
        if !runs_on(site.container) {
            if swarm {
                let daemon = site.unit.kind == UnitKind::Daemon;
                let mode = if daemon {
                    "global-job"
                } else {
                    "replicated-job"
                };
                put(deploy, "mode", mode);
            }
            return;
        }
        if self.joins(site) {
            return;
        }
        let replicas = site
            .unit
            .replicas
            .as_ref()
            .filter(|_| site.instance.ordinal.is_none())
            .map(|r| r.value);
        match &site.unit.kind {
            UnitKind::Service(_) | UnitKind::Stateful(_) | UnitKind::Bare => {
                put_some(deploy, "replicas", replicas)
            }
            UnitKind::Daemon => put(deploy, "mode", "global"),
            UnitKind::Job(job) => self.write_job(site, job, deploy),
            // Started from outside: see `write_schedule`.
            UnitKind::Cron(cron) => self.note_job(site, &cron.job),
        }
        if let Some(endpoint) = self.reach.get(site.index).and_then(|reach| reach.endpoint) {
            let mode = match endpoint {
                Endpoint::Vip => "vip",
                Endpoint::Instances => "dnsrr",
            };
            put(deploy, "endpoint_mode", mode);
        }
    }

    fn write_job(&mut self, site: &Site<'a>, job: &JobSettings, deploy: &mut Map) {
        self.note_job(site, job);
        let JobSettings {
            completions,
            parallelism,
            backoff_limit: _,
            suspend,
            on_each_node,
            indexed: _,
        } = job;
        let suspended = suspend.as_ref().is_some_and(|s| s.value);
        let replicas = completions
            .as_ref()
            .or(parallelism.as_ref())
            .map(|c| c.value);
        let replicas = replicas.or(site.unit.replicas.as_ref().map(|r| r.value));
        if on_each_node.as_ref().is_some_and(|o| o.value) {
            put(deploy, "mode", "global-job");
        } else if self.is_swarm() {
            put(deploy, "mode", "replicated-job");
            put_some(
                deploy,
                "replicas",
                if suspended { Some(0) } else { replicas },
            );
        } else {
            put_some(deploy, "replicas", replicas);
        }
    }

    /// What of a Job has no place.
    fn note_job(&mut self, site: &Site<'a>, job: &JobSettings) {
        if !site.is_main() {
            return;
        }
        let JobSettings {
            completions,
            parallelism,
            backoff_limit,
            suspend,
            on_each_node: _,
            indexed,
        } = job;
        let key = site.key();
        if let Some(limit) = backoff_limit
            .as_ref()
            .filter(|l| l.value > 0 && self.from_kubernetes())
        {
            let message = format!(
                "`{key}` is started again at once after a failure, {} times at most",
                limit.value
            );
            self.note("job-retries", &limit.origin, message);
        }
        let runs = completions.as_ref().or(parallelism.as_ref());
        if let (Some(runs), UnitKind::Cron(_)) = (runs.filter(|r| r.value > 1), &site.unit.kind) {
            let message = if self.is_swarm() {
                format!("all {} runs of `{key}` start at once", runs.value)
            } else {
                format!("one run of `{key}` starts each time, not {}", runs.value)
            };
            self.note("job-instances", &runs.origin, message);
        } else if let (Some(all), Some(once)) = (completions, parallelism)
            && once.value < all.value
        {
            let message = format!(
                "all {} runs of `{key}` start at once, not {} at a time",
                all.value, once.value
            );
            self.note("job-instances", &once.origin, message);
        }
        if let Some(indexed) = indexed.as_ref().filter(|i| i.value) {
            let message = format!("the runs of `{key}` do not know their index");
            self.note("job-index", &indexed.origin, message);
        }
        if let Some(suspend) = suspend.as_ref().filter(|s| s.value) {
            let message = format!("`{key}` waits to be started by hand");
            self.note("suspended-work", &suspend.origin, message);
        }
        if matches!(site.unit.kind, UnitKind::Job(_)) && !self.is_swarm() && self.from_kubernetes()
        {
            let message = format!("`{key}` runs again at each `docker compose up`");
            self.note("job-runs-again", &site.unit.origin, message);
        }
    }

    /// `deploy.resources` and `storage_opt`.
    pub(super) fn write_resources(&mut self, site: &Site<'a>, service: &mut Map, deploy: &mut Map) {
        let Resources {
            cpu_limit,
            memory_limit,
            cpu_request,
            memory_request,
            storage_limit,
            devices,
        } = &site.container.resources;
        let key = site.key();
        let swarm = self.is_swarm();
        let [least_limit, least_reservation] = least_memory(swarm);
        let mut limits = Map::new();
        let cpus = self.at_least(site, cpu_limit.as_ref(), LEAST_CPU, millicores_to_compose);
        put_some(&mut limits, "cpus", cpus);
        let memory = self.at_least(site, memory_limit.as_ref(), least_limit, bytes_to_compose);
        put_some(&mut limits, "memory", memory);
        let mut reservations = Map::new();
        put_some(
            &mut reservations,
            "cpus",
            cpu_request.as_ref().map(|c| millicores_to_compose(c.value)),
        );
        let memory = memory_request.as_ref();
        let memory = self.at_least(site, memory, least_reservation, bytes_to_compose);
        put_some(&mut reservations, "memory", memory);
        if let Some(request) = cpu_request
            .as_ref()
            .filter(|_| !swarm && self.from_kubernetes())
        {
            let message = format!("Compose does not reserve processors for `{key}`");
            self.note("cpu-reservation", &request.origin, message);
        }
        if let Some(size) = storage_limit {
            let text = bytes_to_compose(size.value);
            if swarm {
                let message = format!("the writable layer of `{key}` is not bounded to {text}");
                self.note("local-storage-in-swarm", &size.origin, message);
            } else if self.from_kubernetes() {
                // With `storage_opt`, the engine refuses the container on all but a few file systems.
                let message = format!("the writable layer of `{key}` is not bounded to {text}");
                self.note("local-storage-limit", &size.origin, message);
            } else {
                put(service, "storage_opt", json!({ "size": text }));
            }
        }
        let mut generic = Vec::new();
        let mut reserved = Vec::new();
        for device in devices {
            self.write_device(site, device, &mut generic, &mut reserved);
        }
        put_list(&mut reservations, "generic_resources", generic);
        put_list(&mut reservations, "devices", reserved);
        let mut resources = Map::new();
        put_map(&mut resources, "limits", limits);
        put_map(&mut resources, "reservations", reservations);
        put_map(deploy, "resources", resources);
    }

    /// An amount that the engine takes; none of it stands for no bound.
    fn at_least(
        &mut self,
        site: &Site<'a>,
        amount: Option<&Sourced<u64>>,
        least: u64,
        show: fn(u64) -> String,
    ) -> Option<String> {
        let amount = amount?;
        if amount.value == 0 || amount.value >= least {
            return Some(show(amount.value));
        }
        let message = format!(
            "`{}` gets {} instead of {}: Docker takes no less",
            site.key(),
            show(least),
            show(amount.value)
        );
        self.note("resource-raised", &amount.origin, message);
        Some(show(least))
    }

    fn write_device(
        &mut self,
        site: &Site<'a>,
        device: &DeviceRequest,
        generic: &mut Vec<Value>,
        reserved: &mut Vec<Value>,
    ) {
        let DeviceRequest {
            name,
            count,
            driver,
            capabilities,
            ids,
            generic: is_generic,
            origin,
        } = device;
        let key = site.key();
        let swarm = self.is_swarm();
        let gpu = name.ends_with("/gpu");
        if *is_generic || swarm {
            // The name under which Docker's documentation has the daemon advertise them.
            let kind = match name.as_str() {
                "nvidia.com/gpu" => "NVIDIA-GPU",
                other => other.rsplit('/').next().unwrap_or(other),
            };
            let Some(count) = count else {
                let message = format!("a stack cannot reserve all `{name}` of a node for `{key}`");
                self.note("device-choice", origin, message);
                return;
            };
            generic.push(json!({ "discrete_resource_spec": { "kind": kind, "value": count } }));
            if !is_generic {
                let message = format!("the nodes have to advertise `{kind}` for `{key}`");
                self.note("generic-resource", origin, message);
            }
            if !ids.is_empty() {
                let message = format!("a stack cannot choose the devices of `{key}` by id");
                self.note("device-choice", origin, message);
            }
            return;
        }
        if !gpu && capabilities.is_empty() && driver.is_none() {
            let message = format!("`{name}` of `{key}` is no device that Compose can reserve");
            self.note("other-resources", origin, message);
            return;
        }
        let mut map = Map::new();
        let vendor = name
            .split('.')
            .next()
            .filter(|_| name.contains('/'))
            .map(str::to_owned);
        put_some(
            &mut map,
            "driver",
            driver
                .clone()
                .or(vendor.filter(|_| gpu && capabilities.is_empty())),
        );
        if !ids.is_empty() {
            put(&mut map, "device_ids", ids.clone());
        } else if let Some(count) = count {
            put(&mut map, "count", *count);
        } else {
            put(&mut map, "count", "all");
        }
        let words = if capabilities.is_empty() {
            vec!["gpu".to_owned()]
        } else {
            capabilities.clone()
        };
        put(&mut map, "capabilities", words);
        reserved.push(Value::Object(map));
    }
}
