//! Fields of an instance and of its resources as text.

use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{Metadata, UnitKind};
use crate::orchestration::quantity::{bytes_from_kubernetes, millicores_from_kubernetes};
use crate::source::Origin;

/// What Kubernetes tells the index of a run by.
const JOB_INDEX: &str = "metadata.annotations['batch.kubernetes.io/job-completion-index']";

impl<'a> Writer<'a> {
    /// A field of the instance. `templates`: Swarm may fill it in by itself.
    pub(super) fn field(
        &mut self,
        site: &Site<'a>,
        field: &str,
        templates: bool,
        origin: &Origin,
    ) -> Option<String> {
        let key = site.key();
        let unit = site.unit;
        let swarm = self.is_swarm() && templates;
        let template = match field {
            "metadata.name" => "{{.Task.Name}}",
            "metadata.uid" => "{{.Task.ID}}",
            "spec.nodeName" => "{{.Node.Hostname}}",
            JOB_INDEX => "{{.Task.Slot}}",
            _ => "",
        };
        let stateful = match &unit.kind {
            UnitKind::Stateful(settings) => {
                let first = settings.first_ordinal.as_ref().map_or(0, |o| o.value);
                let single = (site.replicas() <= 1).then_some(first);
                site.instance
                    .ordinal
                    .or(single)
                    .map(|ordinal| format!("{}-{ordinal}", unit.name.value))
            }
            _ => None,
        };
        let (text, exact) = match field {
            "metadata.name" if stateful.is_some() => (stateful, true),
            _ if swarm && !template.is_empty() => {
                (Some(template.to_owned()), field == "spec.nodeName")
            }
            "metadata.name" => (Some(key.to_owned()), false),
            "metadata.namespace" => match site.namespace() {
                Some(namespace) => (Some(namespace.to_owned()), true),
                None => (Some("default".to_owned()), false),
            },
            "spec.serviceAccountName" => {
                let account = unit.settings.service_account.as_ref();
                (
                    Some(account.map_or_else(|| "default".to_owned(), |a| a.value.clone())),
                    true,
                )
            }
            "metadata.labels" | "metadata.annotations" => {
                (Some(lines(&unit.instance_metadata, field)), true)
            }
            _ => match metadata_key(field) {
                Some((labels, name)) => {
                    let metadata = &unit.instance_metadata;
                    let map = if labels {
                        &metadata.labels
                    } else {
                        &metadata.annotations
                    };
                    let text = map.get(name).map(|v| v.value.clone()).unwrap_or_default();
                    (Some(text), true)
                }
                None => (None, false),
            },
        };
        match &text {
            None => {
                let message = format!("`{key}` cannot be told its `{field}`");
                self.note("field-unknown", origin, message);
            }
            Some(text) if !exact => {
                let message = format!("`{field}` of `{key}` becomes `{text}`");
                self.note("pod-fields-in-variables", origin, message);
            }
            Some(_) => {}
        }
        text
    }
}

/// `metadata.labels['name']` in its parts: whether it is a label, and the name.
fn metadata_key(field: &str) -> Option<(bool, &str)> {
    let (labels, rest) = match field.strip_prefix("metadata.labels[") {
        Some(rest) => (true, rest),
        None => (false, field.strip_prefix("metadata.annotations[")?),
    };
    let name = rest.strip_suffix(']')?;
    let name = name.trim_matches(['\'', '"']);
    Some((labels, name))
}

/// All labels or annotations as the downward API writes them into a file.
fn lines(metadata: &Metadata, field: &str) -> String {
    let map = if field.ends_with("labels") {
        &metadata.labels
    } else {
        &metadata.annotations
    };
    let mut text = String::new();
    for (key, value) in map {
        if !key.starts_with(crate::orchestration::names::DOMAIN) {
            text.push_str(&format!("{key}={:?}\n", value.value));
        }
    }
    text
}

/// A resource of a container in units of the divisor, rounded up.
pub(super) fn resource(
    site: &Site<'_>,
    resource: &str,
    container: Option<&str>,
    divisor: Option<&str>,
) -> Option<String> {
    let container = match container.filter(|name| !name.is_empty()) {
        Some(name) => site.unit.containers.iter().find(|c| c.name.value == name)?,
        None => site.container,
    };
    let resources = &container.resources;
    let divisor = divisor.filter(|d| !d.is_empty() && *d != "0");
    let (amount, unit) = match resource {
        "limits.cpu" | "requests.cpu" => {
            let request = resources
                .cpu_request
                .as_ref()
                .filter(|_| resource == "requests.cpu");
            let amount = request.or(resources.cpu_limit.as_ref())?.value;
            (
                amount,
                divisor.map_or(Some(1000), millicores_from_kubernetes)?,
            )
        }
        "limits.memory" | "requests.memory" => {
            let request = resources
                .memory_request
                .as_ref()
                .filter(|_| resource == "requests.memory");
            let amount = request.or(resources.memory_limit.as_ref())?.value;
            (amount, divisor.map_or(Some(1), bytes_from_kubernetes)?)
        }
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => {
            let amount = resources.storage_limit.as_ref()?.value;
            (amount, divisor.map_or(Some(1), bytes_from_kubernetes)?)
        }
        _ => return None,
    };
    (unit > 0).then(|| amount.div_ceil(unit).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_metadata() {
        assert_eq!(metadata_key("metadata.labels['app']"), Some((true, "app")));
        assert_eq!(
            metadata_key("metadata.annotations['a/b']"),
            Some((false, "a/b"))
        );
        assert_eq!(metadata_key("status.podIP"), None);
    }
}
