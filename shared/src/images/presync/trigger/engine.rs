//! A Docker engine: what is pushed from it, tagged, loaded or imported on it.
//!
//! A reference is looked for in its registry. An engine keeps only its last 256 events, so a lost connection is followed
//! by a comparison besides `since`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::EventActor;
use bollard::query_parameters::{EventsOptions, ListImagesOptions};
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::super::live::Live;
use super::super::queue::Via;
use super::super::rules::Engine;
use super::{PAUSE, hint, is_id, parse_image, rest};
use crate::host::docker::Endpoint;
use crate::images::store::Name;

/// Seconds after which an engine that does not answer is given up.
const SECONDS: u64 = 30;

/// Connects to an engine, and agrees on a version of the API with it.
pub(in crate::images::presync) async fn connect(engine: &Engine) -> Result<Docker, String> {
    let address = &engine.address;
    let endpoint = Endpoint {
        host: address.clone(),
        tls: engine.tls.clone(),
    };
    endpoint
        .connect(SECONDS)
        .await
        .ok_or_else(|| {
            format!("{address}: an engine is reached by unix://, npipe://, http:// or tcp://, and by TLS with `tls`")
        })?
        .map_err(|error| format!("{address}: {error}"))
}

/// Names of the images that the engine has.
pub(super) async fn images(engine: &Engine) -> Result<Vec<(String, Name)>, String> {
    let docker = connect(engine).await?;
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

/// Notes from when on events are wanted, by the engine's clock, and has compared what was there before.
pub(super) async fn begin(
    docker: &Docker,
    live: &Live,
    source: &str,
    since: &mut Option<i64>,
) -> Result<(), String> {
    if since.is_some() {
        return Ok(());
    }
    let info = docker.info().await.map_err(|error| error.to_string())?;
    let time = info
        .system_time
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .unwrap_or_else(jiff::Timestamp::now);
    *since = Some(time.as_second());
    live.want_comparison(source);
    Ok(())
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
        let names = match names(&docker, event.actor.unwrap_or_default()).await {
            Ok(names) => names,
            Err(reason) => return reason,
        };
        let hints = names
            .iter()
            .filter_map(|name| hint(name, source, Via::Engine))
            .collect();
        if let Err(error) = live.record(hints).await {
            // The comparison after the next connection finds it.
            return error.to_string();
        }
    }
    "the connection was closed".to_owned()
}

/// The references that an event is about. A push has its reference as the actor's id and the bare repository as its name;
/// a tag has the image's id and the reference as its name; a load has the image's id in both places, after its names
/// were given to it.
async fn names(docker: &Docker, actor: EventActor) -> Result<Vec<String>, String> {
    let name = actor
        .attributes
        .and_then(|mut attributes| attributes.remove("name"));
    let said: Vec<String> = actor.id.into_iter().chain(name).collect();
    if let Some(reference) = said.iter().find(|text| !is_id(text)) {
        return Ok(vec![reference.clone()]);
    }
    let Some(id) = said.first() else {
        return Ok(Vec::new());
    };
    match docker.inspect_image(id).await {
        Ok(image) => Ok(image.repo_tags.unwrap_or_default()),
        // It is gone again.
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}
