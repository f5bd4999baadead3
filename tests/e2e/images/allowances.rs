//! Registries that allow so many requests and say how many are left.

use std::time::Duration;

use tests::fault::Proxy;
use tests::image::{Held, Image, held, image, noise, push};

use super::*;

const IMAGES: usize = 24;

async fn images_at(registry: &Registry) -> Vec<Image> {
    let mut images = Vec::new();
    for number in 0..IMAGES {
        let image = image(&[noise(1 + number as u64, 200)], "amd64");
        push(&place(registry), &format!("app{number}"), "1", &image).await;
        images.push(image);
    }
    images
}

fn all_of(from: &Arc<Client>, to: &Arc<Client>) -> Vec<Item> {
    (0..IMAGES)
        .map(|number| item(from, to, &format!("app{number}"), "1"))
        .collect()
}

fn refused(proxy: &Proxy) -> usize {
    let seen = proxy.seen();
    seen.iter().filter(|seen| seen.status == Some(429)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_kept_to_before_anybody_has_to_say_no() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let images = images_at(&source).await;
    let from = Proxy::start(&source.address()).unwrap();
    // Fewer than there are images: the rest has to wait for the next two seconds.
    from.allow(IMAGES - 6, Duration::from_secs(2));
    let reader = client(&from.address(), false);
    let items = all_of(&reader, &client(&target.address(), true));
    all_well(&sync(&items, None).await);
    assert_eq!(refused(&from), 0, "{:#?}", from.seen());
    let said = reader.allowance().unwrap();
    assert_eq!(said.limit, Some(IMAGES as u64 - 6));
    assert_eq!(said.window, Some(2));
    for (number, image) in images.iter().enumerate() {
        let there = held(&place(&target), &format!("app{number}"), "1").await;
        assert_eq!(there, Held::Whole(image.digest()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_are_not_waited_for_and_what_fits_arrives() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    images_at(&source).await;
    let from = Proxy::start(&source.address()).unwrap();
    from.allow(IMAGES - 1, Duration::from_hours(6));
    let reader = client(&from.address(), false);
    let items = all_of(&reader, &client(&target.address(), true));
    let summary = sync(&items, None).await;
    let failed: Vec<_> = summary.failed().collect();
    let [failed] = failed.as_slice() else {
        panic!("{failed:#?}");
    };
    let error = failed.error.as_ref().unwrap();
    assert!(
        matches!(error, migrate::images::ImageError::RateLimited { .. }),
        "{error:?}"
    );
    assert_eq!(
        reader.allowance().unwrap().to_string(),
        "0 of 23 requests in 6 h are left"
    );
}
