//! The container of a service.

use serde_json::{Value, json};

use super::service::list;
use super::shared::Shared;
use super::spec::{Spec, health, labels, put, sorted, text, time};

/// Writes what a stack file says about the container itself.
pub(super) fn write(container: Value, shared: &mut Shared<'_>, lost: &mut Vec<String>) -> Value {
    const PATH: &str = "Spec.TaskTemplate.ContainerSpec";
    let mut spec = Spec::new(PATH, container);
    let mut document = json!({});
    for (from, to) in [
        ("Image", "image"),
        // The engine's words for both are the other way round.
        ("Command", "entrypoint"),
        ("Args", "command"),
        ("Hostname", "hostname"),
        ("Dir", "working_dir"),
        ("User", "user"),
        ("Groups", "group_add"),
        ("TTY", "tty"),
        ("OpenStdin", "stdin_open"),
        ("ReadOnly", "read_only"),
        ("StopSignal", "stop_signal"),
        ("CapabilityAdd", "cap_add"),
        ("CapabilityDrop", "cap_drop"),
        ("OomScoreAdj", "oom_score_adj"),
        ("Init", "init"),
    ] {
        put(&mut document, to, spec.take(from));
    }
    let env = spec.take("Env");
    put(&mut document, "environment", env);
    put(&mut document, "labels", labels(spec.take("Labels")));
    let grace = spec.take("StopGracePeriod");
    if grace != 10_000_000_000_i64 {
        put(&mut document, "stop_grace_period", time(&grace));
    }
    put(
        &mut document,
        "healthcheck",
        health(
            "Spec.TaskTemplate.ContainerSpec.Healthcheck",
            spec.take("Healthcheck"),
            lost,
        ),
    );
    // `IP name [other names]`
    let hosts: Vec<Value> = list(&spec.take("Hosts"))
        .flat_map(|host| {
            let line = text(&host);
            let mut words = line.split_whitespace();
            let ip = words.next().unwrap_or_default().to_owned();
            words
                .map(|name| Value::from(format!("{name}:{ip}")))
                .collect::<Vec<_>>()
        })
        .collect();
    put(&mut document, "extra_hosts", hosts.into());
    let mut dns = spec.inner("Spec.TaskTemplate.ContainerSpec.DNSConfig", "DNSConfig");
    put(&mut document, "dns", dns.take("Nameservers"));
    put(&mut document, "dns_search", dns.take("Search"));
    dns.end(lost);
    put(&mut document, "sysctls", sorted(spec.take("Sysctls")));
    let mut ulimits = json!({});
    for limit in list(&spec.take("Ulimits")) {
        ulimits[text(&limit["Name"])] = json!({"soft": limit["Soft"], "hard": limit["Hard"]});
    }
    put(&mut document, "ulimits", ulimits);
    let mounts: Vec<Value> = list(&spec.take("Mounts"))
        .map(|mount| self::mount(mount, shared, lost))
        .collect();
    put(&mut document, "volumes", mounts.into());
    for (from, to, name) in [
        ("Secrets", "secrets", "SecretName"),
        ("Configs", "configs", "ConfigName"),
    ] {
        let mut files = Vec::new();
        for object in list(&spec.take(from)) {
            if object["File"].is_null() {
                lost.push(format!("{PATH}.{from}.Runtime"));
                continue;
            }
            let key = shared.file(to, &text(&object[name]));
            files.push(file(&key, &object["File"]));
        }
        put(&mut document, to, files.into());
    }
    spec.ignore("Isolation", &json!("default"));
    spec.end(lost);
    document
}

fn file(key: &str, file: &Value) -> Value {
    let mut document = json!({"source": key});
    let target = text(&file["Name"]);
    if target != key {
        put(&mut document, "target", target.into());
    }
    for (from, to) in [("UID", "uid"), ("GID", "gid")] {
        if file[from] != "0" {
            put(&mut document, to, file[from].clone());
        }
    }
    if let Some(mode) = file["Mode"].as_u64().filter(|mode| *mode != 0o444) {
        document["mode"] = format!("0{mode:o}").into();
    }
    document
}

fn mount(mount: Value, shared: &mut Shared<'_>, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new("Spec.TaskTemplate.ContainerSpec.Mounts", mount);
    let kind = text(&spec.take("Type"));
    let kind = if kind.is_empty() {
        "volume".to_owned()
    } else {
        kind
    };
    let mut document = json!({"type": kind});
    let source = text(&spec.take("Source"));
    let volume = spec.take("VolumeOptions");
    if kind == "volume" && !source.is_empty() {
        document["source"] = shared.volume(&source, &volume).into();
    } else {
        put(&mut document, "source", source.into());
    }
    put(&mut document, "target", spec.take("Target"));
    put(&mut document, "read_only", spec.take("ReadOnly"));
    spec.ignore("Consistency", &json!("default"));
    put(&mut document, "consistency", spec.take("Consistency"));
    if kind == "volume" {
        let mut settings = json!({});
        put(&mut settings, "nocopy", volume["NoCopy"].clone());
        put(&mut settings, "subpath", volume["Subpath"].clone());
        put(&mut document, "volume", settings);
    }
    let mut bind = spec.inner(
        "Spec.TaskTemplate.ContainerSpec.Mounts.BindOptions",
        "BindOptions",
    );
    let mut settings = json!({});
    put(&mut settings, "propagation", bind.take("Propagation"));
    put(
        &mut settings,
        "create_host_path",
        bind.take("CreateMountpoint"),
    );
    bind.end(lost);
    put(&mut document, "bind", settings);
    let mut tmpfs = spec.inner(
        "Spec.TaskTemplate.ContainerSpec.Mounts.TmpfsOptions",
        "TmpfsOptions",
    );
    let mut settings = json!({});
    put(&mut settings, "size", tmpfs.take("SizeBytes"));
    if let Some(mode) = tmpfs.take("Mode").as_u64().filter(|mode| *mode > 0) {
        settings["mode"] = format!("0{mode:o}").into();
    }
    tmpfs.end(lost);
    put(&mut document, "tmpfs", settings);
    spec.end(lost);
    document
}
