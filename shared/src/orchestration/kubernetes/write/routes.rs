//! Ingresses: routes of the source, and published ports that speak HTTP.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};

use super::documents::{Documents, Rank};
use super::metadata;
use super::plan::{Plan, UnitPlan};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Metadata, PortRef, Route, RouteBackend, Unit};
use crate::orchestration::names::{ROLE_PUBLISHED, is_label, is_subdomain, to_label};
use crate::source::Origin;

pub(super) fn write(
    routes: &[Route],
    plan: &Plan<'_>,
    documents: &mut Documents,
    findings: &mut Findings,
) {
    let mut by_ingress: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Route>> = Vec::new();
    for route in routes {
        let namespace = route.namespace.as_ref().map(|n| n.value.as_str());
        let place = *by_ingress
            .entry((&route.ingress.value, namespace))
            .or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
        groups[place].push(route);
    }
    for group in groups {
        ingress(&group, plan, documents, findings);
    }
}

fn ingress(routes: &[&Route], plan: &Plan<'_>, documents: &mut Documents, findings: &mut Findings) {
    let Some(first) = routes.first() else { return };
    let name = &first.ingress;
    let given = if is_subdomain(&name.value) {
        name.value.clone()
    } else {
        to_label(&name.value)
    };
    let mut meta = metadata::new(&given, first.namespace.as_ref(), None, plan);
    metadata::original(&mut meta, &name.value);
    let mut rules: Vec<IngressRule> = Vec::new();
    let mut tls: Vec<IngressTLS> = Vec::new();
    let mut class = None;
    let mut user = Metadata::default();
    for route in routes {
        let Route {
            ingress: _,
            namespace: _,
            host,
            path,
            path_type,
            backend,
            class: own_class,
            tls_secret,
            tls: secure,
            annotations,
            origin,
        } = route;
        user.annotations.extend(annotations.clone());
        class = class.or_else(|| own_class.clone());
        let legal_host = host.as_deref().is_none_or(|h| {
            let name = h.strip_prefix("*.").unwrap_or(h);
            is_subdomain(name) && name.parse::<std::net::IpAddr>().is_err()
        });
        if !legal_host {
            let message = format!(
                "`{}` cannot be the host of a route",
                host.as_deref().unwrap_or_default()
            );
            findings.add(Code("route-impossible"), origin, message);
            continue;
        }
        let Some(backend) = self::backend(backend, origin, findings) else {
            continue;
        };
        if *secure || tls_secret.is_some() {
            add_tls(&mut tls, host.as_deref(), tls_secret.as_deref());
        }
        let path_type = self::path_type(path_type.as_deref(), origin, findings);
        let path = match path {
            Some(path) if path.starts_with('/') || path_type == "ImplementationSpecific" => {
                Some(path.clone())
            }
            Some(path) => Some(format!("/{path}")),
            None => (path_type != "ImplementationSpecific").then(|| "/".to_owned()),
        };
        let entry = HTTPIngressPath {
            backend,
            path,
            path_type: path_type.to_owned(),
        };
        match rules.iter_mut().find(|rule| rule.host == *host) {
            Some(IngressRule {
                http: Some(http), ..
            }) => http.paths.push(entry),
            _ => rules.push(IngressRule {
                host: host.clone(),
                http: Some(HTTPIngressRuleValue { paths: vec![entry] }),
            }),
        }
    }
    metadata::add_user(&mut meta, &user, findings);
    if rules.is_empty() {
        return;
    }
    let object = Ingress {
        metadata: meta,
        spec: Some(IngressSpec {
            default_backend: None,
            ingress_class_name: class.or_else(|| plan.options.ingress_class.clone()),
            rules: Some(rules),
            tls: Some(tls).filter(|tls| !tls.is_empty()),
        }),
        status: None,
    };
    documents.add(Rank::Route, &object, Vec::new());
}

/// One of the words that the API server knows, in its spelling.
fn path_type(written: Option<&str>, origin: &Origin, findings: &mut Findings) -> &'static str {
    let Some(written) = written else {
        return "Prefix";
    };
    for known in ["Prefix", "Exact", "ImplementationSpecific"] {
        if written.eq_ignore_ascii_case(known) {
            return known;
        }
    }
    let message =
        format!("`{written}` is not a way of comparing paths, so each controller has its own");
    findings.add(Code("route-path"), origin, message);
    "ImplementationSpecific"
}

/// Hosts with one certificate stand together.
fn add_tls(tls: &mut Vec<IngressTLS>, host: Option<&str>, secret: Option<&str>) {
    let known = tls
        .iter()
        .position(|entry| entry.secret_name.as_deref() == secret);
    let place = known.unwrap_or_else(|| {
        tls.push(IngressTLS {
            hosts: None,
            secret_name: secret.map(str::to_owned),
        });
        tls.len() - 1
    });
    let entry = &mut tls[place];
    if let Some(host) = host {
        let hosts = entry.hosts.get_or_insert_default();
        if !hosts.iter().any(|h| h == host) {
            hosts.push(host.to_owned());
        }
    }
}

fn backend(
    backend: &RouteBackend,
    origin: &Origin,
    findings: &mut Findings,
) -> Option<IngressBackend> {
    let RouteBackend { name, port } = backend;
    if !is_label(name) {
        let message =
            format!("`{name}` cannot be the name of a Service, so the route leads nowhere");
        findings.add(Code("route-impossible"), origin, message);
        return None;
    }
    let port = match port {
        PortRef::Number(number) => ServiceBackendPort {
            name: None,
            number: Some(i32::from(*number)),
        },
        PortRef::Name(name) => ServiceBackendPort {
            name: Some(name.clone()),
            number: None,
        },
    };
    Some(IngressBackend {
        resource: None,
        service: Some(IngressServiceBackend {
            name: name.clone(),
            port: Some(port),
        }),
    })
}

/// An Ingress for ports of a unit that speak HTTP.
pub(super) fn published(
    service: &str,
    unit: &Unit,
    planned: &UnitPlan,
    ports: &[(u16, &Origin)],
    plan: &Plan<'_>,
    documents: &mut Documents,
    findings: &mut Findings,
) {
    let mut meta = metadata::new(service, unit.namespace.as_ref(), Some(&planned.label), plan);
    metadata::role(&mut meta, ROLE_PUBLISHED);
    let mut rules = Vec::new();
    for (index, (number, origin)) in ports.iter().enumerate() {
        // Each port needs a name of its own; `example.com` never leads anywhere (RFC 2606).
        let host = if index == 0 {
            format!("{}.{}.example.com", planned.label, plan.instance)
        } else {
            format!("{}-{number}.{}.example.com", planned.label, plan.instance)
        };
        let message =
            format!("port {number} is reached as `{host}`, which has to be your own name");
        findings.add(Code("ingress-host"), origin, message);
        rules.push(IngressRule {
            host: Some(host),
            http: Some(HTTPIngressRuleValue {
                paths: vec![HTTPIngressPath {
                    backend: IngressBackend {
                        resource: None,
                        service: Some(IngressServiceBackend {
                            name: service.to_owned(),
                            port: Some(ServiceBackendPort {
                                name: None,
                                number: Some(i32::from(*number)),
                            }),
                        }),
                    },
                    path: Some("/".to_owned()),
                    path_type: "Prefix".to_owned(),
                }],
            }),
        });
    }
    let object = Ingress {
        metadata: meta,
        spec: Some(IngressSpec {
            default_backend: None,
            ingress_class_name: plan.options.ingress_class.clone(),
            rules: Some(rules),
            tls: None,
        }),
        status: None,
    };
    documents.add(Rank::Route, &object, Vec::new());
}
