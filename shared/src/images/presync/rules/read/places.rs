//! Sources and targets: registries, engines, clusters.

use std::path::PathBuf;
use std::time::Duration;

use super::{BAD_VALUE, MISSING, Reader};
use crate::images::presync::rules::{
    Cluster, Destination, Engine, Nodes, Origin, OriginKind, Registry,
};
use crate::source::{Fields, Item, Sourced};

impl Reader<'_> {
    pub(super) fn origin(&mut self, item: &Item<'_>) -> Option<Origin> {
        let mut fields = item.fields("presync.sources.*", self.ledger)?;
        let kinds = ["registry", "docker", "kubernetes", "swarm"];
        let given: Vec<_> = kinds.into_iter().filter(|k| fields.contains(k)).collect();
        if given.len() != 1 {
            let message = format!(
                "`{}` needs one of `registry`, `docker`, `kubernetes` and `swarm`, but has {}",
                item.path,
                if given.is_empty() {
                    "none".to_owned()
                } else {
                    given.join(" and ")
                }
            );
            self.ledger.add(MISSING, &item.origin(), message);
        }
        let kind = match given.first().copied() {
            Some("registry") => self.registry(&mut fields).map(OriginKind::Registry),
            Some("docker") => self.engine(&mut fields, "docker").map(OriginKind::Engine),
            Some("swarm") => self.engine(&mut fields, "swarm").map(OriginKind::Swarm),
            Some("kubernetes") => self.cluster(&mut fields).map(OriginKind::Kubernetes),
            _ => None,
        };
        let poll = self.duration(&mut fields, "poll", Duration::from_secs(1));
        fields.finish(self.ledger);
        Some(Origin { kind: kind?, poll })
    }

    pub(super) fn destination(&mut self, item: &Item<'_>) -> Option<Destination> {
        let mut fields = item.fields("presync.targets.*", self.ledger)?;
        let registry = self.registry(&mut fields);
        if registry.is_none() && !fields.contains("registry") {
            let message = format!("`{}.registry` is missing", item.path);
            self.ledger.add(MISSING, &item.origin(), message);
        }
        let nodes = self.nodes(&mut fields);
        fields.finish(self.ledger);
        Some(Destination {
            registry: registry?,
            nodes,
        })
    }

    /// Who pulls what has come to a target.
    fn nodes(&mut self, fields: &mut Fields<'_>) -> Option<Nodes> {
        let item = fields.take("nodes")?;
        let mut own = item.fields("presync.targets.*.nodes", self.ledger)?;
        let given = ["docker", "kubernetes"].map(|kind| own.contains(kind));
        if given[0] == given[1] {
            let message = format!("`{}` needs one of `docker` and `kubernetes`", item.path);
            self.ledger.add(MISSING, &item.origin(), message);
        }
        let nodes = if given[0] {
            let items = own
                .take("docker")
                .map(|item| item.items_or_one(self.ledger))
                .unwrap_or_default();
            let tls = self.path_of(&mut own, "tls");
            let mut engines = Vec::new();
            for item in &items {
                let address = item.text(self.ledger);
                engines.extend(address.and_then(|address| self.engine_at(address, tls.clone())));
            }
            Some(Nodes::Engines(engines))
        } else {
            let table = "presync.targets.*.nodes.kubernetes";
            own.fields("kubernetes", table, self.ledger).map(|mut own| {
                let cluster = Cluster {
                    kubeconfig: self.path_of(&mut own, "kubeconfig"),
                    context: own.text("context", self.ledger).map(|text| text.value),
                    namespaces: own
                        .text("namespace", self.ledger)
                        .map(|text| text.value)
                        .into_iter()
                        .collect(),
                };
                own.finish(self.ledger);
                Nodes::Cluster(cluster)
            })
        };
        own.finish(self.ledger);
        nodes
    }

    fn registry(&mut self, fields: &mut Fields<'_>) -> Option<Registry> {
        let address = fields.text("registry", self.ledger);
        let plain_http = fields.boolean("plain_http", self.ledger);
        let ca_file = self.path_of(fields, "ca_file");
        let address = address?;
        let (host, prefix) = address
            .value
            .split_once('/')
            .unwrap_or((&address.value, ""));
        let prefix = prefix.trim_matches('/');
        let valid_host = !host.is_empty()
            && !address.value.contains("://")
            && host.bytes().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']')
            });
        let valid_prefix = prefix.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b'/')
        });
        if !valid_host || !valid_prefix {
            let message = format!(
                "`{}` is no address of a registry; HOST[:PORT][/PREFIX] is expected, without https://",
                address.value
            );
            self.ledger.add(BAD_VALUE, &address.origin, message);
            return None;
        }
        Some(Registry {
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            plain_http: plain_http.is_some_and(|plain| plain.value),
            ca_file,
        })
    }

    fn engine(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<Engine> {
        let address = fields.text(key, self.ledger)?;
        let tls = self.path_of(fields, "tls");
        self.engine_at(address, tls)
    }

    fn engine_at(&mut self, address: Sourced<String>, tls: Option<PathBuf>) -> Option<Engine> {
        if tls.is_some() && !address.value.starts_with("tcp://") {
            let message = format!(
                "`tls` is for an engine at tcp://HOST:PORT, not at `{}`",
                address.value
            );
            self.ledger.add(BAD_VALUE, &address.origin, message);
        }
        let known = ["unix://", "tcp://", "http://", "npipe://"];
        if !known.iter().any(|scheme| address.value.starts_with(scheme)) {
            let message = format!(
                "`{}` is no address of an engine; unix:///var/run/docker.sock or tcp://HOST:PORT is expected",
                address.value
            );
            self.ledger.add(BAD_VALUE, &address.origin, message);
            return None;
        }
        Some(Engine {
            address: address.value,
            tls,
        })
    }

    fn cluster(&mut self, fields: &mut Fields<'_>) -> Option<Cluster> {
        let mut own = fields.fields("kubernetes", "presync.sources.*.kubernetes", self.ledger)?;
        let cluster = Cluster {
            kubeconfig: self.path_of(&mut own, "kubeconfig"),
            context: own.text("context", self.ledger).map(|text| text.value),
            namespaces: own
                .texts("namespaces", self.ledger)
                .into_iter()
                .map(|text| text.value)
                .collect(),
        };
        own.finish(self.ledger);
        Some(cluster)
    }
}
