//! The images that an application needs.

use std::collections::BTreeMap;
use std::str::FromStr;

use oci_distribution::Reference;

use super::rewrite::Rules;
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::model::Application;
use crate::source::Origin;

/// An image and where it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Needed {
    /// The image, with all defaults filled in.
    pub image: Reference,
    /// As it is written.
    pub written: String,
    /// Where it is asked for; empty for images that were named on the command line.
    pub origins: Vec<Origin>,
}

/// All images of an application, each once, in the order in which they are asked for. What is no image, or has none, is
/// said.
#[must_use]
pub fn of_application(application: &Application, findings: &mut Findings) -> Vec<Needed> {
    let mut needed: Vec<Needed> = Vec::new();
    for unit in &application.units {
        for container in &unit.containers {
            let Some(image) = &container.image else {
                if container.build.is_some() {
                    let message = format!(
                        "`{}` is built and has no name, so it cannot be copied",
                        container.name.value
                    );
                    findings.push(
                        Finding::new(Code("image-only-built"), message).at(&container.name.origin),
                    );
                }
                continue;
            };
            match Reference::from_str(&image.value) {
                Ok(reference) => add(&mut needed, reference, &image.value, Some(&image.origin)),
                Err(error) => {
                    let message = format!("`{}` is no image: {error}", image.value);
                    findings.push(Finding::new(Code("image-invalid"), message).at(&image.origin));
                }
            }
        }
    }
    needed
}

/// Images from a list: one a line, `#` begins a remark.
///
/// # Errors
/// A line is no image; the text names it.
pub fn of_list(text: &str, name: &str) -> Result<Vec<Needed>, String> {
    let mut needed = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let reference = Reference::from_str(line)
            .map_err(|error| format!("{name}:{}: `{line}` is no image: {error}", index + 1))?;
        add(&mut needed, reference, line, None);
    }
    Ok(needed)
}

fn add(needed: &mut Vec<Needed>, image: Reference, written: &str, origin: Option<&Origin>) {
    let known = needed
        .iter_mut()
        .find(|other| other.image.whole() == image.whole());
    match known {
        Some(known) => known.origins.extend(origin.cloned()),
        None => needed.push(Needed {
            image,
            written: written.to_owned(),
            origins: origin.cloned().into_iter().collect(),
        }),
    }
}

/// Where each image goes.
///
/// # Errors
/// Two different images would become one.
pub fn targets(needed: &[Needed], rules: &Rules) -> Result<Vec<Reference>, String> {
    let mut taken: BTreeMap<String, &Needed> = BTreeMap::new();
    let mut targets = Vec::new();
    for image in needed {
        let target = rules.target(&image.image)?;
        if let Some(other) = taken.insert(target.whole(), image) {
            return Err(format!(
                "`{}` and `{}` would both become `{target}`; keep them apart with --map-registry SOURCE=TARGET",
                other.image, image.image
            ));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// Changes the images of an application by rules. What is no image stays, with a finding.
pub fn rewrite(application: &mut Application, rules: &Rules, findings: &mut Findings) {
    if rules.is_empty() {
        return;
    }
    for unit in &mut application.units {
        for container in &mut unit.containers {
            let Some(image) = &mut container.image else {
                continue;
            };
            match rules.rewrite(&image.value) {
                Ok(Some(target)) => image.value = target,
                Ok(None) => {}
                Err(error) => {
                    findings.push(Finding::new(Code("image-invalid"), error).at(&image.origin))
                }
            }
        }
    }
}
