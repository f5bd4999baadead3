use std::io::Write as _;
use std::path::PathBuf;

use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::*;
use crate::images::store::contents::blob_path;
use crate::images::store::{BeginBlob, Goal, Layout, Staged, Target as _};

/// A tar archive from paths and contents.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        entry(&mut builder, path, EntryType::Regular, bytes, None);
    }
    builder.into_inner().unwrap()
}

/// An entry whose path and link are taken as they are: the builder itself refuses wrong ones.
fn entry(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: EntryType,
    bytes: &[u8],
    link: Option<&str>,
) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.name[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(link) = link {
            gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
    }
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs_err::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What an old `docker save` writes: two images that share their first layer by a link.
fn saved() -> (Vec<u8>, Digest) {
    let layers = [tar(&[("etc/base", b"base")]), tar(&[("etc/app", b"app")])];
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| Digest::of(l)).collect::<Vec<_>>()},
    })
    .to_string();
    let manifest = json!([
        {"Config": "c.json", "RepoTags": ["shop/web:1", "shop/web:latest"], "Layers": ["a/layer.tar", "b/layer.tar"]},
        {"Config": "c.json", "RepoTags": ["nginx:2"], "Layers": ["c/layer.tar", "b/layer.tar"]},
    ])
    .to_string();
    let mut builder = tar::Builder::new(Vec::new());
    entry(
        &mut builder,
        "a/layer.tar",
        EntryType::Regular,
        &layers[0],
        None,
    );
    entry(
        &mut builder,
        "b/layer.tar",
        EntryType::Regular,
        &layers[1],
        None,
    );
    entry(
        &mut builder,
        "c/layer.tar",
        EntryType::Symlink,
        b"",
        Some("../a/layer.tar"),
    );
    entry(
        &mut builder,
        "c.json",
        EntryType::Regular,
        config.as_bytes(),
        None,
    );
    entry(
        &mut builder,
        "manifest.json",
        EntryType::Regular,
        manifest.as_bytes(),
        None,
    );
    (builder.into_inner().unwrap(), Digest::of(config.as_bytes()))
}

#[tokio::test]
async fn plain_layers_are_compressed_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, config) = saved();
    let plain = file(&folder, "saved.tar", &bytes);
    let packed = file(&folder, "saved.tar.gz", &gzip(&bytes));
    let mut digests = Vec::new();
    for path in [&plain, &packed] {
        let archive = DockerArchive::open(path).unwrap();
        assert!(!archive.keeps_digests());
        let names: Vec<_> = archive
            .images()
            .unwrap()
            .into_iter()
            .map(|(r, n)| format!("{r}:{n}"))
            .collect();
        assert_eq!(
            names,
            [
                "docker.io/shop/web:1",
                "docker.io/shop/web:latest",
                "docker.io/library/nginx:2"
            ]
        );
        for (repository, tag) in [
            ("docker.io/shop/web", "1"),
            ("docker.io/library/nginx", "2"),
        ] {
            let name = Name::Tag(tag.into());
            let found = archive.resolve(repository, &name).await.unwrap().unwrap();
            let manifest = archive
                .manifest(repository, &Name::Digest(found.digest.clone()))
                .await
                .unwrap()
                .unwrap();
            let value: Value = serde_json::from_slice(&manifest.bytes).unwrap();
            assert_eq!(value["config"]["digest"], config.to_string());
            for blob in manifest.content().unwrap().blobs {
                let pieces: Vec<_> = archive
                    .blob(repository, &blob, 0..blob.size)
                    .await
                    .unwrap()
                    .collect()
                    .await;
                let bytes: Vec<u8> = pieces
                    .into_iter()
                    .flat_map(|piece| piece.unwrap())
                    .collect();
                assert_eq!(Digest::of(&bytes), blob.digest);
                assert_eq!(bytes.len() as u64, blob.size);
            }
            digests.push(found.digest);
        }
    }
    digests.dedup();
    assert_eq!(
        digests.len(),
        1,
        "the same layers make the same image: {digests:?}"
    );
}

#[tokio::test]
async fn a_layer_that_is_not_what_its_configuration_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"rootfs": {"diff_ids": [Digest::of(b"another")]}}).to_string();
    let manifest =
        json!([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l.tar"]}]).to_string();
    let path = file(
        &folder,
        "lie.tar",
        &tar(&[
            ("l.tar", b"layer"),
            ("c.json", config.as_bytes()),
            ("manifest.json", manifest.as_bytes()),
        ]),
    );
    let archive = DockerArchive::open(&path).unwrap();
    let error = archive
        .resolve("docker.io/library/a", &Name::Tag("1".into()))
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::WrongBytes { .. }), "{error}");
}

#[test]
fn hostile_archives_are_refused_with_the_name_of_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let with = |path: &str, kind: EntryType, link: Option<&str>| {
        let mut builder = tar::Builder::new(Vec::new());
        entry(&mut builder, path, kind, b"", link);
        builder.into_inner().unwrap()
    };
    let mut cut = tar(&[("manifest.json", &[b' '; 4000])]);
    cut.truncate(1024);
    let mut lie = tar(&[("manifest.json", b"[]")]);
    // A size that the archive does not have: 7 octal digits in the header, and its sum.
    lie[124..136].copy_from_slice(b"77777777777\0");
    lie[148..156].copy_from_slice(b"        ");
    let sum: u32 = lie[..512].iter().map(|byte| u32::from(*byte)).sum();
    lie[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    for (name, bytes, why) in [
        ("up", with("../evil", EntryType::Regular, None), "`../evil`"),
        (
            "deep",
            with("a/../../evil", EntryType::Regular, None),
            "`a/../../evil`",
        ),
        (
            "absolute",
            with("/etc/passwd", EntryType::Regular, None),
            "`/etc/passwd`",
        ),
        (
            "link",
            with("layer.tar", EntryType::Symlink, Some("/etc/passwd")),
            "link to `/etc/passwd`",
        ),
        (
            "up-link",
            with("a/layer.tar", EntryType::Symlink, Some("../../x")),
            "link to `../../x`",
        ),
        (
            "hard",
            with("layer.tar", EntryType::Link, Some("../x")),
            "link to `../x`",
        ),
        ("device", with("dev", EntryType::Char, None), "`dev`"),
        ("pipe", with("pipe", EntryType::Fifo, None), "`pipe`"),
        ("cut", cut, "`manifest.json`"),
        ("lie", lie, "`manifest.json`"),
        ("noise", vec![b'x'; 2000], "tar archive"),
        ("empty", Vec::new(), "nothing in it"),
        ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0], "zstd"),
        ("bad-gzip", vec![0x1f, 0x8b, 8, 0, 1, 2, 3], "tar archive"),
        ("other", tar(&[("hello", b"world")]), "`manifest.json`"),
        (
            "no-json",
            tar(&[("manifest.json", b"{")]),
            "`manifest.json`",
        ),
    ] {
        let path = file(&folder, name, &bytes);
        let error = DockerArchive::open(&path).unwrap_err();
        assert!(
            matches!(error, ImageError::Invalid { .. }),
            "{name}: {error}"
        );
        assert!(error.to_string().contains(why), "{name}: {error}");
        assert!(OciArchive::open(&path).is_err(), "{name}");
    }
    // Links in a circle end as well.
    let mut builder = tar::Builder::new(Vec::new());
    entry(
        &mut builder,
        "manifest.json",
        EntryType::Symlink,
        b"",
        Some("b"),
    );
    entry(
        &mut builder,
        "b",
        EntryType::Symlink,
        b"",
        Some("manifest.json"),
    );
    let path = file(&folder, "circle", &builder.into_inner().unwrap());
    assert!(
        DockerArchive::open(&path)
            .unwrap_err()
            .to_string()
            .contains("circle")
    );
}

async fn fill(target: &Staged) -> Digest {
    let layer = gzip(&tar(&[("etc/app", b"app")]));
    let config = json!({"rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar(&[("etc/app", b"app")]))]}}).to_string();
    let blobs = [
        Descriptor::of(
            "application/vnd.oci.image.config.v1+json",
            config.as_bytes(),
        ),
        Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", &layer),
    ];
    for (blob, bytes) in blobs.iter().zip([config.clone().into_bytes(), layer]) {
        if let BeginBlob::Upload(upload) = target.begin_blob("r", blob, None).await.unwrap() {
            let pieces = futures_util::stream::iter([Ok(bytes.into())]).boxed();
            upload.finish(pieces).await.unwrap();
        }
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": crate::images::descriptor::media_type::OCI_MANIFEST, "config": blobs[0], "layers": [blobs[1]]});
    let manifest = Manifest::new("", manifest.to_string().into());
    let name = Name::Tag("1".into());
    target
        .put_manifest("docker.io/library/app", &name, &manifest)
        .await
        .unwrap();
    manifest.digest
}

#[tokio::test]
async fn an_archive_is_written_whole_and_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = Vec::new();
    for name in ["a.tar", "b.tar", "c.tar.gz"] {
        let path = folder.path().join(name);
        let target = Staged::open(Goal::OciArchive(path.clone()), folder.path()).unwrap();
        let digest = fill(&target).await;
        assert!(!path.exists());
        assert_eq!(target.finish().await.unwrap(), Vec::<String>::new());
        assert!(!target.folder().exists());
        let archive = OciArchive::open(&path).unwrap();
        let images = archive.images().unwrap();
        assert_eq!(
            images,
            [("docker.io/library/app".to_owned(), Name::Tag("1".into()))]
        );
        let found = archive
            .resolve(&images[0].0, &images[0].1)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.digest, digest);
        written.push(fs_err::read(&path).unwrap());
        let error = Staged::open(Goal::OciArchive(path), folder.path()).unwrap_err();
        assert!(error.to_string().contains("already"), "{error}");
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test]
async fn an_archive_for_docker_is_read_back_with_its_digests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("for-docker.tar");
    let target = Staged::open(Goal::DockerArchive(path.clone()), folder.path()).unwrap();
    let digest = fill(&target).await;
    target.finish().await.unwrap();
    let archive = DockerArchive::open(&path).unwrap();
    assert!(archive.keeps_digests());
    let name = Name::Tag("1".into());
    let found = archive
        .resolve("docker.io/library/app", &name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.digest, digest);
    // `manifest.json` is what old engines read.
    let mut names = Vec::new();
    let mut text = Vec::new();
    for entry in tar::Archive::new(fs_err::File::open(&path).unwrap())
        .entries()
        .unwrap()
    {
        use std::io::Read as _;
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if name == "manifest.json" {
            entry.read_to_end(&mut text).unwrap();
        }
        names.push(name);
    }
    let saved: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(saved[0]["RepoTags"], json!(["app:1"]));
    for path in saved[0]["Layers"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&saved[0]["Config"]])
    {
        assert!(
            names.contains(&path.as_str().unwrap().to_owned()),
            "{path} in {names:?}"
        );
    }
    assert!(names.contains(&blob_path(&digest)));
}

#[tokio::test]
async fn what_was_collected_before_an_interruption_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar");
    let digest = {
        let target = Staged::open(Goal::OciArchive(path.clone()), folder.path()).unwrap();
        fill(&target).await
    };
    let target = Staged::open(Goal::OciArchive(path.clone()), folder.path()).unwrap();
    let found = target
        .resolve("docker.io/library/app", &Name::Tag("1".into()))
        .await
        .unwrap();
    assert_eq!(found.unwrap().digest, digest);
    target.finish().await.unwrap();
    assert!(OciArchive::open(&path).is_ok());
    // A layout in a folder is no archive.
    assert!(Layout::open(&path).is_err());
}
