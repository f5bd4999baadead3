//! Makes an OCI layout with a small image for each name that a Compose file asks for, so that a whole migration can be
//! tried on a machine without a registry: `sample-images compose.yaml FOLDER`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures_util::{FutureExt as _, StreamExt as _};
use migrate::finding::Findings;
use migrate::images::store::{BeginBlob, Layout, Name, Target as _};
use migrate::images::{Descriptor, Digest, Manifest, Reference, descriptor::media_type, inventory};
use migrate::orchestration::compose::load::{LoadOptions, load};
use migrate::orchestration::compose::read;
use migrate::source::{Disk, Ledger, Sources};

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stderr, reason = "a tool for developers")]
fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [file, folder] = arguments.as_slice() else {
        eprintln!("usage: sample-images COMPOSE-FILE FOLDER");
        return ExitCode::from(64);
    };
    match make(file, folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(file: &Path, folder: &Path) -> Result<(), Failure> {
    let options = LoadOptions {
        files: vec![file.to_owned()],
        working_dir: std::env::current_dir()?,
        ..LoadOptions::default()
    };
    let mut sources = Sources::default();
    let project = load(&options, &Disk, &mut sources, &mut Findings::default())
        .map_err(|_| format!("{} is no Compose file", file.display()))?;
    let application = read::read(&project, &Disk, &mut Ledger::new());
    let needed = inventory::of_application(&application, &mut Findings::default());
    let layout = Layout::create(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for image in &needed {
            add(&layout, &image.image).await?;
        }
        Ok(())
    })
}

/// An image of two layers: one that all share, and one with its name.
async fn add(layout: &Layout, image: &Reference) -> Result<(), Failure> {
    let repository = format!("{}/{}", image.registry(), image.repository());
    let layers = [
        archive("base", &[b'.'; 1 << 18])?,
        archive("name", image.whole().as_bytes())?,
    ];
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| Digest::of(layer)).collect::<Vec<_>>()},
    })
    .to_string()
    .into_bytes();
    let layer_type = "application/vnd.oci.image.layer.v1.tar";
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": Descriptor::of("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers.iter().map(|layer| Descriptor::of(layer_type, layer)).collect::<Vec<_>>(),
    });
    for bytes in layers.into_iter().chain([config]) {
        let blob = Descriptor::of(layer_type, &bytes);
        if let BeginBlob::Upload(upload) = layout.begin_blob(&repository, &blob, None).await? {
            let offset = usize::try_from(upload.offset())?;
            let rest = bytes::Bytes::from(bytes).slice(offset..);
            upload
                .finish(async { Ok(rest) }.into_stream().boxed())
                .await?;
        }
    }
    let name = match image.tag() {
        Some(tag) => tag.to_owned(),
        None => "latest".to_owned(),
    };
    let manifest = Manifest::new(media_type::OCI_MANIFEST, manifest.to_string().into());
    Ok(layout
        .put_manifest(&repository, &Name::Tag(name), &manifest)
        .await?)
}

/// A tar archive with one file.
fn archive(name: &str, content: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, name, content)?;
    Ok(tar.into_inner()?)
}
