//! Networks and ports of a container.

use serde_json::{Value, json};

use super::super::service::list;
use super::super::spec::{Spec, is_empty, lost_of_network, put, sorted, text};
use super::{COMPOSE, Project, label, labels};

/// Adds networks and ports of a container to its service.
pub(super) fn write(
    project: &mut Project<'_>,
    container: &Value,
    spec: &mut Spec,
    document: &mut Value,
    lost: &mut Vec<String>,
) {
    let mode = text(&spec.take("NetworkMode"));
    let shares = ["host", "none"].contains(&mode.as_str()) || mode.starts_with("container:");
    if shares {
        document["network_mode"] = project.of_service(&mode).into();
    } else {
        let networks = attachments(project, container, lost);
        put(document, "networks", networks);
    }
    put(document, "ports", ports(&spec.take("PortBindings")).into());
    if spec.take("PublishAllPorts") == true {
        lost.push("HostConfig.PublishAllPorts".to_owned());
    }
    put(document, "dns", spec.take("Dns"));
    put(document, "dns_search", spec.take("DnsSearch"));
    put(document, "dns_opt", spec.take("DnsOptions"));
    put(document, "extra_hosts", spec.take("ExtraHosts"));
    // `/container:/this/alias`
    let links: Vec<Value> = list(&spec.take("Links"))
        .map(|link| {
            let link = text(&link);
            let (from, to) = link.split_once(':').unwrap_or((&link, ""));
            let alias = to.rsplit('/').next().unwrap_or_default();
            format!("{}:{alias}", from.trim_start_matches('/')).into()
        })
        .collect();
    put(document, "external_links", links.into());
}

fn attachments(project: &mut Project<'_>, container: &Value, lost: &mut Vec<String>) -> Value {
    let service = label(container, "service").to_owned();
    let mut document = json!({});
    let attached = container["NetworkSettings"]["Networks"].clone();
    for (name, endpoint) in attached.as_object().into_iter().flatten() {
        let key = project.network(name);
        let mut settings = json!({});
        let own = text(&container["Name"]);
        let id = text(&container["Id"]);
        let aliases: Vec<Value> = list(&endpoint["Aliases"])
            .filter(|alias| {
                let alias = text(alias);
                // Names that Compose and the engine give by themselves.
                alias != service && format!("/{alias}") != own && !id.starts_with(&alias)
            })
            .collect();
        put(&mut settings, "aliases", aliases.into());
        for (from, to) in [
            ("IPv4Address", "ipv4_address"),
            ("IPv6Address", "ipv6_address"),
        ] {
            put(&mut settings, to, endpoint["IPAMConfig"][from].clone());
        }
        put(
            &mut settings,
            "link_local_ips",
            endpoint["IPAMConfig"]["LinkLocalIPs"].clone(),
        );
        put(
            &mut settings,
            "driver_opts",
            sorted(endpoint["DriverOpts"].clone()),
        );
        if endpoint["GwPriority"]
            .as_i64()
            .is_some_and(|priority| priority != 0)
        {
            settings["gw_priority"] = endpoint["GwPriority"].clone();
        }
        if !is_empty(&endpoint["Links"]) {
            lost.push("NetworkSettings.Networks.*.Links".to_owned());
        }
        document[key] = settings;
    }
    if document == json!({"default": {}}) {
        return Value::Null;
    }
    if document
        .as_object()
        .is_some_and(|map| map.values().all(is_empty))
    {
        let names = document.as_object().into_iter().flat_map(|map| map.keys());
        return names.map(|name| Value::from(name.as_str())).collect();
    }
    document
}

fn ports(bindings: &Value) -> Vec<Value> {
    let mut ports = Vec::new();
    for (port, places) in bindings.as_object().into_iter().flatten() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let places: Vec<Value> = match list(places).collect::<Vec<_>>() {
            places if places.is_empty() => vec![Value::Null],
            places => places,
        };
        for place in places {
            let mut document = json!({"target": number.parse::<u16>().unwrap_or_default()});
            let published = text(&place["HostPort"]);
            if published != "0" {
                put(&mut document, "published", published.into());
            }
            let address = text(&place["HostIp"]);
            if address != "0.0.0.0" && address != "::" {
                put(&mut document, "host_ip", address.into());
            }
            if protocol != "tcp" {
                document["protocol"] = protocol.into();
            }
            ports.push(document);
        }
    }
    ports.sort_by_key(|port| (port["target"].as_u64(), text(&port["published"])));
    ports.dedup();
    ports
}

impl Project<'_> {
    /// A network by its name; gives its name within the project.
    fn network(&mut self, name: &str) -> String {
        let told = self.told.networks.get(name).cloned().unwrap_or_default();
        let key = told["Labels"][format!("{COMPOSE}network")]
            .as_str()
            .filter(|_| told["Labels"][format!("{COMPOSE}project")] == self.name);
        let Some(key) = key.map(str::to_owned) else {
            self.networks
                .insert(name.to_owned(), json!({"external": true, "name": name}));
            return name.to_owned();
        };
        let mut document = json!({});
        if told["Driver"] != "bridge" {
            put(&mut document, "driver", told["Driver"].clone());
        }
        put(
            &mut document,
            "driver_opts",
            sorted(told["Options"].clone()),
        );
        for (from, to) in [
            ("Internal", "internal"),
            ("Attachable", "attachable"),
            ("EnableIPv6", "enable_ipv6"),
        ] {
            put(&mut document, to, told[from].clone());
        }
        put(&mut document, "labels", labels(told["Labels"].clone()));
        for setting in lost_of_network(&told) {
            let message = format!("network `{name}` has {setting}, which no Compose file can say");
            self.say("live-engine-setting", &format!("networks.{key}"), message);
        }
        if name != format!("{}_{key}", self.name) {
            document["name"] = name.into();
        }
        // A project has a network of this name by itself.
        if key != "default" || !is_empty(&document) {
            self.networks.insert(key.clone(), document);
        }
        key
    }
}
