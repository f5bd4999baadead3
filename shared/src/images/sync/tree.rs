//! The manifests of an image: itself, and for an index those in it.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::images::descriptor::media_type;
use crate::images::store::{Name, Source};
use crate::images::{Descriptor, ImageError, Manifest, Platform};

/// An index in an index in an index: nobody goes deeper.
const DEEPEST: usize = 6;
/// Most manifests of one image.
const MOST: usize = 2000;
/// Manifests that are read at the same time.
const AT_ONCE: usize = 8;

/// An image with all that it consists of.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// All manifests, each after those that it refers to; the last one is the image.
    pub(super) manifests: Vec<Manifest>,
    /// All blobs, each once, the largest first.
    pub(super) blobs: Vec<Descriptor>,
    /// Platforms that were found.
    pub(super) platforms: Vec<String>,
    /// Layers that stay at the servers which their URLs name, because they may not be distributed.
    pub(super) elsewhere: usize,
}

/// Which parts of an image are meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'p> {
    /// Platforms of an index; empty is all.
    pub(super) platforms: &'p [Platform],
    /// Layers that may not be distributed as well.
    pub(super) foreign: bool,
}

impl Tree {
    /// Bytes of all blobs.
    pub(super) fn size(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.size).sum()
    }

    /// The image itself.
    pub(super) fn root(&self) -> Option<&Manifest> {
        self.manifests.last()
    }
}

/// Reads an image from its source. With one platform and an index, the image is that platform's own manifest; with
/// several, the index stays as it is and lacks the others.
pub(super) async fn read(
    source: &dyn Source,
    repository: &str,
    root: &Descriptor,
    parts: Parts<'_>,
) -> Result<Tree, ImageError> {
    let Parts { platforms, foreign } = parts;
    let mut walk = Walk {
        source,
        repository,
        platforms,
        foreign,
        seen: HashSet::new(),
        tree: Tree {
            manifests: Vec::new(),
            blobs: Vec::new(),
            platforms: Vec::new(),
            elsewhere: 0,
        },
    };
    let mut root = fetch(source, repository, root).await?;
    let content = understand(source, &root)?;
    if let [platform] = platforms
        && !content.manifests.is_empty()
    {
        let chosen = walk.choose(&content.manifests)?;
        if let Some(own) = chosen.iter().find(|entry| is_image_for(entry, platform)) {
            root = fetch(source, repository, own).await?;
        }
    }
    walk.visit(root, 0).await?;
    let mut tree = walk.tree;
    tree.blobs
        .sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.digest.cmp(&b.digest)));
    Ok(tree)
}

struct Walk<'s> {
    source: &'s dyn Source,
    repository: &'s str,
    platforms: &'s [Platform],
    foreign: bool,
    seen: HashSet<crate::images::Digest>,
    tree: Tree,
}

impl Walk<'_> {
    async fn visit(&mut self, manifest: Manifest, depth: usize) -> Result<(), ImageError> {
        if !self.seen.insert(manifest.digest.clone()) {
            return Ok(());
        }
        let invalid = |reason: String| ImageError::Invalid {
            place: format!("{}/{}", self.source.location(), self.repository),
            reason,
        };
        if depth > DEEPEST {
            return Err(invalid(format!(
                "indexes are nested more than {DEEPEST} deep"
            )));
        }
        if self.seen.len() > MOST {
            return Err(invalid(format!("the image has more than {MOST} manifests")));
        }
        let content = understand(self.source, &manifest)?;
        let children = self.choose(&content.manifests)?;
        for child in &children {
            if let Some(platform) = &child.platform
                && platform.os != "unknown"
            {
                self.tree.platforms.push(platform.to_string());
            }
        }
        let (source, repository) = (self.source, self.repository);
        let manifests: Vec<Manifest> = futures_util::stream::iter(&children)
            .map(|child| fetch(source, repository, child))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for child in manifests {
            Box::pin(self.visit(child, depth + 1)).await?;
        }
        for blob in content.blobs {
            let known = self
                .tree
                .blobs
                .iter()
                .any(|other| other.digest == blob.digest);
            if blob.is_foreign() && !self.foreign {
                self.tree.elsewhere += 1;
            } else if !known {
                self.tree.blobs.push(blob);
            }
        }
        self.tree.manifests.push(manifest);
        Ok(())
    }

    /// The entries of an index that are wanted: by their platform, and what is said about a wanted one (attestations).
    fn choose(&self, entries: &[Descriptor]) -> Result<Vec<Descriptor>, ImageError> {
        if self.platforms.is_empty() || entries.is_empty() {
            return Ok(entries.to_vec());
        }
        let wanted: Vec<&Descriptor> = entries
            .iter()
            .filter(|entry| {
                self.platforms
                    .iter()
                    .any(|platform| is_image_for(entry, platform))
            })
            .collect();
        let missing = self
            .platforms
            .iter()
            .find(|platform| !entries.iter().any(|entry| is_image_for(entry, platform)));
        if let Some(missing) = missing {
            let there: Vec<_> = entries
                .iter()
                .filter_map(|entry| entry.platform.as_ref())
                .filter(|platform| platform.os != "unknown")
                .map(ToString::to_string)
                .collect();
            return Err(ImageError::Invalid {
                place: format!("{}/{}", self.source.location(), self.repository),
                reason: format!(
                    "there is no image for {missing}, only for {}",
                    there.join(", ")
                ),
            });
        }
        Ok(entries
            .iter()
            .filter(|entry| {
                let about = entry.annotations.get("vnd.docker.reference.digest");
                wanted.contains(entry)
                    || about
                        .is_some_and(|about| wanted.iter().any(|w| w.digest.to_string() == *about))
                    || entry.platform.is_none()
            })
            .cloned()
            .collect())
    }
}

fn is_image_for(entry: &Descriptor, platform: &Platform) -> bool {
    entry
        .platform
        .as_ref()
        .is_some_and(|own| own.matches(platform))
}

/// A manifest by its digest, which its bytes have.
async fn fetch(
    source: &dyn Source,
    repository: &str,
    descriptor: &Descriptor,
) -> Result<Manifest, ImageError> {
    let name = Name::Digest(descriptor.digest.clone());
    let manifest = source.manifest(repository, &name).await?;
    let manifest = manifest.ok_or_else(|| ImageError::NotFound {
        what: format!("manifest {repository}@{}", descriptor.digest),
        place: source.location().to_owned(),
    })?;
    if manifest.media_type == media_type::DOCKER_SCHEMA_1 {
        return Err(ImageError::Invalid {
            place: format!("{}/{repository}", source.location()),
            reason: "the image has a manifest of schema 1, which cannot be copied exactly; pull and push it with a current docker".into(),
        });
    }
    Ok(manifest)
}

fn understand(
    source: &dyn Source,
    manifest: &Manifest,
) -> Result<crate::images::Content, ImageError> {
    manifest.content().map_err(|reason| ImageError::Invalid {
        place: source.location().to_owned(),
        reason,
    })
}
