//! What workloads depend on: what their Pods name, and what selects their Pods.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::labels::{equals, matches};
use super::pod;
use super::reader::{Key, Reader, Refusal, key, kind, name, short};
use crate::orchestration::live::LiveError;

/// Kinds that select workloads, so that all of them have to be looked at.
const SELECTING: [&str; 5] = [
    "Service",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
];

/// The objects so far, in the order in which they were found.
struct Found {
    objects: Vec<Value>,
    keys: BTreeSet<Key>,
}

impl Found {
    fn add(&mut self, object: Value) {
        if let Some(kind) = kind(&object)
            && self.keys.insert(key(kind, &object))
        {
            self.objects.push(object);
        }
    }

    fn has(&self, kind: &'static str, name: &str) -> bool {
        self.keys.contains(&(kind, name.to_owned()))
    }
}

/// Adds what the roots depend on. `whole` is whether the whole namespace is meant.
pub(super) async fn complete(
    reader: &mut Reader,
    roots: Vec<Value>,
    whole: bool,
) -> Result<Vec<Value>, LiveError> {
    let mut found = Found {
        objects: Vec::new(),
        keys: BTreeSet::new(),
    };
    let mut accounts: BTreeMap<String, String> = BTreeMap::new();
    for mut root in roots {
        let is_workload = kind(&root).is_some_and(|kind| kind.is_workload);
        if is_workload {
            say_state(reader, &root);
            pull_secrets(reader, &mut root).await?;
            claim_sizes(reader, &mut root).await?;
            if let Some(account) = account(&root) {
                accounts.entry(account).or_insert_with(|| short(&root));
            }
        }
        found.add(root);
    }
    let workloads: Vec<Value> = found
        .objects
        .iter()
        .filter(|object| kind(object).is_some_and(|kind| kind.is_workload))
        .cloned()
        .collect();
    for workload in &workloads {
        let Some(spec) = pod::spec(workload) else {
            continue;
        };
        for (kind, name, optional) in pod::references(spec) {
            by_name(reader, &mut found, kind, &name, &short(workload), optional).await?;
        }
    }
    if !workloads.is_empty() || whole {
        selecting(reader, &mut found, &workloads, whole).await?;
        identity(reader, &mut found, &accounts).await?;
    }
    let claims: Vec<String> = found
        .objects
        .iter()
        .filter(|object| object["kind"] == "PersistentVolumeClaim")
        .map(short)
        .chain(
            workloads
                .iter()
                .filter(|workload| {
                    workload["spec"]["volumeClaimTemplates"]
                        .as_array()
                        .is_some_and(|templates| !templates.is_empty())
                })
                .map(|workload| format!("claims of {}", short(workload))),
        )
        .collect();
    if !claims.is_empty() {
        let message = format!(
            "the data in volumes stays where it is: {}",
            claims.join(", ")
        );
        reader.say("live-volume-data", message, "");
    }
    Ok(found.objects)
}

/// Reads one object that another one names.
async fn by_name(
    reader: &mut Reader,
    found: &mut Found,
    kind: &'static str,
    name: &str,
    user: &str,
    optional: bool,
) -> Result<(), LiveError> {
    let Some(kind) = Kind::named(kind) else {
        return Ok(());
    };
    if found.has(kind.kind, name) {
        return Ok(());
    }
    let place = kind.with(name);
    match reader.get(kind, name).await {
        Ok(Some(object)) if object["type"] == "kubernetes.io/service-account-token" => {
            let message = format!("`{place}` is a token of this cluster and is left out");
            reader.say("live-token", message, user);
        }
        Ok(Some(object)) => found.add(object),
        Ok(None) if optional => {}
        Ok(None) => {
            let message = format!("`{user}` needs {place}, which is not there");
            reader.say("live-missing", message, user);
        }
        Err(Refusal::Forbidden(why)) => {
            let message = format!("`{user}` needs {place}, which cannot be read: {why}");
            reader.say("live-forbidden", message, user);
        }
        Err(Refusal::Unknown) => {}
        Err(Refusal::Fatal(error)) => return Err(error),
    }
    Ok(())
}

/// What a user should know about a workload's state.
fn say_state(reader: &mut Reader, workload: &Value) {
    let short = short(workload);
    let ended = match workload["kind"].as_str() {
        Some("Pod") => matches!(
            workload["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        ),
        Some("Job") => workload["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|condition| {
                matches!(condition["type"].as_str(), Some("Complete" | "Failed"))
                    && condition["status"] == "True"
            }),
        _ => false,
    };
    if ended {
        let message = format!("`{short}` has ended at the source and runs again at the target");
        reader.say("live-ended", message, &short);
    }
    let debugging = workload["spec"]["ephemeralContainers"].as_array();
    if debugging.is_some_and(|containers| !containers.is_empty()) {
        let message = format!("the containers that `{short}` was debugged with are left out");
        reader.say("live-debugging", message, &short);
    }
}

/// The account of a workload, unless it is the one that every namespace has.
fn account(workload: &Value) -> Option<String> {
    pod::spec(workload)?
        .get("serviceAccountName")?
        .as_str()
        .filter(|name| !name.is_empty() && *name != "default")
        .map(str::to_owned)
}

/// Admission gives the pull secrets of the account to each Pod; the workload itself does not name them.
async fn pull_secrets(reader: &mut Reader, workload: &mut Value) -> Result<(), LiveError> {
    let Some(kind) = Kind::named("ServiceAccount") else {
        return Ok(());
    };
    let account = account(workload).unwrap_or_else(|| "default".to_owned());
    let secrets = match reader.get(kind, &account).await {
        Ok(found) => found.map(|object| object["imagePullSecrets"].clone()),
        Err(Refusal::Forbidden(why)) => {
            reader.forbidden(kind, &why);
            None
        }
        Err(Refusal::Unknown) => None,
        Err(Refusal::Fatal(error)) => return Err(error),
    };
    if let Some(secrets) =
        secrets.filter(|secrets| secrets.as_array().is_some_and(|s| !s.is_empty()))
        && let Some(spec) = pod::spec_mut(workload)
        && !spec.contains_key("imagePullSecrets")
    {
        spec.insert("imagePullSecrets".into(), secrets);
    }
    Ok(())
}

/// Claims can grow after a StatefulSet was made, whose templates cannot.
async fn claim_sizes(reader: &mut Reader, workload: &mut Value) -> Result<(), LiveError> {
    if workload["kind"] != "StatefulSet" {
        return Ok(());
    }
    let Some(kind) = Kind::named("PersistentVolumeClaim") else {
        return Ok(());
    };
    let owner = short(workload);
    let set = name(workload).to_owned();
    let first = workload["spec"]["ordinals"]["start"].as_u64().unwrap_or(0);
    let templates = workload["spec"]["volumeClaimTemplates"].as_array_mut();
    for template in templates.into_iter().flatten() {
        let claim = format!("{}-{set}-{first}", name(template));
        let live = match reader.get(kind, &claim).await {
            Ok(Some(live)) => live,
            Ok(None) | Err(Refusal::Unknown) => continue,
            Err(Refusal::Forbidden(why)) => {
                reader.forbidden(kind, &why);
                continue;
            }
            Err(Refusal::Fatal(error)) => return Err(error),
        };
        let size = live["spec"]["resources"]["requests"]["storage"].clone();
        let written = &mut template["spec"]["resources"]["requests"]["storage"];
        if size.is_string() && *written != size {
            let message = format!(
                "claim `{claim}` has {}, while its template says {}: the former counts",
                size.as_str().unwrap_or_default(),
                written.as_str().unwrap_or_default()
            );
            reader.say("live-claim-size", message, &owner);
            *written = size;
        }
    }
    Ok(())
}

/// Services, Ingresses, autoscalers, budgets and policies of the workloads.
async fn selecting(
    reader: &mut Reader,
    found: &mut Found,
    workloads: &[Value],
    whole: bool,
) -> Result<(), LiveError> {
    let kinds: Vec<&'static Kind> = SELECTING
        .iter()
        .filter_map(|name| Kind::named(name))
        .collect();
    let objects = reader.lists(&kinds, None).await?.unwrap_or_default();
    let empty = Map::new();
    let any = |selected: &dyn Fn(&Map<String, Value>) -> bool| {
        workloads
            .iter()
            .any(|workload| selected(pod::labels(workload).unwrap_or(&empty)))
    };
    let mut left = Vec::new();
    let (services, others): (Vec<Value>, Vec<Value>) = objects
        .into_iter()
        .partition(|object| object["kind"] == "Service");
    for service in services {
        // The API server's own.
        if name(&service) == "kubernetes" && reader.namespace == "default" {
            continue;
        }
        let selector = &service["spec"]["selector"];
        let governs = workloads
            .iter()
            .any(|workload| workload["spec"]["serviceName"] == service["metadata"]["name"]);
        let is_free = selector.as_object().is_none_or(Map::is_empty);
        if governs || any(&|labels| equals(selector, labels)) || (whole && is_free) {
            found.add(service);
        } else if whole {
            left.push(short(&service));
        }
    }
    for object in others {
        let spec = &object["spec"];
        let is_wanted = match object["kind"].as_str() {
            Some("Ingress") => backends(spec).iter().any(|name| found.has("Service", name)),
            Some("HorizontalPodAutoscaler") => workloads.iter().any(|workload| {
                spec["scaleTargetRef"]["kind"] == workload["kind"]
                    && spec["scaleTargetRef"]["name"] == workload["metadata"]["name"]
            }),
            Some("NetworkPolicy") => any(&|labels| matches(&spec["podSelector"], labels)),
            _ => any(&|labels| matches(&spec["selector"], labels)),
        };
        if !is_wanted {
            if whole {
                left.push(short(&object));
            }
            continue;
        }
        let user = short(&object);
        let secrets = tls_secrets(spec);
        found.add(object);
        for secret in secrets {
            by_name(reader, found, "Secret", &secret, &user, false).await?;
        }
    }
    if !left.is_empty() {
        let message = format!("nothing that was read has to do with {}", left.join(", "));
        reader.say("live-unused", message, "");
    }
    Ok(())
}

/// The Services behind an Ingress.
fn backends(spec: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut add = |backend: &Value| {
        if let Some(name) = backend["service"]["name"].as_str() {
            names.insert(name.to_owned());
        }
    };
    add(&spec["defaultBackend"]);
    for rule in spec["rules"].as_array().into_iter().flatten() {
        for path in rule["http"]["paths"].as_array().into_iter().flatten() {
            add(&path["backend"]);
        }
    }
    names
}

fn tls_secrets(spec: &Value) -> Vec<String> {
    spec["tls"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tls| tls["secretName"].as_str().map(str::to_owned))
        .collect()
}

/// The accounts of the workloads, and what they may do in the namespace.
async fn identity(
    reader: &mut Reader,
    found: &mut Found,
    accounts: &BTreeMap<String, String>,
) -> Result<(), LiveError> {
    if accounts.is_empty() {
        return Ok(());
    }
    for (account, user) in accounts {
        by_name(reader, found, "ServiceAccount", account, user, false).await?;
    }
    let Some(kind) = Kind::named("RoleBinding") else {
        return Ok(());
    };
    let bindings = reader.lists(&[kind], None).await?.unwrap_or_default();
    for binding in bindings {
        let is_ours = binding["subjects"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|subject| {
                let namespace = subject["namespace"].as_str().unwrap_or(&reader.namespace);
                subject["kind"] == "ServiceAccount"
                    && namespace == reader.namespace
                    && subject["name"]
                        .as_str()
                        .is_some_and(|name| accounts.contains_key(name))
            });
        if !is_ours {
            continue;
        }
        let user = short(&binding);
        let role = binding["roleRef"].clone();
        found.add(binding);
        let role_name = role["name"].as_str().unwrap_or_default();
        if role["kind"] == json!("Role") {
            by_name(reader, found, "Role", role_name, &user, false).await?;
        } else {
            let message =
                format!("`{user}` grants ClusterRole `{role_name}`, which belongs to the cluster");
            reader.say("live-cluster-role", message, &user);
        }
    }
    Ok(())
}
