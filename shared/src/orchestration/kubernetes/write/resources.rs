//! What a container may and shall get of the node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::plan::Plan;
use crate::finding::{Code, Findings};
use crate::orchestration::model::{DeviceRequest, Resources};
use crate::orchestration::names::is_metadata_key;
use crate::orchestration::quantity::{bytes_to_kubernetes, millicores_to_kubernetes};
use crate::source::Sourced;

pub(super) fn resources(
    resources: &Resources,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Option<ResourceRequirements> {
    let Resources {
        cpu_limit,
        memory_limit,
        cpu_request,
        memory_request,
        storage_limit,
        devices,
    } = resources;
    let mut limits = BTreeMap::new();
    let mut requests = BTreeMap::new();
    for (name, limit, request, show) in [
        (
            "cpu",
            cpu_limit,
            cpu_request,
            millicores_to_kubernetes as fn(u64) -> String,
        ),
        ("memory", memory_limit, memory_request, bytes_to_kubernetes),
    ] {
        // Zero is Docker's word for no limit.
        let limit = limit
            .as_ref()
            .filter(|limit| !plan.docker || limit.value > 0);
        if let Some(limit) = limit {
            limits.insert(name.to_owned(), Quantity(show(limit.value)));
        }
        match (request, limit) {
            (Some(request), Some(limit)) if request.value > limit.value => {
                let message =
                    format!("the reserved {name} is more than the limit and is cut to it");
                findings.add(Code("request-over-limit"), &request.origin, message);
                requests.insert(name.to_owned(), Quantity(show(limit.value)));
            }
            (Some(request), _) => {
                requests.insert(name.to_owned(), Quantity(show(request.value)));
            }
            // Kubernetes would reserve as much as the limit; Docker reserves nothing.
            (None, Some(_)) if plan.docker => {
                requests.insert(name.to_owned(), Quantity("0".to_owned()));
            }
            (None, _) => {}
        }
    }
    if let Some(size) = storage_limit {
        limits.insert(
            "ephemeral-storage".to_owned(),
            Quantity(bytes_to_kubernetes(size.value)),
        );
        if plan.docker {
            requests.insert("ephemeral-storage".to_owned(), Quantity("0".to_owned()));
            storage(size, findings);
        }
    }
    for device in devices {
        if let Some((name, count)) = self::device(device, findings) {
            // Several requests of one kind add up.
            let before = limits
                .get(&name)
                .and_then(|Quantity(text): &Quantity| text.parse::<u64>().ok())
                .unwrap_or(0);
            let count = Quantity(before.saturating_add(count).to_string());
            limits.insert(name.clone(), count.clone());
            requests.insert(name, count);
        }
    }
    (!limits.is_empty() || !requests.is_empty()).then(|| ResourceRequirements {
        claims: None,
        limits: Some(limits).filter(|limits| !limits.is_empty()),
        requests: Some(requests).filter(|requests| !requests.is_empty()),
    })
}

fn storage(size: &Sourced<u64>, findings: &mut Findings) {
    findings.add(
        Code("storage-limit"),
        &size.origin,
        "an instance that writes more is evicted, where Docker refuses the writing",
    );
}

/// The extended resource that a device request becomes, and how many of it.
fn device(device: &DeviceRequest, findings: &mut Findings) -> Option<(String, u64)> {
    let DeviceRequest {
        name,
        count,
        driver,
        capabilities,
        ids,
        generic,
        origin,
    } = device;
    let resource = resource_name(name, driver.as_deref(), capabilities, *generic);
    let Some(resource) = resource else {
        let what = driver.as_deref().unwrap_or(name);
        let message = format!("no resource of Kubernetes is known for the device `{what}`");
        findings.add(Code("device-impossible"), origin, message);
        return None;
    };
    let exact = name.contains('/') && !*generic;
    let number = match (count, ids.len()) {
        (Some(count), _) => *count,
        (None, 0) => {
            let message =
                format!("one `{resource}` is asked for, since Kubernetes cannot say `all`");
            findings.add(Code("device-count"), origin, message);
            1
        }
        (None, some) => some as u64,
    };
    if !ids.is_empty() {
        let message = format!(
            "any {number} of `{resource}` are given, not the devices {}",
            ids.join(", ")
        );
        findings.add(Code("device-selection"), origin, message);
    }
    let finer: Vec<_> = capabilities
        .iter()
        .filter(|c| *c != "gpu")
        .map(String::as_str)
        .collect();
    if !exact {
        let more = if finer.is_empty() {
            String::new()
        } else {
            format!("; {} is not said", finer.join(", "))
        };
        let message = format!(
            "the device is asked for as `{resource}`, which a device plugin has to offer{more}"
        );
        findings.add(Code("device-plugin"), origin, message);
    }
    Some((resource, number))
}

fn resource_name(
    name: &str,
    driver: Option<&str>,
    capabilities: &[String],
    generic: bool,
) -> Option<String> {
    if name.contains('/') {
        let core = name.starts_with("kubernetes.io/")
            || name.contains(".kubernetes.io/")
            || name.starts_with("requests.");
        return (is_metadata_key(name) && !core).then(|| name.to_owned());
    }
    let gpu = capabilities.iter().any(|c| c == "gpu") || name.to_ascii_lowercase().contains("gpu");
    let driver = driver.map(str::to_ascii_lowercase);
    match driver.as_deref() {
        Some("nvidia" | "cdi") if gpu || !generic => Some("nvidia.com/gpu".to_owned()),
        Some("amd" | "amd.com" | "rocm") => Some("amd.com/gpu".to_owned()),
        Some("intel" | "intel.com" | "i915") => Some("gpu.intel.com/i915".to_owned()),
        None if gpu => Some("nvidia.com/gpu".to_owned()),
        Some(_) | None => None,
    }
}
