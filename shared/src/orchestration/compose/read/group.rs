//! Services that share namespaces become one unit.

use std::collections::BTreeMap;

use super::Reader;
use super::service::Service;
use crate::finding::Code;
use crate::orchestration::model::{
    Metadata, MountSource, Name, NameKind, NetworkMode, Port, Role, Unit, Volume,
};
use crate::orchestration::names::{short_hash, to_label, with_suffix};
use crate::source::Sourced;

impl Reader<'_> {
    /// Puts each service that joins another one's network namespace into that one's unit, and takes over mounts.
    pub(super) fn group(
        &mut self,
        mut services: Vec<Service>,
        volumes: &mut Vec<Volume>,
        names: &mut Vec<Name>,
    ) -> Vec<Unit> {
        self.take_over_mounts(&mut services, volumes);
        let index: BTreeMap<String, usize> = services
            .iter()
            .enumerate()
            .map(|(i, s)| (s.unit.name.value.clone(), i))
            .collect();
        // The service at whose end the chain of joins stops.
        let mut host = vec![None; services.len()];
        for start in 0..services.len() {
            let mut at = start;
            let mut steps = 0;
            while let Some(join) = &services[at].joins {
                let Some(&next) = index.get(&join.value) else {
                    break;
                };
                at = next;
                steps += 1;
                if steps > services.len() {
                    let origin = join.origin.clone();
                    let message = format!(
                        "`{}` shares a namespace with itself, through others",
                        services[start].unit.name.value
                    );
                    self.error("sharing-cycle", &origin, message);
                    at = start;
                    break;
                }
            }
            if at != start {
                host[start] = Some(at);
            }
        }
        let own: Vec<String> = services.iter().map(|s| s.unit.name.value.clone()).collect();
        let keeps_network: Vec<bool> = services.iter().map(|s| s.keeps_network).collect();
        let mut units: Vec<Option<Unit>> = services.into_iter().map(|s| Some(s.unit)).collect();
        for (i, target) in host.iter().enumerate() {
            let Some(target) = *target else { continue };
            let (Some(guest), Some(mut into)) = (units[i].take(), units[target].take()) else {
                continue;
            };
            if keeps_network[i] {
                self.one_network(&guest, &into, names);
            }
            self.join(guest, &mut into, &own[target]);
            units[target] = Some(into);
        }
        let moved: BTreeMap<&str, &str> = host
            .iter()
            .enumerate()
            .filter_map(|(i, target)| Some((own[i].as_str(), own[(*target)?].as_str())))
            .collect();
        let mut units: Vec<Unit> = units.into_iter().flatten().collect();
        for unit in &mut units {
            for dependency in &mut unit.dependencies {
                if let Some(target) = moved.get(dependency.unit.value.as_str()) {
                    (*target).clone_into(&mut dependency.unit.value);
                }
            }
            let own = unit.name.value.clone();
            unit.dependencies.retain(|d| {
                let together = d.unit.value == own;
                if together && !d.implicit {
                    let message = format!(
                        "the services of this Pod start together, so nothing of it waits for `{}`",
                        d.unit.origin.path.last_key().unwrap_or(&own)
                    );
                    self.ledger
                        .add(Code("start-order-in-pod"), &d.unit.origin, message);
                }
                !together
            });
        }
        units
    }

    /// A Pod has one network, also where only IPC or processes were shared: the names of the guest lead to it, and
    /// ports collide.
    fn one_network(&mut self, guest: &Unit, into: &Unit, names: &mut Vec<Name>) {
        let host = &into.name.value;
        let message = format!(
            "`{}` shares the network of `{host}` as well, since a Pod has one; in Docker each has its own",
            guest.name.value
        );
        self.error("network-of-pod", &guest.origin, message);
        let ports = |unit: &Unit| -> Vec<Port> {
            let ports = unit.containers.iter().flat_map(|c| &c.ports);
            ports.cloned().collect()
        };
        let taken = ports(into);
        for port in ports(guest) {
            let same = |p: &Port| p.target == port.target && p.transport() == port.transport();
            if taken.iter().any(same) {
                let message = format!(
                    "`{}` and `{host}` both listen on port {} of one Pod, of which only one can",
                    guest.name.value, port.target
                );
                self.error("port-of-pod", &port.origin, message);
            }
        }
        let aliases = guest.networks.iter().flat_map(|n| &n.aliases);
        let fixed = guest.settings.instance_name.iter();
        let all = [&guest.name].into_iter().chain(fixed).chain(aliases);
        for name in all {
            names.push(Name {
                name: name.clone(),
                namespace: None,
                kind: NameKind::Alias {
                    networks: Vec::new(),
                },
                units: vec![host.clone()],
                ports: Vec::new(),
                headless: None,
                metadata: Metadata::default(),
                origin: name.origin.clone(),
            });
        }
    }

    fn join(&mut self, guest: Unit, into: &mut Unit, name: &str) {
        let Unit {
            name: guest_name,
            namespace: _,
            kind: _,
            replicas,
            containers,
            metadata,
            instance_metadata,
            restart,
            rollout,
            placement,
            settings,
            networks,
            dependencies,
            origin,
        } = guest;
        let mut lost = Vec::new();
        if let Some(replicas) = &replicas
            && into.replicas.as_ref().map_or(1, |r| r.value) != replicas.value
        {
            lost.push("the number of replicas");
        }
        if restart
            .as_ref()
            .and_then(|r| r.condition.as_ref())
            .map(|c| c.value)
            != into
                .restart
                .as_ref()
                .and_then(|r| r.condition.as_ref())
                .map(|c| c.value)
        {
            lost.push("the restart policy");
        }
        if rollout != crate::orchestration::model::Rollout::default() {
            lost.push("the update settings");
        }
        if placement != crate::orchestration::model::Placement::default() {
            lost.push("the placement");
        }
        if !metadata.labels.is_empty() {
            lost.push("the service labels");
        }
        if settings.hostname.is_some()
            || settings.domain.is_some()
            || settings.instance_name.is_some()
        {
            lost.push("host and container names");
        }
        if !settings.dns_servers.is_empty()
            || !settings.host_aliases.is_empty()
            || !settings.sysctls.is_empty()
        {
            lost.push("DNS, hosts and sysctl settings");
        }
        if let Some(grace) = &settings.stop_grace {
            match &into.settings.stop_grace {
                Some(own) if own.value >= grace.value => {}
                _ => into.settings.stop_grace = Some(grace.clone()),
            }
        }
        if !networks.is_empty()
            && settings
                .network_mode
                .as_ref()
                .is_none_or(|m| m.value != NetworkMode::Host)
        {
            lost.push("the networks");
        }
        if !lost.is_empty() {
            let message = format!(
                "`{}` shares a Pod with `{name}`, where {} of `{name}` count for both",
                guest_name.value,
                lost.join(", ")
            );
            self.error("shared-unit", &origin, message);
        }
        for (key, value) in instance_metadata.labels {
            into.instance_metadata.labels.entry(key).or_insert(value);
        }
        for (key, value) in instance_metadata.annotations {
            into.instance_metadata
                .annotations
                .entry(key)
                .or_insert(value);
        }
        if settings.pid.is_some() && into.settings.pid.is_none() {
            into.settings.pid = settings.pid;
        }
        if settings.ipc.is_some() && into.settings.ipc.is_none() {
            into.settings.ipc = settings.ipc;
        }
        for dependency in dependencies {
            if !into
                .dependencies
                .iter()
                .any(|d| d.unit.value == dependency.unit.value)
            {
                into.dependencies.push(dependency);
            }
        }
        for mut container in containers {
            if container.role == Role::Main {
                container.role = Role::Sidecar;
            }
            into.containers.push(container);
        }
    }

    /// `volumes_from`: the mounts of the other service, unless there is one at the same place.
    fn take_over_mounts(&mut self, services: &mut [Service], volumes: &mut Vec<Volume>) {
        let index: BTreeMap<String, usize> = services
            .iter()
            .enumerate()
            .map(|(i, s)| (s.unit.name.value.clone(), i))
            .collect();
        // A service may take over mounts that another one took over; each round resolves one step of such a chain.
        let wishes: Vec<Vec<_>> = services.iter().map(|s| s.volumes_from.clone()).collect();
        if wishes.iter().all(Vec::is_empty) {
            return;
        }
        for wish in wishes.iter().flatten() {
            let (from, _) = &wish.value;
            let Some(&source) = index.get(from) else {
                let message = format!("`{from}` is not a service");
                self.error("undefined-reference", &wish.origin, message);
                continue;
            };
            let message = format!("the mounts of `{from}` are repeated in this service");
            self.error("mounts-of-others", &wish.origin, message);
            give_names(&mut services[source].unit, volumes);
        }
        for _ in 0..8 {
            for (i, wishes) in wishes.iter().enumerate() {
                for wish in wishes {
                    let (from, read_only) = &wish.value;
                    let Some(&source) = index.get(from) else {
                        continue;
                    };
                    let mounts = services[source]
                        .unit
                        .containers
                        .first()
                        .map(|c| c.mounts.clone())
                        .unwrap_or_default();
                    let Some(own) = services[i].unit.containers.first_mut() else {
                        continue;
                    };
                    for mut mount in mounts {
                        if own
                            .mounts
                            .iter()
                            .any(|m| m.target.value == mount.target.value)
                        {
                            continue;
                        }
                        if let Some(read_only) = read_only {
                            mount.read_only = Some(Sourced::new(*read_only, wish.origin.clone()));
                        }
                        own.mounts.push(mount);
                    }
                }
            }
        }
    }
}

/// Volumes without a name get one, because what several services share has to be one thing that outlives each of them.
fn give_names(unit: &mut Unit, volumes: &mut Vec<Volume>) {
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for container in &mut unit.containers {
        for mount in &mut container.mounts {
            if mount.source != MountSource::Anonymous {
                continue;
            }
            let target = &mount.target.value;
            let name = given.entry(target.clone()).or_insert_with(|| {
                let wanted = to_label(&format!("{}-{}", unit.name.value, target.trim_matches('/')));
                let taken = |name: &str| volumes.iter().any(|v| v.name.value == name);
                let name = if taken(&wanted) {
                    with_suffix(&wanted, &short_hash(target.as_bytes()))
                } else {
                    wanted
                };
                volumes.push(Volume::new(Sourced::new(
                    name.clone(),
                    mount.origin.clone(),
                )));
                name
            });
            mount.source = MountSource::Volume(name.clone());
        }
    }
}
