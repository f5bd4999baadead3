//! The digests that tags have now.

use futures_util::StreamExt as _;

use super::{ApplicationImages, StoreOptions, Stores};
use crate::cli::{Exit, Printer};
use crate::images::inventory::Needed;
use crate::images::rewrite::Rules;
use crate::images::store::Name;
use crate::images::{Digest, ImageError, Reference};

/// Questions at the same time.
const AT_ONCE: usize = 16;

/// Adds the digests of all images to the rules. Each is asked for at its source, and where that does not have it, at its
/// target: it may have been copied already. What cannot be had is said, with the places that ask for it.
///
/// # Errors
/// An image is nowhere, or a registry cannot be asked.
pub(crate) fn pin(
    rules: &mut Rules,
    images: &ApplicationImages,
    options: &StoreOptions,
    printer: Printer,
) -> Result<(), Exit> {
    let stores = Stores::new(options).map_err(|error| super::sync::failed(printer, &error))?;
    stores.add_pull_secrets(&images.pull_secrets);
    let mut found: Vec<(Reference, Digest)> = Vec::new();
    let mut worst = Exit::Done;
    let exit = crate::cli::block_on_reading(printer, async {
        let open: Vec<&Needed> = images
            .needed
            .iter()
            .filter(|needed| needed.image.digest().is_none())
            .collect();
        let answers: Vec<Result<Digest, ImageError>> = futures_util::stream::iter(&open)
            .map(|needed| digest(&stores, rules, &needed.image))
            .buffered(AT_ONCE)
            .collect()
            .await;
        for (needed, answer) in open.iter().zip(answers) {
            match answer {
                Ok(digest) => found.push((needed.image.clone(), digest)),
                Err(error) => {
                    printer.complain(&format!("error: {}: {error}", needed.image));
                    for origin in &needed.origins {
                        let place = images.sources.display(origin.at);
                        printer.complain(&format!("  asked for at {place}"));
                    }
                    if let Some(remedy) = error.remedy() {
                        printer.complain(&format!("  {remedy}"));
                    }
                    worst = error.exit();
                }
            }
        }
        worst
    });
    if exit != Exit::Done {
        printer.complain("Nothing was converted: --pin-digest needs the digest of every image.");
        return Err(exit);
    }
    for (image, digest) in found {
        rules.pin(&image, digest);
    }
    Ok(())
}

async fn digest(stores: &Stores, rules: &Rules, image: &Reference) -> Result<Digest, ImageError> {
    let name = Name::Tag(image.tag().unwrap_or("latest").to_owned());
    let source = stores.source_registry(image.registry())?;
    let asked = source.resolve(image.repository(), &name).await;
    if let Ok(Some(found)) = asked {
        return Ok(found.digest);
    }
    if let Ok(target) = rules.target(image)
        && target.whole() != image.whole()
    {
        let store = stores.source_registry(target.registry())?;
        if let Ok(Some(found)) = store.resolve(target.repository(), &name).await {
            return Ok(found.digest);
        }
    }
    asked?;
    Err(ImageError::NotFound {
        what: format!("image {}:{name}", image.repository()),
        place: image.registry().to_owned(),
    })
}
