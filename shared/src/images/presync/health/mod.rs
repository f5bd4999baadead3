//! How the daemon is doing: metrics for programs, probes for orchestrators, a page for people.

mod metrics;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::live::Live;

pub use metrics::Metrics;
pub use page::page;

/// Routes of the status address. They only read.
pub fn router(live: Arc<Live>) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(live)
}

async fn status(State(live): State<Arc<Live>>) -> Response {
    match page(&live) {
        Ok(html) => {
            let mut response = html.into_response();
            let headers = response.headers_mut();
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            headers.insert(header::CONTENT_TYPE, html);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // The page is made of names that others chose: nothing in it may run or load.
            headers.insert(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
            );
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            response
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}

async fn metrics(State(live): State<Arc<Live>>) -> Response {
    let mut response = live.metrics.text(&live).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    response
}

/// Ready is who can take events: the queue can be written. A registry that is down is what the queue is for.
async fn ready(State(live): State<Arc<Live>>) -> Response {
    match live.queue.trouble() {
        None => "ready\n".into_response(),
        Some(trouble) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the queue cannot be written: {trouble}\n"),
        )
            .into_response(),
    }
}
