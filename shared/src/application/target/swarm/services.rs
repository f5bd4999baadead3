//! The services of a stack, as a manager tells of them.

use std::collections::HashMap;

use bollard::query_parameters::ListServicesOptions;
use serde_json::{Map, Value, json};

use super::{Failure, STACK_LABEL, Swarm};

/// A service of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    /// Version of its specification, to see whether somebody else has changed it.
    pub(super) version: String,
    /// `Spec.Mode`
    pub(super) mode: Value,
    /// An update goes on.
    pub(super) is_updating: bool,
    /// As docker shows them: `2/3`, or `0/1 (1/1 completed)` for jobs.
    pub(super) replicas: String,
}

impl Service {
    /// From what the Engine API tells of it (`GET /services?status=true`), which `docker service inspect` passes on
    /// without its status.
    fn of(object: &Value, replicas: String) -> Option<Self> {
        Some(Self {
            name: object["Spec"]["Name"].as_str()?.to_owned(),
            version: object["Version"]["Index"].to_string(),
            mode: object["Spec"]["Mode"].clone(),
            is_updating: object["UpdateStatus"]["State"] == "updating",
            replicas,
        })
    }

    /// Why it is not as it should be; `None` if it is.
    pub(super) fn incomplete(&self) -> Option<String> {
        let counts = self.replicas.split_whitespace().next().unwrap_or_default();
        match (is_complete(&self.replicas), self.is_updating) {
            (true, false) => None,
            (true, true) => Some("it is being updated".to_owned()),
            (false, false) => Some(format!("{counts} ready")),
            // A service can be incomplete because it is being updated: one line says both.
            (false, true) => Some(format!("{counts} ready, it is being updated")),
        }
    }

    /// It runs on every node that it may, and has been given to none. There may be no such node, or the Swarm has not
    /// come to it yet.
    pub(super) fn is_nowhere(&self) -> bool {
        self.mode["Global"].is_object() && self.replicas.starts_with("0/0")
    }
}

/// Whether all replicas run, or all of a job have ended well.
fn is_complete(replicas: &str) -> bool {
    let complete = |text: &str| {
        let text = text.split_whitespace().next().unwrap_or_default();
        text.split_once('/')
            .is_some_and(|(have, want)| have == want)
    };
    match replicas.split_once('(') {
        // "(max 1 per node)" is no count.
        Some((running, job)) if job.contains("completed") => complete(running) || complete(job),
        Some((running, _)) => complete(running),
        None => complete(replicas),
    }
}

/// The replicas of a service as docker shows them (docker/cli, `cli/command/service/formatter.go`). `None` if the engine
/// is too old to tell.
fn replicas(object: &Value) -> Option<String> {
    let status = object["ServiceStatus"].as_object()?;
    let count = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (running, desired) = (count("RunningTasks"), count("DesiredTasks"));
    let completed = count("CompletedTasks");
    let mode = &object["Spec"]["Mode"];
    let total = if mode["ReplicatedJob"].is_object() {
        mode["ReplicatedJob"]["TotalCompletions"].as_u64()?
    } else if mode["GlobalJob"].is_object() {
        desired + completed
    } else {
        return Some(format!("{running}/{desired}"));
    };
    Some(format!(
        "{running}/{desired} ({completed}/{total} completed)"
    ))
}

impl Swarm {
    /// All services of the stack, by their names.
    pub(super) fn services(&self) -> Result<Vec<Service>, Failure> {
        let label = format!("{STACK_LABEL}={}", self.stack);
        let options = ListServicesOptions {
            filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
            status: Some(true),
        };
        let listed = self.engine.ask(async |docker| {
            let services = docker.list_services(Some(options)).await;
            services.map_err(|error| error.to_string())
        });
        let told = listed.and_then(|services| {
            let services = services.into_iter().map(|service| {
                let object = serde_json::to_value(service).ok()?;
                Service::of(&object, replicas(&object)?)
            });
            services.collect()
        });
        let mut services: Vec<Service> = match told {
            Some(services) => services,
            None => self.services_by_docker()?,
        };
        services.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(services)
    }

    fn services_by_docker(&self) -> Result<Vec<Service>, Failure> {
        let rows =
            self.engine
                .rows(&["stack", "services", &self.stack, "--format", "{{json .}}"])?;
        let counts: HashMap<&str, &str> = rows
            .iter()
            .filter_map(|row| Some((row["Name"].as_str()?, row["Replicas"].as_str()?)))
            .collect();
        if counts.is_empty() {
            return Ok(Vec::new());
        }
        let mut question = vec!["service", "inspect"];
        question.extend(counts.keys());
        let text = self.engine.call(&question)?;
        let objects: Vec<Value> = serde_json::from_str(&text)
            .map_err(|error| Failure::tool(format!("docker does not answer with JSON: {error}")))?;
        let services = objects.iter().filter_map(|object| {
            let name = object["Spec"]["Name"].as_str()?;
            Service::of(object, (*counts.get(name)?).to_owned())
        });
        Ok(services.collect())
    }

    /// Version of the specification of each service.
    pub(super) fn versions(&self) -> Result<Map<String, Value>, Failure> {
        let services = self.services()?.into_iter();
        Ok(services
            .map(|service| (service.name, json!(service.version)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(mode: Value, replicas: &str) -> Service {
        Service {
            name: "web".to_owned(),
            version: "7".to_owned(),
            mode,
            is_updating: false,
            replicas: replicas.to_owned(),
        }
    }

    #[test]
    fn replicas_of_services_and_jobs() {
        let why = |replicas: &str| service(Value::Null, replicas).incomplete();
        assert_eq!(why("2/2"), None);
        assert_eq!(why("2/2 (max 1 per node)"), None);
        assert_eq!(why("0/1 (1/1 completed)"), None);
        assert_eq!(why("1/2").as_deref(), Some("1/2 ready"));
        assert_eq!(why("0/1 (0/1 completed)").as_deref(), Some("0/1 ready"));
    }

    #[test]
    fn an_update_is_waited_for() {
        let mut updated = service(Value::Null, "2/2");
        updated.is_updating = true;
        assert_eq!(updated.incomplete().as_deref(), Some("it is being updated"));
        updated.replicas = "1/2".to_owned();
        assert_eq!(
            updated.incomplete().as_deref(),
            Some("1/2 ready, it is being updated")
        );
    }

    #[test]
    fn replicas_are_shown_as_docker_does() {
        let object = |mode: Value, running: u64, desired: u64, completed: u64| {
            json!({
                "Spec": {"Name": "web", "Mode": mode},
                "ServiceStatus": {"RunningTasks": running, "DesiredTasks": desired, "CompletedTasks": completed},
            })
        };
        let shown = |object: Value| replicas(&object);
        let replicated = json!({"Replicated": {"Replicas": 3}});
        assert_eq!(shown(object(replicated, 1, 3, 0)).as_deref(), Some("1/3"));
        let job = json!({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}});
        assert_eq!(
            shown(object(job, 1, 1, 1)).as_deref(),
            Some("1/1 (1/2 completed)")
        );
        let everywhere = json!({"GlobalJob": {}});
        assert_eq!(
            shown(object(everywhere, 0, 0, 2)).as_deref(),
            Some("0/0 (2/2 completed)")
        );
        assert_eq!(shown(json!({"Spec": {"Name": "web"}})), None);
    }

    #[test]
    fn a_service_for_every_node_may_not_be_given_to_one_yet() {
        assert!(service(json!({"Global": {}}), "0/0").is_nowhere());
        assert!(!service(json!({"Global": {}}), "0/1").is_nowhere());
        assert!(!service(json!({"Replicated": {"Replicas": 0}}), "0/0").is_nowhere());
    }
}
