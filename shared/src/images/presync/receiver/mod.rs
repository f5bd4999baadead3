//! Takes the events of registries.
//!
//! An event only says where to look: the registries are asked for the content. It is answered when it is on disk, so a
//! sender that got an answer may forget it. `POST /events/SOURCE` names the source of the rules; `POST /events` finds
//! it by the registry's address in the event.

mod authenticate;
mod certificate;
mod connection;
mod format;
mod limit;
mod serve;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::live::Live;
use super::queue::{Hint, QueueError, Via};
use super::rules::{Receiver, Rules};

pub use format::{Event, Format, ReadEvents, read_events};
pub use serve::{Peer, ServeError, serve};

use authenticate::Guard;
use limit::Limit;

/// What requests need.
#[derive(Debug)]
struct Shared {
    live: Arc<Live>,
    /// Where it listens, whatever newer rules say.
    listen: SocketAddr,
    /// The guard, with the rules that it is from.
    guard: Mutex<(Arc<Rules>, Arc<Guard>)>,
    limit: Limit,
}

/// The receiver's routes.
pub fn router(receiver: &Receiver, live: Arc<Live>) -> Router {
    let body = usize::try_from(receiver.max_body).unwrap_or(usize::MAX);
    Router::new()
        .route("/events", post(anonymous))
        .route("/events/{source}", post(named))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(DefaultBodyLimit::max(body))
        .with_state(Arc::new(Shared {
            listen: receiver.listen,
            guard: Mutex::new((live.rules(), Arc::new(Guard::new(receiver)))),
            live,
            limit: Limit::new(receiver.max_requests),
        }))
}

async fn anonymous(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    shared
        .take(None, peer.ip(), query.as_deref(), &headers, &body)
        .await
}

async fn named(
    State(shared): State<Arc<Shared>>,
    Path(source): Path<String>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    shared
        .take(Some(&source), peer.ip(), query.as_deref(), &headers, &body)
        .await
}

fn answer(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

/// An answer that asks the sender to come again.
fn later(status: StatusCode, text: &str) -> Response {
    let mut response = answer(status, text);
    response
        .headers_mut()
        .insert("retry-after", HeaderValue::from_static("5"));
    response
}

impl Shared {
    /// Secrets are read again with the rules. A receiver that newer rules put elsewhere, or away, is as it was until the
    /// next start: what they say about its secrets is meant for another address.
    fn guard(&self, rules: &Arc<Rules>) -> Arc<Guard> {
        let mut held = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&held.0, rules) {
            held.0 = Arc::clone(rules);
            if let Some(receiver) = &rules.receiver
                && receiver.listen == self.listen
            {
                held.1 = Arc::new(Guard::new(receiver));
            }
        }
        Arc::clone(&held.1)
    }

    async fn take(
        &self,
        source: Option<&str>,
        peer: IpAddr,
        query: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response {
        let metrics = &self.live.metrics;
        if !self.limit.admit(peer) {
            metrics.request_refused("rate");
            return later(StatusCode::TOO_MANY_REQUESTS, "too many requests");
        }
        let rules = self.live.rules();
        if !self.guard(&rules).admits(headers, query, body) {
            metrics.request_refused("secret");
            return answer(StatusCode::UNAUTHORIZED, "the secret is missing or wrong");
        }
        if let Some(name) = source
            && !rules.sources.contains_key(name)
        {
            metrics.request_refused("source");
            return answer(StatusCode::NOT_FOUND, "the rules have no such source");
        }
        let Some(read) = read_events(headers, body) else {
            metrics.request_refused("format");
            return answer(
                StatusCode::BAD_REQUEST,
                "this is no event of a registry that is known here",
            );
        };
        metrics.events(read.format.name(), read.events.len());
        let hints = hints(&rules, source, read, &self.live);
        match self.live.record(hints).await {
            Ok(_) => answer(StatusCode::ACCEPTED, "accepted"),
            Err(error @ (QueueError::Full | QueueError::NotDurable(_))) => {
                metrics.request_refused("queue");
                later(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
            }
        }
    }
}

/// What the events say to look at.
fn hints(rules: &Rules, source: Option<&str>, read: ReadEvents, live: &Live) -> Vec<Hint> {
    let mut hints = Vec::new();
    for event in read.events {
        // Our own pushes come back as events where registries mirror each other.
        if event.user_agent.as_deref().is_some_and(is_ours) {
            live.metrics.event_ignored("own push");
            continue;
        }
        let found = source
            .or_else(|| Some(rules.source_at(event.host.as_deref()?)?.0))
            .or_else(|| {
                // With one registry there is nothing to choose.
                let mut all = rules.registries().map(|(name, _)| name);
                all.next().filter(|_| all.next().is_none())
            });
        let Some(found) = found else {
            live.metrics.event_ignored("no source");
            continue;
        };
        if let Some(instance) = &event.instance {
            live.instance_seen(found, instance);
        }
        let Some(name) = event.name() else {
            live.metrics.event_ignored("no name");
            continue;
        };
        hints.push(Hint {
            source: found.to_owned(),
            repository: event.repository,
            name,
            digest: event.digest,
            deleted: event.deleted,
            via: Via::Webhook,
        });
    }
    hints
}

fn is_ours(user_agent: &str) -> bool {
    let product = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
    product(user_agent) == product(crate::images::registry::USER_AGENT)
}
