//! Ingress: HTTP routes from outside.

use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::model::{PortRef, Route, RouteBackend};
use crate::source::{Fields, Item, Sourced};

impl Reader<'_> {
    pub(super) fn ingress(&mut self, object: &Object, item: &Item<'_>) {
        let Some(mut fields) = item.fields("Ingress", self.ledger) else {
            return;
        };
        fields.take("apiVersion");
        fields.take("kind");
        let metadata = self.metadata(&mut fields);
        let Some(mut spec) = fields.fields("spec", "IngressSpec", self.ledger) else {
            fields.finish(self.ledger);
            return;
        };
        let class = spec.text("ingressClassName", self.ledger).map(|t| t.value);
        let mut secrets: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut all_hosts: BTreeSet<String> = BTreeSet::new();
        let mut any_tls = None;
        for item in spec.items("tls", self.ledger) {
            let Some(mut tls) = item.fields("IngressTLS", self.ledger) else {
                continue;
            };
            let hosts = tls.texts("hosts", self.ledger);
            let secret = tls.text("secretName", self.ledger).map(|t| t.value);
            tls.finish(self.ledger);
            if hosts.is_empty() {
                any_tls = Some(secret.clone());
            }
            for host in hosts {
                all_hosts.insert(host.value.clone());
                secrets.insert(host.value, secret.clone());
            }
        }
        let route = |host: Option<String>, path, path_type, backend, origin| {
            let tls = host
                .as_ref()
                .and_then(|h| secrets.get(h))
                .cloned()
                .or_else(|| any_tls.clone());
            Route {
                ingress: Sourced::new(object.name.clone(), object.origin.clone()),
                namespace: object
                    .namespace
                    .clone()
                    .map(|n| Sourced::new(n, object.origin.clone())),
                host,
                path,
                path_type,
                backend,
                class: class.clone(),
                tls: tls.is_some(),
                tls_secret: tls.flatten(),
                annotations: metadata.annotations.clone(),
                origin,
            }
        };
        let mut routes = Vec::new();
        if let Some(item) = spec.take("defaultBackend")
            && let Some(backend) = self.backend(&item)
        {
            routes.push(route(None, None, None, backend, item.origin()));
        }
        for item in spec.items("rules", self.ledger) {
            let Some(mut rule) = item.fields("IngressRule", self.ledger) else {
                continue;
            };
            let host = rule.text("host", self.ledger).map(|t| t.value);
            if let Some(mut http) = rule.fields("http", "HTTPIngressRuleValue", self.ledger) {
                for item in http.items("paths", self.ledger) {
                    let Some(mut path) = item.fields("HTTPIngressPath", self.ledger) else {
                        continue;
                    };
                    let text = path.text("path", self.ledger).map(|t| t.value);
                    let kind = path.text("pathType", self.ledger).map(|t| t.value);
                    let backend = path.take("backend").and_then(|b| self.backend(&b));
                    path.finish(self.ledger);
                    if let Some(backend) = backend {
                        routes.push(route(host.clone(), text, kind, backend, item.origin()));
                    }
                }
                http.finish(self.ledger);
            }
            rule.finish(self.ledger);
        }
        spec.finish(self.ledger);
        fields.finish(self.ledger);
        self.application.routes.extend(routes);
    }

    fn backend(&mut self, item: &Item<'_>) -> Option<RouteBackend> {
        let mut fields = item.fields("IngressBackend", self.ledger)?;
        let service = fields.fields("service", "IngressServiceBackend", self.ledger);
        let backend = service.and_then(|mut service| {
            let name = service.text("name", self.ledger);
            let port = service
                .fields("port", "ServiceBackendPort", self.ledger)
                .and_then(|mut port| {
                    let number = self.backend_port(&mut port);
                    port.finish(self.ledger);
                    number
                });
            service.finish(self.ledger);
            Some(RouteBackend {
                name: name?.value,
                port: port.unwrap_or(PortRef::Number(80)),
            })
        });
        fields.finish(self.ledger);
        backend
    }

    fn backend_port(&mut self, port: &mut Fields<'_>) -> Option<PortRef> {
        let number: Option<Sourced<u16>> = port.integer("number", self.ledger);
        let name = port.text("name", self.ledger);
        number
            .map(|n| PortRef::Number(n.value))
            .or(name.map(|n| PortRef::Name(n.value)))
    }
}
