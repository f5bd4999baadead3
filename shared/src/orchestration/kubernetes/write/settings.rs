//! What all containers of a Pod share.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{
    HostAlias as KubernetesHostAlias, LocalObjectReference, PodDNSConfig, PodDNSConfigOption,
    PodSecurityContext, PodSpec, Sysctl,
};

use super::plan::Plan;
use super::pod::is_dns_label;
use super::{placeholders, security};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{HostAlias, IpcMode, NetworkMode, PidMode, Unit, UnitSettings};
use crate::orchestration::names::{is_label, is_subdomain, to_label};
use crate::orchestration::quantity::seconds_up;
use crate::source::Sourced;

/// Docker's time between the stop signal and the kill; Kubernetes' is 30 s.
pub(super) const GRACE: u64 = 10;

/// Writes what all containers share, and gives back the seconds that stopping may take.
pub(super) fn settings(
    unit: &Unit,
    plan: &Plan<'_>,
    spec: &mut PodSpec,
    findings: &mut Findings,
) -> Option<u64> {
    let UnitSettings {
        hostname,
        domain,
        // A Service of that name; see `services`.
        instance_name: _,
        network_mode,
        pid,
        ipc,
        host_users,
        init,
        dns_servers,
        dns_search,
        dns_options,
        dns_only_own,
        // Compose has no word for it.
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
    } = &unit.settings;
    let mut context = PodSecurityContext::default();
    if let Some(hostname) = hostname {
        match placeholders::settled(&hostname.value, unit, plan) {
            Ok(text) => {
                let hostname = Sourced::new(text.into_owned(), hostname.origin.clone());
                self::hostname(&hostname, spec, findings);
            }
            Err(placeholder) => {
                let message = format!("the host name is the Pod's, not `{placeholder}`");
                findings.add(Code("host-name-placeholder"), &hostname.origin, message);
            }
        }
    }
    if let Some(domain) = domain {
        self::domain(domain, spec, plan, findings);
    }
    if let Some(mode) = network_mode {
        match &mode.value {
            NetworkMode::Host => {
                spec.host_network = Some(true);
                spec.dns_policy = Some("ClusterFirstWithHostNet".to_owned());
            }
            // A NetworkPolicy; see `policies`.
            NetworkMode::None => {}
            NetworkMode::Bridge => {
                findings.add(
                    Code("network-bridge"),
                    &mode.origin,
                    "the cluster's network stands for the bridge",
                );
            }
            NetworkMode::Other(other) => {
                let message = format!("the network `{other}` cannot be shared");
                findings.add(Code("namespace-impossible"), &mode.origin, message);
            }
        }
    }
    if let Some(pid) = pid {
        match &pid.value {
            PidMode::Host => spec.host_pid = Some(true),
            PidMode::Shared => spec.share_process_namespace = Some(true),
            PidMode::Other(other) => {
                let message = format!("the process namespace `{other}` cannot be shared");
                findings.add(Code("namespace-impossible"), &pid.origin, message);
            }
        }
    }
    if let Some(ipc) = ipc {
        match &ipc.value {
            IpcMode::Host => spec.host_ipc = Some(true),
            // All containers of a Pod share theirs.
            IpcMode::Shared => {}
            IpcMode::Private if unit.containers.len() <= 1 => {}
            IpcMode::Private => {
                let message = "the containers of a Pod share their IPC namespace";
                findings.add(Code("namespace-impossible"), &ipc.origin, message);
            }
            IpcMode::Other(other) => {
                let message = format!("the IPC namespace `{other}` cannot be had");
                findings.add(Code("namespace-impossible"), &ipc.origin, message);
            }
        }
    }
    let of_host = [spec.host_network, spec.host_pid, spec.host_ipc].contains(&Some(true));
    if let Some(users) = host_users {
        if !users.value && of_host {
            let message = "a Pod with namespaces of its node cannot have users of its own";
            findings.add(Code("namespace-impossible"), &users.origin, message);
        } else {
            spec.host_users = Some(users.value);
        }
    }
    if let Some(init) = init {
        let host_pid = spec.host_pid == Some(true);
        if init.value && host_pid {
            findings.add(
                Code("init-by-pause"),
                &init.origin,
                "the node's init process reaps the children",
            );
        } else if init.value {
            findings.add(
                Code("init-by-pause"),
                &init.origin,
                "the Pod's pause process reaps the children, and passes on no signals",
            );
            spec.share_process_namespace = Some(true);
        } else if spec.share_process_namespace.is_none() {
            spec.share_process_namespace = Some(false);
        }
    }
    dns(
        dns_servers,
        dns_search,
        dns_options,
        dns_only_own.as_ref(),
        spec,
        findings,
    );
    hosts(host_aliases, spec, findings);
    self::sysctls(sysctls, spec, &mut context, findings);
    let mut numbers = Vec::new();
    for group in groups {
        let Some(number) = security::group_number(&group.value, plan) else {
            let message = format!("only the image knows the number of group `{}`", group.value);
            findings.add(Code("user-name"), &group.origin, message);
            continue;
        };
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    context.supplemental_groups = Some(numbers).filter(|numbers| !numbers.is_empty());
    context.fs_group = volume_group.as_ref().map(|group| group.value);
    spec.security_context =
        Some(context).filter(|context| *context != PodSecurityContext::default());
    if let Some(runtime) = runtime {
        if plan.docker && runtime.value == "runc" {
            findings.add(
                Code("runtime-default"),
                &runtime.origin,
                "`runc` is the default runtime of clusters too",
            );
        } else if is_subdomain(&runtime.value) {
            spec.runtime_class_name = Some(runtime.value.clone());
            if plan.docker {
                let message = format!("the cluster needs a RuntimeClass `{}`", runtime.value);
                findings.add(Code("runtime-class-needed"), &runtime.origin, message);
            }
        } else {
            let message = format!("`{}` cannot be the name of a RuntimeClass", runtime.value);
            findings.add(Code("runtime-impossible"), &runtime.origin, message);
        }
    }
    let mut secrets: Vec<LocalObjectReference> = Vec::new();
    let given = pull_secrets
        .iter()
        .filter(|secret| referable(secret, findings))
        .map(|secret| &secret.value);
    for name in given.chain(&plan.options.pull_secrets) {
        if !secrets.iter().any(|secret| secret.name == *name) {
            secrets.push(LocalObjectReference { name: name.clone() });
        }
    }
    spec.image_pull_secrets = Some(secrets).filter(|secrets| !secrets.is_empty());
    spec.service_account_name = service_account
        .as_ref()
        .filter(|account| referable(account, findings))
        .map(|account| account.value.clone());
    // Containers of Docker know nothing of a cluster.
    let silent = plan.docker.then_some(false);
    spec.automount_service_account_token = mount_token.as_ref().map(|m| m.value).or(silent);
    spec.enable_service_links = service_links.as_ref().map(|s| s.value).or(silent);
    let grace = match stop_grace {
        Some(grace) => {
            let whole = seconds_up(grace.value);
            if grace.value.subsec_nanos() > 0 {
                let message = format!("{:?} is rounded up to {whole} s", grace.value);
                findings.add(Code("rounded-up"), &grace.origin, message);
            }
            Some(whole)
        }
        None => plan.docker.then_some(GRACE),
    };
    spec.termination_grace_period_seconds =
        grace.map(|grace| i64::try_from(grace).unwrap_or(i64::MAX));
    grace
}

pub(super) fn hostname(hostname: &Sourced<String>, spec: &mut PodSpec, findings: &mut Findings) {
    let (host, rest) = match hostname.value.split_once('.') {
        Some((host, rest)) => (host, Some(rest)),
        None => (hostname.value.as_str(), None),
    };
    let label = if is_dns_label(host) {
        host.to_owned()
    } else {
        to_label(host)
    };
    if label != host {
        let message = format!("the host name `{}` is `{label}`", hostname.value);
        findings.add(Code("host-name-changed"), &hostname.origin, message);
    }
    spec.hostname = Some(label);
    if let Some(rest) = rest {
        if is_label(rest) {
            spec.subdomain = Some(rest.to_owned());
        }
        let message = format!(
            "`{rest}` of the host name `{}` is not the Pod's domain",
            hostname.value
        );
        findings.add(Code("host-name-changed"), &hostname.origin, message);
    }
}

pub(super) fn domain(
    domain: &Sourced<String>,
    spec: &mut PodSpec,
    plan: &Plan<'_>,
    findings: &mut Findings,
) {
    if is_label(&domain.value) {
        spec.subdomain = Some(domain.value.clone());
        if plan.docker {
            let message = format!(
                "`{}` resolves only with a headless Service of that name",
                domain.value
            );
            findings.add(Code("domain-service"), &domain.origin, message);
        }
    } else {
        let message = format!("`{}` cannot be the domain of a Pod", domain.value);
        findings.add(Code("domain-impossible"), &domain.origin, message);
    }
}

/// Whether an object can have this name.
fn referable(name: &Sourced<String>, findings: &mut Findings) -> bool {
    let ok = is_subdomain(&name.value);
    if !ok {
        let message = format!("no object can have the name `{}`", name.value);
        findings.add(Code("reference-impossible"), &name.origin, message);
    }
    ok
}

/// Bounds of the resolver's configuration (Kubernetes API, `PodDNSConfig`).
pub(super) const SERVERS_MAX: usize = 3;

pub(super) const SEARCH_MAX: usize = 32;

pub(super) const SEARCH_TEXT_MAX: usize = 2048;

pub(super) fn dns(
    servers: &[Sourced<String>],
    search: &[Sourced<String>],
    options: &[Sourced<(String, Option<String>)>],
    only_own: Option<&Sourced<bool>>,
    spec: &mut PodSpec,
    findings: &mut Findings,
) {
    let mut config = PodDNSConfig::default();
    for server in servers {
        let list = config.nameservers.get_or_insert_default();
        let address = server
            .value
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        match address {
            Ok(address) if list.len() < SERVERS_MAX => list.push(address.to_string()),
            Ok(_) => {
                let message = format!("{} is one name server too many", server.value);
                findings.add(Code("dns-impossible"), &server.origin, message);
            }
            Err(_) => {
                let message = format!("`{}` is not the address of a name server", server.value);
                findings.add(Code("dns-impossible"), &server.origin, message);
            }
        }
    }
    let mut length = 0;
    for domain in search {
        let list = config.searches.get_or_insert_default();
        let text = domain.value.as_str();
        let legal = text == "."
            || is_subdomain(
                &text
                    .trim_end_matches('.')
                    .replace('_', "-")
                    .to_ascii_lowercase(),
            );
        length += text.len() + 1;
        if legal && list.len() < SEARCH_MAX && length <= SEARCH_TEXT_MAX {
            list.push(domain.value.clone());
        } else {
            let message = format!("`{text}` cannot be a search domain here");
            findings.add(Code("dns-impossible"), &domain.origin, message);
        }
    }
    for option in options {
        let (name, value) = &option.value;
        if name.is_empty() {
            findings.add(
                Code("dns-impossible"),
                &option.origin,
                "an option of the resolver has no name",
            );
            continue;
        }
        config
            .options
            .get_or_insert_default()
            .push(PodDNSConfigOption {
                name: Some(name.clone()),
                value: value.clone(),
            });
    }
    let has_server = config
        .nameservers
        .as_ref()
        .is_some_and(|servers| !servers.is_empty());
    config.nameservers = config.nameservers.filter(|list| !list.is_empty());
    config.searches = config.searches.filter(|list| !list.is_empty());
    if let Some(only_own) = only_own {
        if only_own.value && has_server {
            spec.dns_policy = Some("None".to_owned());
        } else if only_own.value {
            let message = "the cluster's resolver is used, since no other is named";
            findings.add(Code("dns-impossible"), &only_own.origin, message);
        } else if spec.dns_policy.is_none() {
            spec.dns_policy = Some("ClusterFirst".to_owned());
        }
    }
    spec.dns_config = Some(config).filter(|config| *config != PodDNSConfig::default());
}

pub(super) fn hosts(aliases: &[HostAlias], spec: &mut PodSpec, findings: &mut Findings) {
    let mut entries: Vec<KubernetesHostAlias> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for HostAlias { name, address } in aliases {
        if address == "host-gateway" {
            let message = format!("`{}` cannot be the address of the node", name.value);
            findings.add(Code("host-gateway"), &name.origin, message);
            continue;
        }
        let parsed = address
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let (Ok(ip), true) = (parsed, is_subdomain(&name.value)) else {
            let message = format!(
                "`{}` with the address `{address}` cannot be in the hosts file",
                name.value
            );
            findings.add(Code("host-alias"), &name.origin, message);
            continue;
        };
        let ip = ip.to_string();
        let place = *places.entry(ip.clone()).or_insert_with(|| {
            entries.push(KubernetesHostAlias {
                hostnames: Some(Vec::new()),
                ip,
            });
            entries.len() - 1
        });
        let names = entries[place].hostnames.get_or_insert_default();
        if !names.contains(&name.value) {
            names.push(name.value.clone());
        }
    }
    spec.host_aliases = Some(entries).filter(|entries| !entries.is_empty());
}

/// What any kubelet allows (kubernetes, `pkg/kubelet/sysctl/safe_sysctls.go`).
pub(super) const SAFE_SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

pub(super) fn sysctls(
    sysctls: &BTreeMap<String, Sourced<String>>,
    spec: &PodSpec,
    context: &mut PodSecurityContext,
    findings: &mut Findings,
) {
    let mut written = Vec::new();
    for (key, value) in sysctls {
        let name = key.replace('/', ".");
        let network = name.starts_with("net.");
        let ipc = name.starts_with("kernel.shm")
            || name.starts_with("kernel.msg")
            || name == "kernel.sem"
            || name.starts_with("fs.mqueue.");
        let legal = name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        }) && name.split('.').all(|part| {
            let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(edge) && part.ends_with(edge)
        });
        let reason = if !legal || name.len() > 253 {
            Some("is not a name that Kubernetes allows")
        } else if network && spec.host_network == Some(true) {
            Some("would be the node's, whose network is used")
        } else if ipc && spec.host_ipc == Some(true) {
            Some("would be the node's, whose IPC namespace is used")
        } else if !network && !ipc {
            Some("belongs to the node, not to a Pod")
        } else {
            None
        };
        if let Some(reason) = reason {
            findings.add(
                Code("sysctl-impossible"),
                &value.origin,
                format!("`{key}` {reason}"),
            );
            continue;
        }
        if !SAFE_SYSCTLS.contains(&name.as_str()) {
            let message =
                format!("the kubelets have to allow it: `--allowed-unsafe-sysctls={name}`");
            findings.add(Code("sysctl-unsafe"), &value.origin, message);
        }
        written.push(Sysctl {
            name,
            value: value.value.clone(),
        });
    }
    context.sysctls = Some(written).filter(|written| !written.is_empty());
}
