//! What is asked of a cluster: over a connection of our own, else by kubectl.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Failure, Kubernetes, ObjectName};
use crate::orchestration::output::Output;

/// Kinds as [`ObjectName`] names them.
pub(super) const NAMESPACE: &str = "Namespace.v1.";
pub(super) const NODE: &str = "Node.v1.";
pub(super) const SERVICE: &str = "Service.v1.";
pub(super) const CONFIG_MAP: &str = "ConfigMap.v1.";
pub(super) const QUOTA: &str = "ResourceQuota.v1.";
pub(super) const STORAGE_CLASS: &str = "StorageClass.v1.storage.k8s.io";
pub(super) const INGRESS_CLASS: &str = "IngressClass.v1.networking.k8s.io";

impl Kubernetes {
    /// The version that the cluster tells, if it tells one.
    pub(super) fn version(&self) -> Result<Option<String>, Failure> {
        if let Some(version) = self.ask(async |cluster| cluster.version().await) {
            return Ok(Some(version));
        }
        let answer = self.json(&["version", "--output=json", "--request-timeout=15s"])?;
        Ok(answer["serverVersion"]["gitVersion"]
            .as_str()
            .map(str::to_owned))
    }

    /// The namespace that objects without one go to.
    pub(crate) fn namespace(&self) -> String {
        if let Some(namespace) = &self.namespace {
            return namespace.clone();
        }
        if let Some(namespace) = self.ask(async |cluster| Ok(cluster.namespace().to_owned())) {
            return namespace;
        }
        let asked = self.call(&[
            "config",
            "view",
            "--minify",
            "--output=jsonpath={..namespace}",
        ]);
        let name = asked.unwrap_or_default().trim().to_owned();
        if name.is_empty() {
            "default".to_owned()
        } else {
            name
        }
    }

    /// Whether each of these may be done: a verb and a kind.
    pub(super) fn may(&self, wanted: &[(&str, &str)]) -> Vec<bool> {
        if let Some(answers) = self.ask(async |cluster| cluster.may(wanted).await) {
            return answers;
        }
        let may = |(verb, kind): &(&str, &str)| {
            self.call(&["auth", "can-i", verb, &resource(kind), "--quiet"])
                .is_ok()
        };
        wanted.iter().map(may).collect()
    }

    /// An object, or `None` if it is not there.
    pub(in super::super) fn get(&self, name: &ObjectName) -> Result<Option<Value>, Failure> {
        let mut found = self.get_all(std::slice::from_ref(name))?;
        Ok(found.pop().flatten())
    }

    fn get_by_kubectl(&self, name: &ObjectName) -> Result<Option<Value>, Failure> {
        let mut arguments = vec![
            "get",
            &name.kind,
            &name.name,
            "--ignore-not-found",
            "--output=json",
        ];
        let namespace = name.namespace.as_ref().map(|n| format!("--namespace={n}"));
        arguments.extend(namespace.as_deref());
        let value = self.json(&arguments)?;
        Ok((!value.is_null()).then_some(value))
    }

    /// All objects of a kind in the namespace, or in all of them.
    pub(super) fn list(&self, kind: &str, everywhere: bool) -> Result<Vec<Value>, Failure> {
        if let Some(found) = self.ask(async |cluster| cluster.list(kind, everywhere).await) {
            return Ok(found);
        }
        let mut arguments = vec!["get", kind, "--output=json"];
        if everywhere {
            arguments.push("--all-namespaces");
        }
        let list = self.json(&arguments)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// The labels of all objects of a kind in the namespace that have some wanted ones; `None` if only a tool can tell.
    pub(in super::super) fn labels(
        &self,
        kind: &str,
        wanted: &str,
    ) -> Option<Vec<BTreeMap<String, String>>> {
        self.ask(async |cluster| cluster.labels(kind, wanted).await)
    }

    /// Each object of an output with what is there of it.
    pub(in super::super) fn live(
        &self,
        output: &Output,
    ) -> Result<Vec<(ObjectName, Option<Value>)>, Failure> {
        self.live_of(super::names(output))
    }

    pub(super) fn live_of(
        &self,
        names: Vec<ObjectName>,
    ) -> Result<Vec<(ObjectName, Option<Value>)>, Failure> {
        let live = self.get_all(&names)?;
        Ok(names.into_iter().zip(live).collect())
    }

    /// Objects, or `None` for those that are not there.
    pub(in super::super) fn get_all(
        &self,
        names: &[ObjectName],
    ) -> Result<Vec<Option<Value>>, Failure> {
        match self.ask(async |cluster| cluster.get_all(names).await) {
            Some(found) => Ok(found),
            None => self.get_all_by_kubectl(names),
        }
    }

    /// All are asked for at once: starting kubectl takes longer than an answer.
    fn get_all_by_kubectl(&self, names: &[ObjectName]) -> Result<Vec<Option<Value>>, Failure> {
        let items: Vec<Value> = names.iter().map(ObjectName::to_json).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let arguments = ["get", "--filename=-", "--ignore-not-found", "--output=json"];
        let answer = match names {
            [] | [_] => None,
            _ => self.call_with(&arguments, &list).ok(),
        };
        let Some(answer) = answer else {
            // A kind that the cluster does not know spoils the common answer; here it is named.
            return names.iter().map(|name| self.get_by_kubectl(name)).collect();
        };
        let answer: Value = if answer.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&answer).map_err(|error| {
                Failure::tool(format!("kubectl does not answer with JSON: {error}"))
            })?
        };
        let found: Vec<Value> = match answer {
            Value::Null => Vec::new(),
            answer if answer["items"].is_array() => {
                answer["items"].as_array().cloned().unwrap_or_default()
            }
            answer => vec![answer],
        };
        let own = self.namespace.clone();
        Ok(names
            .iter()
            .map(|name| {
                let is_it = |object: &&Value| {
                    let other = ObjectName::of(object);
                    other.is_some_and(|other| name.is(&other, own.as_deref()))
                };
                found.iter().find(is_it).cloned()
            })
            .collect())
    }
}

/// `Deployment.v1.apps` as `kubectl auth can-i` takes it: `deployments.apps`.
pub(super) fn resource(kind: &str) -> String {
    let mut parts = kind.splitn(3, '.');
    let name = parts.next().unwrap_or_default().to_lowercase();
    let group = parts.nth(1).unwrap_or_default();
    let plural = match name.as_str() {
        name if name.ends_with("ss") || name.ends_with('x') => format!("{name}es"),
        name if name.ends_with("policy") => format!("{}ies", name.trim_end_matches('y')),
        name => format!("{name}s"),
    };
    if group.is_empty() {
        plural
    } else {
        format!("{plural}.{group}")
    }
}
