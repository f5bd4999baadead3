//! What one run learns of a registry, the next one knows.

use tests::fault::{Action, Fault, Proxy};
use tests::image::{Held, held, image, noise, push};

use super::*;

/// A client that remembers in a folder.
fn remembering(address: &str, folder: &Path) -> Arc<Client> {
    let options = RegistryOptions {
        memory: Some(folder.to_owned()),
        ..RegistryOptions::default()
    };
    client_with(address, true, &options, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_takes_no_large_bodies_is_remembered() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let memory = tempfile::tempdir().unwrap();
    let to = Proxy::start(&target.address()).unwrap();
    let reader = client(&source.address(), false);
    // A proxy with a limit on bodies: any blob that comes as one PUT.
    to.add(Fault::once(
        "PUT",
        "/blobs/uploads/",
        Action::AnswerEarly {
            // All of it, so that the client certainly hears the answer.
            after: u64::MAX,
            status: 413,
        },
    ));
    for (number, refusals) in [(0, 1), (1, 0)] {
        let name = format!("app{number}");
        let app = image(&[noise(7 + number, 3 << 20)], "amd64");
        push(&place(&source), &name, "1", &app).await;
        let writer = remembering(&to.address(), memory.path());
        to.forget();
        all_well(&sync(&[item(&reader, &writer, &name, "1")], None).await);
        assert_eq!(
            held(&place(&target), &name, "1").await,
            Held::Whole(app.digest())
        );
        let seen = to.seen();
        let refused = seen.iter().filter(|seen| seen.status == Some(413)).count();
        assert_eq!(refused, refusals, "{seen:#?}");
        assert!(to.count("PATCH", "/blobs/uploads/") > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_mount_is_not_asked_again_and_again() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let memory = tempfile::tempdir().unwrap();
    let to = Proxy::start(&target.address()).unwrap();
    to.add(Fault::once("POST", "mount=", Action::WithoutQuery).always());
    let reader = client(&source.address(), false);
    let shared: Vec<_> = (0..4).map(|seed| noise(20 + seed, 2_000)).collect();
    for round in 0..2 {
        let writer = remembering(&to.address(), memory.path());
        to.forget();
        let mut items = Vec::new();
        for number in 0..4 {
            let mut layers = shared.clone();
            layers.push(noise(100 + 10 * round + number, 500));
            let name = format!("round{round}/app{number}");
            push(&place(&source), &name, "1", &image(&layers, "amd64")).await;
            items.push(item(&reader, &writer, &name, "1"));
        }
        all_well(&sync(&items, None).await);
        let asked = to.count("POST", "mount=");
        assert!(
            if round == 0 { asked >= 3 } else { asked == 0 },
            "round {round}: {asked} mounts"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_ranges_is_asked_for_whole_blobs() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let memory = tempfile::tempdir().unwrap();
    let from = Proxy::start(&source.address()).unwrap();
    from.add(
        Fault::once("GET", "/blobs/", Action::WithoutRequestHeader("range"))
            .ranged()
            .always(),
    );
    // All else answers as if it were far away.
    for (method, path) in [("HEAD", ""), ("GET", "/manifests/"), ("GET", "/blobs/")] {
        let far = Action::Delay(std::time::Duration::from_millis(15));
        from.add(Fault::once(method, path, far).always());
    }
    let app = image(&[noise(5, 60 << 20)], "amd64");
    push(&place(&source), "app", "1", &app).await;
    for round in 0..2 {
        let reader = remembering(&from.address(), memory.path());
        from.forget();
        let mut item = item(&reader, &client(&target.address(), true), "app", "1");
        item.target_repository = format!("round{round}");
        all_well(&sync(&[item], None).await);
        let there = held(&place(&target), &format!("round{round}"), "1").await;
        assert_eq!(there, Held::Whole(app.digest()));
        let ranged = from
            .seen()
            .iter()
            .filter(|seen| seen.range.is_some())
            .count();
        assert!(
            if round == 0 { ranged > 0 } else { ranged == 0 },
            "{ranged}"
        );
    }
}
