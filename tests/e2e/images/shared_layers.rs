//! What is said about bytes is true on the wire.

use std::collections::BTreeMap;

use tests::fault::{Action, Fault, Proxy};
use tests::image::{Held, Image, held, image, noise, push};

use super::*;

const IMAGES: usize = 50;

fn family() -> Vec<Image> {
    let shared: Vec<_> = (0..3).map(|seed| noise(seed + 1, 400_000)).collect();
    (0..IMAGES)
        .map(|number| {
            let mut layers = shared.clone();
            layers.push(noise(100 + number as u64, 2_000));
            image(&layers, "amd64")
        })
        .collect()
}

struct Bench {
    source: Proxy,
    target: Proxy,
    target_place: Place,
    images: Vec<Image>,
    _registries: (Registry, Registry),
}

async fn bench() -> Option<Bench> {
    let (source, target) = two_registries()?;
    let images = family();
    for (number, image) in images.iter().enumerate() {
        push(&place(&source), &format!("team/app{number}"), "1", image).await;
    }
    Some(Bench {
        source: Proxy::start(&source.address()).unwrap(),
        target: Proxy::start(&target.address()).unwrap(),
        target_place: place(&target),
        images,
        _registries: (source, target),
    })
}

impl Bench {
    fn items(&self) -> Vec<Item> {
        let (reader, writer) = (
            client(&self.source.address(), false),
            client(&self.target.address(), true),
        );
        (0..IMAGES)
            .map(|number| item(&reader, &writer, &format!("team/app{number}"), "1"))
            .collect()
    }

    async fn all_there(&self) {
        for (number, image) in self.images.iter().enumerate() {
            let there = held(&self.target_place, &format!("team/app{number}"), "1").await;
            assert_eq!(there, Held::Whole(image.digest()));
        }
    }

    /// Bytes of all blobs of all images, each once.
    fn unique(&self) -> u64 {
        let all: Image = Image {
            blobs: self.images.iter().flat_map(|i| i.blobs.clone()).collect(),
            manifests: Vec::new(),
        };
        all.size()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_images_send_a_shared_layer_once() {
    let Some(bench) = bench().await else { return };
    let summary = sync(&bench.items(), None).await;
    all_well(&summary);
    bench.all_there().await;
    assert_eq!(bench.target.uploaded(), bench.unique());
    assert_eq!(summary.transferred(), bench.unique());
    let mut commits: BTreeMap<String, usize> = BTreeMap::new();
    for digest in bench.target.committed() {
        *commits.entry(digest).or_default() += 1;
    }
    assert!(commits.values().all(|times| *times == 1), "{commits:?}");
    let mounted = |status| {
        let all = bench.target.seen();
        all.iter()
            .filter(|seen| seen.is("POST", "mount=") && seen.status == Some(status))
            .count()
    };
    // Configs are all the same size but not the same: three layers are shared, by all but the first repository.
    assert_eq!(mounted(201), 3 * (IMAGES - 1));
    assert_eq!(mounted(202), 0);
    let read: u64 = bench
        .source
        .seen()
        .iter()
        .filter(|seen| seen.is("GET", "/blobs/"))
        .map(|seen| seen.received)
        .sum();
    assert_eq!(read, bench.unique(), "each blob is read once");

    // Once more: both sides are asked for the digest, and no more than that.
    bench.source.forget();
    bench.target.forget();
    let again = sync(&bench.items(), None).await;
    assert!(again.images.iter().all(|image| image.up_to_date));
    for proxy in [&bench.source, &bench.target] {
        assert_eq!(proxy.count("HEAD", "/manifests/1"), IMAGES);
        let others: Vec<_> = proxy
            .seen()
            .into_iter()
            .filter(|seen| seen.method != "HEAD" && seen.path != "/v2/")
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_mount_gets_all_bytes() {
    let Some(bench) = bench().await else { return };
    let refuse = Fault::once("POST", "mount=", Action::WithoutQuery).always();
    bench.target.add(refuse);
    all_well(&sync(&bench.items(), None).await);
    bench.all_there().await;
    // The session that came instead of the mount is used: nothing is opened in vain.
    let opened = bench.target.count("POST", "/blobs/uploads/");
    let committed = bench.target.committed().len();
    assert_eq!(opened, committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_process_learned_saves_bytes() {
    let Some(bench) = bench().await else { return };
    let state = tempfile::tempdir().unwrap();
    let items = bench.items();
    all_well(&sync(&items[..1], Some(state.path())).await);
    bench.target.forget();
    all_well(&sync(&items[1..2], Some(state.path())).await);
    let own = bench.images[1].size() - 3 * 400_000;
    assert_eq!(bench.target.uploaded(), own);
    assert_eq!(bench.target.count("POST", "mount="), 3);
}
