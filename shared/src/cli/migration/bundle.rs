//! Writing a bundle, and deploying one.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::prepare::Prepared;
use crate::application::bundle::{Bundle, BundledImage, ORCHESTRATION};
use crate::application::terms::seconds;
use crate::cli::{DocumentFormat, Exit, OutputOptions, Printer};
use crate::images::rewrite::Rules;
use crate::images::sync::Summary;
use crate::orchestration::output::{Document, Output};
use crate::source::{Limits, Sources, parse};

/// Writes orchestration and description. Images are there already. Returns the seconds that it took.
pub(super) fn write(
    printer: Printer,
    prepared: &Prepared,
    folder: &Path,
    format: &str,
    summary: &Summary,
) -> Result<f64, Exit> {
    let begun = Instant::now();
    let options = OutputOptions {
        out_dir: None,
        force: true,
        output: DocumentFormat::Yaml,
        no_carry: false,
    };
    let fail = |text: String| {
        printer.complain(&format!("error: {text}"));
        Exit::Failed
    };
    let orchestration = folder.join(ORCHESTRATION);
    let written = options
        .write(&prepared.conversion.output, &orchestration)
        .map_err(|error| fail(error.to_string()))?;
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
    bundle
        .write(folder)
        .map_err(|error| fail(error.to_string()))?;
    Ok(seconds(begun.elapsed()))
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
