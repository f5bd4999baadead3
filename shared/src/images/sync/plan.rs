//! What a sync would move, to the byte.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::engine::{Engine, Looked};
use super::item::{ImagePlan, Item, Plan};
use super::tree::{self, Tree};
use crate::images::{Descriptor, Digest, ImageError};

impl Engine {
    /// Finds out what [`Engine::sync`] would move. Changes nothing at the target.
    pub async fn plan(&self, items: &[Item]) -> Plan {
        let looked = self.look(items).await;
        let trees: Vec<Result<Tree, ImageError>> =
            futures_util::stream::iter(items.iter().zip(&looked))
                .map(|(item, looked)| async move {
                    let looked = looked.as_ref().map_err(Clone::clone)?;
                    let source = item.source.as_ref();
                    tree::read(
                        source,
                        &item.source_repository,
                        &looked.descriptor,
                        self.parts(item),
                    )
                    .await
                })
                .buffered(8)
                .collect()
                .await;
        // What an image has that is there already, others of the same target can mount.
        let mut there: HashMap<&str, HashSet<Digest>> = HashMap::new();
        for ((item, looked), tree) in items.iter().zip(&looked).zip(&trees) {
            if let (
                Ok(Looked {
                    up_to_date: true, ..
                }),
                Ok(tree),
            ) = (looked, tree)
                && item.target.mounts()
            {
                let blobs = tree.blobs.iter().map(|blob| blob.digest.clone());
                there
                    .entry(item.target.location())
                    .or_default()
                    .extend(blobs);
            }
        }
        let mut plan = Plan::default();
        for ((item, looked), tree) in items.iter().zip(&looked).zip(&trees) {
            let mut image = ImagePlan {
                source: item.source_text(),
                target: item.target_text(),
                ..ImagePlan::default()
            };
            let planned = match (looked, tree) {
                (Ok(looked), Ok(tree)) => {
                    let known = there.entry(item.target.location()).or_default();
                    self.image_plan(item, looked, tree, known, &mut image).await
                }
                (Err(error), _) | (_, Err(error)) => Err(error.clone()),
            };
            image.failure = planned.err();
            image.error = image.failure.as_ref().map(ToString::to_string);
            plan.images.push(image);
        }
        plan
    }

    async fn image_plan(
        &self,
        item: &Item,
        looked: &Looked,
        tree: &Tree,
        known: &mut HashSet<Digest>,
        image: &mut ImagePlan,
    ) -> Result<(), ImageError> {
        image.digest = tree.root().map(|root| root.digest.clone());
        image.up_to_date = looked.up_to_date;
        image.platforms.clone_from(&tree.platforms);
        image.size = tree.size();
        image.elsewhere = tree.elsewhere;
        if looked.up_to_date {
            image.present = image.size;
        } else {
            image.manifests = tree.manifests.len();
            let missing = self.missing(item, &tree.blobs, known).await?;
            image.blobs_to_move = missing.len();
            image.to_move = missing.iter().map(|blob| blob.size).sum();
            image.present = image.size - image.to_move;
            if item.target.mounts() {
                known.extend(tree.blobs.iter().map(|blob| blob.digest.clone()));
            }
        }
        if item.referrers {
            let subject = &looked.descriptor.digest;
            image.referrers = item
                .source
                .referrers(&item.source_repository, subject)
                .await?
                .len();
        }
        Ok(())
    }

    /// The blobs that no repository of the target is known to have.
    async fn missing<'b>(
        &self,
        item: &Item,
        blobs: &'b [Descriptor],
        known: &HashSet<Digest>,
    ) -> Result<Vec<&'b Descriptor>, ImageError> {
        let hints = self.known(item.target.location());
        let found: Vec<Option<&Descriptor>> = futures_util::stream::iter(blobs)
            .map(|blob| {
                let elsewhere = hints
                    .elsewhere(&blob.digest, &item.target_repository)
                    .filter(|_| item.target.mounts());
                let known = known.contains(&blob.digest);
                async move {
                    if known || item.target.has_blob(&item.target_repository, blob).await? {
                        return Ok::<_, ImageError>(None);
                    }
                    match elsewhere {
                        Some(other) if item.target.has_blob(&other, blob).await? => Ok(None),
                        _ => Ok(Some(blob)),
                    }
                }
            })
            .buffered(16)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }
}
