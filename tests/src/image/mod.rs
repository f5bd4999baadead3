//! Images that are made for a test, byte by byte, and pushed with plain requests: nothing of ours is in between.

mod held;
mod push;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use held::{Held, held};
pub use push::{Place, push};

/// Media types that a registry is asked for.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// `sha256:...`
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// An image with all that it consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Configs and layers.
    pub blobs: Vec<Bytes>,
    /// Media types and bytes of the manifests, each after those that it refers to; the last one is the image.
    pub manifests: Vec<(&'static str, Bytes)>,
}

impl Image {
    /// Digest of the image.
    ///
    /// # Panics
    /// It has no manifest.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(&self.manifests.last().unwrap().1)
    }

    /// Bytes of all blobs, each once.
    #[must_use]
    pub fn size(&self) -> u64 {
        let mut seen = std::collections::BTreeSet::new();
        self.blobs
            .iter()
            .filter(|blob| seen.insert(sha256(blob)))
            .map(|blob| blob.len() as u64)
            .sum()
    }

    /// Digests of all blobs, each once, sorted.
    #[must_use]
    pub fn blob_digests(&self) -> Vec<String> {
        let all: std::collections::BTreeSet<String> =
            self.blobs.iter().map(|blob| sha256(blob)).collect();
        all.into_iter().collect()
    }

    fn root(&self) -> Value {
        let (kind, bytes) = self.manifests.last().unwrap();
        descriptor(kind, bytes)
    }
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": sha256(bytes), "size": bytes.len()})
}

/// Bytes that no compression makes smaller, the same for the same seed.
#[must_use]
pub fn noise(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

/// An image of these layers for a processor. What is in the layers is no archive: no registry looks.
#[must_use]
pub fn image(layers: &[Bytes], architecture: &str) -> Image {
    single(layers, architecture, MANIFEST, CONFIG, LAYER, &[])
}

/// The same in Docker's older form.
#[must_use]
pub fn docker_image(layers: &[Bytes], architecture: &str) -> Image {
    single(
        layers,
        architecture,
        DOCKER_MANIFEST,
        DOCKER_CONFIG,
        DOCKER_LAYER,
        &[],
    )
}

/// The bytes of the layer that is not in the registry.
#[must_use]
pub fn foreign_layer() -> Bytes {
    noise(77, 1000)
}

/// An image with a layer that is not in the registry, but at `url`.
#[must_use]
pub fn image_with_foreign_layer(layers: &[Bytes], url: &str) -> Image {
    let mut foreign = descriptor(DOCKER_FOREIGN, &foreign_layer());
    foreign["urls"] = json!([url]);
    single(
        layers,
        "amd64",
        DOCKER_MANIFEST,
        DOCKER_CONFIG,
        DOCKER_LAYER,
        &[foreign],
    )
}

fn single(
    layers: &[Bytes],
    architecture: &str,
    manifest: &'static str,
    config: &str,
    layer: &str,
    foreign: &[Value],
) -> Image {
    let ids: Vec<String> = layers.iter().map(|bytes| sha256(bytes)).collect();
    let content = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": ids},
    });
    let content = Bytes::from(content.to_string());
    let all: Vec<Value> = foreign
        .iter()
        .cloned()
        .chain(layers.iter().map(|bytes| descriptor(layer, bytes)))
        .collect();
    // The indentation is that of no library: who writes it anew, changes it.
    let text = format!(
        "{{ \"schemaVersion\" : 2,\n\t\"mediaType\":\"{manifest}\",\n  \"config\": {},\n\n  \"layers\": {}}}\n",
        descriptor(config, &content),
        Value::from(all)
    );
    let mut blobs = vec![content];
    blobs.extend(layers.iter().cloned());
    Image {
        blobs,
        manifests: vec![(manifest, text.into())],
    }
}

/// An index of images with their processors; one without a processor is an attestation or an index itself.
#[must_use]
pub fn index(children: &[(&Image, Option<&str>)]) -> Image {
    index_of_kind(INDEX, children)
}

/// The same in Docker's older form.
#[must_use]
pub fn docker_list(children: &[(&Image, Option<&str>)]) -> Image {
    index_of_kind(DOCKER_LIST, children)
}

fn index_of_kind(kind: &'static str, children: &[(&Image, Option<&str>)]) -> Image {
    let mut own = Image::default();
    let mut entries = Vec::new();
    for (child, architecture) in children {
        own.blobs.extend(child.blobs.iter().cloned());
        own.manifests.extend(child.manifests.iter().cloned());
        let mut entry = child.root();
        if let Some(architecture) = architecture {
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
        }
        entries.push(entry);
    }
    let text = format!(
        "{{\"schemaVersion\":2,\n \"mediaType\" : \"{kind}\",\n \"manifests\":{}  }}",
        Value::from(entries)
    );
    own.manifests.push((kind, text.into()));
    own
}

/// An artifact that is no image: a chart, a signature. With a subject it is about another image.
#[must_use]
pub fn artifact(kind: &str, content: &[u8], subject: Option<&Image>) -> Image {
    let empty = Bytes::from_static(b"{}");
    let content = Bytes::copy_from_slice(content);
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": descriptor("application/vnd.oci.empty.v1+json", &empty),
        "layers": [descriptor(kind, &content)],
        "annotations": {"org.opencontainers.image.title": "of a test"},
    });
    if let Some(subject) = subject {
        manifest["subject"] = subject.root();
    }
    Image {
        blobs: vec![empty, content],
        manifests: vec![(MANIFEST, manifest.to_string().into())],
    }
}
