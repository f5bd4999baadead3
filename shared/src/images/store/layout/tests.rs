use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::*;
use crate::images::descriptor::media_type;
use crate::images::sync::{Engine, Item, Observer, Quiet, Settings};

/// A layer, a configuration and their manifest.
fn image(layer: &[u8]) -> (Vec<(Descriptor, Bytes)>, Manifest) {
    let config = Bytes::from(format!("{{\"layer\": {}}}", layer.len()));
    let blobs = vec![
        (
            Descriptor::of("application/vnd.oci.image.config.v1+json", &config),
            config,
        ),
        (
            Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", layer),
            Bytes::copy_from_slice(layer),
        ),
    ];
    let text = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": blobs[0].0,
        "layers": [blobs[1].0],
    });
    (
        blobs,
        Manifest::new(media_type::OCI_MANIFEST, text.to_string().into()),
    )
}

fn stream(pieces: Vec<Result<Bytes, ImageError>>) -> ByteStream {
    futures_util::stream::iter(pieces).boxed()
}

async fn write(layout: &Layout, blob: &Descriptor, bytes: Bytes) -> Result<(), ImageError> {
    match layout.begin_blob("r", blob, None).await? {
        BeginBlob::Done => Ok(()),
        BeginBlob::Upload(upload) => {
            let at = usize::try_from(upload.offset()).unwrap();
            upload.finish(stream(vec![Ok(bytes.slice(at..))])).await
        }
    }
}

async fn put(layout: &Layout, repository: &str, name: &Name, layer: &[u8]) -> Manifest {
    let (blobs, manifest) = image(layer);
    for (blob, bytes) in blobs {
        write(layout, &blob, bytes).await.unwrap();
    }
    layout
        .put_manifest(repository, name, &manifest)
        .await
        .unwrap();
    manifest
}

#[tokio::test]
async fn what_is_written_is_read_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    let layout = Layout::create(&path).unwrap();
    assert!(
        !path.exists(),
        "nothing is made before something is written"
    );
    let repository = "docker.io/library/nginx";
    let tag = Name::Tag("1".into());
    assert_eq!(layout.resolve(repository, &tag).await.unwrap(), None);
    let manifest = put(&layout, repository, &tag, b"layer").await;
    let again = Layout::open(&path).unwrap();
    let found = again.resolve(repository, &tag).await.unwrap().unwrap();
    assert_eq!(found, manifest.descriptor());
    let by_digest = Name::Digest(manifest.digest.clone());
    assert_eq!(
        again.manifest("x", &by_digest).await.unwrap().unwrap(),
        manifest
    );
    assert_eq!(
        again.images().unwrap(),
        [(repository.to_owned(), tag.clone())]
    );
    let (blobs, _) = image(b"layer");
    let layer = &blobs[1].0;
    let bytes: Vec<_> = again.blob("x", layer, 1..4).await.unwrap().collect().await;
    assert_eq!(bytes, [Ok(Bytes::from_static(b"aye"))]);
    // A layer is no manifest.
    let layer_name = Name::Digest(layer.digest.clone());
    assert_eq!(again.manifest("x", &layer_name).await.unwrap(), None);
    layout.delete_manifest(repository, &tag).await.unwrap();
    assert_eq!(again.images().unwrap(), []);
}

#[tokio::test]
async fn a_blob_goes_on_where_it_stopped_and_wrong_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let bytes = Bytes::from(vec![7; 100_000]);
    let blob = Descriptor::of("x", &bytes);
    let BeginBlob::Upload(upload) = layout.begin_blob("r", &blob, None).await.unwrap() else {
        panic!("it is not there yet");
    };
    let broken = ImageError::Local("the network".into());
    let half = vec![Ok(bytes.slice(..60_000)), Err(broken.clone())];
    assert_eq!(upload.finish(stream(half)).await, Err(broken));
    assert!(!layout.has_blob("r", &blob).await.unwrap());
    let upload = layout
        .resume_blob("r", &blob, "partial")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(upload.offset(), 60_000);
    // Another writer of the same blob is not in the way.
    write(&layout, &blob, bytes.clone()).await.unwrap();
    assert!(layout.has_blob("r", &blob).await.unwrap());
    upload
        .finish(stream(vec![Ok(bytes.slice(60_000..))]))
        .await
        .unwrap();
    assert!(layout.has_blob("r", &blob).await.unwrap());

    let wrong = Descriptor::new("x", Digest::of(b"other"), 5);
    let error = write(&layout, &wrong, Bytes::from_static(b"12345"))
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::WrongBytes { .. }), "{error}");
    let error = write(&layout, &wrong, Bytes::from_static(b"123456"))
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::WrongSize { .. }), "{error}");
    assert!(!layout.has_blob("r", &wrong).await.unwrap());
    // What a shorter attempt has left is not trusted: it is hashed with the rest.
    let BeginBlob::Upload(upload) = layout.begin_blob("r", &wrong, None).await.unwrap() else {
        panic!("it is not there");
    };
    let part = vec![Ok(Bytes::from_static(b"123")), Err(ImageError::Cancelled)];
    assert!(upload.finish(stream(part)).await.is_err());
    assert!(
        write(&layout, &wrong, Bytes::from_static(b"other"))
            .await
            .is_err()
    );
    write(&layout, &wrong, Bytes::from_static(b"other"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_manifest_without_its_blobs_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let (blobs, manifest) = image(b"layer");
    let name = Name::Tag("1".into());
    let put = layout.put_manifest("r.example/a", &name, &manifest);
    let ImageError::BlobsMissing { blobs: missing, .. } = put.await.unwrap_err() else {
        panic!("both blobs are missing");
    };
    assert_eq!(missing.len(), blobs.len());
}

#[tokio::test]
async fn many_writers_lose_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut tasks = Vec::new();
    for number in 0..24_u8 {
        // Each with a handle of its own, as processes have.
        let layout = Layout::create(folder.path()).unwrap();
        tasks.push(tokio::spawn(async move {
            let name = Name::Tag(format!("v{number}"));
            put(&layout, "r.example/app", &name, &[number % 3; 1000]).await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let layout = Layout::open(folder.path()).unwrap();
    let pages: Vec<_> = layout.tags("r.example/app").collect().await;
    assert_eq!(pages[0].as_ref().unwrap().len(), 24);
    let left: Vec<_> = fs_err::read_dir(folder.path().join(".partial"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn foreign_folders_links_and_lies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("notes.txt"), "mine").unwrap();
    assert!(
        Layout::create(folder.path())
            .unwrap_err()
            .to_string()
            .contains("not empty")
    );
    assert!(
        Layout::open(folder.path())
            .unwrap_err()
            .to_string()
            .contains("no OCI layout")
    );
    fs_err::write(
        folder.path().join("oci-layout"),
        r#"{"imageLayoutVersion": "2.0.0"}"#,
    )
    .unwrap();
    assert!(
        Layout::open(folder.path())
            .unwrap_err()
            .to_string()
            .contains("2.0.0")
    );

    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let manifest = put(&layout, "r.example/a", &Name::Tag("1".into()), b"layer").await;
    let (blobs, _) = image(b"layer");
    let path = folder.path().join(blob_path(&blobs[1].0.digest));
    fs_err::write(&path, b"short").unwrap();
    let lie = Descriptor::new("x", blobs[1].0.digest.clone(), 999);
    let Err(error) = layout.blob("r", &lie, 0..999).await else {
        panic!("the size is a lie");
    };
    assert!(
        matches!(
            error,
            ImageError::WrongSize {
                expected: 999,
                found: 5,
                ..
            }
        ),
        "{error}"
    );
    #[cfg(unix)]
    {
        fs_err::remove_file(&path).unwrap();
        fs_err::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        let Err(error) = layout.blob("r", &blobs[1].0, 0..5).await else {
            panic!("a link is no blob");
        };
        assert!(error.to_string().contains("no regular file"), "{error}");
    }
    fs_err::write(folder.path().join(blob_path(&manifest.digest)), b"{}").unwrap();
    let error = layout
        .manifest("r.example/a", &Name::Tag("1".into()))
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::WrongBytes { .. }), "{error}");
}

/// An index with two platforms and a signature, copied from one layout into another by the engine.
#[tokio::test]
async fn a_whole_image_goes_from_layout_to_layout() {
    let folder = tempfile::tempdir().unwrap();
    let from = Layout::create(folder.path().join("from")).unwrap();
    let repository = "r.example/app";
    let mut children = Vec::new();
    for (layer, architecture) in [(b"one", "amd64"), (b"two", "arm64")] {
        let (blobs, manifest) = image(layer);
        for (blob, bytes) in blobs {
            write(&from, &blob, bytes).await.unwrap();
        }
        let name = Name::Digest(manifest.digest.clone());
        from.put_manifest(repository, &name, &manifest)
            .await
            .unwrap();
        let mut child = serde_json::to_value(manifest.descriptor()).unwrap();
        child["platform"] = json!({"os": "linux", "architecture": architecture});
        children.push(child);
    }
    assert_eq!(from.images().unwrap().len(), 2);
    let index =
        json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": children});
    let index = Manifest::new(media_type::OCI_INDEX, index.to_string().into());
    let tag = Name::Tag("1".into());
    from.put_manifest(repository, &tag, &index).await.unwrap();
    assert_eq!(
        from.images().unwrap(),
        [(repository.to_owned(), tag.clone())]
    );
    let (blobs, _) = image(b"signature");
    for (blob, bytes) in &blobs {
        write(&from, blob, bytes.clone()).await.unwrap();
    }
    let signature = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "artifactType": "a/signature",
        "config": blobs[0].0, "layers": [blobs[1].0], "subject": index.descriptor(),
    });
    let signature = Manifest::new(media_type::OCI_MANIFEST, signature.to_string().into());
    from.put_manifest(
        repository,
        &Name::Digest(signature.digest.clone()),
        &signature,
    )
    .await
    .unwrap();
    assert_eq!(
        from.images().unwrap().len(),
        1,
        "a signature is no image of its own"
    );

    let to = Layout::create(folder.path().join("to")).unwrap();
    let item = |from: &Layout, to: &Layout| Item {
        source: Arc::new(from.clone()),
        source_repository: repository.into(),
        source_name: tag.clone(),
        target: Arc::new(to.clone()),
        target_repository: "t.example/new".into(),
        target_name: tag.clone(),
        platforms: Vec::new(),
        referrers: true,
    };
    let engine = Engine::new(Settings::default()).unwrap();
    let observer: Arc<dyn Observer> = Arc::new(Quiet);
    let cancellation = tokio_util::sync::CancellationToken::new();
    let summary = engine
        .sync(&[item(&from, &to)], &observer, &cancellation)
        .await;
    assert!(summary.failed().next().is_none(), "{summary:?}");
    let found = to.resolve("t.example/new", &tag).await.unwrap().unwrap();
    assert_eq!(found.digest, index.digest);
    let referrers = to.referrers("t.example/new", &index.digest).await.unwrap();
    assert_eq!(referrers.len(), 1);
    assert_eq!(referrers[0].descriptor.digest, signature.digest);
    let again = engine
        .sync(&[item(&from, &to)], &observer, &cancellation)
        .await;
    assert_eq!(again.transferred(), 0);
}
