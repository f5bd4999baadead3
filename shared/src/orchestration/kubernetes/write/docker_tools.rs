//! Labels by which tools that watch a Docker engine are configured. They find nothing in a cluster.

use std::collections::BTreeMap;

use crate::finding::{Code, Findings};
use crate::orchestration::model::Metadata;
use crate::source::{Origin, Sourced};

/// How the labels of a tool begin, and its name. A prefix without a dot at its end is a whole label as well.
const TOOLS: [(&str, &str); 22] = [
    ("autoheal", "Autoheal"),
    ("caddy", "caddy-docker-proxy"),
    ("co.elastic.logs/", "Filebeat"),
    ("co.elastic.metrics/", "Metricbeat"),
    ("com.centurylinklabs.watchtower.", "Watchtower"),
    ("com.datadoghq.ad.", "the Datadog agent"),
    ("com.df.", "Docker Flow Proxy"),
    ("com.docker.lb.", "Docker's Interlock"),
    (
        "com.github.jrcs.letsencrypt_nginx_proxy_companion.",
        "acme-companion",
    ),
    ("com.github.nginx-proxy.", "nginx-proxy"),
    ("deck-chores.", "deck-chores"),
    ("diun.", "Diun"),
    ("docker-volume-backup.", "docker-volume-backup"),
    ("dockflare.", "DockFlare"),
    ("glance.", "Glance"),
    ("homepage.", "Homepage"),
    ("io.rancher.", "Rancher 1"),
    ("kuma.", "AutoKuma"),
    ("ofelia.", "Ofelia"),
    ("swarm.cronjob.", "swarm-cronjob"),
    ("traefik.", "Traefik"),
    ("wud.", "What's up Docker"),
];

/// Says once for each tool that it does not read the labels any more.
pub(super) fn report<'m>(all: impl IntoIterator<Item = &'m Metadata>, findings: &mut Findings) {
    let mut seen = BTreeMap::<&str, (&str, &Origin, usize)>::new();
    for (key, Sourced { origin, .. }) in all.into_iter().flat_map(|m| &m.labels) {
        let Some((_, tool)) = TOOLS.iter().find(|(prefix, _)| belongs(key, prefix)) else {
            continue;
        };
        let entry = seen.entry(*tool).or_insert((key, origin, 0));
        entry.2 += 1;
        if origin.at < entry.1.at {
            (entry.0, entry.1) = (key, origin);
        }
    }
    for (tool, (key, origin, number)) in seen {
        let labels = match number {
            1 => format!("`{key}` is a label"),
            2 => format!("`{key}` and another one are labels"),
            more => format!("`{key}` and {} others are labels", more - 1),
        };
        let message = format!("{labels} that {tool} reads from a Docker engine, and not here");
        findings.add(Code("labels-for-docker-tools"), origin, message);
    }
}

fn belongs(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| {
        prefix.ends_with(['.', '/']) || rest.is_empty() || rest.starts_with(['.', '_'])
    })
}
