//! What a container was told about the machine that it runs on.

use serde_json::{Value, json};

use super::super::service::list;
use super::super::spec::{Spec, put, sorted, text};
use super::{Project, label, mounts, network};

const PATH: &str = "HostConfig";
/// Shared memory that a container has by itself.
const SHARED_MEMORY: u64 = 64 << 20;

/// Adds to a service what concerns the host.
pub(super) fn write(
    project: &mut Project<'_>,
    container: &Value,
    document: &mut Value,
    lost: &mut Vec<String>,
) {
    let mut spec = Spec::new(PATH, container["HostConfig"].clone());
    mounts::write(project, container, &mut spec, document, lost);
    network::write(project, container, &mut spec, document, lost);
    for (from, to) in [
        ("CapAdd", "cap_add"),
        ("CapDrop", "cap_drop"),
        ("GroupAdd", "group_add"),
        ("Privileged", "privileged"),
        ("ReadonlyRootfs", "read_only"),
        ("SecurityOpt", "security_opt"),
        ("Init", "init"),
        ("OomScoreAdj", "oom_score_adj"),
        ("OomKillDisable", "oom_kill_disable"),
        ("UsernsMode", "userns_mode"),
        ("UTSMode", "uts"),
        ("CgroupParent", "cgroup_parent"),
        ("DeviceCgroupRules", "device_cgroup_rules"),
        ("CpuShares", "cpu_shares"),
        ("CpuPeriod", "cpu_period"),
        ("CpuQuota", "cpu_quota"),
        ("CpuRealtimePeriod", "cpu_rt_period"),
        ("CpuRealtimeRuntime", "cpu_rt_runtime"),
        ("CpusetCpus", "cpuset"),
        ("MemorySwappiness", "mem_swappiness"),
        ("Annotations", "annotations"),
    ] {
        put(document, to, spec.take(from));
    }
    put(document, "sysctls", sorted(spec.take("Sysctls")));
    put(document, "storage_opt", sorted(spec.take("StorageOpt")));
    for (field, default, key) in [
        ("IpcMode", "private", "ipc"),
        ("CgroupnsMode", "private", "cgroup"),
        ("Runtime", "runc", "runtime"),
        ("PidMode", "", "pid"),
    ] {
        let mode = text(&spec.take(field));
        if mode != default && !mode.is_empty() {
            document[key] = project.of_service(&mode).into();
        }
    }
    if let Some(size) = spec
        .take("ShmSize")
        .as_u64()
        .filter(|size| *size != SHARED_MEMORY && *size > 0)
    {
        document["shm_size"] = size.to_string().into();
    }
    let mut ulimits = json!({});
    for limit in list(&spec.take("Ulimits")) {
        ulimits[text(&limit["Name"])] = json!({"soft": limit["Soft"], "hard": limit["Hard"]});
    }
    put(document, "ulimits", ulimits);
    let devices: Vec<Value> = list(&spec.take("Devices"))
        .map(|device| {
            let words = ["PathOnHost", "PathInContainer", "CgroupPermissions"];
            words.map(|word| text(&device[word])).join(":").into()
        })
        .collect();
    put(document, "devices", devices.into());
    restart(&spec.take("RestartPolicy"), document);
    amounts(&mut spec, document);
    let log = spec.take("LogConfig");
    let is_default = log["Type"] == "json-file" && super::super::spec::is_empty(&log["Config"]);
    if !is_default {
        let mut logging = json!({});
        put(&mut logging, "driver", log["Type"].clone());
        put(&mut logging, "options", sorted(log["Config"].clone()));
        put(document, "logging", logging);
    }
    // What the engine hides from every container, and what belongs to the call that made it.
    for field in [
        "MaskedPaths",
        "ReadonlyPaths",
        "ConsoleSize",
        "ContainerIDFile",
        "Isolation",
        "AutoRemove",
    ] {
        let _own = spec.take(field);
    }
    spec.end(lost);
}

fn restart(policy: &Value, document: &mut Value) {
    let name = text(&policy["Name"]);
    let attempts = policy["MaximumRetryCount"].as_u64().unwrap_or(0);
    match name.as_str() {
        "" | "no" => {}
        "on-failure" if attempts > 0 => {
            document["restart"] = format!("on-failure:{attempts}").into();
        }
        _ => document["restart"] = name.into(),
    }
}

fn amounts(spec: &mut Spec, document: &mut Value) {
    if let Some(cpus) = spec.take("NanoCpus").as_u64().filter(|cpus| *cpus > 0) {
        let (whole, rest) = (cpus / 1_000_000_000, cpus % 1_000_000_000);
        let text = format!("{whole}.{rest:09}");
        document["cpus"] = text.trim_end_matches('0').trim_end_matches('.').into();
    }
    let memory = spec.take("Memory").as_u64().unwrap_or(0);
    if memory > 0 {
        document["mem_limit"] = memory.to_string().into();
    }
    if let Some(bytes) = spec
        .take("MemoryReservation")
        .as_u64()
        .filter(|bytes| *bytes > 0)
    {
        document["mem_reservation"] = bytes.to_string().into();
    }
    match spec.take("MemorySwap").as_i64() {
        // The engine gives twice the memory by itself.
        Some(-1) => document["memswap_limit"] = json!(-1),
        Some(swap) if swap > 0 && u64::try_from(swap).ok() != memory.checked_mul(2) => {
            document["memswap_limit"] = swap.to_string().into();
        }
        _ => {}
    }
    if let Some(pids) = spec.take("PidsLimit").as_i64().filter(|pids| *pids != 0) {
        document["pids_limit"] = json!(pids);
    }
}

impl Project<'_> {
    /// `container:ID` as `service:NAME`, where that container is one of the project.
    pub(super) fn of_service(&self, mode: &str) -> String {
        let Some(id) = mode.strip_prefix("container:") else {
            return mode.to_owned();
        };
        let other = self
            .told
            .containers
            .iter()
            .find(|container| container["Id"] == id || container["Name"] == format!("/{id}"));
        match other {
            Some(container) => format!("service:{}", label(container, "service")),
            None => mode.to_owned(),
        }
    }
}
