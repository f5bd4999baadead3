//! What outlives a process: uploads that were begun, and which repositories have which blobs.
//!
//! A file for each upload. A damaged one means that its upload begins anew, no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::known::{Known, Partial};
use crate::images::digest::Hasher;
use crate::images::kept::keep;
use crate::images::{Digest, ImageError};

/// Version of the files; others are ignored.
const VERSION: u32 = 2;

/// The folder; without one nothing outlives the process.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    folder: Option<PathBuf>,
}

/// An upload that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UploadFile {
    version: u32,
    target: String,
    repository: String,
    digest: Digest,
    token: String,
    hashes: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KnownFile<Target, Blobs, Indexes> {
    version: u32,
    target: Target,
    blobs: Blobs,
    /// Indexes of which only some platforms are there.
    partial: Indexes,
}

impl State {
    pub(super) fn new(folder: Option<&Path>) -> Result<Self, ImageError> {
        if let Some(folder) = folder {
            let made = ["uploads", "blobs"]
                .iter()
                .try_for_each(|name| fs_err::create_dir_all(folder.join(name)));
            made.map_err(|error| {
                ImageError::Local(format!("the state of the sync cannot be kept: {error}"))
            })?;
        }
        Ok(Self {
            folder: folder.map(Path::to_owned),
        })
    }

    fn upload_file(&self, target: &str, repository: &str, digest: &Digest) -> Option<PathBuf> {
        let key = Digest::of(format!("{target}\n{repository}\n{digest}").as_bytes());
        Some(
            self.folder
                .as_ref()?
                .join("uploads")
                .join(format!("{}.json", key.hex())),
        )
    }

    /// Keeps where an upload is found again, and the hashes at some of its bytes. Failing to is no failure of the sync.
    pub(super) fn keep_upload(
        &self,
        target: &str,
        repository: &str,
        digest: &Digest,
        token: &str,
        hashes: &[Hasher],
    ) {
        let Some(file) = self.upload_file(target, repository, digest) else {
            return;
        };
        let content = UploadFile {
            version: VERSION,
            target: target.to_owned(),
            repository: repository.to_owned(),
            digest: digest.clone(),
            token: token.to_owned(),
            hashes: hashes.iter().filter_map(Hasher::save).collect(),
        };
        if let Err(error) = keep(&file, &content) {
            tracing::warn!(%error, "the state of an upload is not kept");
        }
    }

    /// An upload that another process, or an earlier try, began: its token and hashes.
    pub(super) fn upload(
        &self,
        target: &str,
        repository: &str,
        digest: &Digest,
    ) -> Option<(String, Vec<Hasher>)> {
        let file = self.upload_file(target, repository, digest)?;
        let bytes = fs_err::read(file).ok()?;
        let content: UploadFile = serde_json::from_slice(&bytes).ok()?;
        let is_it = content.version == VERSION
            && content.target == target
            && content.repository == repository
            && content.digest == *digest;
        is_it.then(|| {
            let hashes = content
                .hashes
                .iter()
                .filter_map(|text| Hasher::restore(text))
                .collect();
            (content.token, hashes)
        })
    }

    /// An upload is over.
    pub(super) fn forget_upload(&self, target: &str, repository: &str, digest: &Digest) {
        if let Some(file) = self.upload_file(target, repository, digest) {
            // It is missing in most cases: small blobs are never kept.
            let _ = fs_err::remove_file(file);
        }
    }

    fn known_file(&self, target: &str) -> Option<PathBuf> {
        let key = Digest::of(target.as_bytes());
        Some(
            self.folder
                .as_ref()?
                .join("blobs")
                .join(format!("{}.json", key.hex())),
        )
    }

    /// What was known of a target's blobs, as hints.
    pub(super) fn known(&self, target: &str) -> Known {
        let known = Known::default();
        let content = self
            .known_file(target)
            .and_then(|file| fs_err::read(file).ok())
            .and_then(|bytes| {
                serde_json::from_slice::<
                    KnownFile<String, BTreeMap<Digest, BTreeSet<String>>, Partial>,
                >(&bytes)
                .ok()
            })
            .filter(|content| content.version == VERSION && content.target == target);
        let Some(content) = content else {
            return known;
        };
        known.recall(content.partial);
        for (digest, repositories) in content.blobs {
            for repository in repositories {
                known.hint(&digest, &repository);
            }
        }
        known
    }

    /// Keeps what is known of a target's blobs.
    pub(super) fn keep_known(&self, target: &str, known: &Known) {
        let Some(file) = self.known_file(target) else {
            return;
        };
        if !known.keep_is_due() {
            return;
        }
        let begun = std::time::Instant::now();
        let written = known.show(|blobs, partial| {
            let content = KnownFile {
                version: VERSION,
                target,
                blobs,
                partial,
            };
            keep(&file, &content)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "what is known of the target is not kept");
        }
        known.was_kept(begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::digest::Algorithm;

    #[test]
    fn an_upload_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(Some(folder.path())).unwrap();
        let digest = Digest::of(b"layer");
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(b"la");
        state.keep_upload("t", "r", &digest, "token", &[hasher]);
        let (token, hashes) = state.upload("t", "r", &digest).unwrap();
        assert_eq!((token.as_str(), hashes[0].bytes()), ("token", 2));
        assert!(state.upload("t", "other", &digest).is_none());
        state.forget_upload("t", "r", &digest);
        assert!(state.upload("t", "r", &digest).is_none());
    }

    #[test]
    fn a_damaged_file_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(Some(folder.path())).unwrap();
        let digest = Digest::of(b"layer");
        let known = state.known("t");
        known.hint(&digest, "a");
        state.keep_known("t", &known);
        assert_eq!(
            state.known("t").elsewhere(&digest, "b").as_deref(),
            Some("a")
        );
        fs_err::write(state.known_file("t").unwrap(), "{").unwrap();
        assert_eq!(state.known("t").elsewhere(&digest, "b"), None);
    }
}
