//! A Kubernetes cluster: the images that its Pods and workloads use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use kube::api::{
    ApiResource, DynamicObject, GroupVersionKind, ListParams, WatchEvent, WatchParams,
};
use kube::{Api, Client};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::live::Live;
use super::super::queue::{Hint, Via};
use super::super::rules::Cluster;
use super::{PAUSE, hint, parse_image, rest};
use crate::host::cluster;
use crate::images::store::Name;

/// What runs containers, with the place of the Pod's specification. Workloads are looked at besides Pods, for those that
/// have none at the moment: scaled to zero, suspended, or run by night.
const WORKLOADS: [(&str, &str, &str, &str); 6] = [
    ("", "v1", "Pod", "/spec"),
    ("apps", "v1", "Deployment", "/spec/template/spec"),
    ("apps", "v1", "StatefulSet", "/spec/template/spec"),
    ("apps", "v1", "DaemonSet", "/spec/template/spec"),
    ("batch", "v1", "Job", "/spec/template/spec"),
    (
        "batch",
        "v1",
        "CronJob",
        "/spec/jobTemplate/spec/template/spec",
    ),
];

/// Objects of one page of a list.
const PAGE: u32 = 500;

/// A client for a cluster: by kubeconfig, or as the Pod's own account.
///
/// # Errors
/// There is no configuration, or it cannot be used.
pub async fn client(cluster: &Cluster) -> Result<Client, String> {
    cluster::client(cluster.kubeconfig.as_deref(), cluster.context.as_deref()).await
}

fn apis(client: &Client, cluster: &Cluster) -> Vec<(Api<DynamicObject>, &'static str)> {
    let mut apis = Vec::new();
    for (group, version, kind, pod) in WORKLOADS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if cluster.namespaces.is_empty() {
            apis.push((Api::all_with(client.clone(), &resource), pod));
        }
        for namespace in &cluster.namespaces {
            apis.push((
                Api::namespaced_with(client.clone(), namespace, &resource),
                pod,
            ));
        }
    }
    apis
}

/// Images of all Pods and workloads.
pub(super) async fn images(cluster: &Cluster) -> Result<Vec<(String, Name)>, String> {
    let client = client(cluster).await?;
    let mut images = BTreeSet::new();
    for (api, pod) in apis(&client, cluster) {
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = api.list(&page).await.map_err(|error| error.to_string())?;
            images.extend(list.items.iter().flat_map(|object| used(object, pod)));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
    }
    Ok(images
        .iter()
        .filter_map(|image| parse_image(image))
        .collect())
}

/// The images that an object names.
fn used(object: &DynamicObject, pod: &str) -> Vec<String> {
    let Some(spec) = object.data.pointer(pod) else {
        return Vec::new();
    };
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .filter_map(|key| spec[key].as_array())
        .flatten()
        .filter_map(|container| container["image"].as_str())
        .chain(image_volumes(spec))
        .map(str::to_owned)
        .collect()
}

/// Volumes that are images.
fn image_volumes(spec: &Value) -> impl Iterator<Item = &str> {
    spec["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|volume| volume["image"]["reference"].as_str())
}

/// Watches the cluster until cancelled.
pub(super) async fn listen(
    live: Arc<Live>,
    source: String,
    cluster: Cluster,
    stop: CancellationToken,
) {
    let mut pause = PAUSE;
    let mut places = Places::new();
    while !stop.is_cancelled() {
        let end = tokio::select! {
            () = stop.cancelled() => return,
            end = watch(&live, &source, &cluster, &mut places, &mut pause) => end,
        };
        // A watch ends every few minutes by itself; only a failure is worth a word and a comparison.
        if let Err(reason) = end {
            tracing::warn!(
                source,
                reason,
                "the cluster cannot be watched; it is asked again"
            );
            places.clear();
            rest(&mut pause, &stop).await;
            live.want_comparison(&source);
        }
    }
}

/// Resource versions up to which each kind was watched, by its number.
type Places = BTreeMap<usize, String>;

/// Watches from where the last watch has ended: what changed in between is reported now.
async fn watch(
    live: &Live,
    source: &str,
    cluster: &Cluster,
    places: &mut Places,
    pause: &mut Duration,
) -> Result<(), String> {
    let client = client(cluster).await?;
    let mut streams = Vec::new();
    let begins = places.is_empty();
    for (number, (api, pod)) in apis(&client, cluster).into_iter().enumerate() {
        let version = match places.get(&number) {
            Some(version) => version.clone(),
            // The list only gives the place in time to watch from.
            None => api
                .list(&ListParams::default().limit(1))
                .await
                .map_err(|error| error.to_string())?
                .metadata
                .resource_version
                .unwrap_or_default(),
        };
        places.insert(number, version.clone());
        let stream = api
            .watch(&WatchParams::default().timeout(290), &version)
            .await
            .map_err(|error| error.to_string())?;
        streams.push(stream.map_ok(move |event| (event, pod, number)).boxed());
    }
    *pause = PAUSE;
    if begins {
        // What was there before, whatever an earlier comparison has seen.
        live.want_comparison(source);
    }
    let mut events = futures_util::stream::select_all(streams);
    let mut reported = BTreeSet::new();
    while let Some(event) = events.next().await {
        let (event, pod, number) = event.map_err(|error| error.to_string())?;
        let object = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => object,
            WatchEvent::Deleted(object) => {
                places.extend(object.metadata.resource_version.map(|own| (number, own)));
                continue;
            }
            WatchEvent::Bookmark(bookmark) => {
                places.insert(number, bookmark.metadata.resource_version);
                continue;
            }
            WatchEvent::Error(error) => return Err(error.to_string()),
        };
        // Pods change their status often; their images are reported once in a watch.
        let hints: Vec<Hint> = used(&object, pod)
            .into_iter()
            .filter(|image| reported.insert(image.clone()))
            .filter_map(|image| hint(&image, source, Via::Kubernetes))
            .collect();
        live.record(hints)
            .await
            .map_err(|error| error.to_string())?;
        places.extend(object.metadata.resource_version.map(|own| (number, own)));
    }
    Ok(())
}
