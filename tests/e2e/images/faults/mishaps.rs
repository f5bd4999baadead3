//! Runs in which more goes wrong than one answer.

use tests::fault::tcp;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_always_break_still_get_there() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let app = app();
    push(&place(&source), "app", "1", &app).await;
    let mut addresses = Vec::new();
    for registry in [&source, &target] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap().to_string());
        let link = tcp::Link {
            reset_after: Some(3 << 20),
            ..tcp::Link::default()
        };
        let upstream = registry.address().parse().unwrap();
        tokio::spawn(tcp::serve(listener, upstream, link, Arc::default()));
    }
    let items = [item(
        &client(&addresses[0], false),
        &client(&addresses[1], true),
        "app",
        "1",
    )];
    all_well(&sync(&items, None).await);
    assert_eq!(
        held(&place(&target), "app", "1").await,
        Held::Whole(app.digest())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_for_a_while_is_waited_for() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    push(&place(&source), "app", "1", &app()).await;
    let to = Arc::new(Proxy::start(&target.address()).unwrap());
    to.set_down(true);
    let items = [item(
        &client(&source.address(), false),
        &client(&to.address(), true),
        "app",
        "1",
    )];
    let back = Arc::clone(&to);
    let later = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        back.set_down(false);
    });
    let summary = sync(&items, None).await;
    later.await.unwrap();
    all_well(&summary);
    to.set_down(true);
    let gone = sync(&items, None).await;
    let error = gone.images[0].error.as_ref().unwrap();
    assert!(matches!(error, ImageError::Unreachable { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_meanwhile_arrives_as_it_was_and_then_as_it_is() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let (old, new) = (app(), image(&[noise(8, 4_000)], "amd64"));
    push(&place(&source), "app", "1", &old).await;
    let from = Proxy::start(&source.address()).unwrap();
    let pause = Action::Delay(std::time::Duration::from_millis(700));
    from.add(Fault::once("GET", "/blobs/", pause).always());
    let items = [item(
        &client(&from.address(), false),
        &client(&target.address(), true),
        "app",
        "1",
    )];
    let moving = async {
        while from.count("GET", "/blobs/") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        push(&place(&source), "app", "1", &new).await;
    };
    let (summary, ()) = tokio::join!(sync(&items, None), moving);
    all_well(&summary);
    let to = place(&target);
    assert_eq!(held(&to, "app", "1").await, Held::Whole(old.digest()));
    all_well(&sync(&items, None).await);
    assert_eq!(held(&to, "app", "1").await, Held::Whole(new.digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_image_does_not_hold_up_the_others() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let shared = noise(1, 300_000);
    let images: Vec<Image> = (0..6)
        .map(|seed| image(&[shared.clone(), noise(10 + seed, 4_000)], "amd64"))
        .collect();
    for (number, image) in images.iter().enumerate() {
        push(&place(&source), &format!("app{number}"), "1", image).await;
    }
    let from = Proxy::start(&source.address()).unwrap();
    // The one whose turn it is to send the shared layer fails, whoever that is: another one sends it.
    from.add(Fault::once("GET", "app2/blobs/", status(404)).always());
    let (reader, writer) = (
        client(&from.address(), false),
        client(&target.address(), true),
    );
    let mut items: Vec<Item> = (0..6)
        .map(|number| item(&reader, &writer, &format!("app{number}"), "1"))
        .collect();
    items.insert(0, item(&reader, &writer, "nothing", "1"));
    let summary = sync(&items, None).await;
    let failed: Vec<&str> = summary
        .failed()
        .map(|image| image.target.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(failed, ["nothing:1", "app2:1"]);
    let to = place(&target);
    for (number, image) in images.iter().enumerate() {
        let expected = if number == 2 {
            Held::Nothing
        } else {
            Held::Whole(image.digest())
        };
        assert_eq!(held(&to, &format!("app{number}"), "1").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_registry_left_half_written_is_written_again() {
    let Some((source, _)) = two_registries() else {
        return;
    };
    // This one writes links in place: a kill between opening and writing leaves an empty file, and the answer 500.
    let target = plain(COMPONENTS.docker_registry.as_deref().unwrap());
    let app = image(&[noise(1, 50_000), noise(2, 50_000)], "amd64");
    push(&place(&source), "app", "1", &app).await;
    let items = [item(
        &client(&source.address(), false),
        &client(&target.address(), true),
        "app",
        "1",
    )];
    all_well(&sync(&items, None).await);
    let layer = sha256(&app.blobs[0]).replace("sha256:", "sha256/");
    let repository = target.data().join("docker/registry/v2/repositories/app");
    for link in [
        "_manifests/tags/1/current/link".to_owned(),
        format!("_layers/{layer}/link"),
    ] {
        let link = repository.join(link);
        assert!(link.is_file(), "{}", link.display());
        std::fs::write(link, "").unwrap();
    }
    let broken = items[0].target.resolve("app", &items[0].target_name).await;
    assert!(
        matches!(broken, Err(ImageError::ServerFailed { .. })),
        "{broken:?}"
    );
    all_well(&sync(&items, None).await);
    let there = held(&place(&target), "app", "1").await;
    assert_eq!(there, Held::Whole(app.digest()));
}
