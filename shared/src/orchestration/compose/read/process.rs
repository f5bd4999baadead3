//! What runs in a container: command, variables, user, hooks.

use super::Reader;
use crate::orchestration::model::{
    Container, EnvValue, EnvVar, Hook, HookAction, Restart, RestartCondition, Role, Unit, User,
};
use crate::source::{Fields, Item, Node, Sourced};

impl Reader<'_> {
    pub(super) fn process(
        &mut self,
        fields: &mut Fields<'_>,
        unit: &mut Unit,
        container: &mut Container,
    ) {
        container.entrypoint = self.command(fields, "entrypoint");
        container.command = self.command(fields, "command");
        container.working_dir = fields.text("working_dir", self.ledger);
        container.environment = self.environment(fields);
        container.user = fields
            .text("user", self.ledger)
            .map(|text| text.map(|t| user(&t)));
        container.stop_signal = fields.text("stop_signal", self.ledger);
        container.tty = fields.boolean("tty", self.ledger);
        container.stdin = fields.boolean("stdin_open", self.ledger);
        container.shm_size = fields.integer("shm_size", self.ledger);
        let settings = &mut unit.settings;
        settings.hostname = fields.text("hostname", self.ledger);
        settings.domain = fields.text("domainname", self.ledger);
        settings.instance_name = fields.text("container_name", self.ledger);
        settings.init = fields.boolean("init", self.ledger);
        settings.runtime = fields.text("runtime", self.ledger);
        settings.stop_grace = self.duration(fields, "stop_grace_period");
        for (key, into) in [
            ("labels", &mut unit.instance_metadata.labels),
            ("annotations", &mut unit.instance_metadata.annotations),
        ] {
            if let Some(item) = fields.take(key) {
                for (name, item) in item.entries(self.ledger) {
                    let value = item
                        .text(self.ledger)
                        .unwrap_or_else(|| item.sourced(String::new()));
                    into.insert(name.value, value);
                }
            }
        }
        self.logging(fields);
    }

    /// Logs that stay on the machine are read as those of a cluster are; any other driver sends them elsewhere.
    fn logging(&mut self, fields: &mut Fields<'_>) {
        let Some(item) = fields.take("logging") else {
            return;
        };
        let driver = item.node.as_mapping().and_then(|map| map.get("driver"));
        match driver.and_then(Node::as_text) {
            None | Some("" | "json-file" | "local") => {
                let message = "the node keeps the logs, by its own limits";
                self.error("log-of-node", &item.origin(), message);
            }
            Some(_) => self.ledger.leave("services.*.logging", &item),
        }
    }

    fn command(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<Sourced<Vec<String>>> {
        let item = fields.take(key)?;
        if item.node.is_null() {
            return None;
        }
        let words = item
            .texts(self.ledger)
            .into_iter()
            .map(|t| t.value)
            .collect();
        Some(item.sourced(words))
    }

    pub(super) fn environment(&mut self, fields: &mut Fields<'_>) -> Vec<EnvVar> {
        let Some(item) = fields.take("environment") else {
            return Vec::new();
        };
        let entries = item.entries(self.ledger);
        entries
            .into_iter()
            .map(|(name, item)| EnvVar {
                name,
                value: item
                    .text(self.ledger)
                    .map_or(EnvValue::Unset, |t| EnvValue::Literal(t.value)),
            })
            .collect()
    }

    /// `restart`; in a stack `no` counts as unset (docker/cli `convertRestartPolicy`). With `decided`, `deploy` says
    /// what counts instead.
    pub(super) fn restart(&mut self, fields: &mut Fields<'_>, unit: &mut Unit, decided: bool) {
        let Some(text) = fields.text("restart", self.ledger) else {
            return;
        };
        // What a variable without a value leaves behind; both engines take it as unset.
        if text.value.is_empty() {
            return;
        }
        let (word, attempts) = text.value.split_once(':').unwrap_or((&text.value, ""));
        let condition = match word {
            "no" => RestartCondition::Never,
            "always" => RestartCondition::Always,
            "unless-stopped" => RestartCondition::UnlessStopped,
            "on-failure" => RestartCondition::OnFailure,
            _ => {
                let message = format!(
                    "`{}` is not a restart policy; it is no, always, on-failure[:N] or unless-stopped",
                    text.value
                );
                self.error("bad-value", &text.origin, message);
                return;
            }
        };
        if self.swarm() && condition == RestartCondition::Never {
            if decided {
                return;
            }
            let message = "a stack takes `restart: no` as unset: the task is restarted; write `deploy.restart_policy.condition: none`";
            self.error("stack-restart-no", &text.origin, message);
            return;
        }
        unit.restart = Some(Restart {
            condition: Some(Sourced::new(condition, text.origin.clone())),
            max_attempts: attempts
                .parse()
                .ok()
                .map(|n| Sourced::new(n, text.origin.clone())),
            delay: None,
            window: None,
        });
    }

    /// `post_start`, `pre_stop`, and `pre_start` as containers of their own.
    pub(super) fn hooks(
        &mut self,
        fields: &mut Fields<'_>,
        service: &Sourced<String>,
        main: &mut Container,
    ) -> Vec<Container> {
        for (key, table) in [
            ("post_start", "services.*.post_start[]"),
            ("pre_stop", "services.*.pre_stop[]"),
        ] {
            let hooks: Vec<_> = fields
                .items(key, self.ledger)
                .iter()
                .filter_map(|item| self.hook(item, table))
                .collect();
            if key == "post_start" {
                main.post_start = hooks;
            } else {
                main.pre_stop = hooks;
            }
        }
        let mut containers = Vec::new();
        for (index, item) in fields.items("pre_start", self.ledger).iter().enumerate() {
            let Some(mut fields) = item.fields("services.*.pre_start[]", self.ledger) else {
                continue;
            };
            let name = Sourced::new(
                format!("{}-pre-start-{index}", service.value),
                item.origin(),
            );
            let mut container = Container::new(name, Role::PreStart);
            container.image = fields
                .text("image", self.ledger)
                .or_else(|| main.image.clone());
            // The command runs instead of the service's own process.
            container.entrypoint = self.command(&mut fields, "command");
            container.user = match fields.text("user", self.ledger) {
                Some(text) => Some(text.map(|t| user(&t))),
                None => main.user.clone(),
            };
            container.security.privileged = fields.boolean("privileged", self.ledger);
            container.working_dir = fields
                .text("working_dir", self.ledger)
                .or_else(|| main.working_dir.clone());
            container.environment = main.environment.clone();
            for variable in self.environment(&mut fields) {
                container
                    .environment
                    .retain(|old| old.name.value != variable.name.value);
                container.environment.push(variable);
            }
            container.mounts = main.mounts.clone();
            if let Some(per_replica) = fields.boolean("per_replica", self.ledger)
                && per_replica.value
            {
                container.role = Role::Init;
            }
            fields.finish(self.ledger);
            containers.push(container);
        }
        containers
    }

    fn hook(&mut self, item: &Item<'_>, table: &str) -> Option<Hook> {
        let mut fields = item.fields(table, self.ledger)?;
        let hook = Hook {
            action: HookAction::Exec(
                self.command(&mut fields, "command")
                    .map(|c| c.value)
                    .unwrap_or_default(),
            ),
            user: fields.text("user", self.ledger),
            privileged: fields.boolean("privileged", self.ledger),
            working_dir: fields.text("working_dir", self.ledger),
            environment: self.environment(&mut fields),
            origin: item.origin(),
        };
        fields.finish(self.ledger);
        Some(hook)
    }
}

/// `uid[:gid]` in numbers, or names that only the image knows.
fn user(text: &str) -> User {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    let number = |text: &str| text.parse::<i64>().ok().filter(|n| *n >= 0);
    match (number(uid), gid.filter(|g| !g.is_empty()).map(number)) {
        (Some(uid), None) => User::Numeric {
            uid: Some(uid),
            gid: None,
        },
        (Some(uid), Some(Some(gid))) => User::Numeric {
            uid: Some(uid),
            gid: Some(gid),
        },
        _ => User::Named(text.to_owned()),
    }
}
