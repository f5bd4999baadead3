//! What is known of a registry: how it wants its blobs. From a table at first, by experience later.

use std::sync::Mutex;

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

/// What is known of one registry.
#[derive(Debug)]
pub(super) struct Profile {
    style: Mutex<UploadStyle>,
    mounts: bool,
}

impl Profile {
    /// What the table says of a host.
    pub(super) fn of(host: &str) -> Self {
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
        let style = match row.get(1) {
            Some(&"patch") => UploadStyle::Patch,
            Some(text) => match text
                .strip_prefix("chunks:")
                .and_then(|n| n.parse::<u64>().ok())
            {
                Some(mebibytes) => UploadStyle::Chunks(mebibytes << 20),
                None => UploadStyle::Put,
            },
            None => UploadStyle::Put,
        };
        Self {
            style: Mutex::new(style),
            mounts: row.get(2) != Some(&"no"),
        }
    }

    pub(super) fn style(&self) -> UploadStyle {
        self.style.lock().map_or(UploadStyle::Put, |style| *style)
    }

    /// The registry has refused a whole blob: pieces from now on, none smaller than `minimum`.
    pub(super) fn learn_chunks(&self, minimum: u64) {
        if let Ok(mut style) = self.style.lock() {
            *style = UploadStyle::Chunks(FALLBACK_CHUNK.max(minimum));
        }
    }

    pub(super) fn mounts(&self) -> bool {
        self.mounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_for_the_host_and_what_is_below_it() {
        assert_eq!(Profile::of("ghcr.io").style(), UploadStyle::Patch);
        assert_eq!(
            Profile::of("shop.azurecr.io").style(),
            UploadStyle::Chunks(16 << 20)
        );
        assert_eq!(
            Profile::of("europe-docker.pkg.dev").style(),
            UploadStyle::Put
        );
        assert_eq!(Profile::of("notghcr.io").style(), UploadStyle::Put);
        assert_eq!(Profile::of("localhost:5000").style(), UploadStyle::Put);
    }
}
