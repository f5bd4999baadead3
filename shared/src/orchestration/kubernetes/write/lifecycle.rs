//! What runs after the start and before the stop.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{
    ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::command::{quoted, shell};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{EnvValue, EnvVar, Hook, HookAction};

/// `grace` is the time that all of stopping may take, in seconds.
pub(super) fn lifecycle(
    post_start: &[Hook],
    pre_stop: &[Hook],
    grace: Option<u64>,
    findings: &mut Findings,
) -> Option<Lifecycle> {
    let post_start = handler(post_start, None, findings);
    let pre_stop = handler(pre_stop, Some(grace.unwrap_or(30)), findings);
    (post_start.is_some() || pre_stop.is_some()).then_some(Lifecycle {
        post_start,
        pre_stop,
        stop_signal: None,
    })
}

/// Kubernetes has one handler for each point; several hooks become one shell line.
fn handler(
    hooks: &[Hook],
    sleep_max: Option<u64>,
    findings: &mut Findings,
) -> Option<LifecycleHandler> {
    let hooks: Vec<_> = hooks
        .iter()
        .filter(|hook| kept(hook, hooks.len() > 1, findings))
        .collect();
    if let [hook] = hooks.as_slice()
        && hook.environment.is_empty()
        && hook.working_dir.is_none()
    {
        return single(hook, sleep_max, findings);
    }
    let steps: Vec<_> = hooks
        .iter()
        .filter_map(|hook| step(hook, findings))
        .collect();
    (!steps.is_empty()).then(|| exec(shell(steps.join(" && "))))
}

/// Says what of a hook has no place in Kubernetes, and whether the hook itself has.
fn kept(hook: &Hook, several: bool, findings: &mut Findings) -> bool {
    let Hook {
        action,
        user,
        privileged,
        working_dir,
        environment,
        origin,
    } = hook;
    if let Some(user) = user {
        let message = format!(
            "the hook runs as the container's user, not as `{}`",
            user.value
        );
        findings.add(Code("hook-user"), &user.origin, message);
    }
    if let Some(privileged) = privileged.as_ref().filter(|p| p.value) {
        findings.add(
            Code("hook-user"),
            &privileged.origin,
            "the hook has the container's rights, not all rights",
        );
    }
    let alone = !several && working_dir.is_none() && environment.is_empty();
    let in_shell = matches!(
        action,
        HookAction::Exec(_) | HookAction::Shell(_) | HookAction::Sleep(_)
    );
    if let HookAction::Exec(words) = action
        && words.is_empty()
    {
        findings.add(
            Code("hook-impossible"),
            origin,
            "the hook has no command and is left out",
        );
        return false;
    }
    if !alone && !in_shell {
        let message = "a hook that asks a port cannot be joined with others and is left out";
        findings.add(Code("hook-impossible"), origin, message);
        return false;
    }
    true
}

fn single(
    hook: &Hook,
    sleep_max: Option<u64>,
    findings: &mut Findings,
) -> Option<LifecycleHandler> {
    match &hook.action {
        HookAction::Exec(words) => Some(exec(words.clone())),
        HookAction::Shell(line) => Some(exec(shell(line.clone()))),
        HookAction::Sleep(seconds) => {
            // The API server refuses a pause that is longer than stopping may take.
            let most = sleep_max.unwrap_or(*seconds);
            if *seconds > most {
                let message = format!(
                    "the pause of {seconds} s is cut to the {most} s that stopping may take"
                );
                findings.add(Code("hook-sleep"), &hook.origin, message);
            }
            Some(LifecycleHandler {
                sleep: Some(SleepAction {
                    seconds: i64::try_from(most.min(*seconds)).unwrap_or(i64::MAX),
                }),
                ..LifecycleHandler::default()
            })
        }
        HookAction::Http(url) => {
            let action = http(url);
            if action.is_none() {
                let message =
                    format!("`{url}` is not an HTTP address with a port, and the hook is left out");
                findings.add(Code("hook-impossible"), &hook.origin, message);
            }
            action
        }
        HookAction::Tcp(port) => {
            let (host, port) = match port.rsplit_once(':') {
                Some((host, port)) => (Some(host).filter(|h| !h.is_empty()), port),
                None => (None, port.as_str()),
            };
            let Some(port) = self::port(port) else {
                let message = format!("`{port}` is not a port, and the hook is left out");
                findings.add(Code("hook-impossible"), &hook.origin, message);
                return None;
            };
            Some(LifecycleHandler {
                tcp_socket: Some(TCPSocketAction {
                    host: host.map(str::to_owned),
                    port,
                }),
                ..LifecycleHandler::default()
            })
        }
    }
}

/// One hook as a step of a shell line, in a shell of its own.
fn step(hook: &Hook, findings: &mut Findings) -> Option<String> {
    let mut line = String::new();
    for EnvVar { name, value } in &hook.environment {
        match value {
            EnvValue::Literal(text) if is_shell_name(&name.value) => {
                let _ = write!(line, "export {}={}; ", name.value, quoted(text));
            }
            EnvValue::Unset => {
                let _ = write!(line, "unset {}; ", quoted(&name.value));
            }
            _ => {
                let message = format!(
                    "variable `{}` of the hook cannot be set in a shell line",
                    name.value
                );
                findings.add(Code("hook-environment"), &name.origin, message);
            }
        }
    }
    if let Some(folder) = &hook.working_dir {
        let _ = write!(line, "cd {} && ", quoted(&folder.value));
    }
    match &hook.action {
        HookAction::Exec(words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            line.push_str(&words.join(" "));
        }
        HookAction::Shell(text) => {
            let _ = write!(line, "/bin/sh -c {}", quoted(text));
        }
        HookAction::Sleep(seconds) => {
            let _ = write!(line, "sleep {seconds}");
        }
        HookAction::Http(_) | HookAction::Tcp(_) => return None,
    }
    Some(format!("({line})"))
}

fn exec(command: Vec<String>) -> LifecycleHandler {
    LifecycleHandler {
        exec: Some(ExecAction {
            command: Some(command),
        }),
        ..LifecycleHandler::default()
    }
}

fn http(url: &str) -> Option<LifecycleHandler> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_uppercase();
    if !matches!(scheme.as_str(), "HTTP" | "HTTPS") {
        return None;
    }
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let (host, number) = match authority.rsplit_once(':') {
        Some((host, number)) => (host, number),
        None => (authority, if scheme == "HTTP" { "80" } else { "443" }),
    };
    let own = host.is_empty() || host == "localhost" || host == "127.0.0.1";
    Some(LifecycleHandler {
        http_get: Some(HTTPGetAction {
            host: (!own).then(|| host.to_owned()),
            http_headers: None,
            path: Some(path.to_owned()),
            port: port(number)?,
            scheme: Some(scheme),
        }),
        ..LifecycleHandler::default()
    })
}

/// A port by number or by a name that Kubernetes allows.
pub(super) fn port(text: &str) -> Option<IntOrString> {
    match text.parse::<u16>() {
        Ok(0) => None,
        Ok(number) => Some(IntOrString::Int(i32::from(number))),
        Err(_) => super::container::port_name(text).map(IntOrString::String),
    }
}

fn is_shell_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
