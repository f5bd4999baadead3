//! What runs after the start and before the stop.

use serde_json::Value;

use super::document::{Map, put, put_list, put_map, put_some, words};
use super::health::{http_script, tcp_script};
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{EnvValue, Hook, HookAction};

impl Writer<'_> {
    /// `post_start` and `pre_stop`.
    pub(super) fn write_hooks(&mut self, site: &Site<'_>, service: &mut Map) {
        for (key, hooks) in [
            ("post_start", &site.container.post_start),
            ("pre_stop", &site.container.pre_stop),
        ] {
            let mut list = Vec::new();
            for hook in hooks {
                if self.is_swarm() {
                    let message = format!("`{key}` of `{}` has no key in a stack", site.key());
                    self.note("hooks-in-swarm", &hook.origin, message);
                } else {
                    list.push(Value::Object(self.hook(site, key, hook)));
                }
            }
            put_list(service, key, list);
        }
    }

    fn hook(&mut self, site: &Site<'_>, key: &str, hook: &Hook) -> Map {
        let Hook {
            action,
            user,
            privileged,
            working_dir,
            environment,
            origin,
        } = hook;
        let shell = |script: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), script];
        let command = match action {
            HookAction::Exec(command) => command.clone(),
            HookAction::Shell(script) => shell(script.clone()),
            HookAction::Sleep(seconds) => vec!["sleep".to_owned(), seconds.to_string()],
            HookAction::Http(url) => shell(http_script(self.options.http_probe, url, &[])),
            HookAction::Tcp(address) => {
                let (host, port) = address.rsplit_once(':').unwrap_or(("127.0.0.1", address));
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                shell(tcp_script(host, port))
            }
        };
        if !matches!(action, HookAction::Exec(_) | HookAction::Shell(_)) {
            let message = format!(
                "`{key}` of `{}` runs `{}` inside of the container",
                site.key(),
                command.join(" ")
            );
            self.note("hook-as-command", origin, message);
        }
        if self.from_kubernetes() && key == "pre_stop" {
            let message = format!(
                "`pre_stop` of `{}` runs at `docker compose stop` and `down` only",
                site.key()
            );
            self.note("hooks-of-compose", origin, message);
        }
        let mut map = Map::new();
        put(&mut map, "command", words(&command));
        put_some(&mut map, "user", user.as_ref().map(|u| u.value.clone()));
        put_some(&mut map, "privileged", privileged.as_ref().map(|p| p.value));
        put_some(
            &mut map,
            "working_dir",
            working_dir.as_ref().map(|d| d.value.clone()),
        );
        let mut variables = Map::new();
        for variable in environment {
            match &variable.value {
                EnvValue::Literal(text) | EnvValue::Composed(text) => {
                    put(&mut variables, &variable.name.value, text.clone())
                }
                EnvValue::Unset => put(&mut variables, &variable.name.value, Value::Null),
                EnvValue::Object { .. } | EnvValue::Field(_) | EnvValue::Resource { .. } => {
                    let message = format!(
                        "the variable `{}` of a hook of `{}` has no value",
                        variable.name.value,
                        site.key()
                    );
                    self.note("hook-variable", &variable.name.origin, message);
                }
            }
        }
        put_map(&mut map, "environment", variables);
        map
    }
}
