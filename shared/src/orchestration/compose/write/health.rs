//! The one health check that Docker has.

use std::time::Duration;

use super::document::{Map, put, put_some, words};
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::compose::HttpProbe;
use crate::orchestration::model::{Check, Probe, Purpose, START_INTERVAL, Timings};
use crate::orchestration::quantity::duration_to_compose;

/// What a probe does when nothing is said (Kubernetes API, `Probe`).
const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(1);
const RETRIES: u32 = 3;
/// As often as Kubernetes can ask.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Writer<'_> {
    /// `healthcheck`.
    pub(super) fn write_health(&mut self, site: &Site<'_>, service: &mut Map) {
        let probes = &site.container.probes;
        let order = if self.is_swarm() {
            [
                Purpose::Health,
                Purpose::Live,
                Purpose::Ready,
                Purpose::Started,
            ]
        } else {
            [
                Purpose::Health,
                Purpose::Ready,
                Purpose::Live,
                Purpose::Started,
            ]
        };
        let chosen = order
            .iter()
            .find_map(|purpose| probes.iter().find(|probe| probe.purpose == *purpose));
        let Some(chosen) = chosen else {
            if let Some(disabled) = &site.container.health_disabled {
                let mut map = Map::new();
                put(&mut map, "disable", disabled.value);
                put(service, "healthcheck", map);
            }
            return;
        };
        let Some(test) = self.test(site, &chosen.check, chosen) else {
            return;
        };
        let started = probes
            .iter()
            .find(|probe| probe.purpose == Purpose::Started && !std::ptr::eq(*probe, chosen));
        for probe in probes {
            if !std::ptr::eq(probe, chosen) {
                self.note_other(site, chosen, probe);
            }
        }
        self.note_chosen(site, chosen);
        let mut map = Map::new();
        put(&mut map, "test", test);
        self.write_timings(site, chosen, started, &mut map);
        put(service, "healthcheck", map);
    }

    fn write_timings(
        &mut self,
        site: &Site<'_>,
        chosen: &Probe,
        started: Option<&Probe>,
        map: &mut Map,
    ) {
        let Timings {
            interval,
            timeout,
            retries,
            successes,
            initial_delay,
            start_period,
            start_interval,
        } = &chosen.timings;
        // Docker's own check says nothing where the source says nothing; a probe has Kubernetes' defaults.
        let probe = self.from_kubernetes() && chosen.purpose != Purpose::Health;
        let period = interval
            .as_ref()
            .map(|i| i.value)
            .or(probe.then_some(INTERVAL));
        let limit = timeout
            .as_ref()
            .map(|t| t.value)
            .or(probe.then_some(TIMEOUT));
        let failures = retries
            .as_ref()
            .map(|r| r.value)
            .or(probe.then_some(RETRIES));
        let (period, failures) = match self.readiness_beside(site, chosen) {
            Some(ready) if ready.check == chosen.check => {
                asked_as_often(period, failures, pace_of(ready))
            }
            _ => (period, failures),
        };
        put_some(map, "interval", period.map(duration_to_compose));
        put_some(map, "timeout", limit.map(duration_to_compose));
        put_some(map, "retries", failures);

        let delay = initial_delay.as_ref().map(|d| d.value);
        if let Some(delay) = initial_delay.as_ref().filter(|d| d.value > Duration::ZERO) {
            let text = duration_to_compose(delay.value);
            let message = format!(
                "`{}` is asked in its first {text}, too, but failures do not count yet",
                site.key()
            );
            self.note("probe-delay", &delay.origin, message);
        }
        let mut grace = match (start_period.as_ref().map(|s| s.value), delay) {
            (Some(period), Some(delay)) => Some(period.saturating_add(delay)),
            (period, delay) => period.or(delay),
        };
        let mut early = start_interval.as_ref().map(|s| s.value);
        let own_start = (chosen.purpose == Purpose::Started).then_some(chosen);
        if let Some(started) = started.or(own_start) {
            let timings = &started.timings;
            let period = pace_of(started);
            let failures = timings.retries.as_ref().map_or(RETRIES, |r| r.value);
            let delay = timings
                .initial_delay
                .as_ref()
                .map_or(Duration::ZERO, |d| d.value);
            let whole = delay.saturating_add(period.saturating_mul(failures));
            grace = Some(grace.map_or(whole, |grace| grace.max(whole)));
            early.get_or_insert(period);
        } else if let Some(period) = period.filter(|_| probe) {
            let pace = self.pace_at_the_start(site, chosen, period);
            if pace < period {
                grace = Some(grace.map_or(period, |grace| grace.max(period)));
            }
            if grace.is_some() && pace < START_INTERVAL {
                early.get_or_insert(pace);
            }
        }
        put_some(map, "start_period", grace.map(duration_to_compose));
        put_some(map, "start_interval", early.map(duration_to_compose));
        if let Some(successes) = successes.as_ref().filter(|s| s.value > 1) {
            let message = format!(
                "one success is enough for `{}`, not {}",
                site.key(),
                successes.value
            );
            self.note("probe-success-threshold", &successes.origin, message);
        }
    }

    /// How often Kubernetes would have asked what decides whether a container may be reached. Swarm sends nothing to a task
    /// before its check has passed, and Docker asks for the first time after a whole interval; in Kubernetes readiness
    /// decides, or the start alone where nothing asks for it.
    fn pace_at_the_start(&self, site: &Site<'_>, chosen: &Probe, period: Duration) -> Duration {
        if !self.decides_alone(chosen) {
            return period;
        }
        let ready = self.readiness_beside(site, chosen);
        ready.map_or(AT_ONCE, pace_of).min(period)
    }

    /// Whether a liveness probe also says when a task may be reached.
    fn decides_alone(&self, chosen: &Probe) -> bool {
        self.is_swarm() && chosen.purpose == Purpose::Live
    }

    /// The readiness probe whose part the chosen liveness probe takes over.
    fn readiness_beside<'p>(&self, site: &Site<'p>, chosen: &Probe) -> Option<&'p Probe> {
        if !self.decides_alone(chosen) {
            return None;
        }
        let mut probes = site.container.probes.iter();
        probes.find(|probe| probe.purpose == Purpose::Ready)
    }

    /// The words of `test`.
    fn test(&mut self, site: &Site<'_>, check: &Check, probe: &Probe) -> Option<serde_json::Value> {
        let key = site.key();
        let shell = |script: String| words(&["CMD-SHELL".to_owned(), script]);
        match check {
            Check::Exec(command) if command.is_empty() => {
                self.note(
                    "probe-unusable",
                    &probe.origin,
                    format!("a probe of `{key}` has no command"),
                );
                None
            }
            Check::Exec(command) => {
                let mut all = vec!["CMD".to_owned()];
                all.extend(command.iter().cloned());
                Some(words(&all))
            }
            Check::Shell(script) => Some(shell(script.clone())),
            Check::Http {
                host,
                port,
                path,
                https,
                headers,
            } => {
                let port = self.probe_port(site, port, probe)?;
                let scheme = if *https { "https" } else { "http" };
                let host = address(host.as_deref().unwrap_or("127.0.0.1"));
                let slash = if path.starts_with('/') { "" } else { "/" };
                let url = format!("{scheme}://{host}:{port}{slash}{path}");
                let tool = match self.options.http_probe {
                    HttpProbe::Either => "`wget` or `curl`",
                    HttpProbe::Wget => "`wget`",
                    HttpProbe::Curl => "`curl`",
                };
                self.note(
                    "probe-by-command",
                    &probe.origin,
                    format!("the check of `{key}` needs {tool} in its image"),
                );
                Some(shell(http_script(self.options.http_probe, &url, headers)))
            }
            Check::Tcp { host, port } => {
                let port = self.probe_port(site, port, probe)?;
                let message = format!("the check of `{key}` needs `nc` or `bash` in its image");
                self.note("probe-by-command", &probe.origin, message);
                Some(shell(tcp_script(
                    host.as_deref().unwrap_or("127.0.0.1"),
                    &port,
                )))
            }
            Check::Grpc { port, service } => {
                let port = self.probe_port(site, port, probe)?;
                let message =
                    format!("the check of `{key}` needs `grpc_health_probe` in its image");
                self.note("probe-by-command", &probe.origin, message);
                let mut all = vec![
                    "CMD".to_owned(),
                    "grpc_health_probe".to_owned(),
                    format!("-addr=127.0.0.1:{port}"),
                ];
                if let Some(service) = service.as_ref().filter(|s| !s.is_empty()) {
                    all.push(format!("-service={service}"));
                }
                Some(words(&all))
            }
        }
    }

    /// A port number, looked up where the source gives a name.
    fn probe_port(&mut self, site: &Site<'_>, port: &str, probe: &Probe) -> Option<String> {
        if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) {
            return Some(port.to_owned());
        }
        let own = site
            .container
            .ports
            .iter()
            .find(|p| p.name.as_ref().is_some_and(|n| n.value == port));
        let found = own
            .map(|p| p.target)
            .or_else(|| self.port_by_name(site.index, port));
        if found.is_none() {
            let message = format!(
                "a probe of `{}` asks port `{port}`, which no container has",
                site.key()
            );
            self.note("probe-unusable", &probe.origin, message);
        }
        found.map(|port| port.to_string())
    }

    fn note_chosen(&mut self, site: &Site<'_>, chosen: &Probe) {
        let key = site.key();
        let message = match (chosen.purpose, self.is_swarm()) {
            (Purpose::Health, _) | (Purpose::Live, true) => return,
            (Purpose::Live, false) => format!(
                "`{key}` is marked unhealthy but not restarted when its liveness probe fails"
            ),
            (Purpose::Ready, false) => format!(
                "`{key}` is marked unhealthy but still reached when its readiness probe fails"
            ),
            (Purpose::Ready, true) => {
                format!("the task of `{key}` is replaced when its readiness probe fails")
            }
            (Purpose::Started, false) => {
                format!("the startup probe of `{key}` goes on after the start")
            }
            (Purpose::Started, true) => format!(
                "the startup probe of `{key}` goes on after the start, and its failure replaces the task"
            ),
        };
        self.note("one-health-check", &chosen.origin, message);
    }

    /// Docker has one check: what becomes of the others.
    fn note_other(&mut self, site: &Site<'_>, chosen: &Probe, probe: &Probe) {
        let key = site.key();
        let purpose = match probe.purpose {
            Purpose::Health => "health check",
            Purpose::Ready => "readiness probe",
            Purpose::Live => "liveness probe",
            Purpose::Started => "startup probe",
        };
        if probe.check == chosen.check {
            let message = format!("the {purpose} of `{key}` asks the same as the chosen check");
            self.note("probe-merged", &probe.origin, message);
        } else {
            let message = format!(
                "the {purpose} of `{key}` is left out: Docker has one check for each container"
            );
            self.note("one-health-check", &probe.origin, message);
        }
    }
}

/// How often Kubernetes asks.
fn pace_of(probe: &Probe) -> Duration {
    probe
        .timings
        .interval
        .as_ref()
        .map_or(INTERVAL, |i| i.value)
}

/// One check that does what two of the same question did: it sees as soon as readiness that the container answers, and takes
/// as long as liveness until it gives the container up.
fn asked_as_often(
    period: Option<Duration>,
    failures: Option<u32>,
    pace: Duration,
) -> (Option<Duration>, Option<u32>) {
    match (period, failures) {
        (Some(period), Some(failures)) if Duration::ZERO < pace && pace < period => {
            let patience = period.saturating_mul(failures).as_millis();
            let failures = u32::try_from(patience.div_ceil(pace.as_millis().max(1)));
            (Some(pace), failures.ok().or(Some(u32::MAX)))
        }
        unchanged => unchanged,
    }
}

/// An address inside of a URL.
fn address(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// One word of a shell's command line.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A command line that asks a URL.
pub(super) fn http_script(tool: HttpProbe, url: &str, headers: &[(String, String)]) -> String {
    let insecure = url.starts_with("https:");
    let mut wget = String::from("wget -q -O /dev/null");
    let mut curl = String::from("curl -fsS -o /dev/null");
    if insecure {
        wget.push_str(" --no-check-certificate");
        curl.push_str(" -k");
    }
    for (name, value) in headers {
        let header = quoted(&format!("{name}: {value}"));
        wget.push_str(" --header ");
        wget.push_str(&header);
        curl.push_str(" -H ");
        curl.push_str(&header);
    }
    let url = quoted(url);
    match tool {
        HttpProbe::Wget => format!("{wget} {url}"),
        HttpProbe::Curl => format!("{curl} {url}"),
        HttpProbe::Either => format!("{wget} {url} || {curl} {url}"),
    }
}

/// A command line that connects to a port.
pub(super) fn tcp_script(host: &str, port: &str) -> String {
    let (host, port) = (quoted(host), quoted(port));
    format!(r#"nc -z {host} {port} || bash -c 'exec 3<>"/dev/tcp/$0/$1"' {host} {port}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_quoted() {
        assert_eq!(
            http_script(
                HttpProbe::Curl,
                "https://127.0.0.1:8443/it's",
                &[("A".to_owned(), "b".to_owned())]
            ),
            r"curl -fsS -o /dev/null -k -H 'A: b' 'https://127.0.0.1:8443/it'\''s'"
        );
        assert_eq!(address("::1"), "[::1]");
    }
    #[test]
    fn one_check_is_as_quick_and_as_patient_as_the_two_it_stands_for() {
        let seconds = |s| Some(Duration::from_secs(s));
        let merged = |period, failures, pace| {
            asked_as_often(seconds(period), Some(failures), Duration::from_secs(pace))
        };
        assert_eq!(merged(5, 3, 2), (seconds(2), Some(8)));
        assert_eq!(merged(10, 3, 10), (seconds(10), Some(3)));
        assert_eq!(merged(10, 3, 30), (seconds(10), Some(3)));
    }
}
