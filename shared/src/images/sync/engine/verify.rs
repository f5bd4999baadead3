//! What the target holds, read again.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::Engine;
use crate::images::ImageError;
use crate::images::digest::Hasher;
use crate::images::store::{Name, Source};
use crate::images::sync::item::Item;
use crate::images::sync::tree::Tree;

impl Engine {
    /// Reads all that the target has of an image and hashes it.
    pub(super) async fn verify(&self, item: &Item, tree: &Tree) -> Result<(), ImageError> {
        let target: Arc<dyn Source> = item.target.clone();
        for manifest in &tree.manifests {
            let name = Name::Digest(manifest.digest.clone());
            if target
                .manifest(&item.target_repository, &name)
                .await?
                .is_none()
            {
                return Err(ImageError::NotFound {
                    what: format!("manifest {}@{}", item.target_repository, manifest.digest),
                    place: target.location().to_owned(),
                });
            }
        }
        futures_util::stream::iter(&tree.blobs)
            .map(Ok)
            .try_for_each_concurrent(4, |blob| {
                let target = Arc::clone(&target);
                async move {
                    let _permit = self.permit().await?;
                    let place = target.location().to_owned();
                    let mut hasher = Hasher::new(blob.digest.algorithm());
                    let repository = item.target_repository.clone();
                    let mut bytes = self
                        .senders
                        .readers
                        .open(target, repository, blob.clone(), 0);
                    while let Some(piece) = bytes.next().await {
                        hasher.update(&piece?);
                    }
                    let found = hasher.finish();
                    if found == blob.digest {
                        Ok(())
                    } else {
                        Err(ImageError::WrongBytes {
                            place,
                            expected: blob.digest.clone(),
                            found,
                        })
                    }
                }
            })
            .await
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, ImageError> {
        self.reading
            .acquire()
            .await
            .map_err(|_| ImageError::Cancelled)
    }
}
