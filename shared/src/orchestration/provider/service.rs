//! Services: load balancers of layer 4.

use std::net::IpAddr;

use super::Exposure;
use super::attribute::{Attribute, Bag};
use super::catalog::{Scope, Section};
use super::companion::{self, Shape};
use super::context::Context;
use super::listener;
use super::settings::{Holder, complete, read, write};
use crate::source::{KeyPath, Node};

/// Converts one Service.
pub(super) fn service(ctx: &mut Context<'_>, object: usize) {
    let (from, to) = (ctx.from, ctx.to);
    let holder = Holder::of_object(object);
    let is_load_balancer = ctx.text(object, "spec.type").as_deref() == Some("LoadBalancer");
    let view = from.service.view();
    if !is_load_balancer {
        // Access inside of the cluster stays; what the provider's keys say has no load balancer to act on.
        let mut bag = Bag::default();
        let inner = Holder {
            fields: None,
            ..holder
        };
        read(ctx, view, &inner, &[], &mut bag);
        for (name, attribute) in bag.0 {
            let what = format!(
                "{} (`{}`) is left out, since this Service is no load balancer",
                super::attribute::meaning(&name).what,
                attribute.value
            );
            ctx.note_attribute("provider-setting-dropped", object, &attribute, &what);
        }
        return;
    }
    let mut bag = Bag::default();
    let marked = marks(ctx, &from.service, object);
    let others = companion::of_object(ctx, object, "service", None, false, &|_| true);
    let marked = (marked, names(&others));
    let certificate = listener::read_certificates(ctx, object, &from.service);
    read(ctx, view, &holder, &others, &mut bag);
    if let Some(certificate) = certificate {
        bag.set("certificate", certificate);
    }
    listener::plain_tls(&mut bag);
    port_numbers(ctx, object, &mut bag);
    exposure(ctx, &from.service, &to.service, object, &marked, &mut bag);
    complete(ctx, to.service.view(), object, &mut bag);
    let beside = listener::beside_protocols(&to.service, &mut bag);
    let values = write(ctx, to.service.view(), &holder, &[], &bag);
    if let Some(certificate) = &beside {
        listener::write_certificate(ctx, object, &to.service, certificate);
    }
    let shape = Shape {
        ports: ports(ctx, object),
        listeners: Vec::new(),
        hosts: Vec::new(),
    };
    companion::make(ctx, object, "service", &[], &shape, values);
}

/// Numbers in place of the names of ports, and each port in place of `*`.
fn port_numbers(ctx: &Context<'_>, object: usize, bag: &mut Bag) {
    let Some(attribute) = bag.0.get_mut("protocol-ports") else {
        return;
    };
    let all = KeyPath::root().join("spec.ports");
    let items = ctx.get(object, &all).and_then(Node::as_sequence);
    let ports: Vec<(String, String)> = items
        .unwrap_or_default()
        .iter()
        .filter_map(Node::as_mapping)
        .filter_map(|port| {
            let text = |key: &str| port.get(key).and_then(Node::as_text).map(str::to_owned);
            Some((text("name").unwrap_or_default(), text("port")?))
        })
        .collect();
    let mut numbered = Vec::new();
    for item in attribute.value.split(',') {
        match item.trim().split_once(':') {
            Some((protocol, "*")) => {
                numbered.extend(ports.iter().map(|(_, port)| format!("{protocol}:{port}")));
            }
            Some((protocol, wanted)) => {
                let named = ports.iter().find(|(name, _)| name == wanted);
                let port = named.map_or(wanted, |(_, port)| port);
                numbered.push(format!("{protocol}:{port}"));
            }
            None => numbered.push(item.trim().to_owned()),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    numbered.retain(|port| seen.insert(port.clone()));
    attribute.value = numbered.join(",");
}

/// The annotations that the exposure rules look at and that are there.
pub(super) fn marks(ctx: &Context<'_>, section: &Section, object: usize) -> Vec<String> {
    let base = KeyPath::root().join("metadata.annotations");
    let wanted = section
        .exposure
        .iter()
        .filter_map(|r| r.annotation.as_ref());
    wanted
        .filter(|key| ctx.get(object, &base.key(key)).is_some())
        .cloned()
        .collect()
}

/// The companions that were found.
pub(super) fn names(others: &[(String, Holder)]) -> Vec<String> {
    others.iter().map(|(name, _)| name.clone()).collect()
}

/// Decides who can reach the load balancer, so that nothing private becomes public.
pub(super) fn exposure(
    ctx: &mut Context<'_>,
    from: &Section,
    to: &Section,
    object: usize,
    (marked, companions): &(Vec<String>, Vec<String>),
    bag: &mut Bag,
) {
    if bag.has("scope") {
        return;
    }
    let rule = from.exposure.iter().find(|rule| {
        bag.fits(&rule.when)
            && rule
                .annotation
                .as_ref()
                .is_none_or(|key| marked.contains(key))
            && rule
                .companion
                .as_ref()
                .is_none_or(|name| companions.contains(name))
    });
    // What holds without a word does not hold for a word that nobody knows.
    let scope = match rule {
        Some(rule) if !bag.1.contains("scope") => rule.scope,
        _ => Scope::Unknown,
    };
    let unknown = bag.1.contains("scope");
    let reused = bag.has("existing") && to.rows.contains_key("existing");
    let (title, target) = (ctx.from.title.clone(), ctx.to.title.clone());
    let cause = bag
        .0
        .get("existing")
        .or_else(|| bag.0.get("address"))
        .map(|a| a.from.clone())
        .unwrap_or_default();
    let address = bag.get("address").and_then(|a| a.parse::<IpAddr>().ok());
    let mut say = |ctx: &mut Context<'_>, word: &str, code: &'static str, what: String| {
        let mut attribute = Attribute::made(word);
        attribute.from.clone_from(&cause);
        ctx.note_attribute(code, object, &attribute, &what);
        // It follows from the other key, and does not take the place of its value.
        attribute.from.clear();
        bag.set("scope", attribute);
    };
    match scope {
        Scope::Public => {
            let what = format!(
                "without a word about it, {title} gives a public load balancer; {target} is told so"
            );
            say(ctx, "public", "exposure-explicit", what);
        }
        Scope::Internal => {
            let what = format!(
                "without a word about it, {title} gives an internal load balancer; {target} is told so"
            );
            say(ctx, "internal", "exposure-explicit", what);
        }
        // The load balancer that is there decides.
        Scope::Unknown if reused => {}
        Scope::Unknown | Scope::None => {
            if let Some(address) = address {
                let (word, kind) = if is_private(address) {
                    ("internal", "private")
                } else {
                    ("public", "public")
                };
                let what = format!(
                    "its address {address} is {kind}, so it becomes an {word} load balancer at {target}"
                );
                let what = what.replace("an public", "a public");
                return say(ctx, word, "exposure-explicit", what);
            }
            let word = match ctx.options.unknown_exposure {
                Exposure::Internal => "internal",
                Exposure::Public => "public",
            };
            let why = match scope {
                Scope::None => format!("{title} makes no load balancer for it"),
                _ if unknown => "the word for who can reach it is not known".to_owned(),
                _ => "who can reach it is not told".to_owned(),
            };
            let what = format!("{why}; at {target} it becomes {word}");
            say(ctx, word, "exposure-assumed", what);
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 is the providers' own space (RFC 6598).
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => (v6.segments()[0] & 0xfe00) == 0xfc00 || v6.is_loopback(),
    }
}

/// Port and protocol of each port.
fn ports(ctx: &Context<'_>, object: usize) -> Vec<(String, String)> {
    let list = ctx.get(object, &KeyPath::root().join("spec.ports"));
    let items = list.and_then(Node::as_sequence).unwrap_or_default();
    let text = |node: &Node, key: &str| {
        node.as_mapping()
            .and_then(|m| m.get(key))
            .and_then(Node::as_text)
            .map(str::to_owned)
    };
    items
        .iter()
        .map(|port| {
            let protocol = text(port, "protocol").unwrap_or_else(|| "TCP".to_owned());
            (text(port, "port").unwrap_or_default(), protocol)
        })
        .collect()
}
