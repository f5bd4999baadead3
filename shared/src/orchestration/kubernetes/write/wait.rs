//! Start order: nothing, or init containers that wait.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container as KubernetesContainer;

use super::command::shell;
use super::plan::has_network;
use super::pod::Pod;
use super::ports;
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::StartOrder;
use crate::orchestration::model::{
    Application, Dependency, DependencyCondition, Dialect, Protocol, Unit,
};
use crate::source::{Origin, Sourced};

/// Init containers that wait, and what they wait for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) containers: Vec<KubernetesContainer>,
    pub(super) entries: Vec<String>,
}

/// Where containers are asked for that wait: the dependencies that can be waited for.
pub(crate) fn waited_for(application: &Application) -> impl Iterator<Item = &Origin> {
    let dependencies = application.units.iter().flat_map(|unit| &unit.dependencies);
    dependencies
        .filter(move |dependency| {
            let named = |unit: &&Unit| unit.name.value == dependency.unit.value;
            dependency.condition != DependencyCondition::Completed
                && application
                    .units
                    .iter()
                    .find(named)
                    .is_some_and(has_network)
        })
        .map(|dependency| &dependency.unit.origin)
}

pub(super) fn containers(
    unit: &Unit,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> Waiting {
    let mut waiting = Waiting::default();
    let mut unwaited: Vec<&Sourced<String>> = Vec::new();
    for dependency in &unit.dependencies {
        let Dependency {
            unit: name,
            condition,
            implicit: _,
            restart,
            required,
        } = dependency;
        if let Some(restart) = restart.as_ref().filter(|r| r.value) {
            let message = format!("it is not restarted together with `{}`", name.value);
            findings.add(Code("restart-together"), &restart.origin, message);
        }
        let Some(index) = pod.plan.unit(&name.value) else {
            if required.as_ref().is_none_or(|r| r.value) {
                let message = format!("there is no `{}` to wait for", name.value);
                findings.add(Code("dependency-missing"), &name.origin, message);
            }
            continue;
        };
        match pod.plan.options.start_order {
            StartOrder::None => unwaited.push(name),
            StartOrder::Wait if waits_for(pod.plan.application, &name.value, &unit.name.value) => {
                let message = format!(
                    "`{}` waits for `{}` as well, so neither would start",
                    name.value, unit.name.value
                );
                findings.add(Code("wait-impossible"), &name.origin, message);
            }
            StartOrder::Wait => {
                let Some(line) = line(index, *condition, pod) else {
                    let message = format!("it cannot wait for the end of `{}`", name.value);
                    let message = if *condition == DependencyCondition::Completed {
                        message
                    } else {
                        format!(
                            "`{}` has no network, so nothing can wait for it",
                            name.value
                        )
                    };
                    findings.add(Code("wait-impossible"), &name.origin, message);
                    continue;
                };
                let wanted = format!("wait-{}", pod.plan.units[index].label);
                let container = pod.container_name(&wanted);
                waiting.containers.push(KubernetesContainer {
                    command: Some(shell(line)),
                    image: Some(pod.plan.options.wait_image.clone()),
                    name: container,
                    ..KubernetesContainer::default()
                });
                let word = match condition {
                    DependencyCondition::Started => "started",
                    DependencyCondition::Healthy => "healthy",
                    DependencyCondition::Completed => "completed",
                };
                waiting.entries.push(format!("{}:{word}", name.value));
            }
        }
    }
    // One for each service: large files have hundreds of such words.
    if let Some(first) = unwaited.first() {
        let names: Vec<_> = unwaited.iter().map(|name| name.value.as_str()).collect();
        let names = names.join("`, `");
        if pod.plan.application.dialect == Dialect::Swarm {
            let message = format!("a task of a stack did not wait for `{names}` either");
            findings.add(Code("ignored-by-swarm"), &first.origin, message);
        } else {
            let message = format!("it does not wait for `{names}`");
            findings.add(Code("start-order"), &first.origin, message);
        }
    }
    waiting
}

/// Whether a unit waits for another one, or for one that does. Only stacks have such circles, as nothing waits there.
fn waits_for(application: &Application, unit: &str, other: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![unit];
    while let Some(name) = next.pop() {
        if name == other {
            return true;
        }
        if seen.insert(name) {
            let units = application.units.iter();
            let waiting = units.filter(|unit| unit.name.value == name);
            let dependencies = waiting.flat_map(|unit| &unit.dependencies);
            next.extend(dependencies.map(|dependency| dependency.unit.value.as_str()));
        }
    }
    false
}

/// A Service only leads to instances that are ready, so a connection through it is what Docker calls healthy.
fn line(index: usize, condition: DependencyCondition, pod: &Pod<'_, '_, '_>) -> Option<String> {
    let plan = pod.plan;
    let unit = &plan.application.units[index];
    if condition == DependencyCondition::Completed || !has_network(unit) {
        return None;
    }
    let service = &plan.units[index].label;
    let port = ports::unit_ports(unit)
        .into_iter()
        .find(|port| port.transport() == Protocol::Tcp)
        .map(|port| port.target);
    Some(match port {
        Some(port) => format!("until nc -z -w 2 {service} {port}; do sleep 2; done"),
        None => format!("until nslookup {service} >/dev/null 2>&1; do sleep 2; done"),
    })
}
