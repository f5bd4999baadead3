//! Every kind of image arrives with the bytes it had; crane and skopeo are the witnesses.

use std::path::Path;
use std::process::Command;

use migrate::images::ImageError;
use serde_json::json;
use tests::image::{
    self, Held, Image, artifact, docker_image, docker_list, foreign_layer, held, image,
    image_with_foreign_layer, index, noise, push, sha256,
};

use super::*;

/// What there is, by name.
fn kinds() -> Vec<(&'static str, Image)> {
    let layers = [noise(1, 300_000), noise(2, 5_000), noise(3, 70)];
    let amd64 = image(&layers[..2], "amd64");
    let arm64 = image(&layers[1..], "arm64");
    let old = docker_image(&layers, "amd64");
    let older = docker_image(&layers[..1], "s390x");
    let inner = index(&[(&amd64, Some("amd64")), (&arm64, Some("arm64"))]);
    vec![
        ("image", amd64.clone()),
        ("docker-image", old.clone()),
        ("index", inner.clone()),
        (
            "docker-list",
            docker_list(&[(&old, Some("amd64")), (&older, Some("s390x"))]),
        ),
        (
            "index-of-index",
            index(&[(&inner, None), (&arm64, Some("arm64"))]),
        ),
        (
            "artifact",
            artifact("application/vnd.example.chart", b"a chart", None),
        ),
        (
            "subject-that-is-not-there",
            artifact(
                "application/vnd.example.signature",
                b"a signature",
                Some(&image(&[noise(9, 9)], "amd64")),
            ),
        ),
        ("no-layers", image(&[], "amd64")),
        (
            "same-layer-twice",
            image(
                &[layers[1].clone(), layers[2].clone(), layers[1].clone()],
                "amd64",
            ),
        ),
        (
            "empty-layer",
            image(&[noise(0, 0), layers[2].clone()], "amd64"),
        ),
        (
            "foreign-layer",
            image_with_foreign_layer(&layers[1..], "https://example.com/layer"),
        ),
    ]
}

fn says(program: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{} {arguments:?}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_image_keeps_its_bytes() {
    let programs = programs();
    let settings =
        json!({"validation": {"manifests": {"urls": {"allow": ["^https://example\\.com/"]}}}});
    for (from, to) in programs.iter().zip(programs.iter().rev()) {
        let source = Registry::configured(from, &settings).unwrap();
        let target = Registry::configured(to, &settings).unwrap();
        let kinds = kinds();
        for (name, image) in &kinds {
            push(&place(&source), name, "1", image).await;
        }
        let (reader, writer) = (
            client(&source.address(), false),
            client(&target.address(), true),
        );
        let items: Vec<Item> = kinds
            .iter()
            .map(|(name, _)| item(&reader, &writer, name, "1"))
            .collect();
        let deep = Settings {
            deep: true,
            ..Settings::default()
        };
        all_well(&sync_with(&items, deep).await);
        for (name, image) in &kinds {
            let there = held(&place(&target), name, "1").await;
            assert_eq!(there, Held::Whole(image.digest()), "{name}");
            let reference = format!("{}/{name}:1", target.address());
            if let Some(crane) = &COMPONENTS.crane {
                let digest = says(crane, &["digest", "--insecure", &reference]);
                assert_eq!(String::from_utf8_lossy(&digest).trim(), image.digest());
            } else {
                missing("crane");
            }
            if let Some(skopeo) = &COMPONENTS.skopeo {
                let reference = format!("docker://{reference}");
                let raw = says(
                    skopeo,
                    &["inspect", "--raw", "--tls-verify=false", &reference],
                );
                assert_eq!(sha256(&raw), image.digest(), "{name}");
            } else {
                missing("skopeo");
            }
        }
        // The witness that reads every layer wants real archives in them: only the bytes of the registry count here.
        let again = sync(&items, None).await;
        all_well(&again);
        assert!(again.images.iter().all(|image| image.up_to_date));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_layers_stay_where_they_are_or_come_along_if_asked_for() {
    let settings = json!({"validation": {"manifests": {"urls": {"allow": ["^http://127"]}}}});
    for program in programs() {
        let source = Registry::configured(&program, &settings).unwrap();
        let target = Registry::configured(&program, &settings).unwrap();
        let there = place(&target);
        // The server that the layer stays at: another repository, which knows its bytes.
        let layer = foreign_layer();
        push(
            &place(&source),
            "vendor/base",
            "1",
            &image(std::slice::from_ref(&layer), "amd64"),
        )
        .await;
        let path = format!("vendor/base/blobs/{}", sha256(&layer));
        let url = format!("http://{}/v2/{path}", source.address());
        let app = image_with_foreign_layer(&[noise(2, 5_000)], &url);
        push(&place(&source), "app", "1", &app).await;
        let items = [item(
            &client(&source.address(), false),
            &client(&target.address(), true),
            "app",
            "1",
        )];
        let has_layer = async || {
            let path = format!("app/blobs/{}", sha256(&layer));
            let answer = there.send("HEAD", &path, &[], bytes::Bytes::new()).await;
            answer.status() == 200
        };
        let plan = Engine::new(Settings::default()).unwrap().plan(&items).await;
        assert_eq!(plan.images[0].elsewhere, 1);
        all_well(&sync(&items, None).await);
        assert_eq!(held(&there, "app", "1").await, Held::Whole(app.digest()));
        assert!(!has_layer().await);
        let foreign = Settings {
            foreign: true,
            ..Settings::default()
        };
        let summary = sync_with(&items, foreign).await;
        all_well(&summary);
        assert_eq!(summary.transferred(), layer.len() as u64);
        assert!(has_layer().await);
        assert_eq!(held(&there, "app", "1").await, Held::Whole(app.digest()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_come_along_however_they_are_found() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let app = image(&[noise(1, 10_000)], "amd64");
    let signature = artifact("application/vnd.example.signature", b"signed", Some(&app));
    let about = artifact("application/vnd.example.note", b"checked", Some(&signature));
    let cosign = image(&[noise(5, 500)], "amd64");
    let from = place(&source);
    push(&from, "app", "1", &app).await;
    push(&from, "app", "signature", &signature).await;
    push(&from, "app", "about", &about).await;
    let fallback = |digest: &str| digest.replace(':', "-");
    push(
        &from,
        "app",
        &fallback(&app.digest()),
        &index(&[(&signature, None)]),
    )
    .await;
    push(
        &from,
        "app",
        &fallback(&signature.digest()),
        &index(&[(&about, None)]),
    )
    .await;
    let cosign_tag = format!("{}.sig", fallback(&app.digest()));
    push(&from, "app", &cosign_tag, &cosign).await;

    let (reader, writer) = (
        client(&source.address(), false),
        client(&target.address(), true),
    );
    let mut with = item(&reader, &writer, "app", "1");
    with.referrers = true;
    all_well(&sync(&[with.clone()], None).await);
    let to = place(&target);
    let whole = |image: &Image| Held::Whole(image.digest());
    assert_eq!(held(&to, "app", "1").await, whole(&app));
    assert_eq!(held(&to, "app", &cosign_tag).await, whole(&cosign));
    for (subject, referrer) in [(&app, &signature), (&signature, &about)] {
        assert_eq!(
            held(&to, "app", &referrer.digest()).await,
            whole(referrer),
            "by digest"
        );
        let tag = fallback(&subject.digest());
        let answer = to
            .send(
                "GET",
                &format!("app/manifests/{tag}"),
                &[("accept", image::ACCEPT)],
                bytes::Bytes::new(),
            )
            .await;
        let listed: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(listed["manifests"][0]["digest"], referrer.digest().as_str());
        assert_eq!(listed["manifests"].as_array().unwrap().len(), 1);
    }
    // A signature that is made later comes with the next run, although the image is there already.
    let late = artifact(
        "application/vnd.example.signature",
        b"once more",
        Some(&app),
    );
    push(&from, "app", "late", &late).await;
    let both = index(&[(&signature, None), (&late, None)]);
    push(&from, "app", &fallback(&app.digest()), &both).await;
    all_well(&sync(&[with], None).await);
    assert_eq!(held(&to, "app", &late.digest()).await, whole(&late));
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_platforms_leave_the_index_as_it_is_or_are_refused() {
    let Some((source, strict)) = two_registries() else {
        return;
    };
    let Some(program) = &COMPONENTS.registry3 else {
        return missing("registry3");
    };
    let lenient = json!({"validation": {"manifests": {"indexes": {"platforms": "none"}}}});
    let lenient = Registry::configured(program, &lenient).unwrap();
    let platforms: Vec<Image> = ["amd64", "arm64", "s390x"]
        .iter()
        .zip(1..)
        .map(|(architecture, seed)| image(&[noise(seed, 20_000)], architecture))
        .collect();
    let all = index(&[
        (&platforms[0], Some("amd64")),
        (&platforms[1], Some("arm64")),
        (&platforms[2], Some("s390x")),
    ]);
    push(&place(&source), "app", "1", &all).await;
    let reader = client(&source.address(), false);
    let chosen = |writer: &Arc<Client>, names: &[&str]| {
        let mut item = item(&reader, writer, "app", "1");
        item.platforms = names.iter().map(|name| name.parse().unwrap()).collect();
        item
    };
    // One platform is an image of its own.
    let writer = client(&strict.address(), true);
    let one = chosen(&writer, &["linux/arm64"]);
    all_well(&sync(&[one], None).await);
    assert_eq!(
        held(&place(&strict), "app", "1").await,
        Held::Whole(platforms[1].digest())
    );
    // Several: a registry that checks says no, and we say what to do.
    let two = ["linux/amd64", "linux/arm64"];
    let refused = sync(&[chosen(&writer, &two)], None).await;
    assert!(
        matches!(&refused.images[0].error, Some(ImageError::Refused { reason, .. }) if reason.contains("copy all platforms")),
        "{refused:?}"
    );
    // A registry that does not check gets the very index, without a part of its images.
    let writer = client(&lenient.address(), true);
    let sparse = sync(&[chosen(&writer, &two)], None).await;
    all_well(&sparse);
    assert_eq!(
        sparse.images[0].digest.as_ref().unwrap().to_string(),
        all.digest()
    );
    let there = place(&lenient);
    for (platform, expected) in platforms.iter().zip([true, true, false]) {
        let found = held(&there, "app", &platform.digest()).await;
        assert_eq!(found != Held::Nothing, expected);
    }
    // A platform that is not there is named, with those that are.
    let none = sync(&[chosen(&writer, &["windows/amd64"])], None).await;
    let error = none.images[0].error.as_ref().unwrap().to_string();
    assert!(
        error.contains("windows/amd64") && error.contains("linux/s390x"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_to_the_byte_what_will_move() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let shared = noise(1, 200_000);
    let images: Vec<Image> = (0..4)
        .map(|number| image(&[shared.clone(), noise(10 + number, 1000)], "amd64"))
        .collect();
    for (number, image) in images.iter().enumerate() {
        push(&place(&source), &format!("app{number}"), "1", image).await;
    }
    push(&place(&target), "app0", "1", &images[0]).await;
    let (reader, writer) = (
        client(&source.address(), false),
        client(&target.address(), true),
    );
    let items: Vec<Item> = (0..images.len())
        .map(|number| item(&reader, &writer, &format!("app{number}"), "1"))
        .collect();
    let engine = Engine::new(Settings::default()).unwrap();
    let plan = engine.plan(&items).await;
    assert!(plan.images[0].up_to_date);
    let summary = sync(&items, None).await;
    all_well(&summary);
    let moved: Vec<u64> = summary
        .images
        .iter()
        .map(|image| image.transferred)
        .collect();
    assert_eq!(plan.to_move(), moved.iter().sum::<u64>());
    assert_eq!(
        plan.to_move(),
        3 * 1000 + 3 * (images[0].blobs[0].len() as u64)
    );
}
