//! Health checks.

use std::time::Duration;

use k8s_openapi::api::core::v1::{
    ExecAction, GRPCAction, HTTPGetAction, HTTPHeader, Probe as KubernetesProbe, TCPSocketAction,
};

use super::command::{literal, literals, shell};
use super::lifecycle::port;
use super::plan::Plan;
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::ProbePolicy;
use crate::orchestration::model::{Check, Dialect, Probe, Purpose, START_INTERVAL, Timings};
use crate::orchestration::quantity::seconds_up;
use crate::source::{Origin, Sourced};

/// The probes of one container.
#[derive(Debug, Default)]
pub(super) struct Probes {
    pub(super) ready: Option<KubernetesProbe>,
    pub(super) live: Option<KubernetesProbe>,
    pub(super) started: Option<KubernetesProbe>,
}

/// What Docker does where a health check says nothing (moby, daemon/health.go).
const INTERVAL: u64 = 30;
const TIMEOUT: u64 = 30;
const RETRIES: u32 = 3;

pub(super) fn probes(probes: &[Probe], plan: &Plan<'_>, findings: &mut Findings) -> Probes {
    let mut written = Probes::default();
    for probe in probes {
        let Probe {
            purpose,
            check,
            timings,
            origin,
        } = probe;
        let Some(asked) = ask(check, origin, findings) else {
            continue;
        };
        match purpose {
            Purpose::Health => health(&asked, timings, origin, plan, &mut written, findings),
            Purpose::Ready => written.ready = Some(exact(asked, timings, *purpose, findings)),
            Purpose::Live => written.live = Some(exact(asked, timings, *purpose, findings)),
            Purpose::Started => written.started = Some(exact(asked, timings, *purpose, findings)),
        }
    }
    written
}

/// Docker's one check: what its answer does depends on the engine.
fn health(
    asked: &KubernetesProbe,
    timings: &Timings,
    origin: &Origin,
    plan: &Plan<'_>,
    written: &mut Probes,
    findings: &mut Findings,
) {
    let Timings {
        interval,
        timeout,
        retries,
        successes,
        initial_delay,
        // What the start is asked by.
        start_period: _,
        start_interval: _,
    } = timings;
    let steady = KubernetesProbe {
        failure_threshold: Some(count(retries.as_ref(), RETRIES)),
        initial_delay_seconds: initial_delay.as_ref().map(|d| number(seconds_up(d.value))),
        period_seconds: Some(seconds(interval.as_ref(), INTERVAL, findings)),
        success_threshold: None,
        timeout_seconds: Some(seconds(timeout.as_ref(), TIMEOUT, findings)),
        ..asked.clone()
    };
    let swarm = plan.application.dialect == Dialect::Swarm;
    let live = match plan.options.probes {
        ProbePolicy::Auto => swarm,
        ProbePolicy::Ready => false,
        ProbePolicy::ReadyAndLive => true,
    };
    written.ready = Some(KubernetesProbe {
        success_threshold: successes
            .as_ref()
            .map(|s| number(u64::from(s.value)).max(1)),
        ..steady.clone()
    });
    if live {
        written.live = Some(steady.clone());
    }
    written.started = Some(start(&steady, timings, live, findings));
    if plan.docker && !live && !swarm {
        findings.add(
            Code("health-is-readiness"),
            origin,
            "while the check fails, the Services send no traffic to the instance",
        );
    }
}

/// The same question until its first good answer. Kubernetes asks at once, when nothing answers yet, and then after a whole
/// interval; every migration would wait for that, so a start is looked at as often as Kubernetes can.
fn start(
    steady: &KubernetesProbe,
    timings: &Timings,
    live: bool,
    findings: &mut Findings,
) -> KubernetesProbe {
    let start_period = timings.start_period.as_ref();
    let start_period = start_period.filter(|start| !start.value.is_zero());
    let start_interval = timings.start_interval.as_ref();
    let period = match (start_period, start_interval) {
        (Some(_), Some(_)) => seconds(start_interval, START_INTERVAL.as_secs(), findings),
        (None, Some(without)) => {
            findings.add(
                Code("start-interval"),
                &without.origin,
                "`start_interval` has no effect without a start period",
            );
            1
        }
        (_, None) => 1,
    };
    let attempts = if live {
        // Once the start period is over, Docker asks at its usual interval, and so often, before it gives a container up.
        let usual = |number: Option<i32>| u64::from(number.unwrap_or(1).unsigned_abs());
        let patience = usual(steady.failure_threshold) * usual(steady.period_seconds);
        let allowed = start_period.map_or(0, |start| seconds_up(start.value));
        let allowed = allowed.saturating_add(patience);
        number(allowed.div_ceil(u64::from(period.unsigned_abs().max(1))))
    } else {
        // A failure restarts the container, which nobody asked for.
        i32::MAX
    };
    KubernetesProbe {
        failure_threshold: Some(attempts),
        initial_delay_seconds: None,
        period_seconds: Some(period),
        ..steady.clone()
    }
}

/// A probe that Kubernetes has itself.
fn exact(
    asked: KubernetesProbe,
    timings: &Timings,
    purpose: Purpose,
    findings: &mut Findings,
) -> KubernetesProbe {
    let Timings {
        interval,
        timeout,
        retries,
        successes,
        initial_delay,
        start_period,
        start_interval,
    } = timings;
    for without in [start_period, start_interval].into_iter().flatten() {
        findings.add(
            Code("start-interval"),
            &without.origin,
            "a probe of Kubernetes has no start period of its own",
        );
    }
    let success_threshold = successes.as_ref().map(|successes| {
        // The API server accepts nothing else for these two.
        if purpose != Purpose::Ready && successes.value > 1 {
            let message = "one success is enough for a liveness or startup probe";
            findings.add(Code("probe-successes"), &successes.origin, message);
            return 1;
        }
        number(u64::from(successes.value)).max(1)
    });
    KubernetesProbe {
        failure_threshold: retries.as_ref().map(|r| number(u64::from(r.value)).max(1)),
        initial_delay_seconds: initial_delay.as_ref().map(|d| number(seconds_up(d.value))),
        period_seconds: interval
            .as_ref()
            .map(|_| seconds(interval.as_ref(), 10, findings)),
        success_threshold,
        timeout_seconds: timeout
            .as_ref()
            .map(|_| seconds(timeout.as_ref(), 1, findings)),
        ..asked
    }
}

fn ask(check: &Check, origin: &Origin, findings: &mut Findings) -> Option<KubernetesProbe> {
    let mut refuse = |what: &str| {
        findings.add(
            Code("probe-impossible"),
            origin,
            format!("{what}, so there is no health check"),
        );
    };
    let mut probe = KubernetesProbe::default();
    match check {
        Check::Exec(words) if words.is_empty() => {
            refuse("the health check has no command");
            return None;
        }
        // The kubelet expands a probe's words with the variables that the container is given as text.
        Check::Exec(words) => {
            probe.exec = Some(ExecAction {
                command: Some(literals(words)),
            });
        }
        Check::Shell(line) => {
            probe.exec = Some(ExecAction {
                command: Some(shell(literal(line))),
            });
        }
        Check::Http {
            host,
            port: number,
            path,
            https,
            headers,
        } => {
            let Some(port) = port(number) else {
                refuse(&format!("`{number}` is not a port"));
                return None;
            };
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| HTTPHeader {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect();
            probe.http_get = Some(HTTPGetAction {
                host: host.clone(),
                http_headers: (!headers.is_empty()).then_some(headers),
                path: Some(if path.is_empty() {
                    "/".to_owned()
                } else {
                    path.clone()
                }),
                port,
                scheme: https.then(|| "HTTPS".to_owned()),
            });
        }
        Check::Tcp { host, port: number } => {
            let Some(port) = port(number) else {
                refuse(&format!("`{number}` is not a port"));
                return None;
            };
            probe.tcp_socket = Some(TCPSocketAction {
                host: host.clone(),
                port,
            });
        }
        Check::Grpc { port, service } => {
            let Ok(port @ 1..) = port.parse::<u16>() else {
                refuse(&format!("`{port}` is not a port number"));
                return None;
            };
            probe.grpc = Some(GRPCAction {
                port: i32::from(port),
                service: service.clone(),
            });
        }
    }
    Some(probe)
}

/// Whole seconds, at least one; zero is Docker's word for its default.
fn seconds(duration: Option<&Sourced<Duration>>, default: u64, findings: &mut Findings) -> i32 {
    let Some(duration) = duration.filter(|d| !d.value.is_zero()) else {
        return number(default);
    };
    let whole = seconds_up(duration.value);
    if duration.value.subsec_nanos() > 0 {
        let message = format!("{:?} is rounded up to {whole} s", duration.value);
        findings.add(Code("rounded-up"), &duration.origin, message);
    }
    number(whole)
}

fn count(retries: Option<&Sourced<u32>>, default: u32) -> i32 {
    let value = retries.map_or(default, |r| if r.value == 0 { default } else { r.value });
    number(u64::from(value))
}

fn number(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
