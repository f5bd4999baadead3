//! What the containers of a Pod share.

use super::Reader;
use super::volumes::PodVolumes;
use crate::orchestration::model::{
    HostAlias, IpcMode, NetworkMode, PidMode, Restart, RestartCondition, Role, Unit,
};
use crate::source::{Fields, Item, Node, Sourced};

/// The Pod template of a workload, or the Pod itself.
pub(super) fn template_of(object: &Node) -> Option<&Node> {
    let map = object.as_mapping()?;
    let kind = map.get("kind").and_then(Node::as_text);
    if kind == Some("Pod") {
        return Some(object);
    }
    let mut spec = map.get("spec")?.as_mapping()?;
    if kind == Some("CronJob") {
        spec = spec
            .get("jobTemplate")?
            .as_mapping()?
            .get("spec")?
            .as_mapping()?;
    }
    spec.get("template")
}

impl Reader<'_> {
    pub(super) fn pod(&mut self, unit: &mut Unit, item: &Item<'_>) {
        let Some(mut spec) = item.fields("PodSpec", self.ledger) else {
            return;
        };
        if let Some(text) = spec.text("restartPolicy", self.ledger) {
            let condition = match text.value.as_str() {
                "Always" => RestartCondition::Always,
                "OnFailure" => RestartCondition::OnFailure,
                "Never" => RestartCondition::Never,
                other => {
                    self.error(
                        "bad-field",
                        &text.origin,
                        format!("`{other}` is not a restart policy"),
                    );
                    RestartCondition::Always
                }
            };
            unit.restart = Some(Restart {
                condition: Some(Sourced::new(condition, text.origin)),
                max_attempts: None,
                delay: None,
                window: None,
            });
        }
        let settings = &mut unit.settings;
        settings.stop_grace = spec
            .integer::<u32>("terminationGracePeriodSeconds", self.ledger)
            .map(|s| s.map(|s| std::time::Duration::from_secs(u64::from(s))));
        settings.hostname = spec.text("hostname", self.ledger);
        settings.domain = spec.text("subdomain", self.ledger);
        let host = |flag: Option<Sourced<bool>>| flag.filter(|f| f.value);
        settings.network_mode =
            host(spec.boolean("hostNetwork", self.ledger)).map(|f| f.map(|_| NetworkMode::Host));
        settings.pid = host(spec.boolean("hostPID", self.ledger)).map(|f| f.map(|_| PidMode::Host));
        settings.ipc = host(spec.boolean("hostIPC", self.ledger)).map(|f| f.map(|_| IpcMode::Host));
        settings.host_users = spec.boolean("hostUsers", self.ledger);
        settings.runtime = spec.text("runtimeClassName", self.ledger);
        settings.service_account = spec.text("serviceAccountName", self.ledger);
        if let Some(old) = spec.text("serviceAccount", self.ledger) {
            settings.service_account.get_or_insert(old);
        }
        settings.mount_token = spec.boolean("automountServiceAccountToken", self.ledger);
        settings.service_links = spec.boolean("enableServiceLinks", self.ledger);
        for item in spec.items("imagePullSecrets", self.ledger) {
            if let Some(mut fields) = item.fields("LocalObjectReference", self.ledger) {
                settings
                    .pull_secrets
                    .extend(fields.text("name", self.ledger));
                fields.finish(self.ledger);
            }
        }
        self.dns(&mut spec, unit);
        for item in spec.items("hostAliases", self.ledger) {
            let Some(mut fields) = item.fields("HostAlias", self.ledger) else {
                continue;
            };
            let address = fields
                .text("ip", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            for name in fields.texts("hostnames", self.ledger) {
                unit.settings.host_aliases.push(HostAlias {
                    name,
                    address: address.clone(),
                });
            }
            fields.finish(self.ledger);
        }
        let pod_security = spec.take("securityContext");
        self.placement(&mut spec, unit);
        let os = spec.fields("os", "PodOS", self.ledger).and_then(|mut os| {
            let name = os.text("name", self.ledger);
            os.finish(self.ledger);
            name
        });
        let mut volumes = PodVolumes::default();
        if let Some(item) = spec.take("volumes") {
            self.pod_volumes(&item, unit, &mut volumes);
        }
        let share = spec.boolean("shareProcessNamespace", self.ledger);
        for (key, init) in [("initContainers", true), ("containers", false)] {
            let Some(item) = spec.take(key) else { continue };
            for item in item.items(self.ledger) {
                if let Some(container) = self.container(&item, init, &mut volumes, unit) {
                    unit.containers.push(container);
                }
            }
        }
        self.main_container(unit, &spec);
        match share {
            Some(share)
                if unit
                    .containers
                    .iter()
                    .filter(|c| c.role != Role::Init)
                    .count()
                    > 1
                    && share.value =>
            {
                unit.settings.pid = Some(share.map(|_| PidMode::Shared));
            }
            other => unit.settings.init = other,
        }
        if let Some(os) = os {
            for container in &mut unit.containers {
                container.platform.get_or_insert_with(|| os.clone());
            }
        }
        if let Some(item) = pod_security {
            self.pod_security(&item, unit);
        }
        self.unused_volumes(volumes);
        spec.finish(self.ledger);
    }

    /// The main container comes first: the one that kubectl takes by default, else the first.
    fn main_container(&mut self, unit: &mut Unit, _spec: &Fields<'_>) {
        let wanted = unit
            .instance_metadata
            .annotations
            .get("kubectl.kubernetes.io/default-container")
            .map(|a| a.value.clone());
        let runs = |role: Role| role == Role::Sidecar;
        let main = unit
            .containers
            .iter()
            .position(|c| runs(c.role) && wanted.as_deref() == Some(c.name.value.as_str()))
            .or_else(|| unit.containers.iter().position(|c| runs(c.role)));
        if let Some(index) = main {
            let mut container = unit.containers.remove(index);
            container.role = Role::Main;
            unit.containers.insert(0, container);
        }
    }

    fn dns(&mut self, spec: &mut Fields<'_>, unit: &mut Unit) {
        let settings = &mut unit.settings;
        if let Some(policy) = spec.text("dnsPolicy", self.ledger) {
            match policy.value.as_str() {
                "None" => settings.dns_only_own = Some(Sourced::new(true, policy.origin)),
                "ClusterFirstWithHostNet" => {
                    settings.dns_on_host = Some(Sourced::new(true, policy.origin));
                }
                _ => {}
            }
        }
        let Some(mut config) = spec.fields("dnsConfig", "PodDNSConfig", self.ledger) else {
            return;
        };
        settings.dns_servers = config.texts("nameservers", self.ledger);
        settings.dns_search = config.texts("searches", self.ledger);
        for item in config.items("options", self.ledger) {
            let Some(mut option) = item.fields("PodDNSConfigOption", self.ledger) else {
                continue;
            };
            let name = option
                .text("name", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            let value = option.text("value", self.ledger).map(|t| t.value);
            settings.dns_options.push(item.sourced((name, value)));
            option.finish(self.ledger);
        }
        config.finish(self.ledger);
    }

    /// Settings of the Pod hold for each container that has none of its own.
    fn pod_security(&mut self, item: &Item<'_>, unit: &mut Unit) {
        let Some(mut fields) = item.fields("PodSecurityContext", self.ledger) else {
            return;
        };
        unit.settings.volume_group = fields.integer("fsGroup", self.ledger);
        unit.settings.groups = fields.texts("supplementalGroups", self.ledger);
        for item in fields.items("sysctls", self.ledger) {
            let Some(mut sysctl) = item.fields("Sysctl", self.ledger) else {
                continue;
            };
            if let (Some(name), Some(value)) = (
                sysctl.text("name", self.ledger),
                sysctl.text("value", self.ledger),
            ) {
                unit.settings.sysctls.insert(name.value, value);
            }
            sysctl.finish(self.ledger);
        }
        let shared = self.security_context(&mut fields);
        fields.finish(self.ledger);
        for container in &mut unit.containers {
            container.user = match (container.user.take(), &shared.user) {
                (None, user) => user.clone(),
                (Some(own), Some(user)) => Some(super::container::filled_user(own, &user.value)),
                (own, None) => own,
            };
            let own = &mut container.security;
            own.seccomp = own
                .seccomp
                .take()
                .or_else(|| shared.security.seccomp.clone());
            own.apparmor = own
                .apparmor
                .take()
                .or_else(|| shared.security.apparmor.clone());
            own.run_as_non_root = own
                .run_as_non_root
                .take()
                .or_else(|| shared.security.run_as_non_root.clone());
            if own.selinux.is_empty() {
                own.selinux.clone_from(&shared.security.selinux);
            }
        }
    }
}
