//! What is known of a registry: how it wants its blobs, and what it does not do. From a table at first, by experience
//! later, which the next process remembers for some days.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::images::Digest;
use crate::images::kept::keep;

const TABLE: &str = include_str!("profiles.tsv");

/// How the bytes of a blob are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadStyle {
    /// One PUT with all bytes: two requests a blob.
    Put,
    /// One PATCH with all bytes, then an empty PUT.
    Patch,
    /// A PATCH for each piece of so many bytes, then an empty PUT.
    Chunks(u64),
}

/// Pieces for a registry that has refused a whole blob.
pub(super) const FALLBACK_CHUNK: u64 = 16 << 20;

/// Registries change: after this time they are asked anew.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);

/// A registry that has refused so many mounts of blobs that it has, and taken none, does not mount.
const REFUSED_MOUNTS: u32 = 3;

/// Version of the file; others are ignored.
const VERSION: u32 = 1;

/// What is known of one registry.
#[derive(Debug)]
pub(super) struct Profile {
    /// What the table says.
    row: Row,
    experience: Mutex<Experience>,
    /// Where experience is kept.
    file: Option<PathBuf>,
    host: String,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    style: UploadStyle,
    mounts: bool,
    /// The table has a row for it.
    known: bool,
}

/// What was learned of a registry.
#[derive(Debug, Default)]
struct Experience {
    /// It has refused a whole blob and wants pieces of so many bytes.
    chunk: Option<u64>,
    /// Mounts that it refused, as long as it has taken none.
    refused_mounts: u32,
    has_mounted: bool,
    /// It does not serve a part of a blob.
    without_ranges: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProfileFile {
    version: u32,
    registry: String,
    /// Seconds since 1970.
    learned: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chunk: Option<u64>,
    #[serde(default)]
    without_mounts: bool,
    #[serde(default)]
    without_ranges: bool,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

impl Row {
    fn of(host: &str) -> Self {
        let name = host.split(':').next().unwrap_or(host);
        let row = TABLE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .find(|row| {
                row.first().is_some_and(|suffix| {
                    name.strip_suffix(suffix)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                })
            })
            .unwrap_or_default();
        let pieces = |text: &str| text.strip_prefix("chunks:")?.parse::<u64>().ok();
        Self {
            style: match row.get(1).copied() {
                Some("patch") => UploadStyle::Patch,
                Some(text) => pieces(text).map_or(UploadStyle::Put, |mebibytes| {
                    UploadStyle::Chunks(mebibytes << 20)
                }),
                None => UploadStyle::Put,
            },
            mounts: row.get(2) != Some(&"no"),
            known: !row.is_empty(),
        }
    }
}

impl Profile {
    /// What the table says of a host, and what was learned of it some days ago. `memory` is the folder for that.
    pub(super) fn of(host: &str, memory: Option<&Path>) -> Self {
        let file = memory.map(|folder| {
            let name = Digest::of(host.as_bytes());
            folder.join(format!("{}.json", name.hex()))
        });
        let experience = file.as_deref().and_then(|file| recall(file, host));
        Self {
            row: Row::of(host),
            experience: Mutex::new(experience.unwrap_or_default()),
            file,
            host: host.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Experience> {
        self.experience
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known; if that is something new, the next process will know as well.
    fn learn(&self, change: impl FnOnce(&mut Experience) -> bool) {
        let mut experience = self.lock();
        if !change(&mut experience) {
            return;
        }
        let Some(file) = &self.file else { return };
        let content = ProfileFile {
            version: VERSION,
            registry: self.host.clone(),
            learned: now(),
            chunk: experience.chunk,
            without_mounts: experience.refused_mounts >= REFUSED_MOUNTS,
            without_ranges: experience.without_ranges,
        };
        drop(experience);
        let made = file.parent().map_or(Ok(()), fs_err::create_dir_all);
        if let Err(error) = made.and_then(|()| keep(file, &content)) {
            tracing::warn!(%error, "what was learned of a registry is not kept");
        }
    }

    pub(super) fn style(&self) -> UploadStyle {
        match self.lock().chunk {
            Some(size) => UploadStyle::Chunks(size),
            None => self.row.style,
        }
    }

    /// The registry has refused a whole blob: pieces from now on, none smaller than `minimum`. A reason that can pass is
    /// not remembered.
    pub(super) fn learn_chunks(&self, minimum: u64, for_good: bool) {
        let size = Some(FALLBACK_CHUNK.max(minimum));
        self.learn(|experience| {
            let is_new = std::mem::replace(&mut experience.chunk, size) != size;
            is_new && for_good
        });
    }

    pub(super) fn mounts(&self) -> bool {
        self.row.mounts && self.lock().refused_mounts < REFUSED_MOUNTS
    }

    /// The registry has mounted a blob that it is known to have, or has not. Where the table has a row, that counts: such
    /// a registry can have its reasons.
    pub(super) fn saw_mount(&self, taken: bool) {
        if self.row.known {
            return;
        }
        self.learn(|experience| {
            if taken {
                experience.has_mounted = true;
                experience.refused_mounts = 0;
            } else if !experience.has_mounted {
                experience.refused_mounts += 1;
            }
            experience.refused_mounts == REFUSED_MOUNTS
        });
    }

    pub(super) fn serves_ranges(&self) -> bool {
        !self.lock().without_ranges
    }

    /// The registry was asked for a part of a blob and has begun to send all of it.
    pub(super) fn learn_without_ranges(&self) {
        self.learn(|experience| !std::mem::replace(&mut experience.without_ranges, true));
    }
}

/// What a file says of a registry, if it is not too old. A damaged file is none.
fn recall(file: &Path, host: &str) -> Option<Experience> {
    let bytes = fs_err::read(file).ok()?;
    let content: ProfileFile = serde_json::from_slice(&bytes).ok()?;
    let age = now().checked_sub(content.learned)?;
    let counts =
        content.version == VERSION && content.registry == host && age < REMEMBERED.as_secs();
    counts.then(|| Experience {
        chunk: content.chunk.filter(|size| *size > 0),
        refused_mounts: if content.without_mounts {
            REFUSED_MOUNTS
        } else {
            0
        },
        has_mounted: false,
        without_ranges: content.without_ranges,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str) -> Profile {
        Profile::of(host, None)
    }

    #[test]
    fn a_row_counts_for_the_host_and_what_is_below_it() {
        assert_eq!(of("ghcr.io").style(), UploadStyle::Patch);
        let azure = of("shop.azurecr.io").style();
        assert_eq!(azure, UploadStyle::Chunks(16 << 20));
        assert_eq!(of("europe-docker.pkg.dev").style(), UploadStyle::Put);
        assert_eq!(of("notghcr.io").style(), UploadStyle::Put);
        assert_eq!(of("localhost:5000").style(), UploadStyle::Put);
    }

    #[test]
    fn experience_is_remembered_for_some_days() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Profile::of("dc2.example", Some(folder.path()));
        let first = open();
        first.learn_chunks(0, true);
        first.learn_without_ranges();
        for _ in 0..REFUSED_MOUNTS {
            assert!(first.mounts());
            first.saw_mount(false);
        }
        let second = open();
        assert_eq!(second.style(), UploadStyle::Chunks(FALLBACK_CHUNK));
        assert!(!second.mounts() && !second.serves_ranges());
        let other = Profile::of("dc3.example", Some(folder.path()));
        assert!(other.mounts() && other.serves_ranges());
        let file = second.file.unwrap();
        let text = fs_err::read_to_string(&file).unwrap();
        let mut content: ProfileFile = serde_json::from_str(&text).unwrap();
        content.learned -= REMEMBERED.as_secs();
        fs_err::write(&file, serde_json::to_vec(&content).unwrap()).unwrap();
        assert!(open().mounts());
        fs_err::write(&file, "{").unwrap();
        assert!(open().mounts());
    }

    #[test]
    fn one_mount_shows_that_a_registry_mounts() {
        let profile = of("dc2.example");
        profile.saw_mount(true);
        for _ in 0..9 {
            profile.saw_mount(false);
        }
        assert!(profile.mounts());
        // The table knows that this one mounts, but not at any time.
        let known = of("1.dkr.ecr.eu-west-1.amazonaws.com");
        for _ in 0..9 {
            known.saw_mount(false);
        }
        assert!(known.mounts());
    }
}
