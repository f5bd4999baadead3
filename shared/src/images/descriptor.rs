//! Descriptors and manifests (OCI image specification 1.1; Docker image manifest, version 2, schema 2).
//!
//! A manifest is kept byte for byte: a JSON library that wrote it again would change its digest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Digest;

/// Media types that a manifest can have.
pub mod media_type {
    /// OCI image manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker image manifest, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker image manifest, schema 1, signed: its digest does not cover its bytes, so it cannot be copied exactly.
    pub const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    /// Empty JSON object, the config of artifacts.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

    /// Those that are asked for, the same in every request: registries choose an answer by them.
    pub const ACCEPTED: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
}

/// Operating system and processor that an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of Windows.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
}

impl Platform {
    /// Whether an image for `self` is meant by the pattern `wanted`: what the pattern leaves out is any.
    #[must_use]
    pub fn matches(&self, wanted: &Self) -> bool {
        let optional =
            |own: &Option<String>, wanted: &Option<String>| wanted.is_none() || own == wanted;
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && optional(&self.variant, &wanted.variant)
            && optional(&self.os_version, &wanted.os_version)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some((*variant).to_owned())),
            _ => {
                return Err(format!(
                    "`{text}` is no platform; linux/amd64 or linux/arm/v7 is expected"
                ));
            }
        };
        if os.is_empty() || architecture.is_empty() {
            return Err(format!("`{text}` is no platform; linux/amd64 is expected"));
        }
        Ok(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant,
            os_version: None,
        })
    }
}

/// Names content: what it is, its digest, its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What it is.
    #[serde(rename = "mediaType")]
    pub media_type: String,
    /// Hash of its bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// The platform of a manifest in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Other places that it can be had from: layers of Windows that may not be distributed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// What an artifact is.
    #[serde(
        default,
        rename = "artifactType",
        skip_serializing_if = "Option::is_none"
    )]
    pub artifact_type: Option<String>,
    /// Further facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor of bytes that are at hand.
    #[must_use]
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor without further facts.
    #[must_use]
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            urls: Vec::new(),
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether it names a manifest or an index, which are stored apart from blobs.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        media_type::ACCEPTED.contains(&self.media_type.as_str())
    }

    /// Whether the content is not in the registry: a foreign layer, had from its `urls`.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        !self.urls.is_empty()
            && (self.media_type.contains(".foreign.")
                || self.media_type.contains(".nondistributable."))
    }
}

/// A manifest or index, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is.
    pub media_type: String,
    /// Hash of `bytes`.
    pub digest: Digest,
    /// The very bytes.
    pub bytes: Bytes,
}

/// What a manifest refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Manifests in an index, in its order.
    pub manifests: Vec<Descriptor>,
    /// Config and layers of an image or artifact, in its order; each digest once.
    pub blobs: Vec<Descriptor>,
    /// The manifest that this one is about: a signature's image.
    pub subject: Option<Descriptor>,
    /// What an artifact is.
    pub artifact_type: Option<String>,
    /// Further facts.
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// A manifest of these bytes. What the bytes say of their own type counts more than what a server says.
    #[must_use]
    pub fn new(media_type: &str, bytes: Bytes) -> Self {
        let own = serde_json::from_slice::<Value>(&bytes)
            .ok()
            .and_then(|value| value.get("mediaType")?.as_str().map(str::to_owned));
        Self {
            media_type: own.unwrap_or_else(|| media_type.to_owned()),
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// Its descriptor.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(
            &self.media_type,
            self.digest.clone(),
            self.bytes.len() as u64,
        )
    }

    /// What it refers to.
    ///
    /// # Errors
    /// It is not JSON, or a descriptor in it is not one.
    pub fn content(&self) -> Result<Content, String> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            manifests: Vec<Descriptor>,
            config: Option<Descriptor>,
            #[serde(default)]
            layers: Vec<Descriptor>,
            #[serde(default)]
            blobs: Vec<Descriptor>,
            subject: Option<Descriptor>,
            #[serde(rename = "artifactType")]
            artifact_type: Option<String>,
            #[serde(default)]
            annotations: Option<BTreeMap<String, String>>,
        }
        let raw: Raw = serde_json::from_slice(&self.bytes)
            .map_err(|error| format!("the manifest {} cannot be read: {error}", self.digest))?;
        let config_type = raw.config.as_ref().map(|config| config.media_type.clone());
        let mut blobs: Vec<Descriptor> = Vec::new();
        for blob in raw.config.into_iter().chain(raw.layers).chain(raw.blobs) {
            if !blobs.iter().any(|other| other.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        Ok(Content {
            manifests: raw.manifests,
            blobs,
            subject: raw.subject,
            artifact_type: raw.artifact_type.or(config_type),
            annotations: raw.annotations.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_blobs_once() {
        let layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", b"layer");
        let text = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": Descriptor::of(media_type::EMPTY, b"{}"),
            "layers": [layer, layer],
        });
        let manifest = Manifest::new("text/plain", text.to_string().into());
        assert_eq!(manifest.media_type, media_type::OCI_MANIFEST);
        let content = manifest.content().unwrap();
        assert_eq!(content.blobs.len(), 2);
        assert_eq!(content.artifact_type.as_deref(), Some(media_type::EMPTY));
    }

    #[test]
    fn a_platform_pattern_leaves_out_what_does_not_matter() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        assert!(platform("linux/arm/v7").matches(&platform("linux/arm")));
        assert!(!platform("linux/arm").matches(&platform("linux/arm/v7")));
        assert!("linux".parse::<Platform>().is_err());
    }
}
