//! HTTP routes from outside.

use std::collections::HashMap;

use super::keys::legal;
use super::writer::Writer;
use crate::orchestration::compose::IngressProxy;
use crate::orchestration::model::{Name, PortRef, Route, RouteBackend};
use crate::orchestration::names::{DOMAIN, short_hash};

impl<'a> Writer<'a> {
    /// Turns routes into labels for a proxy, or lists them.
    pub(super) fn write_routes(&mut self) {
        let app = self.app;
        let mut names: HashMap<&str, Vec<&Name>> = HashMap::new();
        if !app.routes.is_empty() {
            for name in &app.names {
                names
                    .entry(name.name.value.as_str())
                    .or_default()
                    .push(name);
            }
        }
        for route in &app.routes {
            let found = names
                .get(route.backend.name.as_str())
                .and_then(|candidates| {
                    let space = route.namespace.as_ref().map(|n| &n.value);
                    candidates
                        .iter()
                        .find(|name| name.namespace.as_ref().map(|n| &n.value) == space)
                        .or_else(|| candidates.first())
                        .copied()
                });
            self.write_route(route, found);
        }
    }

    fn write_route(&mut self, route: &'a Route, name: Option<&'a Name>) {
        let Route {
            ingress,
            namespace,
            host,
            path,
            path_type,
            backend:
                RouteBackend {
                    name: service,
                    port,
                },
            class,
            tls_secret,
            tls,
            annotations,
            origin,
        } = route;
        let space = namespace.as_ref().map(|n| n.value.as_str());
        let units: Vec<usize> = name.map_or_else(Vec::new, |name| {
            name.units
                .iter()
                .flat_map(|unit| self.plan.find(self.app, unit, space))
                .collect()
        });
        let number = self.target_of(port, name, &units);
        let shown = match (port, number) {
            (_, Some(number)) => number.to_string(),
            (PortRef::Number(number), None) => number.to_string(),
            (PortRef::Name(name), None) => name.clone(),
        };
        let scheme = if *tls { "https" } else { "http" };
        let from = format!(
            "{scheme}://{}{}",
            host.as_deref().unwrap_or("*"),
            path.as_deref().unwrap_or("/")
        );
        let key = units
            .first()
            .and_then(|index| self.plan.units.get(*index))
            .map(|p| p.key().to_owned());
        let to = key.as_deref().map_or_else(
            || format!("{service}:{shown}"),
            |key| format!("{key}:{shown}"),
        );

        let mut details = Vec::new();
        if let Some(kind) = path_type {
            details.push(kind.clone());
        }
        if let Some(class) = class {
            details.push(format!("class {class}"));
        }
        if let Some(secret) = tls_secret {
            details.push(format!("certificate of Secret {secret}"));
        }
        let details = if details.is_empty() {
            String::new()
        } else {
            format!(" ({})", details.join(", "))
        };
        let unread: Vec<_> = annotations
            .keys()
            .filter(|key| !key.starts_with(DOMAIN))
            .collect();
        if !unread.is_empty() {
            let message = format!(
                "nothing reads the annotations of Ingress `{}`: {}",
                ingress.value,
                super::names::list(&unread)
            );
            self.note("annotations-without-controller", origin, message);
        }
        match (self.options.ingress, number, units.is_empty()) {
            (IngressProxy::Traefik, Some(number), false) => {
                for index in units {
                    // A name of a port can stand for another number in each workload.
                    let number = self.target_of(port, name, &[index]).unwrap_or(number);
                    self.traefik(route, index, number);
                }
                self.note(
                    "route-by-labels",
                    origin,
                    format!("{from} leads to `{to}` by labels for Traefik{details}"),
                );
            }
            _ => {
                self.note(
                    "http-routes",
                    origin,
                    format!("{from} should lead to `{to}`{details}"),
                );
            }
        }
    }

    /// The container's port behind a port of a Service.
    fn target_of(&self, port: &PortRef, name: Option<&Name>, units: &[usize]) -> Option<u16> {
        let named = name.and_then(|name| {
            name.ports.iter().find(|candidate| match port {
                PortRef::Number(number) => candidate.port == *number,
                PortRef::Name(name) => candidate.name.as_ref() == Some(name),
            })
        });
        let target = named.map_or(port, |found| &found.target);
        match target {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(name) => units
                .iter()
                .find_map(|index| self.port_by_name(*index, name)),
        }
    }

    fn traefik(&mut self, route: &Route, index: usize, number: u16) {
        let host = route.host.as_deref().unwrap_or_default();
        let path = route
            .path
            .as_deref()
            .filter(|path| !path.is_empty() && *path != "/");
        let exact = route.path_type.as_deref() == Some("Exact");
        // The same path can lead elsewhere as a prefix.
        let identity = format!(
            "{host}{}{}",
            path.unwrap_or_default(),
            if exact { " Exact" } else { "" }
        );
        let router = format!(
            "{}-{}",
            legal(&route.ingress.value).replace('.', "-"),
            short_hash(identity.as_bytes())
        );
        let mut rules = Vec::new();
        if let Some(suffix) = host.strip_prefix("*.") {
            let suffix = suffix.replace('.', r"\.");
            rules.push(format!(r"HostRegexp(`^[^.]+\.{suffix}$`)"));
        } else if !host.is_empty() {
            rules.push(format!("Host(`{host}`)"));
        }
        if let Some(path) = path {
            let matcher = if exact { "Path" } else { "PathPrefix" };
            rules.push(format!("{matcher}(`{path}`)"));
        } else if rules.is_empty() {
            rules.push("PathPrefix(`/`)".to_owned());
        }
        let labels = self.route_labels.entry(index).or_default();
        let mut add = |key: String, value: String| labels.push((key, value));
        add("traefik.enable".to_owned(), "true".to_owned());
        add(
            format!("traefik.http.routers.{router}.rule"),
            rules.join(" && "),
        );
        add(
            format!("traefik.http.routers.{router}.service"),
            router.clone(),
        );
        if route.tls {
            add(
                format!("traefik.http.routers.{router}.tls"),
                "true".to_owned(),
            );
        }
        add(
            format!("traefik.http.services.{router}.loadbalancer.server.port"),
            number.to_string(),
        );
    }
}
