//! Which images are meant: those of an application, of a list, or of a repository.

use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt as _;

use super::{ApplicationImages, ImageSource, Place, Stores};
use crate::cli::{Exit, Printer, read_stdin};
use crate::images::inventory::{self, Needed};
use crate::images::rewrite::{ImageName, InvalidName, Map, Rules, check_place};
use crate::images::store::Name;
use crate::images::sync::Item;
use crate::images::tags::TagPattern;
use crate::images::{ImageError, Platform, Reference};
use crate::report;

/// Which images are meant, and where they are and go.
#[derive(Debug, Args)]
pub(super) struct Selection<Source: ImageSource> {
    /// File with one image a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    images_from: Option<PathBuf>,
    /// Repository whose tags are meant
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<String>,
    /// Which tags: 1.*, /^v\d+$/, semver:>=1.2, newest:5
    #[arg(
        long,
        value_name = "PATTERN",
        default_value = "*",
        requires = "repository"
    )]
    tags: TagPattern,
    #[command(flatten)]
    source: Source,
    /// Where all images go, with their repositories and tags
    #[arg(long, value_name = "HOST[:PORT][/PREFIX]", value_parser = check_place, help_heading = "Target")]
    to_registry: Option<String>,
    /// Where the images of a registry or namespace go; the longest SOURCE counts
    #[arg(long, value_name = "SOURCE=TARGET", help_heading = "Target")]
    map_registry: Vec<Map>,
    /// Read the images from a store instead of their registries: oci:DIR, oci-archive:FILE, docker-archive:FILE,
    /// docker-daemon: ; without an application or names, all that it has
    #[arg(long, value_name = "STORE", help_heading = "Target")]
    from: Option<Place>,
    /// Write the images into a store instead of a registry: oci:DIR, oci-archive:FILE, docker-archive:FILE,
    /// docker-daemon:
    #[arg(long, value_name = "STORE", help_heading = "Target")]
    to: Option<Place>,
    /// Platform to copy; one alone is copied under its own digest [default: all]
    #[arg(long, value_name = "OS/ARCH", help_heading = "Target")]
    platform: Vec<Platform>,
    /// Copy signatures, attestations and other referrers as well
    #[arg(long, help_heading = "Target")]
    referrers: bool,
}

/// What the user has selected.
pub(super) struct Selected {
    /// The images, with the places that ask for them.
    pub(super) images: ApplicationImages,
    /// One item for each image.
    pub(super) items: Vec<Item>,
}

/// Says what is wrong.
fn failing(printer: Printer) -> impl Fn(String, Exit) -> Exit {
    move |text, exit| {
        printer.complain(&format!("error: {text}"));
        exit
    }
}

impl<Source: ImageSource> Selection<Source> {
    /// Whether a target was named.
    pub(super) fn has_target(&self) -> bool {
        self.to.is_some() || self.to_registry.is_some() || !self.map_registry.is_empty()
    }

    /// An archive that would be overwritten.
    pub(super) fn occupied(&self) -> Option<&std::path::Path> {
        match &self.to {
            Some(Place::OciArchive(file) | Place::DockerArchive(file)) => {
                Some(file.as_path()).filter(|file| file.symlink_metadata().is_ok())
            }
            _ => None,
        }
    }

    /// The images that are meant, with where each comes from and where it goes. What is wrong is said.
    pub(super) async fn select(&self, stores: &Stores, printer: Printer) -> Result<Selected, Exit> {
        let fail = failing(printer);
        let images = self.images(stores, printer).await?;
        let rules = Rules::new(self.map_registry.clone(), self.to_registry.clone());
        let targets = inventory::targets(&images.needed, &rules, &images.sources)
            .map_err(|text| fail(text, Exit::Usage))?;
        stores.add_pull_secrets(&images.pull_secrets);
        let mut items = Vec::new();
        for (needed, target) in images.needed.iter().zip(&targets) {
            let item = self.item(stores, &needed.image, target).await;
            items.push(item.map_err(|error| fail(error.to_string(), error.exit()))?);
        }
        keep_apart(&mut items);
        Ok(Selected { images, items })
    }

    /// The names of the images that are meant. What is wrong is said.
    pub(super) async fn images(
        &self,
        stores: &Stores,
        printer: Printer,
    ) -> Result<ApplicationImages, Exit> {
        let fail = failing(printer);
        let images = if self.is_explicit() {
            ApplicationImages {
                needed: self
                    .explicit(stores)
                    .await
                    .map_err(|(text, exit)| fail(text, exit))?,
                ..ApplicationImages::default()
            }
        } else if let Some(place) = self.from.as_ref().filter(|_| !self.source.is_named()) {
            let names = stores.images(place).await.map_err(|error| {
                let mut text = error.to_string();
                if let Some(remedy) = error.remedy() {
                    text.push_str(&format!("\n{remedy}"));
                }
                fail(text, error.exit())
            })?;
            ApplicationImages {
                needed: inventory::of_list(&names.join("\n"), "store")
                    .map_err(|text| fail(text, Exit::Input))?,
                ..ApplicationImages::default()
            }
        } else {
            let images = self.source.images(printer)?;
            let said = report::to_text(&images.findings, &images.sources, printer.style());
            if !said.is_empty() {
                printer.say(&said);
            }
            images
        };
        if images.needed.is_empty() {
            return Err(fail("there is no image to look at".into(), Exit::Input));
        }
        if images.findings.has_errors() {
            return Err(fail(
                "what is no image cannot be copied; nothing was done".into(),
                Exit::Input,
            ));
        }
        Ok(images)
    }

    fn is_explicit(&self) -> bool {
        !self.source.names().is_empty() || self.images_from.is_some() || self.repository.is_some()
    }

    async fn explicit(&self, stores: &Stores) -> Result<Vec<Needed>, (String, Exit)> {
        let mut lines = self.source.names().to_vec();
        let mut needed = Vec::new();
        if let Some(file) = &self.images_from {
            let text = if file.as_os_str() == "-" {
                read_stdin().map_err(|error| format!("standard input: {error}"))
            } else {
                fs_err::read_to_string(file).map_err(|error| error.to_string())
            };
            let text = text.map_err(|text| (text, Exit::Input))?;
            let name = file.display().to_string();
            needed = inventory::of_list(&text, &name).map_err(|text| (text, Exit::Input))?;
        }
        if let Some(repository) = &self.repository {
            lines.extend(self.tagged(stores, repository).await?);
        }
        let named = inventory::of_list(&lines.join("\n"), "command line")
            .map_err(|text| (text, Exit::Usage))?;
        needed.extend(named);
        Ok(needed)
    }

    /// The images of a repository whose tags are meant.
    async fn tagged(
        &self,
        stores: &Stores,
        repository: &str,
    ) -> Result<Vec<String>, (String, Exit)> {
        let named: ImageName = repository.parse().map_err(|error: InvalidName| {
            (
                format!("`{repository}` is no repository: {}", error.reason),
                Exit::Usage,
            )
        })?;
        let reference = named.reference();
        let failed = |error: ImageError| {
            let mut text = error.to_string();
            if let Some(remedy) = error.remedy() {
                text.push_str(&format!("\n{remedy}"));
            }
            (text, error.exit())
        };
        let (source, name) = stores
            .source(self.from.as_ref(), &reference)
            .map_err(failed)?;
        let mut tags = Vec::new();
        let mut pages = source.tags(&name);
        while let Some(page) = pages.next().await {
            tags.extend(page.map_err(failed)?);
        }
        let found = tags.len();
        // Not every registry has an order of its own.
        tags.sort();
        let tags = self.tags.select(tags);
        if tags.is_empty() {
            return Err((
                format!("none of the {found} tags of {repository} is meant"),
                Exit::Input,
            ));
        }
        let repository = format!("{}/{}", reference.registry(), reference.repository());
        Ok(tags
            .into_iter()
            .map(|tag| format!("{repository}:{tag}"))
            .collect())
    }

    async fn item(
        &self,
        stores: &Stores,
        image: &Reference,
        target: &Reference,
    ) -> Result<Item, ImageError> {
        let (target_store, target_repository) = if self.has_target() {
            stores.target(self.to.as_ref(), target)?
        } else {
            stores.nowhere(target)?
        };
        let wanted = name(image)?;
        let (source, source_repository, source_name) =
            match stores.origin(self.from.as_ref(), image).await {
                Some(origin) => origin,
                None => {
                    let (source, repository) = stores.source(self.from.as_ref(), image)?;
                    // A store keeps an image that has a tag under it, whatever its digest.
                    let name = match (&self.from, image.tag()) {
                        (Some(_), Some(tag)) => Name::Tag(tag.to_owned()),
                        _ => wanted.clone(),
                    };
                    (source, repository, name)
                }
            };
        Ok(Item {
            source,
            source_repository,
            target: target_store,
            target_repository,
            // A reference with tag and digest is read by its digest and gets its tag.
            target_name: match target.tag() {
                Some(tag) => Name::Tag(tag.to_owned()),
                None => wanted,
            },
            source_name,
            platforms: self.platform.clone(),
            referrers: self.referrers,
        })
    }
}

/// An image with tag and digest gets its tag, unless another one is meant by the tag alone: then it is kept by its digest.
fn keep_apart(items: &mut [Item]) {
    let tagged: Vec<(String, Name)> = items
        .iter()
        .filter(|item| matches!(item.source_name, Name::Tag(_)))
        .map(|item| (item.target_repository.clone(), item.target_name.clone()))
        .collect();
    for item in items {
        if let Name::Digest(_) = item.source_name
            && tagged.contains(&(item.target_repository.clone(), item.target_name.clone()))
        {
            item.target_name = item.source_name.clone();
        }
    }
}

fn name(image: &Reference) -> Result<Name, ImageError> {
    match image.digest() {
        Some(digest) => digest
            .parse()
            .map(Name::Digest)
            .map_err(|error| ImageError::Invalid {
                place: image.whole(),
                reason: format!("{error}"),
            }),
        None => Ok(Name::Tag(image.tag().unwrap_or("latest").to_owned())),
    }
}
