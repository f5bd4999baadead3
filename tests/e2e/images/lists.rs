//! Long lists come whole, page by page.

use futures_util::TryStreamExt as _;
use migrate::images::store::Source as _;
use tests::fault::Proxy;
use tests::image::{image, noise, push};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_of_tags_and_repositories_are_read() {
    for program in programs() {
        let registry = plain(&program);
        let to = place(&registry);
        let app = image(&[noise(1, 10)], "amd64");
        push(&to, "app", "t00000", &app).await;
        let (kind, bytes) = &app.manifests[0];
        for number in 1..2_345 {
            to.push_manifest("app", &format!("t{number:05}"), kind, bytes)
                .await;
        }
        for name in ["b", "c/d", "e"] {
            push(&to, name, "1", &app).await;
        }
        let proxy = Proxy::start(&registry.address()).unwrap();
        let reader = client(&proxy.address(), false);
        let tags: Vec<Vec<String>> = reader.tags("app").try_collect().await.unwrap();
        let mut tags: Vec<String> = tags.into_iter().flatten().collect();
        // Debian's registry gives them in the order of its folder, all in one page.
        tags.sort_unstable();
        let expected: Vec<String> = (0..2_345).map(|number| format!("t{number:05}")).collect();
        assert!(
            tags == expected,
            "{}: {} tags",
            program.display(),
            tags.len()
        );
        let repositories: Vec<Vec<String>> = reader.repositories().try_collect().await.unwrap();
        assert_eq!(repositories.concat(), ["app", "b", "c/d", "e"]);
        let none = reader.tags("nothing").try_collect::<Vec<_>>().await;
        assert!(
            matches!(&none, Err(migrate::images::ImageError::NotFound { .. })),
            "{none:?}"
        );
    }
}
