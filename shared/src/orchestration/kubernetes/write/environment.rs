//! Variables of a container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapEnvSource, ConfigMapKeySelector, EnvFromSource, EnvVar as KubernetesEnvVar,
    EnvVarSource, ObjectFieldSelector, ResourceFieldSelector, SecretEnvSource, SecretKeySelector,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::plan::Plan;
use super::{command, objects};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{EnvFrom, EnvValue, EnvVar, ObjectKind};
use crate::source::Sourced;

/// Variables in source order; of one that stands twice the last counts, as in both worlds.
pub(super) fn variables(
    variables: &[EnvVar],
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Option<Vec<KubernetesEnvVar>> {
    let mut written: Vec<KubernetesEnvVar> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for EnvVar { name, value } in variables {
        let Some(variable) = variable(name, value, plan, findings) else {
            continue;
        };
        if let Some(place) = places.get(name.value.as_str()) {
            written[*place] = variable;
        } else {
            places.insert(&name.value, written.len());
            written.push(variable);
        }
    }
    (!written.is_empty()).then_some(written)
}

fn variable(
    name: &Sourced<String>,
    value: &EnvValue,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Option<KubernetesEnvVar> {
    if !is_name(&name.value) {
        let message = format!(
            "`{}` cannot be the name of a variable",
            name.value.escape_debug()
        );
        findings.add(Code("env-name"), &name.origin, message);
        return None;
    }
    let (text, from) = match value {
        EnvValue::Literal(text) => (Some(command::literal(text)), None),
        EnvValue::Composed(text) => (Some(text.clone()), None),
        EnvValue::Object {
            secret,
            object,
            key,
            optional,
        } => {
            let kind = if *secret {
                ObjectKind::Secret
            } else {
                ObjectKind::Config
            };
            let name = plan.object_name(kind, object);
            let key = objects::key(key);
            let source = if *secret {
                EnvVarSource {
                    secret_key_ref: Some(SecretKeySelector {
                        key,
                        name,
                        optional: *optional,
                    }),
                    ..EnvVarSource::default()
                }
            } else {
                EnvVarSource {
                    config_map_key_ref: Some(ConfigMapKeySelector {
                        key,
                        name,
                        optional: *optional,
                    }),
                    ..EnvVarSource::default()
                }
            };
            (None, Some(source))
        }
        EnvValue::Field(path) => {
            if !is_field(path) {
                let message = format!("`{}`: an instance has no field `{path}`", name.value);
                findings.add(Code("env-field"), &name.origin, message);
                return None;
            }
            let source = EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    api_version: None,
                    field_path: path.clone(),
                }),
                ..EnvVarSource::default()
            };
            (None, Some(source))
        }
        EnvValue::Resource {
            resource,
            container,
            divisor,
        } => {
            let source = EnvVarSource {
                resource_field_ref: Some(ResourceFieldSelector {
                    container_name: container.clone(),
                    divisor: divisor.clone().map(Quantity),
                    resource: resource.clone(),
                }),
                ..EnvVarSource::default()
            };
            (None, Some(source))
        }
        // Who looked for the value has said that there is none.
        EnvValue::Unset => return None,
    };
    Some(KubernetesEnvVar {
        name: name.value.clone(),
        value: text,
        value_from: from,
    })
}

pub(super) fn objects(from: &[EnvFrom], plan: &Plan<'_>) -> Option<Vec<EnvFromSource>> {
    let written: Vec<_> = from
        .iter()
        .map(|from| {
            let EnvFrom {
                secret,
                object,
                prefix,
                optional,
            } = from;
            let kind = if *secret {
                ObjectKind::Secret
            } else {
                ObjectKind::Config
            };
            let name = plan.object_name(kind, &object.value);
            let optional = optional.as_ref().map(|o| o.value);
            let prefix = prefix.as_ref().map(|p| p.value.clone());
            if *secret {
                EnvFromSource {
                    config_map_ref: None,
                    prefix,
                    secret_ref: Some(SecretEnvSource { name, optional }),
                }
            } else {
                EnvFromSource {
                    config_map_ref: Some(ConfigMapEnvSource { name, optional }),
                    prefix,
                    secret_ref: None,
                }
            }
        })
        .collect();
    (!written.is_empty()).then_some(written)
}

/// Printable ASCII without `=` (Kubernetes 1.34, `RelaxedEnvironmentVariableValidation`).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'=')
}

/// The fields that a variable can have (Kubernetes API, EnvVarSource.fieldRef).
pub(super) fn is_field(path: &str) -> bool {
    let keyed = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.ends_with("']") && rest.len() > 2)
    };
    matches!(
        path,
        "metadata.name"
            | "metadata.namespace"
            | "metadata.uid"
            | "spec.nodeName"
            | "spec.serviceAccountName"
            | "status.hostIP"
            | "status.hostIPs"
            | "status.podIP"
            | "status.podIPs"
    ) || keyed("metadata.labels['")
        || keyed("metadata.annotations['")
}
