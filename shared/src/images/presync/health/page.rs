//! The status page: what is going on, what was copied, what failed and why.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use tera::{Context, Tera};

use super::super::live::{Comparison, Live};
use super::super::rules::{OriginKind, Rate, Rules, show_duration};
use super::super::worker::wall;
use crate::cli::images::size;

/// Lines of a list at most.
const MOST_LINES: usize = 50;

static TEMPLATE: LazyLock<Result<Tera, String>> = LazyLock::new(|| {
    let mut tera = Tera::default();
    // The name ends with html, so that values are escaped.
    tera.add_raw_template("page.html", include_str!("page.html"))
        .map_err(|error| error.to_string())?;
    Ok(tera)
});

/// The page as HTML. It needs no script and nothing from elsewhere.
///
/// # Errors
/// The template cannot be rendered.
pub fn page(live: &Live) -> Result<String, String> {
    let tera = TEMPLATE.as_ref().map_err(Clone::clone)?;
    let context = Context::from_value(facts(live)).map_err(|error| error.to_string())?;
    tera.render("page.html", &context)
        .map_err(|error| format!("{error:?}"))
}

fn facts(live: &Live) -> Value {
    let rules = live.rules();
    let now_ms = live.queue.clock().now_ms();
    let depth = live.queue.depth();
    let history = live.queue.history(usize::MAX);
    let mut lags: Vec<u64> = history
        .iter()
        .filter(|done| done.what == "copied")
        .map(|done| done.lag_ms)
        .collect();
    lags.sort_unstable();
    let at = |share: usize| {
        lags.get((lags.len().saturating_sub(1)) * share / 100)
            .map(|ms| show_ms(*ms))
    };
    let moved: u64 = history.iter().map(|done| done.transferred).sum();
    let down = live.breakers.down();
    let queue_trouble = live.queue.trouble();
    let rules_trouble = live.rules_trouble();
    let compared = live.comparisons();
    let of_sources = || rules.sources.keys().map(|name| compared.get(name));
    let (state, state_text) = if queue_trouble.is_some() {
        ("bad", "The queue cannot be written")
    } else if !down.is_empty() {
        ("warn", "A registry does not answer")
    } else if rules_trouble.is_some() {
        ("warn", "The rules file cannot be used")
    } else if depth.dead > 0 {
        ("warn", "Some images need a person")
    } else if depth.running + depth.ready + depth.delayed > 0 {
        ("busy", "Copying")
    } else if of_sources().flatten().any(|last| last.error.is_some()) {
        ("warn", "A source could not be looked at whole")
    } else if of_sources().any(|last| last.is_none()) {
        ("busy", "Looking at sources and targets")
    } else {
        ("good", "Everything is at its target")
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": state,
        "state_text": state_text,
        "uptime": show_duration(live.started.elapsed()),
        "rules_file": live.rules_file().display().to_string(),
        "rules_trouble": rules_trouble,
        "queue_trouble": queue_trouble,
        "depth": {
            "ready": depth.ready,
            "delayed": depth.delayed,
            "running": depth.running,
            "dead": depth.dead,
        },
        "lag_median": at(50),
        "lag_p99": at(99),
        "copies": lags.len(),
        "moved": size(moved),
        "rate": rate(&rules, now_ms),
        "down": down.into_iter().map(|(host, reason)| json!({"host": host, "reason": reason})).collect::<Vec<_>>(),
        "sources": sources(&compared, &rules, now_ms),
        "jobs": jobs(live, now_ms),
        "jobs_more": (depth.ready + depth.delayed + depth.running).saturating_sub(MOST_LINES),
        "dead": dead(live, now_ms),
        "dead_more": depth.dead.saturating_sub(MOST_LINES),
        "history": copies(&history, now_ms),
    })
}

fn rate(rules: &Rules, now_ms: u64) -> String {
    match rules.bandwidth.at(wall(now_ms)) {
        Rate::Unlimited => "unlimited".to_owned(),
        Rate::Limited(bytes) => format!("{}/s", size(bytes)),
        Rate::Paused => "paused".to_owned(),
    }
}

fn sources(compared: &BTreeMap<String, Comparison>, rules: &Rules, now_ms: u64) -> Vec<Value> {
    rules
        .sources
        .iter()
        .map(|(name, origin)| {
            let (kind, place) = match &origin.kind {
                OriginKind::Registry(registry) if registry.prefix.is_empty() => {
                    ("registry", registry.host.clone())
                }
                OriginKind::Registry(registry) => {
                    ("registry", format!("{}/{}", registry.host, registry.prefix))
                }
                OriginKind::Engine(engine) => ("docker engine", engine.address.clone()),
                OriginKind::Swarm(engine) => ("swarm", engine.address.clone()),
                OriginKind::Kubernetes(cluster) => (
                    "kubernetes",
                    cluster
                        .context
                        .clone()
                        .unwrap_or_else(|| "default context".to_owned()),
                ),
            };
            let last = compared.get(name);
            json!({
                "name": name,
                "kind": kind,
                "place": place,
                "compared": last.map(|last| ago(last.at_ms, now_ms)),
                "images": last.map(|last| last.images),
                "missing": last.map(|last| last.missing),
                "error": last.and_then(|last| last.error.clone()),
            })
        })
        .collect()
}

fn jobs(live: &Live, now_ms: u64) -> Vec<Value> {
    let copying = live.copying();
    live.queue
        .jobs(MOST_LINES)
        .into_iter()
        .map(|(key, job, pause)| {
            let progress = copying
                .get(&key.text())
                .filter(|progress| progress.size > 0);
            json!({
                "image": key.to_string(),
                "id": key.id(),
                "state": job.state,
                "rule": job.rule,
                "via": job.via.name(),
                "events": job.events,
                "since": ago(job.since_ms, now_ms),
                "attempts": job.attempts,
                "next": (!pause.is_zero()).then(|| show_duration(pause)),
                "error": job.last_error,
                "size": progress.map(|progress| size(progress.size)),
                "percent": progress.map(|progress| {
                    (progress.done.min(progress.size) * 100) / progress.size
                }),
            })
        })
        .collect()
}

fn dead(live: &Live, now_ms: u64) -> Vec<Value> {
    live.queue
        .dead(MOST_LINES)
        .into_iter()
        .map(|(key, dead)| {
            json!({
                "image": key.to_string(),
                "id": key.id(),
                "rule": dead.job.rule,
                "reason": dead.reason,
                "remedy": dead.remedy,
                "at": ago(dead.at_ms, now_ms),
            })
        })
        .collect()
}

fn copies(history: &[super::super::queue::Done], now_ms: u64) -> Vec<Value> {
    history
        .iter()
        .take(MOST_LINES)
        .map(|done| {
            json!({
                "image": done.image,
                "what": done.what,
                "note": done.note,
                "digest": done.digest.as_ref().map(|digest| digest.short().to_owned()),
                "transferred": size(done.transferred),
                "saved": size(done.saved),
                "lag": show_ms(done.lag_ms),
                "took": show_ms(done.took_ms),
                "at": ago(done.at_ms, now_ms),
            })
        })
        .collect()
}

fn show_ms(ms: u64) -> String {
    show_duration(Duration::from_millis(ms))
}

/// How long ago; a clock that was set back gives `just now`.
fn ago(then_ms: u64, now_ms: u64) -> String {
    let past = Duration::from_millis(now_ms.saturating_sub(then_ms));
    if past < Duration::from_secs(1) {
        "just now".to_owned()
    } else {
        format!(
            "{} ago",
            show_duration(Duration::from_secs(past.as_secs())).replace(".0 s", " s")
        )
    }
}
