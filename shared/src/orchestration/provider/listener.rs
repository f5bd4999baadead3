//! Listeners of load balancers: their ports, and the certificates that HTTPS needs.

use serde_json::{Value as Json, json};

use super::attribute::{Attribute, Bag};
use super::catalog::{Form, Ingress, Section, TlsSecrets};
use super::context::Context;
use super::edit::SourceKey;
use super::field;
use super::{companion, mapping};
use crate::source::{KeyPath, Node};

/// The attribute of certificates that the provider makes.
const MANAGED: &str = "managed-certificate";

/// Completes the ports of an Ingress: HTTPS where there is a certificate, or where HTTP is redirected to it.
pub(super) fn ports(
    ctx: &mut Context<'_>,
    object: usize,
    (from, to): (&Ingress, &Ingress),
    tls: bool,
    bag: &mut Bag,
) {
    let managed = bag.take(MANAGED);
    let redirected = bag.get("ssl-redirect") == Some("true");
    if !bag.has("ports") {
        let secure = tls || bag.has("certificate") || managed.is_some() || redirected;
        let ports = match (secure, bag.get("plain-http")) {
            (true, Some("false")) => "https:443",
            (true, _) => "http:80,https:443",
            _ => "http:80",
        };
        bag.set("ports", Attribute::made(ports));
    }
    if let Some(ports) = bag.0.get_mut("ports") {
        let has = |protocol: &str| {
            let mut all = ports.value.split(',');
            all.any(|port| port.trim().starts_with(protocol))
        };
        if !has("https:") && (redirected || managed.is_some()) {
            ports.value.push_str(",https:443");
        }
        // Where the ports are written they say that HTTP is not served.
        let rows = to.settings.rows.get("ports").into_iter();
        let written = rows
            .flat_map(|rows| rows.iter())
            .any(|row| row.annotation.is_some() && row.form == Form::ListenPorts);
        let no_http = !ports
            .value
            .split(',')
            .any(|port| port.trim().starts_with("http:"));
        if no_http
            && written
            && !to.settings.rows.contains_key("plain-http")
            && let Some(said) = bag.take("plain-http")
            && let Some(ports) = bag.0.get_mut("ports")
        {
            ports.from.extend(said.from);
        }
        // Where they cannot be written, a target that serves HTTP unless it is told otherwise is told so.
        if no_http
            && to.settings.rows.contains_key("plain-http")
            && !bag.has("plain-http")
            && let Some(ports) = bag.0.get("ports")
        {
            let mut attribute = Attribute::made("false");
            attribute.from.clone_from(&ports.from);
            bag.set("plain-http", attribute);
        }
    }
    let certified = tls || bag.has("certificate");
    if certified && managed.is_none() || !(redirected || managed.is_some()) {
        return;
    }
    let hosts = hosts(ctx, object, from, managed.as_ref());
    if let Some(managed) = &managed {
        let what = format!(
            "a certificate that {} makes and renews (`{}`{}); at {} somebody has to",
            ctx.from.title,
            managed.value,
            if hosts.is_empty() {
                String::new()
            } else {
                format!(", for {}", hosts.join(", "))
            },
            ctx.to.title
        );
        ctx.note_attribute("provider-setting-lost", object, managed, &what);
    }
    if certified {
        return;
    }
    let cause = managed
        .clone()
        .or_else(|| bag.0.get("ssl-redirect").cloned());
    let keys = cause.map(|a| a.from).unwrap_or_default();
    let Some(kind) = mapping::kind("certificate") else {
        return;
    };
    let source = managed.as_ref().map(|a| a.value.as_str());
    let purpose = "the certificate of the port with HTTPS";
    let id = ctx.id(kind, source, object, keys.first(), purpose);
    let mut attribute = Attribute::made(id);
    attribute.from = keys;
    attribute.mapped = true;
    if to.settings.rows.contains_key("certificate") {
        bag.set("certificate", attribute);
    } else {
        in_secret(ctx, object, to, &attribute, &hosts);
    }
}

/// The hosts that a certificate is for.
fn hosts(
    ctx: &Context<'_>,
    object: usize,
    from: &Ingress,
    managed: Option<&Attribute>,
) -> Vec<String> {
    let namespace = ctx.refs[object].namespace.as_deref();
    let mut hosts: Vec<String> = Vec::new();
    if let (Some(form), Some(managed)) = (&from.managed_certificates, managed) {
        for name in managed.value.split(',') {
            let Some(found) = ctx.find(&form.kind, namespace, name.trim()) else {
                continue;
            };
            let texts = field::select(&ctx.before[found], &form.hosts);
            hosts.extend(
                texts
                    .iter()
                    .filter_map(|(_, node)| node.as_text().map(str::to_owned)),
            );
        }
    }
    if hosts.is_empty() {
        let rules = ctx.get(object, &KeyPath::root().join("spec.rules"));
        let rules = rules.and_then(Node::as_sequence).unwrap_or_default();
        hosts.extend(
            rules
                .iter()
                .filter_map(|rule| rule.as_mapping()?.get("host")?.as_text().map(str::to_owned)),
        );
    }
    hosts.dedup();
    hosts
}

/// Names a certificate by a Secret in `spec.tls`, where the target has no other place. The Secret is made if it holds
/// nothing but the certificate's id.
pub(super) fn in_secret(
    ctx: &mut Context<'_>,
    object: usize,
    to: &Ingress,
    certificate: &Attribute,
    hosts: &[String],
) {
    let mut list = Vec::new();
    for (index, id) in certificate.value.split(',').enumerate() {
        let mut name = id.to_owned();
        if to.secrets == TlsSecrets::CertificateId {
            let mut label = format!("{}-certificate", ctx.refs[object].name);
            if index > 0 {
                label = format!("{label}-{}", index + 1);
            }
            let Some(made) = secret(ctx, object, &label, id) else {
                return;
            };
            name = made;
        }
        let mut entry = json!({ "secretName": name });
        if !hosts.is_empty()
            && let Some(map) = entry.as_object_mut()
        {
            map.insert("hosts".to_owned(), json!(hosts));
        }
        list.push(entry);
    }
    let at = KeyPath::root().join("spec.tls");
    ctx.put(object, &at, &Json::Array(list), &certificate.from);
}

/// Adds a Secret that holds the id of a certificate; its name.
pub(super) fn secret(
    ctx: &mut Context<'_>,
    object: usize,
    label: &str,
    id: &str,
) -> Option<String> {
    let member = ctx.to.secrets.certificate_id.clone()?;
    let who = ctx.refs[object].clone();
    let name = companion::short(label);
    let mut metadata = json!({ "name": name });
    if let (Some(namespace), Some(map)) = (&who.namespace, metadata.as_object_mut()) {
        map.insert("namespace".to_owned(), json!(namespace));
    }
    let value = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque",
        "stringData": { member: id },
    });
    let at = ctx.before[object].at;
    ctx.add(Node::from_json(&value, at), object);
    let what = format!("a Secret `{name}` holds the id of its certificate");
    ctx.note("companion-added", object, &KeyPath::root(), &what);
    Some(name)
}

/// The annotation of a section that says the protocol of each port in JSON, with the certificate beside it.
fn specified(section: &Section) -> Option<KeyPath> {
    let rows = section.rows.get("protocol-ports")?;
    let row = rows.iter().find(|row| row.form == Form::SpecifyProtocol)?;
    let key = row.annotation.as_ref()?;
    Some(KeyPath::root().join("metadata.annotations").key(key))
}

/// Reads the certificates that stand beside the protocols of a Service's ports.
pub(super) fn read_certificates(
    ctx: &Context<'_>,
    object: usize,
    section: &Section,
) -> Option<Attribute> {
    let path = specified(section)?;
    let text = ctx.get(object, &path)?.as_text()?;
    let json: Json = serde_json::from_str(text).ok()?;
    let namespace = ctx.refs[object].namespace.as_deref();
    let mut ids: Vec<String> = Vec::new();
    for port in json.as_object()?.values() {
        let Some(name) = port.get("tls").and_then(Json::as_str) else {
            continue;
        };
        let id = ctx.find("Secret", namespace, name).and_then(|secret| {
            let member = ctx.from.secrets.certificate_id.as_deref()?;
            let at = KeyPath::root().key("stringData").key(member);
            super::edit::get(&ctx.before[secret], &at)?
                .as_text()
                .map(str::to_owned)
        });
        let id = id.unwrap_or_else(|| name.to_owned());
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        return None;
    }
    let mut attribute = Attribute::made(ids.join(","));
    attribute.from.push(SourceKey { object, path });
    Some(attribute)
}

/// The certificate, where it stands beside the protocols of the ports and nowhere else.
pub(super) fn beside_protocols(section: &Section, bag: &mut Bag) -> Option<Attribute> {
    specified(section)?;
    if section.rows.contains_key("certificate") || !bag.has("protocol-ports") {
        return None;
    }
    bag.take("certificate")
}

/// Writes the certificate beside the protocols of a Service's ports, as a Secret that holds its id.
pub(super) fn write_certificate(
    ctx: &mut Context<'_>,
    object: usize,
    section: &Section,
    certificate: &Attribute,
) {
    let Some(path) = specified(section) else {
        return;
    };
    let text = ctx.get(object, &path).and_then(Node::as_text);
    let Some(mut json) = text.and_then(|text| serde_json::from_str::<Json>(text).ok()) else {
        return ctx.lost("certificate", certificate, object);
    };
    let ids = ctx.map_ids("certificate", certificate, object);
    let label = format!("{}-certificate", ctx.refs[object].name);
    let first = ids.split(',').next().unwrap_or_default();
    let Some(name) = secret(ctx, object, &label, first) else {
        return;
    };
    for port in json
        .as_object_mut()
        .into_iter()
        .flat_map(|m| m.values_mut())
    {
        let secure = port["protocol"]
            .as_array()
            .is_some_and(|all| all.iter().any(|p| p == "HTTPS" || p == "TCP_SSL"));
        if secure && let Some(map) = port.as_object_mut() {
            map.insert("tls".to_owned(), json!(name));
        }
    }
    ctx.put(
        object,
        &path,
        &Json::from(json.to_string()),
        &certificate.from,
    );
}

/// TLS that ends at the load balancer in front of TCP is not HTTPS.
pub(super) fn plain_tls(bag: &mut Bag) {
    if !matches!(bag.get("backend-protocol"), Some("tcp" | "tls")) {
        return;
    }
    let Some(ports) = bag.0.get_mut("protocol-ports") else {
        return;
    };
    ports.value = ports.value.replace("https:", "tls:");
    if bag.get("backend-protocol") == Some("tcp")
        && let Some(said) = bag.take("backend-protocol")
        && let Some(ports) = bag.0.get_mut("protocol-ports")
    {
        ports.from.extend(said.from);
    }
}
