//! Ingresses: load balancers of layer 7.

use serde_json::Value as Json;

use super::attribute::{Attribute, Bag};
use super::catalog::{Catalog, Ingress, TlsSecrets};
use super::companion::{self, Shape};
use super::context::Context;
use super::edit::SourceKey;
use super::service::{exposure, marks, names};
use super::settings::{Holder, complete, read, write};
use super::{IngressChoice, Provider, action, listener, rewrite, secret};
use crate::source::{KeyPath, Node, Value};

/// The annotation that was the class before `ingressClassName`.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// The catalog that knows ingress-nginx.
const NGINX: &str = "onprem";

/// Converts one Ingress.
pub(super) fn ingress(ctx: &mut Context<'_>, object: usize) {
    let annotation = KeyPath::root()
        .join("metadata.annotations")
        .key(CLASS_ANNOTATION);
    let field = KeyPath::root().join("spec.ingressClassName");
    let text = |ctx: &Context<'_>, path: &KeyPath| {
        ctx.get(object, path)
            .and_then(Node::as_text)
            .map(str::to_owned)
    };
    let old = text(ctx, &annotation);
    let class = text(ctx, &field).or_else(|| old.clone());
    if !controls(ctx, object, class.as_deref()) {
        return;
    }
    let source: &Ingress = &ctx.from.ingress;
    let nginx = Provider::named(NGINX);
    let from_nginx = ctx.from.name == NGINX;
    let to_nginx = ctx.options.ingress == IngressChoice::Nginx || ctx.to.name == NGINX;
    if from_nginx && ctx.options.ingress != IngressChoice::Native {
        return;
    }
    let target: &Catalog = match (&nginx, to_nginx) {
        (Some(nginx), true) => nginx.catalog(),
        _ => ctx.to,
    };
    let target = target.ingress.clone();
    let tls = ctx.get(object, &KeyPath::root().join("spec.tls")).is_some();
    let services = services(ctx, object);
    let mut holder = Holder::of_object(object);
    holder.tls = tls;
    let mut others = companion::of_object(ctx, object, "ingress", class.as_deref(), tls, &|_| true);
    let wanted = |name: &str| {
        let mut rows = source.settings.rows.values().flat_map(|rows| rows.iter());
        rows.any(|row| row.on.as_deref() == Some(name))
    };
    for service in &services {
        others.extend(companion::of_object(
            ctx, *service, "service", None, tls, &wanted,
        ));
        let mut own = Holder::of_object(*service);
        own.fields = None;
        others.push(("service".to_owned(), own));
    }
    let mut bag = Bag::default();
    let source = source.clone();
    let marked = (marks(ctx, &source.settings, object), names(&others));
    action::read(ctx, object, &source, &mut bag);
    rewrite::read(ctx, object, &source, &mut bag);
    read(ctx, source.settings.view(), &holder, &others, &mut bag);
    if source.internal_class.is_some() && source.internal_class == class {
        bag.set("scope", Attribute::made("internal"));
    }
    exposure(
        ctx,
        &source.settings,
        &target.settings,
        object,
        &marked,
        &mut bag,
    );
    listener::ports(ctx, object, (&source, &target), tls, &mut bag);
    rewrite::prefixes(ctx, object, (&source, &target), &mut bag);
    paths(ctx, object, &source, &target, &mut bag);
    certificates(ctx, object, &target, &mut bag);
    rewrite::write(ctx, object, &target, &mut bag);
    backends(ctx, object, &services, &target, &bag);
    complete(ctx, target.settings.view(), object, &mut bag);
    let behind: Vec<(String, Holder)> = services
        .iter()
        .map(|service| {
            let mut holder = Holder::of_object(*service);
            holder.fields = None;
            ("service".to_owned(), holder)
        })
        .collect();
    let values = write(ctx, target.settings.view(), &holder, &behind, &bag);
    let mut name = target.classes.first().cloned().unwrap_or_default();
    if bag.get("scope") == Some("internal")
        && let Some(internal) = &target.internal_class
    {
        name.clone_from(internal);
    }
    if !to_nginx {
        let shape = shape(ctx, object, bag.get("ports").unwrap_or_default());
        if let Some(own) = companion::make(ctx, object, "ingress", &services, &shape, values) {
            name = own;
        }
    }
    let at = if class.is_some() && old.is_none() {
        &field
    } else {
        &annotation
    };
    if let Some(class) = class.as_deref()
        && !source.classes.iter().any(|known| known == class)
        && source.internal_class.as_deref() != Some(class)
    {
        let what = format!("class `{class}` becomes `{name}` at {}", ctx.to.title);
        ctx.note("provider-setting-replaced", object, at, &what);
    }
    let key = SourceKey {
        object,
        path: at.clone(),
    };
    let from: &[SourceKey] = if class.is_some() { &[key] } else { &[] };
    // An annotation that its provider knows alone is no older form.
    let only_form =
        source.class_annotation && ctx.refs[object].api_version == "networking.k8s.io/v1";
    let old_form = old.is_some() && text(ctx, &field).is_none() && !only_form;
    let mut by_annotation = target.class_annotation || old_form;
    if let Some(only) = &target.annotation_word
        && by_annotation
    {
        if target.classes.contains(&name) {
            name.clone_from(only);
        } else {
            // Another name is understood as `ingressClassName` alone.
            by_annotation = ctx.refs[object].api_version != "networking.k8s.io/v1";
        }
    }
    if by_annotation {
        ctx.take(object, &field);
        ctx.put(object, &annotation, &Json::from(name), from);
    } else {
        ctx.take(object, &annotation);
        ctx.put(object, &field, &Json::from(name), from);
    }
}

/// Whether an Ingress belongs to the provider's own controller.
fn controls(ctx: &Context<'_>, object: usize, class: Option<&str>) -> bool {
    let ingress = &ctx.from.ingress;
    let Some(class) = class.filter(|c| !c.is_empty()) else {
        return ingress.without_class || says_own(ctx, object);
    };
    if let Some(index) = ctx.find("IngressClass", None, class)
        && let Some(controller) = ctx.text(index, "spec.controller")
    {
        return ingress.controllers.contains(&controller)
            || (ingress.controllers.is_empty() && ingress.classes.iter().any(|c| c == class));
    }
    let of = |ingress: &Ingress| {
        ingress.classes.iter().any(|c| c == class)
            || ingress.internal_class.as_deref() == Some(class)
    };
    if of(ingress) {
        return true;
    }
    // A class of one's own, unless another provider's controller goes by that name.
    let of_another = Provider::all().iter().any(|p| of(&p.catalog().ingress));
    !of_another && says_own(ctx, object)
}

/// Whether an Ingress has annotations that the provider's own controller reads, whatever its class is called.
fn says_own(ctx: &Context<'_>, object: usize) -> bool {
    let ingress = &ctx.from.ingress;
    let annotations = ctx.get(object, &KeyPath::root().join("metadata.annotations"));
    let keys = annotations.and_then(Node::as_mapping).into_iter();
    let mut keys = keys.flat_map(|map| map.iter().map(|(key, _)| key));
    let owns = &ingress.settings.owns;
    ingress.any_class && keys.any(|key| owns.iter().any(|start| key.starts_with(start.as_str())))
}

/// Each path of the rules: its key path.
pub(super) fn rule_paths(ctx: &Context<'_>, object: usize) -> Vec<KeyPath> {
    let rules = KeyPath::root().join("spec.rules");
    let count = |path: &KeyPath| {
        ctx.get(object, path)
            .and_then(Node::as_sequence)
            .map_or(0, <[Node]>::len)
    };
    let mut found = Vec::new();
    for rule in 0..count(&rules) {
        let paths = rules.index(rule).join("http.paths");
        found.extend((0..count(&paths)).map(|index| paths.index(index)));
    }
    found
}

/// The Services of the input that stand behind an Ingress, each once.
fn services(ctx: &Context<'_>, object: usize) -> Vec<usize> {
    let mut backends: Vec<KeyPath> = rule_paths(ctx, object)
        .into_iter()
        .map(|path| path.key("backend"))
        .collect();
    backends.push(KeyPath::root().join("spec.defaultBackend"));
    backends.push(KeyPath::root().join("spec.backend"));
    let mut found = Vec::new();
    for backend in backends {
        let name = ctx
            .get(object, &backend.join("service.name"))
            .or_else(|| ctx.get(object, &backend.key("serviceName")))
            .and_then(Node::as_text);
        let namespace = ctx.refs[object].namespace.as_deref();
        if let Some(index) = name.and_then(|name| ctx.find("Service", namespace, name))
            && !found.contains(&index)
        {
            found.push(index);
        }
    }
    found
}

/// How paths are matched: a field that Kubernetes does not have at one provider, `pathType` and an annotation at others.
fn paths(ctx: &mut Context<'_>, object: usize, from: &Ingress, to: &Ingress, bag: &mut Bag) {
    let all_regex = bag.get("regex") == Some("true");
    let mut regex_from: Vec<SourceKey> = Vec::new();
    for path in rule_paths(ctx, object) {
        let mut mode = None;
        let mut key = Vec::new();
        if let Some(property) = &from.path_property {
            let base = path.key("property");
            let at = base.key(&property.key);
            if let Some(node) = ctx.take(object, &at) {
                let word = node.as_text().unwrap_or_default().to_owned();
                let known = property.words.iter().find(|(_, w)| **w == word);
                mode = known.map(|(mode, _)| mode.clone());
                key.push(SourceKey {
                    object,
                    path: at.clone(),
                });
                if mode.is_none() {
                    let what = format!("`{word}` is no known way to match a path");
                    ctx.note("provider-value-unknown", object, &at, &what);
                }
            }
            if let Some(Value::Mapping(rest)) = ctx.get(object, &base).map(|n| n.value.clone()) {
                for (name, entry) in rest.iter() {
                    let what = format!(
                        "`{name}` (`{}`) of a path is not known here and is left out",
                        super::row::plain(&entry.node.to_json())
                    );
                    ctx.note("provider-key-unknown", object, &base.key(name), &what);
                }
                ctx.take(object, &base);
            }
        }
        if all_regex && mode.is_none() {
            mode = Some("regex".to_owned());
        }
        if mode.is_none() && from.globs && !to.globs {
            glob_path(ctx, object, &path);
        }
        let Some(mode) = mode else { continue };
        let type_path = path.key("pathType");
        let old_type = ctx
            .get(object, &type_path)
            .and_then(Node::as_text)
            .map(str::to_owned);
        let kind = match mode.as_str() {
            "exact" => "Exact",
            "prefix" => {
                let what = "a path matched by the beginning of its text becomes `Prefix`, which matches whole path elements: `/foo` no longer takes `/foobar`";
                ctx.note("path-match-differs", object, &path, what);
                "Prefix"
            }
            _ => {
                regex_from.extend(key.clone());
                if !to.regex {
                    let what = format!(
                        "a path that is a regular expression has no counterpart at {}; class nginx takes it",
                        ctx.to.title
                    );
                    ctx.note("provider-setting-lost", object, &path, &what);
                }
                to.regex_path_type.as_str()
            }
        };
        let old_api = ctx.refs[object].api_version != "networking.k8s.io/v1";
        if let (Some(property), "regex") = (&to.path_property, mode.as_str())
            && let Some(word) = property.words.get("regex")
        {
            let at = path.key("property").key(&property.key);
            ctx.put(object, &at, &Json::from(word.as_str()), &key);
        }
        if !old_api && old_type.as_deref() != Some(kind) {
            say_replaced(ctx, object, &type_path, old_type.as_deref());
            ctx.put(object, &type_path, &Json::from(kind), &key);
        }
    }
    if !regex_from.is_empty() && to.regex && !bag.has("regex") {
        let mut attribute = Attribute::made("true");
        attribute.from = regex_from;
        bag.set("regex", attribute);
    }
}

/// Says which `pathType` gives way to how the provider matches a path; the one that leaves it to the provider says nothing.
fn say_replaced(ctx: &mut Context<'_>, object: usize, path: &KeyPath, old: Option<&str>) {
    if let Some(old) = old.filter(|old| *old != "ImplementationSpecific") {
        let what = format!(
            "`pathType: {old}` gives way to how {} matches this path",
            ctx.from.title
        );
        ctx.note("path-match-differs", object, path, &what);
    }
}

/// A path that ends with `/*` is a prefix where Kubernetes does not say what it is.
fn glob_path(ctx: &mut Context<'_>, object: usize, path: &KeyPath) {
    let text = |ctx: &Context<'_>, key: &str| {
        let node = ctx.get(object, &path.key(key)).and_then(Node::as_text);
        node.map(str::to_owned)
    };
    let kind = text(ctx, "pathType");
    let is_text = match kind.as_deref() {
        Some("Exact") => true,
        Some("Prefix") => !ctx.from.ingress.prefix_globs,
        _ => false,
    };
    if is_text {
        return;
    }
    let (at, own) = (path.key("path"), path.key("pathType"));
    let Some(old) = text(ctx, "path") else { return };
    let Some(prefix) = old.strip_suffix('*') else {
        if old.contains('*') {
            let what = format!(
                "`{old}` has a `*` that stands for any text at {} alone",
                ctx.from.title
            );
            ctx.note("path-match-differs", object, &at, &what);
        }
        return;
    };
    let key = [SourceKey {
        object,
        path: at.clone(),
    }];
    ctx.put(object, &at, &Json::from(prefix), &key);
    if kind.is_some() {
        if kind.as_deref() != Some("Prefix") {
            say_replaced(ctx, object, &own, kind.as_deref());
        }
        ctx.put(object, &own, &Json::from("Prefix"), &key);
    }
    if prefix.contains('*') {
        let what = format!(
            "`{old}` has a `*` that stands for any text at {} alone",
            ctx.from.title
        );
        ctx.note("path-match-differs", object, &at, &what);
    }
}

/// Where the target does not take certificates from Secrets, somebody has to name their ids.
fn certificates(ctx: &mut Context<'_>, object: usize, to: &Ingress, bag: &mut Bag) {
    let base = KeyPath::root().join("spec.tls");
    let count = ctx.get(object, &base).and_then(Node::as_sequence);
    let count = count.map_or(0, <[Node]>::len);
    // A certificate that was an id goes into a Secret, where the target takes it from there alone.
    if to.secrets == TlsSecrets::CertificateId
        && !to.settings.rows.contains_key("certificate")
        && let Some(mut certificate) = bag.take("certificate")
    {
        certificate.value = ctx.map_ids("certificate", &certificate, object);
        return listener::in_secret(ctx, object, to, &certificate, &[]);
    }
    if to.secrets == TlsSecrets::Certificate {
        if ctx.from.ingress.secrets == TlsSecrets::CertificateId {
            secret::ids_alone(ctx, object, count);
        }
        return;
    }
    if bag.has("certificate") {
        return;
    }
    let kind = super::mapping::kind("certificate").unwrap_or("certificate");
    for index in 0..count {
        let at = base.index(index).key("secretName");
        let name = ctx
            .get(object, &at)
            .and_then(Node::as_text)
            .map(str::to_owned);
        let key = SourceKey { object, path: at };
        let purpose = format!(
            "the certificate of `{}`",
            name.as_deref().unwrap_or("spec.tls")
        );
        let id = ctx.id(kind, name.as_deref(), object, Some(&key), &purpose);
        let mut attribute = Attribute::made(id.clone());
        attribute.from.push(key.clone());
        attribute.mapped = true;
        match (to.secrets, ctx.to.secrets.certificate_id.clone()) {
            (TlsSecrets::CertificateId, Some(member)) => {
                if let Some(name) = name {
                    secret::hold_id(ctx, object, &name, (&member, &id), &key);
                }
            }
            _ => match bag.0.get_mut("certificate") {
                Some(found) => {
                    found.value = format!("{},{id}", found.value);
                    found.from.push(key);
                }
                None => bag.set("certificate", attribute),
            },
        }
    }
}

/// The Service types that the target's controller reaches.
fn backends(ctx: &mut Context<'_>, object: usize, services: &[usize], to: &Ingress, bag: &Bag) {
    let any = !to.any_backend_when.is_empty() && bag.fits(&to.any_backend_when);
    if to.backends.is_empty() || any {
        return;
    }
    for service in services {
        let kind = KeyPath::root().join("spec.type");
        let now = ctx
            .get(*service, &kind)
            .and_then(Node::as_text)
            .unwrap_or("ClusterIP")
            .to_owned();
        if to.backends.contains(&now) {
            continue;
        }
        let headless = ctx.text(*service, "spec.clusterIP").as_deref() == Some("None");
        let name = ctx.refs[*service].name.clone();
        if headless || now != "ClusterIP" || !ctx.options.node_port_backends {
            let what = format!(
                "the Service `{name}` behind it is {}, but the controller of {} reaches {} alone",
                if headless { "headless" } else { &now },
                ctx.to.title,
                to.backends.join(" and ")
            );
            ctx.note("backend-unreachable", object, &KeyPath::root(), &what);
            continue;
        }
        let what = format!(
            "it becomes NodePort, since the Ingress controller of {} reaches no ClusterIP",
            ctx.to.title
        );
        ctx.note("backend-node-port", *service, &kind, &what);
        ctx.put(*service, &kind, &Json::from("NodePort"), &[]);
    }
}

fn shape(ctx: &Context<'_>, object: usize, ports: &str) -> Shape {
    let listeners = ports
        .split(',')
        .filter_map(|port| port.split_once(':'))
        .map(|(protocol, port)| (protocol.to_owned(), port.to_owned()))
        .collect();
    let mut hosts: Vec<(String, Vec<String>)> = Vec::new();
    for path in rule_paths(ctx, object) {
        let rule = path.parent().parent().parent();
        let host = ctx.get(object, &rule.key("host")).and_then(Node::as_text);
        let host = host.unwrap_or_default().to_owned();
        let text = ctx.get(object, &path.key("path")).and_then(Node::as_text);
        let text = text.unwrap_or("/").to_owned();
        match hosts.iter_mut().find(|(name, _)| *name == host) {
            Some((_, paths)) => paths.push(text),
            None => hosts.push((host, vec![text])),
        }
    }
    Shape {
        ports: Vec::new(),
        listeners,
        hosts,
    }
}
