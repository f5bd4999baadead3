//! A peer that says nothing is given up after a minute, and the work goes on where it was. Slow, because it waits.

use tests::fault::{Action, Fault, Proxy};
use tests::image::{Held, held, image, noise, push};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn silence_on_either_side_is_not_waited_for_without_end() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let from = Proxy::start(&source.address()).unwrap();
    let to = Proxy::start(&target.address()).unwrap();
    let mut images = Vec::new();
    for seed in 0..4 {
        let image = image(&[noise(seed + 1, 6_000_000)], "amd64");
        push(&place(&source), &format!("app{seed}"), "1", &image).await;
        images.push(image);
    }
    // A manifest, a blob in the middle, an upload that is not opened, and a tag that is not written.
    from.add(Fault::once(
        "GET",
        "app0/manifests/",
        Action::Silence { after: 0 },
    ));
    let layer = format!("app1/blobs/{}", tests::image::sha256(&images[1].blobs[1]));
    from.add(Fault::once(
        "GET",
        layer,
        Action::Silence { after: 3_000_000 },
    ));
    to.add(Fault::once(
        "POST",
        "app2/blobs/uploads/",
        Action::Silence { after: 0 },
    ));
    to.add(Fault::once(
        "PUT",
        "app3/manifests/",
        Action::Silence { after: 0 },
    ));
    let (reader, writer) = (client(&from.address(), false), client(&to.address(), true));
    let items: Vec<Item> = (0..4)
        .map(|number| item(&reader, &writer, &format!("app{number}"), "1"))
        .collect();
    all_well(&sync(&items, None).await);
    for (number, image) in images.iter().enumerate() {
        let there = held(&place(&target), &format!("app{number}"), "1").await;
        assert_eq!(there, Held::Whole(image.digest()));
    }
    assert_eq!((from.pending(), to.pending()), (0, 0));
    let size: u64 = images.iter().map(tests::image::Image::size).sum();
    assert_eq!(to.uploaded(), size, "what had arrived was not sent again");
}
