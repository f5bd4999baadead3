//! The images that an application needs.

mod objects;

pub use objects::{of_objects, pull_secrets};

use std::collections::HashMap;

use oci_distribution::Reference;

use super::rewrite::{ImageName, InvalidName, Rules, collision};
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::kubernetes::write::waited_for;
use crate::orchestration::kubernetes::{KubernetesOptions, StartOrder};
use crate::orchestration::model::{Application, MountSource};
use crate::source::{Origin, Sourced, Sources};

/// An image and where it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Needed {
    /// The image, with all defaults filled in.
    pub image: Reference,
    /// As it is written.
    pub written: String,
    /// Where it is asked for; empty for images that were named on the command line.
    pub origins: Vec<Origin>,
    /// The source says how to build it as well, so that it may be in no registry yet.
    pub built: bool,
}

/// All images of an application, each once, in the order in which they are asked for. What is no image, or has none, is
/// said.
#[must_use]
pub fn of_application(application: &Application, findings: &mut Findings) -> Vec<Needed> {
    let mut needed = Gathered::default();
    for unit in &application.units {
        for container in &unit.containers {
            match &container.image {
                Some(image) => {
                    needed.collect(&image.value, &image.origin, findings);
                    if container.build.is_some()
                        && let Some(last) = needed.find(&image.value)
                    {
                        last.built = true;
                    }
                }
                None if container.build.is_some() => {
                    let message = format!(
                        "`{}` is built and has no name, so it cannot be copied",
                        container.name.value
                    );
                    findings.add(Code("image-only-built"), &container.name.origin, message);
                }
                None => {}
            }
            for mount in &container.mounts {
                each_volume(&mount.source, &mut |reference| {
                    needed.collect(reference, &mount.origin, findings);
                });
            }
        }
    }
    needed.images
}

/// Adds the image of the containers that wait for others (`--start-order wait`), if there are any, and gives it the name
/// that it has at the target.
pub fn of_waiting(
    needed: &mut Vec<Needed>,
    application: &Application,
    options: &mut KubernetesOptions,
    findings: &mut Findings,
) {
    if options.start_order != StartOrder::Wait {
        return;
    }
    let mut gathered = Gathered::of(std::mem::take(needed));
    let mut first = None;
    for origin in waited_for(application) {
        // What is wrong is said once.
        if first.is_none() {
            gathered.collect(&options.wait_image, origin, findings);
        } else if let Some(known) = gathered.find(&options.wait_image) {
            known.origins.push(origin.clone());
        }
        first = first.or(Some(origin));
    }
    *needed = gathered.images;
    let Some(origin) = first else { return };
    match options.images.rewrite(&options.wait_image) {
        Ok(Some(target)) => options.wait_image = target,
        Ok(None) => {}
        Err(reason) => findings.add(Code("image-rule"), origin, reason),
    }
}

/// As [`of_application`], for a conversion: an image that nobody can pull is a loss, and the rest is converted.
#[must_use]
pub fn of_conversion(application: &Application, findings: &mut Findings) -> Vec<Needed> {
    let mut said = Findings::default();
    let needed = of_application(application, &mut said);
    for finding in said {
        if finding.code == Code("image-invalid") {
            findings.push(Finding {
                code: Code("image-not-pullable"),
                ..finding
            });
        }
    }
    needed
}

/// The images that are mounted as volumes.
fn each_volume(source: &MountSource, see: &mut dyn FnMut(&str)) {
    match source {
        MountSource::Image { reference, .. } => see(reference),
        MountSource::Projected(sources) => {
            for source in sources {
                each_volume(source, see);
            }
        }
        _ => {}
    }
}

fn parse(text: &str) -> Result<Reference, InvalidName> {
    let name: ImageName = text.trim().parse()?;
    Ok(name.reference())
}

/// Images, each once.
#[derive(Debug, Default)]
struct Gathered {
    images: Vec<Needed>,
    /// Where each stands in the list, by its whole name.
    places: HashMap<String, usize>,
}

impl Gathered {
    /// Those of a list, which has each once.
    fn of(images: Vec<Needed>) -> Self {
        let names = images.iter().map(|needed| needed.image.whole());
        let places = names.enumerate().map(|(place, name)| (name, place));
        Self {
            places: places.collect(),
            images,
        }
    }

    /// Adds an image that is asked for somewhere, or says why it is none.
    fn collect(&mut self, text: &str, origin: &Origin, findings: &mut Findings) {
        match parse(text) {
            Ok(image) => self.add(image, text, Some(origin)),
            Err(error) => findings.add(Code("image-invalid"), origin, error.to_string()),
        }
    }

    fn find(&mut self, text: &str) -> Option<&mut Needed> {
        let place = self.places.get(&parse(text).ok()?.whole())?;
        self.images.get_mut(*place)
    }

    fn add(&mut self, image: Reference, written: &str, origin: Option<&Origin>) {
        let place = *self
            .places
            .entry(image.whole())
            .or_insert(self.images.len());
        match self.images.get_mut(place) {
            Some(known) => known.origins.extend(origin.cloned()),
            None => self.images.push(Needed {
                image,
                written: written.to_owned(),
                origins: origin.cloned().into_iter().collect(),
                built: false,
            }),
        }
    }
}

/// Images from a list: one a line, `#` begins a remark.
///
/// # Errors
/// A line is no image; the text names it.
pub fn of_list(text: &str, name: &str) -> Result<Vec<Needed>, String> {
    let mut needed = Gathered::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let reference = parse(line).map_err(|error| format!("{name}:{}: {error}", index + 1))?;
        needed.add(reference, line, None);
    }
    Ok(needed.images)
}

/// Where each image goes.
///
/// # Errors
/// Two different images would become one; the text has the places that ask for them.
pub fn targets(
    needed: &[Needed],
    rules: &Rules,
    sources: &Sources,
) -> Result<Vec<Reference>, String> {
    let mut names = Vec::new();
    for image in needed {
        let source: ImageName = image
            .written
            .parse()
            .map_err(|error: InvalidName| error.to_string())?;
        let target = rules.apply(&source).map_err(|error| error.0)?;
        names.push((source, target));
    }
    // Names that stay as they are do not meet.
    if !rules.is_empty()
        && let Some(found) = collision(names.iter().map(|(source, target)| (source, target)))
    {
        let shown = |index: usize| {
            let image = &needed[index];
            let places: Vec<String> = image
                .origins
                .iter()
                .map(|origin| sources.display(origin.at))
                .collect();
            if places.is_empty() {
                format!("`{}`", image.written)
            } else {
                format!("`{}` ({})", image.written, places.join(", "))
            }
        };
        return Err(format!(
            "{} and {} would both become `{}`; keep them apart with --map-registry SOURCE=TARGET",
            shown(found.first),
            shown(found.second),
            found.target
        ));
    }
    names
        .iter()
        .map(|(_, target)| parse(&target.to_string()).map_err(|error| error.to_string()))
        .collect()
}

/// Changes the images of an application by rules. What is no image stays, with a finding; two images that would become
/// one are an error at both places.
pub fn rewrite(application: &mut Application, rules: &Rules, findings: &mut Findings) {
    if rules.is_empty() {
        return;
    }
    let project = application.name.as_ref().map(|name| name.value.clone());
    let mut renamed = Renamed {
        rules,
        findings,
        names: Vec::new(),
        origins: Vec::new(),
    };
    for unit in &mut application.units {
        for container in &mut unit.containers {
            match &mut container.image {
                Some(image) => renamed.change(&mut image.value, &image.origin),
                None if container.build.is_some() => {
                    // The name that Compose gives to what it builds.
                    let name = legal(&format!(
                        "{}-{}",
                        project.as_deref().unwrap_or("application"),
                        container.name.value
                    ));
                    container.image = rules
                        .built(&name)
                        .map(|name| Sourced::new(name.to_string(), container.name.origin.clone()));
                }
                None => {}
            }
            for mount in &mut container.mounts {
                let origin = mount.origin.clone();
                change_volume(&mut mount.source, &origin, &mut renamed);
            }
        }
    }
    renamed.finish();
}

fn change_volume(source: &mut MountSource, origin: &Origin, renamed: &mut Renamed<'_>) {
    match source {
        MountSource::Image { reference, .. } => renamed.change(reference, origin),
        MountSource::Projected(sources) => {
            for source in sources {
                change_volume(source, origin, renamed);
            }
        }
        _ => {}
    }
}

fn legal(text: &str) -> String {
    text.to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// The images that have got other names so far.
struct Renamed<'r> {
    rules: &'r Rules,
    findings: &'r mut Findings,
    names: Vec<(ImageName, ImageName)>,
    origins: Vec<Origin>,
}

impl Renamed<'_> {
    fn change(&mut self, text: &mut String, origin: &Origin) {
        if text.trim().is_empty() {
            return;
        }
        let name = match text.trim().parse::<ImageName>() {
            Ok(name) => name,
            Err(error) => {
                self.findings
                    .add(Code("image-invalid"), origin, error.to_string());
                return;
            }
        };
        match self.rules.apply(&name) {
            Ok(target) => {
                if target != name {
                    *text = target.to_string();
                }
                self.names.push((name, target));
                self.origins.push(origin.clone());
            }
            Err(error) => self.findings.add(Code("image-rule"), origin, error.0),
        }
    }

    fn finish(self) {
        let Some(found) = collision(self.names.iter().map(|(source, target)| (source, target)))
        else {
            return;
        };
        let (first, second) = (&self.names[found.first].0, &self.names[found.second].0);
        for (origin, own, other) in [
            (&self.origins[found.first], first, second),
            (&self.origins[found.second], second, first),
        ] {
            let message = format!("`{own}` and `{other}` would both become `{}`", found.target);
            self.findings.add(Code("image-collision"), origin, message);
        }
    }
}

#[cfg(test)]
mod tests;
