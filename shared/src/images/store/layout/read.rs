//! Reading an OCI layout (OCI image specification, `image-layout.md`), in a folder or in an archive.

use std::sync::Arc;

use serde_json::Value;

use crate::images::descriptor::media_type;
use crate::images::rewrite::ImageName;
use crate::images::store::contents::{Contents, blob_path, read_json};
use crate::images::store::{Name, Referrer};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// The full name of an image, as containerd and docker write it.
pub(in crate::images::store) const FULL_NAME: &str = "io.containerd.image.name";
/// The name of an image in a layout; a tag alone, or a full name.
pub(in crate::images::store) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// One image of a layout.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::images::store) struct Entry {
    /// The image.
    pub(in crate::images::store) descriptor: Descriptor,
    /// Registry and repository; for an entry with a bare tag or none, the name of the layout itself.
    pub(in crate::images::store) repository: String,
    /// Its tag, or its digest if it has none.
    pub(in crate::images::store) name: Name,
    /// Whether the layout gives it a name at all.
    pub(in crate::images::store) named: bool,
}

/// A layout that can be read.
#[derive(Debug, Clone)]
pub(in crate::images::store) struct Reader {
    pub(in crate::images::store) contents: Arc<dyn Contents>,
    /// Repository of entries that name none.
    pub(in crate::images::store) fallback: String,
}

/// A name for images of a layout that have none: that of the file or folder, as if it were one of Docker Hub.
pub(in crate::images::store) fn fallback_name(path: &std::path::Path) -> String {
    let stem = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let stem = [".tar.gz", ".tgz", ".tar.zst", ".tar"]
        .iter()
        .find_map(|end| stem.strip_suffix(end))
        .unwrap_or(&stem);
    let clean: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let clean = clean
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let name = if clean.is_empty() { "image" } else { &clean };
    format!("docker.io/library/{name}")
}

impl Reader {
    fn invalid(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Invalid {
            place: self.contents.place().to_owned(),
            reason: reason.into(),
        }
    }

    /// Checks that this is a layout of a known version.
    pub(in crate::images::store) fn check(&self) -> Result<(), ImageError> {
        let Some(text) = read_json(self.contents.as_ref(), "oci-layout")? else {
            return Err(self
                .invalid("it is not there, or is no OCI layout: a file `oci-layout` is missing"));
        };
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| self.invalid(format!("`oci-layout` is no JSON: {error}")))?;
        match value["imageLayoutVersion"].as_str() {
            Some(version) if version.starts_with("1.") => Ok(()),
            Some(version) => Err(self.invalid(format!(
                "it is an OCI layout of version {version}; 1.0.0 is understood"
            ))),
            None => Err(self.invalid("`oci-layout` has no `imageLayoutVersion`")),
        }
    }

    /// `index.json`; an empty index if there is none.
    pub(in crate::images::store) fn index(&self) -> Result<Value, ImageError> {
        let Some(text) = read_json(self.contents.as_ref(), "index.json")? else {
            return Ok(serde_json::json!({
                "schemaVersion": 2,
                "mediaType": media_type::OCI_INDEX,
                "manifests": [],
            }));
        };
        serde_json::from_slice(&text)
            .map_err(|error| self.invalid(format!("`index.json` is no JSON: {error}")))
    }

    /// The images of the layout.
    pub(in crate::images::store) fn entries(&self) -> Result<Vec<Entry>, ImageError> {
        let index = self.index()?;
        let manifests = index["manifests"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        manifests
            .iter()
            .map(|value| {
                self.entry(value)
                    .map_err(|error| self.invalid(format!("`index.json` is wrong: {error}")))
            })
            .collect()
    }

    fn entry(&self, value: &Value) -> Result<Entry, serde_json::Error> {
        let descriptor: Descriptor = serde_json::from_value(value.clone())?;
        let full = [FULL_NAME, REF_NAME]
            .iter()
            .filter_map(|key| descriptor.annotations.get(*key))
            // A bare tag is no name of an image.
            .find_map(|text| {
                let is_name = text.contains(['/', ':', '@']);
                is_name.then(|| text.parse::<ImageName>().ok())?
            });
        let digest = Name::Digest(descriptor.digest.clone());
        let tag = descriptor
            .annotations
            .get(REF_NAME)
            .filter(|tag| is_tag(tag));
        let (repository, name, named) = match (full, tag) {
            (Some(full), _) => (full.place(), full.kept(), true),
            (None, Some(tag)) => (self.fallback.clone(), Name::Tag(tag.clone()), true),
            (None, None) => (self.fallback.clone(), digest, false),
        };
        Ok(Entry {
            descriptor,
            repository,
            name,
            named,
        })
    }

    /// The descriptor behind a name.
    pub(in crate::images::store) fn resolve(
        &self,
        repository: &str,
        name: &Name,
    ) -> Result<Option<Descriptor>, ImageError> {
        if let Name::Digest(digest) = name {
            return Ok(self
                .by_digest(digest)?
                .map(|manifest| manifest.descriptor()));
        }
        let mut found: Option<Descriptor> = None;
        for entry in self.entries()? {
            if entry.repository != repository || entry.name != *name {
                continue;
            }
            if found
                .as_ref()
                .is_some_and(|other| other.digest != entry.descriptor.digest)
            {
                return Err(self.invalid(format!("it has two images named {repository}:{name}")));
            }
            found = Some(Descriptor {
                annotations: std::collections::BTreeMap::default(),
                ..entry.descriptor
            });
        }
        Ok(found)
    }

    /// The manifest behind a name.
    pub(in crate::images::store) fn manifest(
        &self,
        repository: &str,
        name: &Name,
    ) -> Result<Option<Manifest>, ImageError> {
        let digest = match name {
            Name::Digest(digest) => digest.clone(),
            Name::Tag(_) => match self.resolve(repository, name)? {
                None => return Ok(None),
                Some(found) => found.digest,
            },
        };
        let manifest = self.by_digest(&digest)?;
        if manifest.is_none() && matches!(name, Name::Tag(_)) {
            return Err(self.invalid(format!(
                "its index names {repository}:{name} as {digest}, but that blob is missing"
            )));
        }
        Ok(manifest)
    }

    /// The manifest with a digest; `None` if there is no such blob, or it is no manifest.
    fn by_digest(&self, digest: &Digest) -> Result<Option<Manifest>, ImageError> {
        let Some(part) = self.contents.open(&blob_path(digest))? else {
            return Ok(None);
        };
        // A layer that somebody asks for by mistake is not read into memory.
        if part.size > crate::images::store::contents::LARGEST_JSON {
            return Ok(None);
        }
        let bytes = part
            .whole()
            .map_err(|error| super::local(self.contents.place(), &error))?;
        let mut hasher = crate::images::digest::Hasher::new(digest.algorithm());
        hasher.update(&bytes);
        let found = hasher.finish();
        if found != *digest {
            return Err(ImageError::WrongBytes {
                place: self.contents.place().to_owned(),
                expected: digest.clone(),
                found,
            });
        }
        let Some(kind) = kind_of(&bytes) else {
            return Ok(None);
        };
        let mut manifest = Manifest::new(kind, bytes.into());
        manifest.digest = digest.clone();
        Ok(Some(manifest))
    }

    /// A blob as a part of a file, if it has the size that its descriptor says.
    pub(in crate::images::store) fn blob(
        &self,
        blob: &Descriptor,
    ) -> Result<crate::images::store::contents::Part, ImageError> {
        let Some(part) = self.contents.open(&blob_path(&blob.digest))? else {
            return Err(ImageError::NotFound {
                what: format!("blob {}", blob.digest),
                place: self.contents.place().to_owned(),
            });
        };
        if part.size != blob.size {
            return Err(ImageError::WrongSize {
                place: self.contents.place().to_owned(),
                digest: blob.digest.clone(),
                expected: blob.size,
                found: part.size,
            });
        }
        Ok(part)
    }

    /// Manifests whose subject is `digest`, and cosign's tags.
    pub(in crate::images::store) fn referrers(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<Vec<Referrer>, ImageError> {
        let mut found: Vec<Referrer> = Vec::new();
        let cosign = format!("{}-{}", digest.algorithm().name(), digest.hex());
        for entry in self.entries()? {
            if entry.named && entry.repository != repository {
                continue;
            }
            let tag = match &entry.name {
                Name::Tag(tag) => {
                    let is_about = tag
                        .strip_prefix(cosign.as_str())
                        .is_some_and(|rest| matches!(rest, ".sig" | ".att" | ".sbom"));
                    if !is_about {
                        continue;
                    }
                    Some(tag.clone())
                }
                Name::Digest(own) => {
                    let subject = self
                        .by_digest(own)?
                        .and_then(|manifest| manifest.content().ok())
                        .and_then(|content| content.subject);
                    if subject.is_none_or(|subject| subject.digest != *digest) {
                        continue;
                    }
                    None
                }
            };
            found.push(Referrer {
                descriptor: entry.descriptor,
                tag,
            });
        }
        Ok(found)
    }
}

/// Whether a registry would take it as a tag (OCI distribution specification, section Pulling manifests).
fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The media type of a manifest that does not say it: by what it holds. `None` if this is no manifest.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    if let Some(own) = value["mediaType"].as_str() {
        return media_type::ACCEPTED.into_iter().find(|kind| *kind == own);
    }
    if value["schemaVersion"].as_u64() != Some(2) {
        return None;
    }
    if value["manifests"].is_array() {
        Some(media_type::OCI_INDEX)
    } else if value["config"].is_object() {
        Some(media_type::OCI_MANIFEST)
    } else {
        None
    }
}
