//! The first part of plan and run: convert, look at the images and at the target.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Goal, Migration, MigrationOptions};
use crate::application::target::{Check, Verdict};
use crate::application::terms::seconds;
use crate::cli::images::{Stores, count, size};
use crate::cli::{Exit, Printer};
use crate::images::inventory::Needed;
use crate::images::store::Name;
use crate::images::sync::{Engine, Item, Plan};
use crate::images::{Digest, ImageError, inventory};
use crate::orchestration::convert::Conversion;
use crate::report;
use crate::source::Sources;

/// A migration that is ready to run.
pub(super) struct Prepared {
    pub(super) conversion: Conversion,
    pub(super) goal: Goal,
    pub(super) items: Vec<Item>,
    /// Where the image of each item is asked for; nothing for a bundle, which is asked for by itself.
    pub(super) asked: Vec<Vec<String>>,
    /// Seconds that reading and converting took.
    pub(super) convert_seconds: f64,
}

impl Prepared {
    /// Places that ask for the image of an item.
    pub(super) fn asked_by(&self, item: usize) -> &[String] {
        self.asked.get(item).map_or(&[], Vec::as_slice)
    }
}

/// What is known before anything is changed.
pub(super) struct Outlook {
    pub(super) images: Plan,
    pub(super) checks: Vec<Check>,
}

/// Reads, converts, and finds out where everything goes. Says the findings.
pub(super) fn prepare<Source: Migration>(
    options: &MigrationOptions<Source>,
    printer: Printer,
) -> Result<Prepared, Exit> {
    if let Some(folder) = options.source.bundle() {
        return super::bundle::prepare(options, printer, &folder);
    }
    let begun = Instant::now();
    let mut rules = options.rules();
    let goal_is_bundle = |goal: &Goal| matches!(goal, Goal::Bundle(..));
    let mut conversion = options.source.convert(printer, &rules)?;
    let convert_seconds = seconds(begun.elapsed());
    let goal = options.source.goal(printer, &conversion.name)?;
    if let Goal::Target(target) = &goal {
        target.trim(&mut conversion.output);
    }
    let stores = Stores::new(&options.stores).map_err(|error| fail(printer, &error))?;
    stores.add_pull_secrets(&conversion.pull_secrets);
    let mut asked = Vec::new();
    let items = if options.no_images || (rules.is_empty() && !goal_is_bundle(&goal)) {
        Vec::new()
    } else {
        let place = match &goal {
            // Images lie in a bundle under the names that the source has for them.
            Goal::Bundle(folder, _) => {
                rules = crate::images::rewrite::Rules::default();
                Some(crate::cli::images::Place::Layout(
                    folder.join(crate::application::bundle::IMAGES),
                ))
            }
            Goal::Target(_) => None,
        };
        let targets = inventory::targets(&conversion.images, &rules, &conversion.sources).map_err(
            |text| {
                printer.complain(&format!("error: {text}"));
                Exit::Usage
            },
        )?;
        let pairs = conversion.images.iter().zip(&targets);
        let items: Result<Vec<Item>, ImageError> = pairs
            .filter(|(needed, target)| place.is_some() || needed.image.whole() != target.whole())
            .map(|(needed, target)| {
                asked.push(places(needed, &conversion.sources));
                let (source, source_repository) =
                    stores.source(options.images_from.as_ref(), &needed.image)?;
                let (target_store, target_repository) = stores.target(place.as_ref(), target)?;
                let source_name = match needed.image.digest() {
                    Some(digest) => Name::Digest(digest.parse::<Digest>().map_err(|error| {
                        ImageError::Invalid {
                            place: needed.written.clone(),
                            reason: error.to_string(),
                        }
                    })?),
                    None => Name::Tag(needed.image.tag().unwrap_or("latest").to_owned()),
                };
                Ok(Item {
                    source,
                    source_repository,
                    target: target_store,
                    target_repository,
                    target_name: match target.tag() {
                        Some(tag) => Name::Tag(tag.to_owned()),
                        None => source_name.clone(),
                    },
                    source_name,
                    platforms: options.platform.clone(),
                    referrers: false,
                })
            })
            .collect();
        items.map_err(|error| fail(printer, &error))?
    };
    Ok(Prepared {
        conversion,
        goal,
        items,
        asked,
        convert_seconds,
    })
}

/// Places that ask for an image: `compose.yaml:3:5 (services.web.image)`.
fn places(needed: &Needed, sources: &Sources) -> Vec<String> {
    needed
        .origins
        .iter()
        .map(|origin| format!("{} ({})", sources.display(origin.at), origin.path))
        .collect()
}

pub(super) fn fail(printer: Printer, error: &ImageError) -> Exit {
    printer.complain(&format!("error: {error}"));
    if let Some(remedy) = error.remedy() {
        printer.complain(remedy);
    }
    error.exit()
}

/// Looks at images and target.
pub(super) async fn look<Source: Migration>(
    options: &MigrationOptions<Source>,
    prepared: &Prepared,
    engine: &Engine,
) -> Outlook {
    let images = engine.plan(&prepared.items).await;
    let checks = match &prepared.goal {
        Goal::Target(target) => tokio::task::block_in_place(|| {
            target.preflight(&prepared.conversion.output, options.on_conflict)
        }),
        Goal::Bundle(folder, _) => {
            let used = folder.join(crate::application::bundle::FILE).exists();
            vec![if used {
                Check::warning(
                    "bundle",
                    format!("{} is there and is brought up to date", folder.display()),
                    "Nothing.",
                )
            } else {
                Check::ok("bundle", format!("{} will be made", folder.display()))
            }]
        }
    };
    Outlook { images, checks }
}

impl Outlook {
    /// Whether a run would fail.
    pub(super) fn is_blocked(&self) -> bool {
        self.checks
            .iter()
            .any(|check| check.verdict == Verdict::Blocked)
            || self.images.images.iter().any(|image| image.error.is_some())
    }

    /// What stands in the way of a run, a line each with its remedy below.
    pub(super) fn obstacles(&self) -> Vec<String> {
        let images = self.images.images.iter().filter_map(|image| {
            let error = image.error.as_ref()?;
            Some(format!("error: {}: {error}", image.source))
        });
        let blocked = |check: &&Check| check.verdict == Verdict::Blocked;
        let checks = self.checks.iter().filter(blocked);
        let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        images
            .chain(checks.map(check_text).flat_map(lines))
            .collect()
    }

    pub(super) fn to_text(&self, prepared: &Prepared) -> String {
        let mut out = String::new();
        let documents = prepared.conversion.output.documents.len();
        let place = prepared.goal.describe();
        out.push_str(&format!(
            "`{}`: {}, to {place}\n",
            prepared.conversion.name,
            count(documents, "document")
        ));
        if prepared.items.is_empty() {
            out.push_str("images: stay where they are\n");
        } else {
            for (index, image) in self.images.images.iter().enumerate() {
                let state = match &image.error {
                    Some(error) => format!("error: {error}"),
                    None if image.up_to_date => "is there".to_owned(),
                    None => format!(
                        "{} to move, {} there",
                        size(image.to_move),
                        size(image.present)
                    ),
                };
                out.push_str(&format!("image {}: {state}\n", image.source));
                if image.error.is_some() {
                    for place in prepared.asked_by(index) {
                        out.push_str(&format!("    it is asked for by {place}\n"));
                    }
                }
            }
            out.push_str(&format!(
                "images: {}, {} to move\n",
                self.images.images.len(),
                size(self.images.to_move())
            ));
        }
        for check in &self.checks {
            out.push_str(&check_text(check));
            out.push('\n');
        }
        out
    }

    pub(super) fn to_json(&self, prepared: &Prepared) -> Value {
        let mut value =
            report::to_json(&prepared.conversion.findings, &prepared.conversion.sources);
        value["application"] = json!(prepared.conversion.name);
        value["target"] = match &prepared.goal {
            Goal::Target(target) => target.address(),
            Goal::Bundle(folder, _) => json!({"kind": "bundle", "folder": folder}),
        };
        value["images"] = json!(self.images.images);
        value["checks"] = json!(self.checks);
        value["blocked"] = json!(self.is_blocked());
        value["timings"] = json!({"T_OrcConvert": prepared.convert_seconds});
        value
    }
}

/// A check in a line, and its remedy below.
fn check_text(check: &Check) -> String {
    let word = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::NotChecked => "not checked",
        Verdict::Warning => "warning",
        Verdict::Blocked => "BLOCKED",
    };
    let mut text = format!("{word}: {}: {}", check.subject, check.seen);
    if let Some(remedy) = &check.remedy
        && check.verdict > Verdict::NotChecked
    {
        text.push_str(&format!("\n    {remedy}"));
    }
    text
}

/// Says the findings of a conversion, and a line about them.
pub(super) fn say_findings(printer: Printer, conversion: &Conversion) {
    let style = printer.style();
    printer.say(&report::to_text(
        &conversion.findings,
        &conversion.sources,
        style,
    ));
    if let Some(summary) = report::summary(&conversion.findings, style) {
        printer.say(&summary);
    }
}
