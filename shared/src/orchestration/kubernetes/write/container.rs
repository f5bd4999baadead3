//! One container of a Pod.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{Container as KubernetesContainer, ContainerPort};

use super::command::{literals, quoted};
use super::plan::Plan;
use super::pod::Pod;
use super::usage::pods;
use super::{environment, lifecycle, mounts, placeholders, ports, probes, resources, security};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{
    Build, Container, Dialect, NetworkMode, Port, Probe, Publication, PublishMode, PullPolicy, Role,
};
use crate::orchestration::names::to_label;
use crate::source::Sourced;

/// Writes a container under the name that it has in the Pod.
pub(super) fn container(
    container: &Container,
    name: String,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> KubernetesContainer {
    let Container {
        name: _,
        role,
        image: _,
        build,
        pull,
        entrypoint,
        command,
        // The words stand in the two above; only the reader of Kubernetes leaves references open.
        composed: _,
        working_dir,
        // With what is filled in; see `placeholders`.
        environment: _,
        environment_from,
        user,
        ports,
        mounts: _,
        probes: checks,
        health_disabled,
        post_start,
        pre_stop,
        stop_signal,
        resources: asked,
        security: rights,
        tty,
        stdin,
        shm_size: _,
        platform: _,
        origin,
    } = container;
    let plan = pod.plan;
    let image = self::image(container, plan);
    if let Some(build) = build {
        must_be_built(build, &image, findings);
    } else if container.image.is_none() {
        let message = format!("there is neither an image nor a build, so `{image}` is asked for");
        findings.add(Code("image-missing"), origin, message);
    }
    let args = command.as_ref().map(|words| literals(&words.value));
    let start = entrypoint.as_ref().map(|words| literals(&words.value));
    let (start, args) = cleared(container, start, args, findings);
    // Only containers that run for long can be asked or have hooks (Kubernetes API, initContainers).
    let runs = matches!(role, Role::Main | Role::Sidecar | Role::NativeSidecar);
    let probes = if runs {
        probes::probes(checks, plan, findings)
    } else {
        for Probe { origin, .. } in checks {
            let message = "a container that runs to its end has no health check";
            findings.add(Code("probe-impossible"), origin, message);
        }
        probes::Probes::default()
    };
    if let Some(disabled) = health_disabled.as_ref().filter(|d| !d.value) {
        findings.add(
            Code("health-of-image"),
            &disabled.origin,
            "Kubernetes does not know a health check of the image",
        );
    }
    if let Some(signal) = stop_signal {
        let message = format!(
            "the signal of the image is sent instead of `{}`",
            signal.value
        );
        findings.add(Code("stop-signal-of-image"), &signal.origin, message);
    }
    let lifecycle = if runs {
        lifecycle::lifecycle(post_start, pre_stop, pod.grace, findings)
    } else {
        for hook in post_start.iter().chain(pre_stop) {
            let message = "a container that runs to its end has no hooks";
            findings.add(Code("hook-impossible"), &hook.origin, message);
        }
        None
    };
    let own_users = pod.own_users;
    let security_context = security::context(rights, user.as_ref(), own_users, plan, findings);
    let written = mounts::mounts(container, pod, findings);
    let environment = placeholders::environment(container, pod.unit, plan, findings);
    placeholders::host_names(container, plan, findings);
    KubernetesContainer {
        args,
        command: start,
        env: environment::variables(&environment, plan, findings),
        env_from: environment::objects(environment_from, plan),
        image_pull_policy: pull_policy(pull.as_ref(), &image, container, findings),
        image: Some(image),
        lifecycle,
        liveness_probe: probes.live,
        name,
        ports: self::ports(ports, pod, findings),
        readiness_probe: probes.ready,
        resources: resources::resources(asked, plan, findings),
        restart_policy: (*role == Role::NativeSidecar).then(|| "Always".to_owned()),
        security_context,
        startup_probe: probes.started,
        stdin: stdin.as_ref().map(|s| s.value),
        tty: tty.as_ref().map(|t| t.value),
        volume_devices: Some(written.devices).filter(|d| !d.is_empty()),
        volume_mounts: Some(written.mounts).filter(|m| !m.is_empty()),
        working_dir: working_dir.as_ref().map(|w| w.value.clone()),
        ..KubernetesContainer::default()
    }
}

/// The image, or the name that Compose gives to one that it builds.
pub(super) fn image(container: &Container, plan: &Plan<'_>) -> String {
    let legal = |text: &str| -> String {
        text.to_ascii_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                    c
                } else {
                    '-'
                }
            })
            .collect()
    };
    match &container.image {
        Some(image) if !image.value.trim().is_empty() => image.value.trim().to_owned(),
        _ => {
            let project = plan
                .application
                .name
                .as_ref()
                .map_or(plan.instance.as_str(), |name| name.value.as_str());
            format!("{}-{}", legal(project), legal(&container.name.value))
        }
    }
}

fn must_be_built(build: &Build, image: &str, findings: &mut Findings) {
    let Build {
        context,
        dockerfile,
        target,
        origin,
    } = build;
    let context = context.as_deref().unwrap_or(".");
    let mut line = format!("docker build -t {}", quoted(image));
    if let Some(dockerfile) = dockerfile {
        // Relative to the context in Compose, to the current folder on the command line.
        let absolute = dockerfile.starts_with('/') || context.contains("://");
        let path = if absolute || context == "." {
            dockerfile.clone()
        } else {
            format!("{}/{dockerfile}", context.trim_end_matches('/'))
        };
        let _ = write!(line, " -f {}", quoted(&path));
    }
    if let Some(target) = target {
        let _ = write!(line, " --target {}", quoted(target));
    }
    let message = format!(
        "`{image}` has to be built and pushed: `{line} {}`, `docker push {}`",
        quoted(context),
        quoted(image)
    );
    findings.add(Code("build-needed"), origin, message);
}

fn pull_policy(
    pull: Option<&Sourced<PullPolicy>>,
    image: &str,
    container: &Container,
    findings: &mut Findings,
) -> Option<String> {
    let word = match pull {
        // The image is on the machine that built it; a registry comes second.
        None if container.image.is_none() && container.build.is_some() => "IfNotPresent",
        None => return None,
        Some(pull) => match &pull.value {
            PullPolicy::Always => "Always",
            PullPolicy::Never => "Never",
            PullPolicy::Missing if is_latest(image) && container.build.is_none() => {
                let message = format!("`{image}` is the latest one, which is pulled at each start");
                findings.add(Code("pull-latest"), &pull.origin, message);
                "Always"
            }
            PullPolicy::Missing | PullPolicy::Build => "IfNotPresent",
            PullPolicy::Refresh(period) => {
                let message = format!("the image is pulled at each start, not `{period}`");
                findings.add(Code("pull-refresh"), &pull.origin, message);
                "Always"
            }
        },
    };
    Some(word.to_owned())
}

/// Whether a reference has no tag or the tag `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// An empty list clears what the image has in Docker; in Kubernetes it means nothing.
fn cleared(
    container: &Container,
    start: Option<Vec<String>>,
    args: Option<Vec<String>>,
    findings: &mut Findings,
) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let start_empty = start.as_ref().is_some_and(Vec::is_empty);
    let args_empty = args.as_ref().is_some_and(Vec::is_empty);
    if start_empty {
        // Without an entry point, the command is what runs.
        if let Some(args) = args.filter(|args| !args.is_empty()) {
            return (Some(args), None);
        }
        if let Some(entrypoint) = &container.entrypoint {
            let message = "the image's entry point cannot be cleared";
            findings.add(Code("clear-command"), &entrypoint.origin, message);
        }
        return (None, None);
    }
    if args_empty {
        // With an entry point of its own, the image's command is cleared in both worlds.
        if start.is_none()
            && let Some(command) = &container.command
        {
            let message = "the image's command cannot be cleared without an entry point";
            findings.add(Code("clear-command"), &command.origin, message);
        }
        return (start, None);
    }
    (start, args)
}

fn ports(
    ports: &[Port],
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> Option<Vec<ContainerPort>> {
    let mut written: Vec<ContainerPort> = Vec::new();
    let mut seen = BTreeSet::new();
    let on_host = pod
        .unit
        .settings
        .network_mode
        .as_ref()
        .is_some_and(|mode| mode.value == NetworkMode::Host);
    for port in ports {
        let Port {
            target,
            protocol,
            name,
            app_protocol: _,
            published,
            origin: _,
        } = port;
        let number = i32::from(*target);
        let word = ports::text(port.transport());
        let mut entry = ContainerPort {
            container_port: number,
            protocol: protocol.as_ref().map(|_| word.clone()),
            ..ContainerPort::default()
        };
        if let Some(name) = name {
            entry.name = port_name(&name.value).filter(|name| pod.port_names.insert(name.clone()));
            if entry.name.as_deref() != Some(&name.value) {
                let message = match &entry.name {
                    Some(given) => format!(
                        "the port `{}` is called `{given}` in the container",
                        name.value
                    ),
                    None => format!("the port `{}` has no name in the container", name.value),
                };
                findings.add(Code("port-renamed"), &name.origin, message);
            }
        }
        let mut hosts = Vec::new();
        for publication in published
            .iter()
            .filter(|p| p.mode == PublishMode::Host && !on_host)
        {
            if let Some(host) = host_port(publication, &word, number, pod, findings) {
                hosts.push(host);
            }
        }
        let mut hosts = hosts.into_iter();
        if let Some((host_port, host_ip)) = hosts.next() {
            entry.host_port = Some(host_port);
            entry.host_ip = host_ip;
        }
        if seen.insert((number, word.clone())) || entry.host_port.is_some() {
            written.push(entry);
        }
        for (host_port, host_ip) in hosts {
            written.push(ContainerPort {
                container_port: number,
                host_ip,
                host_port: Some(host_port),
                name: None,
                protocol: protocol.as_ref().map(|_| word.clone()),
            });
        }
    }
    (!written.is_empty()).then_some(written)
}

/// Port and address of the node where an instance runs.
fn host_port(
    publication: &Publication,
    protocol: &str,
    target: i32,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> Option<(i32, Option<String>)> {
    let Publication {
        port,
        host_ip,
        mode: _,
        service: _,
        origin,
    } = publication;
    let number = if let Some(range) = port {
        if !range.is_one() {
            let message = format!("of the ports {range}, {} is published", range.first);
            findings.add(Code("port-range"), origin, message);
        }
        i32::from(range.first)
    } else {
        let message = format!("port {target} of the node stands for a port of the engine's choice");
        findings.add(Code("host-port-any"), origin, message);
        target
    };
    let ip = host_ip.as_ref().and_then(|ip| {
        let text = ip.value.trim_start_matches('[').trim_end_matches(']');
        let parsed: Option<std::net::IpAddr> = text.parse().ok();
        if parsed.is_none() {
            let message = format!("`{}` is not an address", ip.value);
            findings.add(Code("port-address"), &ip.origin, message);
        }
        parsed.map(|ip| ip.to_string())
    });
    if !pod
        .host_ports
        .insert((number, protocol.to_owned(), ip.clone()))
    {
        let message = format!("port {number} of the node is taken by this Pod already");
        findings.add(Code("port-twice"), origin, message);
        return None;
    }
    if pod.plan.application.dialect != Dialect::Kubernetes
        && (2..u64::MAX).contains(&pods(pod.unit, pod.plan.options))
    {
        let message = format!("port {number} of a node allows one instance on each node");
        findings.add(Code("host-port"), origin, message);
    }
    Some((number, ip))
}

/// The nearest name that a container's port may have (RFC 6335: at most 15 letters, digits and single hyphens, with a
/// letter).
pub(super) fn port_name(name: &str) -> Option<String> {
    let legal = |name: &str| {
        name.len() <= 15
            && !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && name.bytes().any(|b| b.is_ascii_lowercase())
            && !name.contains("--")
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    if legal(name) {
        return Some(name.to_owned());
    }
    let mut near: String = to_label(name).chars().take(15).collect();
    while near.contains("--") {
        near = near.replace("--", "-");
    }
    let near = near.trim_matches('-').to_owned();
    legal(&near).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_names() {
        for (name, given) in [
            ("http", Some("http")),
            ("HTTP_Port", Some("http-port")),
            ("a-name-longer-than-fifteen", Some("a-name-longer-t")),
            ("exactly-at-the-", Some("exactly-at-the")),
            ("80", Some("x-80")),
        ] {
            assert_eq!(port_name(name).as_deref(), given, "{name}");
        }
    }

    #[test]
    fn latest_images() {
        for (image, latest) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("host:5000/nginx", true),
            ("host:5000/nginx:1", false),
            ("nginx@sha256:00", false),
        ] {
            assert_eq!(is_latest(image), latest, "{image}");
        }
    }
}
