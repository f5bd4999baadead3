//! A Swarm: the images that its services use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{EventsOptions, ListServicesOptions};
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::super::live::Live;
use super::super::rules::Engine;
use super::engine::{begin, connect};
use super::{PAUSE, parse_image, rest};
use crate::images::store::Name;

/// Images of all services, by tag and, where the Swarm has pinned one, by digest.
pub(super) async fn images(engine: &Engine) -> Result<Vec<(String, Name)>, String> {
    let services = connect(engine)
        .await?
        .list_services(None::<ListServicesOptions>)
        .await
        .map_err(|error| format!("{}: {error}", engine.address))?;
    Ok(services
        .into_iter()
        .filter_map(|service| service.spec?.task_template?.container_spec?.image)
        .flat_map(|image| {
            // `name:tag@digest`: the digest runs, and the tag is what a migration will ask for.
            let tagged = image.split_once('@').map(|(name, _)| name.to_owned());
            [Some(image), tagged]
        })
        .flatten()
        .filter_map(|image| parse_image(&image))
        .collect())
}

/// Listens to changes of services until cancelled; each change starts a comparison, which is one request for all
/// services.
pub(super) async fn listen(
    live: Arc<Live>,
    source: String,
    engine: Engine,
    stop: CancellationToken,
) {
    let mut pause = PAUSE;
    let mut since = None;
    while !stop.is_cancelled() {
        let end = tokio::select! {
            () = stop.cancelled() => return,
            end = follow(&live, &source, &engine, &mut since, &mut pause) => end,
        };
        tracing::warn!(
            source,
            reason = end,
            "the Swarm's events have ended; it is asked again"
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
    let docker = match connect(engine).await {
        Ok(docker) => docker,
        Err(reason) => return reason,
    };
    if let Err(reason) = begin(&docker, live, source, since).await {
        return reason;
    }
    let filters = HashMap::from([
        ("type".to_owned(), vec!["service".to_owned()]),
        (
            "event".to_owned(),
            vec!["create".to_owned(), "update".to_owned()],
        ),
    ]);
    let mut events = docker.events(Some(EventsOptions {
        since: since.map(|seconds| seconds.to_string()),
        until: None,
        filters: Some(filters),
    }));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                *pause = PAUSE;
                *since = event.time.or(*since);
                live.want_comparison(source);
            }
            Err(error) => return error.to_string(),
        }
    }
    "the connection was closed".to_owned()
}
