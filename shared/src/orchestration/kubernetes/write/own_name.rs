//! Health checks that reach the container by the name of its own service.
//!
//! Docker resolves a name whether its containers are healthy or not. A Service leads to an instance only once that is
//! ready, so such a check would wait for itself.

use std::collections::HashMap;

use crate::orchestration::model::{Application, Check, NameKind, Probe, Unit};

/// Options after which programs expect a host.
const HOST_OPTIONS: [&str; 6] = ["-h", "-H", "--host", "--hostname", "--server", "--address"];

/// For each unit the first health check that names the unit, and the name.
pub(super) fn asking(application: &Application) -> Vec<Option<(&str, &Probe)>> {
    let mut given: HashMap<&str, Vec<&str>> = HashMap::new();
    for name in &application.names {
        if matches!(name.kind, NameKind::Alias { .. } | NameKind::Link { .. }) {
            for unit in &name.units {
                given.entry(unit).or_default().push(&name.name.value);
            }
        }
    }
    let units = application.units.iter();
    units
        .map(|unit| {
            let given = given.get(unit.name.value.as_str());
            asks_itself(unit, given.map_or(&[], Vec::as_slice))
        })
        .collect()
}

/// `given` are the names that others have for the unit.
fn asks_itself<'a>(unit: &'a Unit, given: &[&'a str]) -> Option<(&'a str, &'a Probe)> {
    let probes = unit.containers.iter().flat_map(|c| &c.probes);
    let mut names: Option<Vec<&str>> = None;
    for probe in probes {
        let words: Vec<&str> = match &probe.check {
            Check::Exec(words) => words.iter().flat_map(|word| split(word)).collect(),
            Check::Shell(line) => split(line).collect(),
            Check::Http { .. } | Check::Tcp { .. } | Check::Grpc { .. } => continue,
        };
        let names = names.get_or_insert_with(|| names_of(unit, given));
        if let Some(name) = names.iter().find(|name| asks(&words, name)) {
            return Some((name, probe));
        }
    }
    None
}

/// The names that resolve to a unit. Its host name is in each instance's own `/etc/hosts`.
fn names_of<'a>(unit: &'a Unit, given: &[&'a str]) -> Vec<&'a str> {
    let aliases = unit.networks.iter().flat_map(|n| &n.aliases);
    let host = unit.settings.hostname.as_ref().map(|h| h.value.as_str());
    [&unit.name]
        .into_iter()
        .chain(aliases)
        .chain(&unit.settings.instance_name)
        .map(|name| name.value.as_str())
        .chain(given.iter().copied())
        .filter(|name| Some(*name) != host)
        .collect()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | ';' | '|' | '&'))
        .filter(|word| !word.is_empty())
}

/// Whether a command takes `name` for a host: in an address, before a port, or behind an option for hosts. As a word
/// alone it is as likely a user, a database or the program.
fn asks(words: &[&str], name: &str) -> bool {
    words.iter().enumerate().any(|(index, word)| {
        if *word == name {
            let before = index.checked_sub(1).map(|i| words[i]);
            let after = words.get(index + 1);
            return before.is_some_and(|option| HOST_OPTIONS.contains(&option))
                || (index > 0 && after.is_some_and(|port| is_port(port)));
        }
        word.match_indices(name)
            .any(|(at, _)| is_host(&word[..at], &word[at + name.len()..]))
    })
}

fn is_host(before: &str, after: &str) -> bool {
    let ends = after.is_empty() || after.starts_with(['/', '?', ',']);
    let port = after.strip_prefix(':').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with('$')
    });
    let in_address = before.ends_with("://") || before.ends_with('@') || before == "/dev/tcp/";
    let option = ["-h", "-H"].contains(&before)
        || before.ends_with("host=")
        || before.ends_with("--server=")
        || before.ends_with("--address=");
    let begins = before.is_empty() || before.ends_with(['=', ',']);
    ((in_address || option) && (ends || port)) || (begins && port)
}

fn is_port(word: &str) -> bool {
    word.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_commands() {
        for (line, expected) in [
            ("pg_isready -h db -U postgres", true),
            ("pg_isready --host=db", true),
            ("mysqladmin ping -hdb", true),
            ("curl -f http://db:8080/health || exit 1", true),
            ("curl -f http://db/health", true),
            ("mongosh 'mongodb://root:x@db/admin'", true),
            ("kafka-topics --bootstrap-server db:9092 --list", true),
            ("nc -z db 5432", true),
            ("bash -c ': > /dev/tcp/db/80'", true),
            ("pg_isready -U db -d db", false),
            ("curl -f http://localhost/db", false),
            ("curl -f http://mydb:80/", false),
            ("curl -f http://db-other:80/", false),
            ("db ping", false),
            ("db 80", false),
            ("psql postgres://db:secret@localhost/x", false),
        ] {
            let words: Vec<_> = split(line).collect();
            assert_eq!(asks(&words, "db"), expected, "{line}");
        }
    }
}
