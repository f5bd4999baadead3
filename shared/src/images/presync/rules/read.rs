//! Reads and checks a rules file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;

use super::pattern::{Pattern, Patterns};
use super::quantity::{parse_bytes, parse_duration, parse_share};
use super::schedule::{Bandwidth, Rate, Window, parse_hours, parse_offset};
use super::secret::{Secret, SecretPlace};
use super::{
    Cluster, Deletes, Destination, Engine, Origin, OriginKind, Receiver, Reconcile, Registry,
    Retry, Rule, Rules, TlsFiles,
};
use crate::finding::{Code, Finding, Findings, Severity};
use crate::source::{Disk, Fields, Files as _, Item, Ledger, Limits, Sources, parse};

const BAD_VALUE: Code = Code("presync-bad-value");
const MISSING: Code = Code("presync-missing");

/// A rules file larger than this is none.
const LARGEST_FILE: u64 = 4 << 20;

/// What came of reading a rules file.
#[derive(Debug)]
pub struct Checked {
    /// The rules; `None` if there is an error among the findings.
    pub rules: Option<Rules>,
    /// What is wrong, and what should be known.
    pub findings: Findings,
    /// The text, for showing the findings.
    pub sources: Sources,
}

/// Reads a rules file from disk. Relative paths in it start from its folder.
#[must_use]
pub fn load(path: &Path) -> Checked {
    load_as(path, Place::Here)
}

/// Reads a rules file that will be used on another machine: secrets and certificates need not be here.
#[must_use]
pub fn load_for_elsewhere(path: &Path) -> Checked {
    load_as(path, Place::Elsewhere)
}

/// Where rules will be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    Elsewhere,
}

fn load_as(path: &Path, place: Place) -> Checked {
    let text = Disk
        .read(path, LARGEST_FILE)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
    match text {
        Ok(text) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            read_as(&path.display().to_string(), &text, folder, place)
        }
        Err(error) => Checked {
            rules: None,
            findings: Findings::from(Finding::new(
                Code("presync-unreadable"),
                format!("the rules file {} cannot be read: {error}", path.display()),
            )),
            sources: Sources::default(),
        },
    }
}

/// Reads the text of a rules file. Relative paths in it start from `folder`.
#[must_use]
pub fn read(name: &str, text: &str, folder: &Path) -> Checked {
    read_as(name, text, folder, Place::Here)
}

fn read_as(name: &str, text: &str, folder: &Path, place: Place) -> Checked {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let mut ledger = Ledger::new();
    let rules = match parse(file, text, &Limits::default()) {
        Err(finding) => {
            ledger.findings.push(*finding);
            None
        }
        Ok(documents) => match documents.as_slice() {
            [document] => Reader {
                ledger: &mut ledger,
                folder,
                place,
            }
            .rules(&Item::root(document)),
            _ => {
                let message = format!(
                    "a rules file is one YAML document, but this has {}",
                    documents.len()
                );
                ledger.findings.push(
                    Finding::new(BAD_VALUE, message)
                        .at_position(crate::source::Position::start_of(file)),
                );
                None
            }
        },
    };
    let Ledger {
        mut findings,
        leftovers,
    } = ledger;
    for leftover in leftovers {
        let message = format!("`{}` is no key of a rules file", leftover.origin.path);
        findings.add(Code("presync-unknown-key"), &leftover.origin, message);
    }
    findings.sort();
    let wrong = findings
        .as_slice()
        .iter()
        .any(|finding| finding.severity() == Severity::Error);
    Checked {
        rules: rules.filter(|_| !wrong),
        findings,
        sources,
    }
}

struct Reader<'l> {
    ledger: &'l mut Ledger,
    folder: &'l Path,
    place: Place,
}

/// Names that a rule uses, with their places, for the check when all is read.
type Used = Vec<(bool, crate::source::Sourced<String>)>;

impl Reader<'_> {
    fn rules(&mut self, root: &Item<'_>) -> Option<Rules> {
        let mut fields = root.fields("presync", self.ledger)?;
        let version = fields.integer::<u32>("version", self.ledger);
        if version.as_ref().is_none_or(|version| version.value != 1) {
            let origin = version.map_or_else(|| root.origin(), |version| version.origin);
            self.ledger
                .add(BAD_VALUE, &origin, "`version: 1` is expected");
        }
        let state = self
            .path_of(&mut fields, "state")
            .unwrap_or_else(|| PathBuf::from("/var/lib/migrate/presync"));
        let parallel = self.bounded(&mut fields, "parallel", 4, 1..=64);
        let reconcile = self.reconcile(&mut fields);
        let retry = self.retry(&mut fields);
        let sources = self.named(&mut fields, root, "sources", Self::origin);
        let targets = self.named(&mut fields, root, "targets", Self::destination);
        let bandwidth = self.bandwidth(&mut fields);
        let receiver = self.receiver(&mut fields);
        let status = self.status(&mut fields);
        let mut used = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        let items = fields.items("rules", self.ledger);
        if items.is_empty() {
            self.ledger.add(
                MISSING,
                &root.origin(),
                "`rules` is missing: nothing would be copied",
            );
        }
        for item in &items {
            if let Some(rule) = self.rule(item, rules.len(), &mut used) {
                if rules.iter().any(|other| other.name == rule.name) {
                    let message = format!("there are two rules named `{}`", rule.name);
                    self.ledger.add(BAD_VALUE, &item.origin(), message);
                }
                rules.push(rule);
            }
        }
        fields.finish(self.ledger);
        let rules = Rules {
            state,
            parallel,
            reconcile,
            retry,
            sources,
            targets,
            rules,
            bandwidth,
            receiver,
            status,
        };
        self.check(&rules, &used, root);
        Some(rules)
    }

    /// What can only be seen when everything is read.
    fn check(&mut self, rules: &Rules, used: &Used, root: &Item<'_>) {
        for (is_source, name) in used {
            let (known, kind) = if *is_source {
                (rules.sources.contains_key(&name.value), "source")
            } else {
                (rules.targets.contains_key(&name.value), "target")
            };
            if !known {
                let message = format!("there is no {kind} named `{}`", name.value);
                self.ledger
                    .add(Code("presync-unknown-name"), &name.origin, message);
            }
        }
        let unused = |is_source: bool, name: &str| {
            !used
                .iter()
                .any(|(source, used)| *source == is_source && used.value == name)
        };
        let names = rules
            .sources
            .keys()
            .map(|name| (true, name, "sources"))
            .chain(rules.targets.keys().map(|name| (false, name, "targets")));
        for (is_source, name, key) in names {
            if unused(is_source, name) {
                let mut origin = root.origin();
                origin.path = origin.path.key(key).key(name);
                if let Some(entry) = root
                    .node
                    .as_mapping()
                    .and_then(|mapping| mapping.get(key)?.as_mapping()?.0.get(name))
                {
                    origin.at = entry.key_at;
                }
                let message = format!("no rule uses `{name}`");
                self.ledger.add(Code("presync-unused"), &origin, message);
            }
        }
        for rule in &rules.rules {
            for (source, registry) in rules.registries() {
                if !rule.from.iter().any(|name| name == source) {
                    continue;
                }
                for target in &rule.to {
                    let Some(destination) = rules.targets.get(target) else {
                        continue;
                    };
                    let place = used
                        .iter()
                        .find(|(is_source, name)| !is_source && name.value == *target)
                        .map_or_else(|| root.origin(), |(_, name)| name.origin.clone());
                    if destination.registry.host == registry.host
                        && destination.registry.prefix == registry.prefix
                    {
                        let message = format!(
                            "the rule `{}` copies {} to itself",
                            rule.name, registry.host
                        );
                        self.ledger
                            .add(Code("presync-copy-to-itself"), &place, message);
                    } else if rules.mirrors_back(&registry.host, target) {
                        let message = format!(
                            "images of {} come back to it from the target `{target}`",
                            registry.host
                        );
                        self.ledger
                            .add(Code("presync-mirrors-back"), &place, message);
                    }
                }
            }
        }
    }

    fn reconcile(&mut self, fields: &mut Fields<'_>) -> Reconcile {
        let mut reconcile = Reconcile {
            interval: Duration::from_hours(1),
            jitter: 0.1,
        };
        if let Some(mut own) = fields.fields("reconcile", "presync.reconcile", self.ledger) {
            if let Some(interval) = self.duration(&mut own, "interval", Duration::from_secs(1)) {
                reconcile.interval = interval;
            }
            if let Some(jitter) = self.parsed(&mut own, "jitter", parse_share) {
                reconcile.jitter = jitter.min(0.5);
            }
            own.finish(self.ledger);
        }
        reconcile
    }

    fn retry(&mut self, fields: &mut Fields<'_>) -> Retry {
        let mut retry = Retry {
            first: Duration::from_secs(1),
            most: Duration::from_mins(10),
        };
        if let Some(mut own) = fields.fields("retry", "presync.retry", self.ledger) {
            let shortest = Duration::from_millis(10);
            if let Some(first) = self.duration(&mut own, "first", shortest) {
                retry.first = first;
            }
            if let Some(most) = self.duration(&mut own, "most", shortest) {
                retry.most = most;
            }
            own.finish(self.ledger);
        }
        retry.most = retry.most.max(retry.first);
        retry
    }

    /// A mapping of names that the user chose.
    fn named<T>(
        &mut self,
        fields: &mut Fields<'_>,
        root: &Item<'_>,
        key: &str,
        read: impl Fn(&mut Self, &Item<'_>) -> Option<T>,
    ) -> IndexMap<String, T> {
        let entries = fields
            .take(key)
            .map(|item| item.entries(self.ledger))
            .unwrap_or_default();
        if entries.is_empty() {
            let message = format!("`{key}` is missing");
            self.ledger.add(MISSING, &root.origin(), message);
        }
        let mut named = IndexMap::new();
        for (name, item) in entries {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.value.is_empty() || name.value.len() > 63 || !name.value.bytes().all(plain) {
                let message = format!(
                    "`{}` is no name; letters, digits, `-`, `_` and `.` are expected, 63 at most",
                    name.value
                );
                self.ledger.add(BAD_VALUE, &name.origin, message);
            }
            if let Some(value) = read(self, &item) {
                named.insert(name.value, value);
            }
        }
        named
    }

    fn origin(&mut self, item: &Item<'_>) -> Option<Origin> {
        let mut fields = item.fields("presync.sources.*", self.ledger)?;
        let kinds = ["registry", "docker", "kubernetes", "swarm"];
        let given: Vec<_> = kinds.into_iter().filter(|k| fields.contains(k)).collect();
        if given.len() != 1 {
            let message = format!(
                "`{}` needs one of `registry`, `docker`, `kubernetes` and `swarm`, but has {}",
                item.path,
                if given.is_empty() {
                    "none".to_owned()
                } else {
                    given.join(" and ")
                }
            );
            self.ledger.add(MISSING, &item.origin(), message);
        }
        let kind = match given.first().copied() {
            Some("registry") => self.registry(&mut fields).map(OriginKind::Registry),
            Some("docker") => self.engine(&mut fields, "docker").map(OriginKind::Engine),
            Some("swarm") => self.engine(&mut fields, "swarm").map(OriginKind::Swarm),
            Some("kubernetes") => self.cluster(&mut fields).map(OriginKind::Kubernetes),
            _ => None,
        };
        let poll = self.duration(&mut fields, "poll", Duration::from_secs(1));
        fields.finish(self.ledger);
        Some(Origin { kind: kind?, poll })
    }

    fn destination(&mut self, item: &Item<'_>) -> Option<Destination> {
        let mut fields = item.fields("presync.targets.*", self.ledger)?;
        let registry = self.registry(&mut fields);
        if registry.is_none() && !fields.contains("registry") {
            let message = format!("`{}.registry` is missing", item.path);
            self.ledger.add(MISSING, &item.origin(), message);
        }
        fields.finish(self.ledger);
        Some(Destination {
            registry: registry?,
        })
    }

    fn registry(&mut self, fields: &mut Fields<'_>) -> Option<Registry> {
        let address = fields.text("registry", self.ledger);
        let plain_http = fields.boolean("plain_http", self.ledger);
        let ca_file = self.path_of(fields, "ca_file");
        let address = address?;
        let (host, prefix) = address
            .value
            .split_once('/')
            .unwrap_or((&address.value, ""));
        let prefix = prefix.trim_matches('/');
        let valid_host = !host.is_empty()
            && !address.value.contains("://")
            && host.bytes().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']')
            });
        let valid_prefix = prefix.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b'/')
        });
        if !valid_host || !valid_prefix {
            let message = format!(
                "`{}` is no address of a registry; HOST[:PORT][/PREFIX] is expected, without https://",
                address.value
            );
            self.ledger.add(BAD_VALUE, &address.origin, message);
            return None;
        }
        Some(Registry {
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            plain_http: plain_http.is_some_and(|plain| plain.value),
            ca_file,
        })
    }

    fn engine(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<Engine> {
        let address = fields.text(key, self.ledger)?;
        let known = ["unix://", "tcp://", "http://", "npipe://"];
        if !known.iter().any(|scheme| address.value.starts_with(scheme)) {
            let message = format!(
                "`{}` is no address of an engine; unix:///var/run/docker.sock or tcp://HOST:PORT is expected",
                address.value
            );
            self.ledger.add(BAD_VALUE, &address.origin, message);
            return None;
        }
        Some(Engine {
            address: address.value,
        })
    }

    fn cluster(&mut self, fields: &mut Fields<'_>) -> Option<Cluster> {
        let mut own = fields.fields("kubernetes", "presync.sources.*.kubernetes", self.ledger)?;
        let cluster = Cluster {
            kubeconfig: self.path_of(&mut own, "kubeconfig"),
            context: own.text("context", self.ledger).map(|text| text.value),
            namespaces: own
                .texts("namespaces", self.ledger)
                .into_iter()
                .map(|text| text.value)
                .collect(),
        };
        own.finish(self.ledger);
        Some(cluster)
    }

    fn rule(&mut self, item: &Item<'_>, index: usize, used: &mut Used) -> Option<Rule> {
        let mut fields = item.fields("presync.rules[*]", self.ledger)?;
        let name = fields
            .text("name", self.ledger)
            .map_or_else(|| format!("rule-{}", index + 1), |name| name.value);
        let mut names = |key: &str, is_source: bool, reader: &mut Self| {
            let names = fields
                .take(key)
                .map(|item| item.items_or_one(reader.ledger))
                .unwrap_or_default();
            let names: Vec<_> = names
                .iter()
                .filter_map(|name| name.text(reader.ledger))
                .collect();
            if names.is_empty() {
                let message = format!("the rule `{name}` needs `{key}`");
                reader.ledger.add(MISSING, &item.origin(), message);
            }
            used.extend(names.iter().map(|name| (is_source, name.clone())));
            names.into_iter().map(|name| name.value).collect::<Vec<_>>()
        };
        let from = names("from", true, self);
        let to = names("to", false, self);
        let repositories = self.patterns(&mut fields, "repositories");
        let tags = self.patterns(&mut fields, "tags");
        let (mut ignored_repositories, mut ignored_tags) = Default::default();
        if let Some(mut own) = fields.fields("ignore", "presync.rules[*].ignore", self.ledger) {
            ignored_repositories = self.patterns(&mut own, "repositories");
            ignored_tags = self.patterns(&mut own, "tags");
            own.finish(self.ledger);
        }
        let mut platforms = Vec::new();
        for text in fields.texts("platforms", self.ledger) {
            match text.value.parse() {
                Ok(platform) => platforms.push(platform),
                Err(message) => self.ledger.add(BAD_VALUE, &text.origin, message),
            }
        }
        let rule = Rule {
            from,
            to,
            repositories,
            tags,
            ignored_repositories,
            ignored_tags,
            platforms,
            referrers: fields
                .boolean("referrers", self.ledger)
                .is_none_or(|referrers| referrers.value),
            priority: fields
                .integer("priority", self.ledger)
                .map_or(0, |priority| priority.value),
            immutable: self.patterns(&mut fields, "immutable"),
            deletes: self.deletes(&mut fields),
            name,
        };
        fields.finish(self.ledger);
        Some(rule)
    }

    fn deletes(&mut self, fields: &mut Fields<'_>) -> Option<Deletes> {
        let item = fields.take("deletes")?;
        let mut own = item.fields("presync.rules[*].deletes", self.ledger)?;
        let propagate = own.boolean("propagate", self.ledger);
        let max_share = self
            .parsed(&mut own, "max_share", parse_share)
            .unwrap_or(0.1);
        own.finish(self.ledger);
        let propagate = propagate.filter(|propagate| propagate.value)?;
        let message = format!(
            "tags that are deleted at the source are deleted at the target, at most {:.0} % of the known ones within a day",
            max_share * 100.0
        );
        self.ledger
            .add(Code("presync-deletes"), &propagate.origin, message);
        Some(Deletes { max_share })
    }

    fn bandwidth(&mut self, fields: &mut Fields<'_>) -> Bandwidth {
        let mut bandwidth = Bandwidth::default();
        let Some(mut own) = fields.fields("limits", "presync.limits", self.ledger) else {
            return bandwidth;
        };
        if let Some(offset) = self.parsed(&mut own, "utc_offset", parse_offset) {
            bandwidth.utc_offset = offset;
        }
        for item in own.items("bandwidth", self.ledger) {
            let Some(mut window) = item.fields("presync.limits.bandwidth[*]", self.ledger) else {
                continue;
            };
            let hours = if window.contains("hours") {
                self.parsed(&mut window, "hours", parse_hours)
            } else {
                Some((0, 24 * 60))
            };
            let rate = self.parsed(&mut window, "rate", parse_rate);
            if rate.is_none() && !window.contains("rate") {
                let message = format!("`{}.rate` is missing", item.path);
                self.ledger.add(MISSING, &item.origin(), message);
            }
            window.finish(self.ledger);
            if let (Some((from, until)), Some(rate)) = (hours, rate) {
                bandwidth.windows.push(Window { from, until, rate });
            }
        }
        own.finish(self.ledger);
        bandwidth
    }

    fn receiver(&mut self, fields: &mut Fields<'_>) -> Option<Receiver> {
        let item = fields.take("receiver")?;
        let mut own = item.fields("presync.receiver", self.ledger)?;
        let listen = self.address(&mut own, "listen", ([127, 0, 0, 1], 8480).into());
        let secret = self.secret(&mut own, "secret");
        let hmac = self.secret(&mut own, "hmac");
        let has_secret = own.contains("secret") || own.contains("hmac");
        let tls = self.tls(&mut own);
        let max_body = self
            .parsed(&mut own, "max_body", parse_bytes)
            .unwrap_or(1 << 20)
            .clamp(1 << 10, 64 << 20);
        let max_requests = self.bounded(&mut own, "max_requests", 20_000, 1..=1_000_000);
        if !listen.ip().is_loopback() {
            if !has_secret {
                let message = format!("{listen} can be reached from outside without a secret");
                self.ledger
                    .add(Code("presync-open-receiver"), &item.origin(), message);
            } else if tls.is_none() {
                let message =
                    format!("events and the secret cross the network to {listen} in the clear");
                self.ledger.add(
                    Code("presync-receiver-without-tls"),
                    &item.origin(),
                    message,
                );
            }
        }
        own.finish(self.ledger);
        Some(Receiver {
            listen,
            secret,
            hmac,
            tls,
            max_body,
            max_requests: u32::try_from(max_requests).unwrap_or(u32::MAX),
        })
    }

    fn tls(&mut self, fields: &mut Fields<'_>) -> Option<TlsFiles> {
        let item = fields.take("tls")?;
        let mut own = item.fields("presync.receiver.tls", self.ledger)?;
        let certificate = self.path_of(&mut own, "certificate");
        let key = self.path_of(&mut own, "key");
        own.finish(self.ledger);
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                for path in [&certificate, &key] {
                    if self.place == Place::Here
                        && let Err(error) = fs_err::metadata(path)
                    {
                        self.ledger.add(
                            Code("presync-file-missing"),
                            &item.origin(),
                            error.to_string(),
                        );
                    }
                }
                Some(TlsFiles { certificate, key })
            }
            _ => {
                let message = format!("`{}` needs `certificate` and `key`", item.path);
                self.ledger.add(MISSING, &item.origin(), message);
                None
            }
        }
    }

    fn status(&mut self, fields: &mut Fields<'_>) -> Option<SocketAddr> {
        let default = ([127, 0, 0, 1], 8481).into();
        let Some(item) = fields.take("status") else {
            return Some(default);
        };
        let mut own = item.fields("presync.status", self.ledger)?;
        let off = own
            .boolean("enabled", self.ledger)
            .is_some_and(|enabled| !enabled.value);
        let listen = self.address(&mut own, "listen", default);
        own.finish(self.ledger);
        (!off).then_some(listen)
    }

    fn secret(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<Secret> {
        let item = fields.take(key)?;
        if item.node.as_mapping().is_none() {
            let message = format!("`{}` has to name a file or a variable", item.path);
            self.ledger
                .add(Code("presync-literal-secret"), &item.origin(), message);
            return None;
        }
        let mut own = item.fields(format!("presync.receiver.{key}"), self.ledger)?;
        let file = self.path_of(&mut own, "file");
        let variable = own.text("env", self.ledger);
        own.finish(self.ledger);
        let place = match (file, variable) {
            (Some(file), None) => SecretPlace::File(file),
            (None, Some(variable)) => SecretPlace::Variable(variable.value),
            _ => {
                let message = format!("`{}` needs either `file` or `env`", item.path);
                self.ledger.add(MISSING, &item.origin(), message);
                return None;
            }
        };
        if self.place == Place::Elsewhere {
            return Some(Secret::unread(place));
        }
        match Secret::read(place) {
            Ok(secret) => Some(secret),
            Err(message) => {
                self.ledger
                    .add(Code("presync-secret-unreadable"), &item.origin(), message);
                None
            }
        }
    }

    fn address(&mut self, fields: &mut Fields<'_>, key: &str, default: SocketAddr) -> SocketAddr {
        self.parsed(fields, key, |text| {
            text.parse().map_err(|_| {
                format!("`{text}` is no address; IP:PORT is expected, such as 127.0.0.1:8480")
            })
        })
        .unwrap_or(default)
    }

    fn patterns(&mut self, fields: &mut Fields<'_>, key: &str) -> Patterns {
        let items = fields
            .take(key)
            .map(|item| item.items_or_one(self.ledger))
            .unwrap_or_default();
        let mut patterns = Vec::new();
        for item in &items {
            let Some(text) = item.text(self.ledger) else {
                continue;
            };
            match Pattern::new(&text.value) {
                Ok(pattern) => patterns.push(pattern),
                Err(message) => self.ledger.add(BAD_VALUE, &text.origin, message),
            }
        }
        Patterns::new(patterns)
    }

    fn duration(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        shortest: Duration,
    ) -> Option<Duration> {
        self.parsed(fields, key, |text| {
            let duration = parse_duration(text)?;
            if duration < shortest {
                return Err(format!("`{text}` is too short"));
            }
            Ok(duration)
        })
    }

    fn bounded(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> usize {
        let Some(number) = fields.integer::<usize>(key, self.ledger) else {
            return default;
        };
        if !range.contains(&number.value) {
            let message = format!(
                "`{key}` has to lie between {} and {}",
                range.start(),
                range.end()
            );
            self.ledger.add(BAD_VALUE, &number.origin, message);
        }
        number.value
    }

    fn path_of(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<PathBuf> {
        let text = fields.text(key, self.ledger)?;
        Some(self.folder.join(text.value))
    }

    fn parsed<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = fields.text(key, self.ledger)?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.ledger.add(BAD_VALUE, &text.origin, message);
                None
            }
        }
    }
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    match text {
        "unlimited" => Ok(Rate::Unlimited),
        "paused" => Ok(Rate::Paused),
        _ => match parse_bytes(text) {
            Ok(0) => Ok(Rate::Paused),
            Ok(bytes) => Ok(Rate::Limited(bytes)),
            Err(_) => Err(format!(
                "`{text}` is no rate; a number of bytes a second (20MB), `unlimited` or `paused` is expected"
            )),
        },
    }
}
