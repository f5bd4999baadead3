//! Probes and life-cycle hooks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Reader;
use crate::orchestration::model::{Check, Hook, HookAction, Probe, Purpose, Timings};
use crate::orchestration::reference;
use crate::source::{Fields, Item, Sourced};

impl Reader<'_> {
    pub(super) fn probe(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        purpose: Purpose,
        given: &BTreeMap<String, String>,
    ) -> Option<Probe> {
        let item = fields.take(key)?;
        let mut probe = item.fields("Probe", self.ledger)?;
        let mut seconds = |key: &str| {
            let value: Option<Sourced<u32>> = probe.integer(key, self.ledger);
            value.map(|v| v.map(|s| Duration::from_secs(u64::from(s))))
        };
        let mut timings = Timings {
            interval: seconds("periodSeconds"),
            timeout: seconds("timeoutSeconds"),
            initial_delay: seconds("initialDelaySeconds"),
            ..Timings::default()
        };
        timings.retries = probe.integer("failureThreshold", self.ledger);
        timings.successes = probe.integer("successThreshold", self.ledger);
        let check = self.check(&mut probe).map(|check| expanded(check, given));
        probe.finish(self.ledger);
        let Some(check) = check else {
            self.error(
                "no-check",
                &item.origin(),
                format!(
                    "`{}` asks nothing: exec, httpGet, tcpSocket or grpc is missing",
                    item.path
                ),
            );
            return None;
        };
        Some(Probe {
            purpose,
            check,
            timings,
            origin: item.origin(),
        })
    }

    fn check(&mut self, fields: &mut Fields<'_>) -> Option<Check> {
        if let Some(mut exec) = fields.fields("exec", "ExecAction", self.ledger) {
            let command: Vec<_> = exec
                .texts("command", self.ledger)
                .into_iter()
                .map(|t| t.value)
                .collect();
            exec.finish(self.ledger);
            // The form that a Compose CMD-SHELL check has in Kubernetes.
            if let [shell, flag, line] = command.as_slice()
                && shell == "/bin/sh"
                && flag == "-c"
            {
                return Some(Check::Shell(line.clone()));
            }
            return Some(Check::Exec(command));
        }
        if let Some(mut http) = fields.fields("httpGet", "HTTPGetAction", self.ledger) {
            let check = Check::Http {
                host: http.text("host", self.ledger).map(|t| t.value),
                port: http
                    .text("port", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default(),
                path: http
                    .text("path", self.ledger)
                    .map_or_else(|| "/".to_owned(), |t| t.value),
                https: http
                    .text("scheme", self.ledger)
                    .is_some_and(|t| t.value.eq_ignore_ascii_case("https")),
                headers: http
                    .items("httpHeaders", self.ledger)
                    .iter()
                    .filter_map(|item| {
                        let mut header = item.fields("HTTPHeader", self.ledger)?;
                        let name = header
                            .text("name", self.ledger)
                            .map(|t| t.value)
                            .unwrap_or_default();
                        let value = header
                            .text("value", self.ledger)
                            .map(|t| t.value)
                            .unwrap_or_default();
                        header.finish(self.ledger);
                        Some((name, value))
                    })
                    .collect(),
            };
            http.finish(self.ledger);
            return Some(check);
        }
        if let Some(mut tcp) = fields.fields("tcpSocket", "TCPSocketAction", self.ledger) {
            let check = Check::Tcp {
                host: tcp.text("host", self.ledger).map(|t| t.value),
                port: tcp
                    .text("port", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default(),
            };
            tcp.finish(self.ledger);
            return Some(check);
        }
        let mut grpc = fields.fields("grpc", "GRPCAction", self.ledger)?;
        let check = Check::Grpc {
            port: grpc
                .text("port", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default(),
            service: grpc
                .text("service", self.ledger)
                .map(|t| t.value)
                .filter(|s| !s.is_empty()),
        };
        grpc.finish(self.ledger);
        Some(check)
    }

    /// Hooks are run as they are written: the kubelet expands the words of probes alone.
    pub(super) fn hook(&mut self, fields: &mut Fields<'_>, key: &str) -> Vec<Hook> {
        let Some(item) = fields.take(key) else {
            return Vec::new();
        };
        let Some(mut handler) = item.fields("LifecycleHandler", self.ledger) else {
            return Vec::new();
        };
        let sleep = handler
            .fields("sleep", "SleepAction", self.ledger)
            .map(|mut sleep| {
                let seconds: Option<Sourced<u64>> = sleep.integer("seconds", self.ledger);
                sleep.finish(self.ledger);
                HookAction::Sleep(seconds.map_or(0, |s| s.value))
            });
        let action = sleep.or_else(|| {
            self.check(&mut handler).map(|check| match check {
                Check::Exec(command) => HookAction::Exec(command),
                Check::Shell(line) => HookAction::Shell(line),
                Check::Http {
                    host,
                    port,
                    path,
                    https,
                    headers: _,
                } => {
                    let scheme = if https { "https" } else { "http" };
                    let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
                    let slash = if path.starts_with('/') { "" } else { "/" };
                    HookAction::Http(format!("{scheme}://{host}:{port}{slash}{path}"))
                }
                Check::Tcp { host, port }
                | Check::Grpc {
                    port,
                    service: host,
                } => HookAction::Tcp(format!(
                    "{}:{port}",
                    host.unwrap_or_else(|| "127.0.0.1".to_owned())
                )),
            })
        });
        handler.finish(self.ledger);
        action
            .into_iter()
            .map(|action| hook(action, &item))
            .collect()
    }
}

/// The command of a probe as the kubelet runs it: with the variables that are given as text, as that text stands there;
/// those whose value comes from elsewhere are empty (kubernetes `pkg/kubelet/container`,
/// `ExpandContainerCommandOnlyStatic`).
fn expanded(check: Check, given: &BTreeMap<String, String>) -> Check {
    let expand = |word: String| reference::expand(&word, |name| given.get(name)).0;
    match check {
        Check::Exec(words) => Check::Exec(words.into_iter().map(expand).collect()),
        Check::Shell(line) => Check::Shell(expand(line)),
        other => other,
    }
}

fn hook(action: HookAction, item: &Item<'_>) -> Hook {
    Hook {
        action,
        user: None,
        privileged: None,
        working_dir: None,
        environment: Vec::new(),
        origin: item.origin(),
    }
}
