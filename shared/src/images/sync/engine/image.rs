//! One image: its blobs, its manifests with the name last, and what refers to it.

use std::time::Instant;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::{Engine, Looked, Shared, Tally, or_absent};
use crate::images::store::Name;
use crate::images::sync::item::{Event, ImageOutcome};
use crate::images::sync::tree::{self, Parts, Tree};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// Manifests of one image that are written at the same time.
const MANIFESTS_AT_ONCE: usize = 8;

impl Engine {
    /// Brings one image, unless it is there already.
    pub(super) async fn image(
        &self,
        shared: &Shared<'_>,
        index: usize,
        cancellation: &CancellationToken,
    ) -> (usize, ImageOutcome) {
        let item = &shared.items[index];
        let begun = Instant::now();
        let mut outcome = ImageOutcome {
            source: item.source_text(),
            target: item.target_text(),
            digest: None,
            up_to_date: false,
            transferred: 0,
            mounted: 0,
            skipped: 0,
            elapsed: begun.elapsed(),
            error: None,
        };
        let result = match &shared.looked[index] {
            Err(error) => Err(error.clone()),
            Ok(looked) => {
                outcome.digest = Some(looked.descriptor.digest.clone());
                outcome.up_to_date = looked.up_to_date;
                if looked.up_to_date && !item.referrers && !self.settings.deep {
                    Ok(Tally::default())
                } else {
                    shared.observer.see(Event::ImageStarted { item: index });
                    tokio::select! {
                        biased;
                        () = cancellation.cancelled() => Err(ImageError::Cancelled),
                        done = self.bring(shared, index, looked, &mut outcome.digest) => done,
                    }
                }
            }
        };
        match result {
            Ok(tally) => {
                outcome.transferred = tally.transferred;
                outcome.mounted = tally.mounted;
                outcome.skipped = tally.skipped;
            }
            Err(error) => outcome.error = Some(error),
        }
        outcome.elapsed = begun.elapsed();
        shared.observer.see(Event::ImageDone {
            item: index,
            outcome: Box::new(outcome.clone()),
        });
        (index, outcome)
    }

    /// Brings one image, then what refers to it.
    async fn bring(
        &self,
        shared: &Shared<'_>,
        index: usize,
        looked: &Looked,
        digest: &mut Option<Digest>,
    ) -> Result<Tally, ImageError> {
        let item = &shared.items[index];
        let mut tally = Tally::default();
        if !looked.up_to_date || self.settings.deep {
            let tree = tree::read(
                item.source.as_ref(),
                &item.source_repository,
                &looked.descriptor,
                self.parts(item),
            )
            .await?;
            shared.observer.see(Event::ImagePlanned {
                item: index,
                size: tree.size(),
            });
            if !looked.up_to_date {
                tally += self.blobs(shared, index, &tree.blobs).await?;
                tally += self
                    .manifests(shared, index, &tree, &item.target_name)
                    .await?;
            }
            *digest = tree.root().map(|root| root.digest.clone());
            if !looked.up_to_date && digest.as_ref() == Some(&looked.descriptor.digest) {
                self.known(item.target.location()).wrote_index(
                    &item.target_repository,
                    &looked.descriptor.digest,
                    &item.platforms,
                );
            }
            if self.settings.deep {
                self.verify(item, &tree).await?;
            }
        }
        if item.referrers {
            let subjects = vec![looked.descriptor.digest.clone()];
            tally += self.referrers(shared, index, subjects).await?;
        }
        Ok(tally)
    }

    /// Writes the manifests of an image, the name last.
    async fn manifests(
        &self,
        shared: &Shared<'_>,
        index: usize,
        tree: &Tree,
        name: &Name,
    ) -> Result<Tally, ImageError> {
        let item = &shared.items[index];
        let mut tally = Tally::default();
        let Some((root, children)) = tree.manifests.split_last() else {
            return Ok(tally);
        };
        // Images do not refer to each other; indexes come after what is in them.
        let is_image = |manifest: &&Manifest| {
            let content = manifest.content();
            content.is_ok_and(|content| content.manifests.is_empty())
        };
        let (images, indexes): (Vec<&Manifest>, Vec<&Manifest>) =
            children.iter().partition(is_image);
        let put = |child: &'_ Manifest| {
            let child = child.clone();
            async move {
                let name = Name::Digest(child.digest.clone());
                self.manifest(shared, index, tree, &name, &child).await
            }
        };
        let mut written = futures_util::stream::iter(images)
            .map(put)
            .buffer_unordered(MANIFESTS_AT_ONCE);
        while let Some(done) = written.next().await {
            tally += done?;
        }
        for child in indexes {
            tally += put(child).await?;
        }
        let name = match name {
            Name::Tag(_) => name.clone(),
            // A chosen platform of an index has a digest of its own.
            Name::Digest(_) => Name::Digest(root.digest.clone()),
        };
        tally += self.manifest(shared, index, tree, &name, root).await?;
        let found = item.target.resolve(&item.target_repository, &name).await?;
        match found {
            Some(found) if found.digest == root.digest => Ok(tally),
            Some(found) => Err(ImageError::WrongBytes {
                place: item.target.location().to_owned(),
                expected: root.digest.clone(),
                found: found.digest,
            }),
            None => Err(ImageError::Protocol {
                place: item.target.location().to_owned(),
                reason: format!(
                    "{}:{name} was written and is not there",
                    item.target_repository
                ),
            }),
        }
    }

    /// Writes a manifest. If the target lacks blobs after all, they are sent once more.
    async fn manifest(
        &self,
        shared: &Shared<'_>,
        index: usize,
        tree: &Tree,
        name: &Name,
        manifest: &Manifest,
    ) -> Result<Tally, ImageError> {
        let item = &shared.items[index];
        let put = || {
            item.target
                .put_manifest(&item.target_repository, name, manifest)
        };
        let lacking = match put().await {
            Err(ImageError::BlobsMissing { blobs, .. }) => blobs,
            other => return other.map(|()| Tally::default()),
        };
        let known = self.known(item.target.location());
        let again: Vec<Descriptor> = tree
            .blobs
            .iter()
            .filter(|blob| lacking.is_empty() || lacking.contains(&blob.digest))
            .cloned()
            .collect();
        for blob in &again {
            known.lacks(&blob.digest, &item.target_repository);
        }
        let tally = self.blobs(shared, index, &again).await?;
        let written = put().await.map_err(|error| match error {
            ImageError::BlobsMissing { place, .. } if !item.platforms.is_empty() => {
                ImageError::Refused {
                    what: format!(
                        "the index {}:{name} without all of its platforms",
                        item.target_repository
                    ),
                    place,
                    reason: "it takes complete indexes only; copy all platforms, or one alone"
                        .into(),
                }
            }
            other => other,
        });
        written.map(|()| tally)
    }

    /// Signatures and whatever else refers to these manifests, and what refers to that.
    async fn referrers(
        &self,
        shared: &Shared<'_>,
        index: usize,
        subjects: Vec<Digest>,
    ) -> Result<Tally, ImageError> {
        let item = &shared.items[index];
        let mut tally = Tally::default();
        let mut open = subjects;
        let mut seen = std::collections::HashSet::new();
        while let Some(subject) = open.pop() {
            if !seen.insert(subject.clone()) {
                continue;
            }
            for referrer in item
                .source
                .referrers(&item.source_repository, &subject)
                .await?
            {
                let digest = &referrer.descriptor.digest;
                let name = match &referrer.tag {
                    Some(tag) => Name::Tag(tag.clone()),
                    None => Name::Digest(digest.clone()),
                };
                let there = item.target.resolve(&item.target_repository, &name).await;
                if or_absent(there)?.is_none_or(|there| there.digest != *digest) {
                    let source = item.source.as_ref();
                    let all = Parts {
                        platforms: &[],
                        ..self.parts(item)
                    };
                    let tree =
                        tree::read(source, &item.source_repository, &referrer.descriptor, all)
                            .await?;
                    tally += self.blobs(shared, index, &tree.blobs).await?;
                    tally += self.manifests(shared, index, &tree, &name).await?;
                }
                open.push(digest.clone());
            }
        }
        Ok(tally)
    }
}
