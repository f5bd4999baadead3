//! A Docker engine: what is pushed from it, tagged, loaded or imported on it.
//!
//! A reference is looked for in its registry. An engine keeps only its last 256 events, so a lost connection is followed
//! by a comparison besides `since`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{EventsOptions, ListImagesOptions};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::super::live::Live;
use super::super::queue::{Hint, Via};
use super::super::rules::Engine;
use super::{PAUSE, parse_image, rest};
use crate::images::store::Name;

/// Seconds after which an engine that does not answer is given up.
const SECONDS: u64 = 30;

/// Connects to an engine.
pub(super) fn connect(engine: &Engine) -> Result<Docker, String> {
    let address = engine.address.as_str();
    let result = if address.starts_with("unix://") || address.starts_with("npipe://") {
        Docker::connect_with_socket(address, SECONDS, API_DEFAULT_VERSION)
    } else {
        Docker::connect_with_http(address, SECONDS, API_DEFAULT_VERSION)
    };
    result.map_err(|error| format!("{address}: {error}"))
}

/// Names of the images that the engine has.
pub(super) async fn images(engine: &Engine) -> Result<Vec<(String, Name)>, String> {
    let docker = connect(engine)?;
    let images = docker
        .list_images(None::<ListImagesOptions>)
        .await
        .map_err(|error| format!("{}: {error}", engine.address))?;
    Ok(images
        .iter()
        .flat_map(|image| &image.repo_tags)
        .filter(|name| !name.contains("<none>"))
        .filter_map(|name| parse_image(name))
        .collect())
}

/// Listens to the engine until cancelled.
pub(super) async fn listen(
    live: Arc<Live>,
    source: String,
    engine: Engine,
    stop: CancellationToken,
) {
    let mut pause = PAUSE;
    let mut since: Option<i64> = None;
    while !stop.is_cancelled() {
        let end = tokio::select! {
            () = stop.cancelled() => return,
            end = follow(&live, &source, &engine, &mut since, &mut pause) => end,
        };
        tracing::warn!(
            source,
            reason = end,
            "the engine's events have ended; it is asked again"
        );
        rest(&mut pause, &stop).await;
        live.want_comparison(&source);
    }
}

async fn follow(
    live: &Live,
    source: &str,
    engine: &Engine,
    since: &mut Option<i64>,
    pause: &mut Duration,
) -> String {
    let docker = match connect(engine) {
        Ok(docker) => docker,
        Err(reason) => return reason,
    };
    let filters = HashMap::from([
        ("type".to_owned(), vec!["image".to_owned()]),
        (
            "event".to_owned(),
            ["push", "tag", "load", "import"]
                .map(str::to_owned)
                .to_vec(),
        ),
    ]);
    let options = EventsOptions {
        since: since.map(|seconds| seconds.to_string()),
        until: None,
        filters: Some(filters),
    };
    let mut events = docker.events(Some(options));
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => return error.to_string(),
        };
        *pause = PAUSE;
        *since = event.time.or(*since);
        let actor = event.actor.unwrap_or_default();
        let name = actor
            .attributes
            .and_then(|mut attributes| attributes.remove("name"))
            .or(actor.id);
        let Some((repository, name)) = name.as_deref().and_then(parse_image) else {
            continue;
        };
        let hint = Hint {
            source: source.to_owned(),
            repository,
            name,
            digest: None,
            deleted: false,
            via: Via::Engine,
        };
        if let Err(error) = live.record(vec![hint]).await {
            // The comparison after the next connection finds it.
            return error.to_string();
        }
    }
    "the connection was closed".to_owned()
}
