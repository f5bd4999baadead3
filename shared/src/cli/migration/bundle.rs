//! Writing a bundle, and deploying one.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::prepare::{Prepared, fail as image_failed};
use super::{Goal, Migration, MigrationOptions};
use crate::application::bundle::{Bundle, BundledImage, ORCHESTRATION};
use crate::application::terms::seconds;
use crate::cli::images::Place;
use crate::cli::{DocumentFormat, Exit, OutputOptions, Printer};
use crate::images::ImageError;
use crate::images::rewrite::{ImageName, InvalidName, Rules};
use crate::images::store::Name;
use crate::images::sync::{Item, Summary};
use crate::orchestration::output::{Document, Output};
use crate::source::{Limits, Sources, parse};

/// Writes orchestration and description. Images are there already. Returns the seconds that it took.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write(
    prepared: &Prepared,
    folder: &Path,
    format: &str,
    summary: &Summary,
) -> Result<f64, String> {
    let begun = Instant::now();
    let options = OutputOptions {
        out_dir: None,
        force: true,
        output: DocumentFormat::Yaml,
        no_carry: false,
    };
    let orchestration = folder.join(ORCHESTRATION);
    let written = options
        .write(&prepared.conversion.output, &orchestration)
        .map_err(|error| error.to_string())?;
    let mut bundle = Bundle::new(&prepared.conversion.name, format);
    bundle.files = written
        .iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .filter_map(|path| Some(path.strip_prefix(folder).ok()?.display().to_string()))
        .take(prepared.conversion.output.documents.len())
        .collect();
    let images = prepared.conversion.images.iter().zip(&summary.images);
    bundle.images = images
        .map(|(needed, outcome)| BundledImage {
            name: needed.image.whole(),
            digest: outcome.digest.clone(),
        })
        .collect();
    bundle.write(folder).map_err(|error| error.to_string())?;
    Ok(seconds(begun.elapsed()))
}

/// A bundle as if it had just been converted.
pub(super) fn prepare<Source: Migration>(
    options: &MigrationOptions<Source>,
    printer: Printer,
    folder: &Path,
) -> Result<Prepared, Exit> {
    let begun = Instant::now();
    let (description, mut output) = read(printer, folder)?;
    let rules = options.rules();
    rewrite(&mut output, &rules).map_err(|text| {
        printer.complain(&format!("error: {text}"));
        Exit::Input
    })?;
    let target =
        options
            .source
            .bundle_target(printer, &description.application, &description.format)?;
    target.trim(&mut output);
    let stores = crate::cli::images::Stores::new(&options.stores)
        .map_err(|error| image_failed(printer, &error))?;
    let layout = Place::Layout(folder.join(crate::application::bundle::IMAGES));
    let mut items = Vec::new();
    if !rules.is_empty() && !options.no_images {
        for image in &description.images {
            let item = || -> Result<Item, ImageError> {
                let invalid = |reason: String| ImageError::Invalid {
                    place: folder.display().to_string(),
                    reason,
                };
                let named: ImageName = image
                    .name
                    .parse()
                    .map_err(|error: InvalidName| invalid(error.to_string()))?;
                let reference = named.reference();
                let to = rules.target(&reference).map_err(invalid)?;
                let (source, source_repository) = stores.source(Some(&layout), &reference)?;
                let (target, target_repository) = stores.target(None, &to)?;
                let source_name = match reference.tag() {
                    Some(tag) => Name::Tag(tag.to_owned()),
                    None => image
                        .digest
                        .clone()
                        .map_or_else(|| Name::Tag("latest".into()), Name::Digest),
                };
                Ok(Item {
                    source,
                    source_repository,
                    target_name: source_name.clone(),
                    source_name,
                    target,
                    target_repository,
                    platforms: Vec::new(),
                    referrers: false,
                })
            };
            items.push(item().map_err(|error| image_failed(printer, &error))?);
        }
    }
    Ok(Prepared {
        conversion: crate::orchestration::convert::Conversion {
            output,
            findings: crate::finding::Findings::default(),
            sources: crate::source::Sources::default(),
            name: description.application,
            images: Vec::new(),
            pull_secrets: Vec::new(),
        },
        goal: Goal::Target(target),
        items,
        asked: Vec::new(),
        convert_seconds: seconds(begun.elapsed()),
    })
}

/// The output that lies in a bundle.
pub(super) fn read(printer: Printer, folder: &Path) -> Result<(Bundle, Output), Exit> {
    let fail = |text: String| {
        printer.complain(&format!("error: {text}"));
        Exit::Input
    };
    let bundle = Bundle::read(folder).map_err(|text| {
        let exit = fail(text);
        printer.complain(&if folder.is_file() {
            format!("Files are named by an option: -f {}", folder.display())
        } else {
            "To make a bundle: run --to bundle:DIR".to_owned()
        });
        exit
    })?;
    let mut output = Output::default();
    let mut sources = Sources::default();
    for name in &bundle.files {
        let text =
            fs_err::read_to_string(folder.join(name)).map_err(|error| fail(error.to_string()))?;
        let file = sources.add(name, text.as_str());
        let nodes = parse(file, &text, &Limits::default())
            .map_err(|finding| fail(format!("{name}: {}", finding.message)))?;
        for (index, node) in nodes.into_iter().enumerate() {
            output.documents.push(Document {
                name: format!("{name}-{index}"),
                value: node.to_json(),
                subjects: Vec::new(),
            });
        }
    }
    files(
        &folder.join(ORCHESTRATION),
        &folder.join(ORCHESTRATION),
        &bundle,
        &mut output,
    )
    .map_err(|error| fail(error.to_string()))?;
    Ok((bundle, output))
}

/// The files that the documents refer to.
fn files(root: &Path, folder: &Path, bundle: &Bundle, output: &mut Output) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs_err::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            files(root, &path, bundle, output)?;
            continue;
        }
        let relative = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        if bundle
            .files
            .contains(&format!("{ORCHESTRATION}/{relative}"))
        {
            continue;
        }
        output.files.push(crate::orchestration::output::SideFile {
            path: relative,
            bytes: fs_err::read(&path)?,
            secret: true,
        });
    }
    Ok(())
}

/// Changes the images of converted documents by rules: every `image` of a container or service.
pub(super) fn rewrite(output: &mut Output, rules: &Rules) -> Result<(), String> {
    for document in &mut output.documents {
        rewrite_value(&mut document.value, rules)?;
    }
    Ok(())
}

fn rewrite_value(value: &mut Value, rules: &Rules) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(image) if key == "image" => {
                        if let Some(target) = rules.rewrite(image)? {
                            *image = target;
                        }
                    }
                    // Text of the application's own that happens to have such a key.
                    _ if key == "data" || key == "stringData" || key == "environment" => {}
                    other => rewrite_value(other, rules)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| rewrite_value(item, rules)),
        _ => Ok(()),
    }
}
