//! What all containers of an instance share.

use serde_json::Value;

use super::document::{Map, put, put_list, put_map, put_some, unique};
use super::plan::runs_on;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{HostAlias, IpcMode, PidMode, UnitKind, UnitSettings};
use crate::orchestration::quantity::duration_to_compose;

/// How long Kubernetes waits between the stop signal and the kill (`PodSpec.terminationGracePeriodSeconds`).
const KUBERNETES_GRACE: std::time::Duration = std::time::Duration::from_secs(30);

impl Writer<'_> {
    /// Settings of the unit, on each of its services as far as that makes sense there.
    pub(super) fn write_settings(&mut self, site: &Site<'_>, service: &mut Map) {
        let UnitSettings {
            hostname,
            domain,
            instance_name,
            network_mode: _,
            pid,
            ipc,
            host_users,
            init,
            dns_servers,
            dns_search,
            dns_options,
            dns_only_own: _,
            // See `write_network_mode`.
            dns_on_host: _,
            host_aliases,
            stop_grace,
            sysctls,
            groups,
            volume_group,
            runtime,
            pull_secrets,
            service_account,
            mount_token,
            service_links,
        } = &site.unit.settings;
        let swarm = self.is_swarm();
        let joins = self.joins(site);
        let key = site.key();

        // The containers of a Pod have one host name, from which they often take their number.
        let of_pod = self.from_kubernetes() && !site.planned.own_keys && !joins;
        if site.is_main() || of_pod {
            let given = hostname.as_ref().map(|h| h.value.clone());
            put_some(
                service,
                "hostname",
                given.or_else(|| self.instance_hostname(site)),
            );
        }
        if site.is_main() {
            if let Some(domain) = domain {
                if swarm {
                    let message = format!(
                        "the domain `{}` of `{key}` has no key in a stack",
                        domain.value
                    );
                    self.note("pod-domain", &domain.origin, message);
                } else {
                    put(service, "domainname", domain.value.clone());
                }
            }
            let fixed = instance_name.as_ref().map(|n| n.value.clone());
            let fixed = fixed.or_else(|| {
                self.reach
                    .get(site.index)
                    .and_then(|r| r.container_name.clone())
            });
            if let Some(name) = fixed {
                let origin = instance_name
                    .as_ref()
                    .map_or(&site.unit.origin, |n| &n.origin);
                if swarm || site.replicas() > 1 || site.instance.ordinal.is_some() {
                    let message =
                        format!("the fixed container name `{name}` of `{key}` is not kept");
                    self.note("container-name-not-kept", origin, message);
                } else {
                    put(service, "container_name", name);
                }
            }
        }
        put_some(service, "init", init.as_ref().map(|i| i.value));
        self.write_namespaces(site, pid.as_ref(), ipc.as_ref(), service);
        if let Some(host) = host_users {
            match (host.value, swarm) {
                (true, false) => put(service, "userns_mode", "host"),
                (true, true) => {
                    let message =
                        format!("the user namespace of the host for `{key}` has no key in a stack");
                    self.note("namespaces-in-swarm", &host.origin, message);
                }
                (false, _) => {
                    let message = format!(
                        "`{key}` gets a user namespace of its own only if the daemon maps users"
                    );
                    self.note("user-namespaces", &host.origin, message);
                }
            }
        }
        if !joins {
            self.write_resolver(site, dns_servers, dns_search, dns_options, service);
            self.write_hosts(site, host_aliases, service);
            let mut map = Map::new();
            for (name, value) in sysctls {
                put(&mut map, name, value.value.clone());
            }
            put_map(service, "sysctls", map);
        }
        let grace = match stop_grace {
            Some(grace) => Some(grace.value),
            None => self.from_kubernetes().then_some(KUBERNETES_GRACE),
        };
        if runs_on(site.container) {
            put_some(service, "stop_grace_period", grace.map(duration_to_compose));
        }
        self.write_groups(site, groups, volume_group.as_ref(), service);
        if let Some(runtime) = runtime {
            if swarm {
                let message = format!(
                    "the runtime `{}` of `{key}` has no key in a stack",
                    runtime.value
                );
                self.note("runtime-in-swarm", &runtime.origin, message);
            } else {
                put(service, "runtime", runtime.value.clone());
                if self.from_kubernetes() && site.is_main() {
                    let message = format!(
                        "the Docker daemon has to know a runtime named `{}`",
                        runtime.value
                    );
                    self.note("runtime-class", &runtime.origin, message);
                }
            }
        }
        if !site.is_main() || !site.is_first() {
            return;
        }
        for secret in pull_secrets {
            let message = format!(
                "the registry login of Secret `{}` comes from `docker login`",
                secret.value
            );
            self.note("registry-login", &secret.origin, message);
        }
        let unit = &site.unit.name.value;
        let token = mount_token.as_ref();
        let account_origin = service_account
            .as_ref()
            .map(|a| &a.origin)
            .or(token.map(|t| &t.origin));
        if let Some(origin) = account_origin {
            let account = service_account
                .as_ref()
                .map_or("default", |a| a.value.as_str());
            match token.map(|t| t.value) {
                Some(false) if service_account.is_none() => {}
                Some(false) => {
                    self.note(
                        "service-account-token",
                        origin,
                        format!("`{unit}` has no service account `{account}`"),
                    );
                }
                _ => {
                    let message = format!(
                        "`{unit}` has no token of service account `{account}` for the Kubernetes API"
                    );
                    self.note("service-account-identity", origin, message);
                }
            }
        }
        if let Some(links) = service_links.as_ref().filter(|l| l.value) {
            let message = format!(
                "variables such as `WEB_SERVICE_HOST`, which Kubernetes makes from Services, are not set in `{unit}`"
            );
            self.note("service-variables", &links.origin, message);
        }
    }

    /// A StatefulSet gives each instance its own host name.
    fn instance_hostname(&self, site: &Site<'_>) -> Option<String> {
        let UnitKind::Stateful(settings) = &site.unit.kind else {
            return None;
        };
        if !self.from_kubernetes() {
            return None;
        }
        let name = &site.unit.name.value;
        let first = settings.first_ordinal.as_ref().map_or(0, |o| o.value);
        let host = match site.instance.ordinal {
            Some(ordinal) => format!("{name}-{ordinal}"),
            None if site.replicas() <= 1 => format!("{name}-{first}"),
            None if self.is_swarm() => return Some(format!("{name}-{{{{.Task.Slot}}}}")),
            None => return None,
        };
        // Linux takes at most 64 characters, and Docker wants them to be a DNS name.
        (host.len() <= 63).then_some(host)
    }

    fn write_namespaces(
        &mut self,
        site: &Site<'_>,
        pid: Option<&crate::source::Sourced<PidMode>>,
        ipc: Option<&crate::source::Sourced<IpcMode>>,
        service: &mut Map,
    ) {
        let swarm = self.is_swarm();
        let joins = self.joins(site);
        let (key, main) = (site.key(), site.main_key());
        let several = site.unit.containers.iter().filter(|c| runs_on(c)).count() > 1;
        if let Some(pid) = pid {
            let word = match &pid.value {
                PidMode::Host => Some("host".to_owned()),
                PidMode::Shared if joins => Some(format!("service:{main}")),
                PidMode::Shared => None,
                PidMode::Other(mode) => Some(mode.clone()),
            };
            match word {
                Some(word) if swarm => {
                    let message =
                        format!("the process namespace `{word}` of `{key}` has no key in a stack");
                    self.note("namespaces-in-swarm", &pid.origin, message);
                }
                Some(word) => put(service, "pid", word),
                // An only container that shares its namespace with the Pod has an init process that reaps.
                None if !several && runs_on(site.container) => {
                    service.entry("init").or_insert(Value::Bool(true));
                }
                None if swarm && site.is_main() => {
                    let message = format!(
                        "the containers of `{key}` do not share one process namespace in a stack"
                    );
                    self.note("namespaces-in-swarm", &pid.origin, message);
                }
                None => {}
            }
        }
        // The containers of a Pod always share IPC; those of Compose services only do when they say so.
        let pod = self.from_kubernetes() && !site.planned.own_keys && several && ipc.is_none();
        let shared = pod || ipc.is_some_and(|i| i.value == IpcMode::Shared);
        if shared && !swarm {
            if joins {
                put(service, "ipc", format!("service:{main}"));
            } else if site.is_main() {
                put(service, "ipc", "shareable");
            }
            return;
        }
        let Some(ipc) = ipc else { return };
        let word = match &ipc.value {
            IpcMode::Host => "host",
            IpcMode::Private => "private",
            IpcMode::Shared => "shareable",
            IpcMode::Other(mode) => mode,
        };
        if swarm {
            let message = format!("the IPC mode `{word}` of `{key}` has no key in a stack");
            self.note("namespaces-in-swarm", &ipc.origin, message);
        } else {
            put(service, "ipc", word);
        }
    }

    fn write_resolver(
        &mut self,
        site: &Site<'_>,
        servers: &[crate::source::Sourced<String>],
        search: &[crate::source::Sourced<String>],
        options: &[crate::source::Sourced<(String, Option<String>)>],
        service: &mut Map,
    ) {
        put_list(
            service,
            "dns",
            unique(servers.iter().map(|s| s.value.clone())),
        );
        let mut domains = Vec::new();
        for domain in search {
            if self.from_kubernetes()
                && domain
                    .value
                    .trim_end_matches('.')
                    .ends_with("cluster.local")
            {
                let message = format!(
                    "the search domain `{}` belongs to the cluster and is left out",
                    domain.value
                );
                self.note("cluster-domain", &domain.origin, message);
            } else {
                domains.push(domain.value.clone());
            }
        }
        put_list(service, "dns_search", unique(domains));
        let mut texts = Vec::new();
        for option in options {
            let (name, value) = &option.value;
            let text = value
                .as_ref()
                .map_or_else(|| name.clone(), |value| format!("{name}:{value}"));
            if self.is_swarm() {
                let message = format!(
                    "the resolver option `{text}` of `{}` has no key in a stack",
                    site.key()
                );
                self.note("resolver-options-in-swarm", &option.origin, message);
            } else {
                texts.push(text);
            }
        }
        put_list(service, "dns_opt", unique(texts));
        if let Some(own) = site
            .unit
            .settings
            .dns_only_own
            .as_ref()
            .filter(|own| own.value && site.is_main())
        {
            let message = format!(
                "`{}` asks Docker's own name server first, which then asks the given ones",
                site.key()
            );
            self.note("dns-policy", &own.origin, message);
        }
    }

    fn write_hosts(&mut self, site: &Site<'_>, aliases: &[HostAlias], service: &mut Map) {
        let swarm = self.is_swarm();
        let mut hosts = Vec::new();
        for HostAlias { name, address } in aliases {
            if swarm && address == "host-gateway" {
                let message = format!(
                    "`{}` of `{}` cannot lead to the host in a stack",
                    name.value,
                    site.key()
                );
                self.note("host-gateway-not-in-stack", &name.origin, message);
            } else {
                let separator = if swarm { ':' } else { '=' };
                hosts.push(format!("{}{separator}{address}", name.value));
            }
        }
        let separator = if swarm { ':' } else { '=' };
        for outside in &self.outside {
            if outside.namespace == site.namespace() || outside.namespace.is_none() {
                hosts.push(format!("{}{separator}{}", outside.name, outside.address));
            }
        }
        put_list(service, "extra_hosts", unique(hosts));
    }

    fn write_groups(
        &mut self,
        site: &Site<'_>,
        groups: &[crate::source::Sourced<String>],
        volume_group: Option<&crate::source::Sourced<i64>>,
        service: &mut Map,
    ) {
        let mut all: Vec<String> = groups.iter().map(|g| g.value.clone()).collect();
        if self.is_swarm() {
            for group in groups {
                let message = format!(
                    "the group {} of `{}` has no key in a stack",
                    group.value,
                    site.key()
                );
                self.note("groups-in-swarm", &group.origin, message);
            }
            all.clear();
        }
        if let Some(group) = volume_group {
            if !self.is_swarm() {
                all.push(group.value.to_string());
            }
            if site.is_main() && site.is_first() {
                let message = format!(
                    "the volumes of `{}` are not given to group {}",
                    site.unit.name.value, group.value
                );
                self.note("volume-group", &group.origin, message);
            }
        }
        put_list(service, "group_add", unique(all));
    }
}
