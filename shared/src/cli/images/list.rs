//! `images list`

use clap::{Args, ValueEnum};
use serde_json::json;

use super::select::{Selected, Selection};
use super::stores::{StoreOptions, Stores};
use super::{ApplicationImages, ImageSource, count, size};
use crate::cli::{Exit, Printer};
use crate::images::sync::{Engine, ImagePlan, Plan, Settings};
use crate::source::Origin;

/// Which images are listed, and how.
#[derive(Debug, Args)]
pub(super) struct ListArgs<Source: ImageSource> {
    #[command(flatten)]
    selection: Selection<Source>,
    #[command(flatten)]
    stores: StoreOptions,
    /// Format of the list
    #[arg(long, short, value_enum, default_value_t = ListFormat::Text)]
    output: ListFormat,
    /// Do not ask any registry: only the names
    #[arg(long)]
    offline: bool,
}

/// Format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// Lines for people
    Text,
    /// JSON for programs
    Json,
    /// The names alone, for other tools
    Name,
}

/// Runs the verb.
pub(super) fn list<Source: ImageSource>(args: &ListArgs<Source>) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    crate::cli::block_on_reading(printer, async {
        let stores = match Stores::new(&args.stores) {
            Ok(stores) => stores,
            Err(error) => return super::sync::failed(printer, &error),
        };
        if args.output == ListFormat::Name && !args.selection.has_target() {
            // No store has to be opened for names.
            return match args.selection.images(&stores, printer).await {
                Ok(images) => said(printer, &stores, &names(&images)),
                Err(exit) => exit,
            };
        }
        let selected = match args.selection.select(&stores, printer).await {
            Ok(selected) => selected,
            Err(exit) => return exit,
        };
        let plan = if args.offline || args.output == ListFormat::Name {
            names_only(&selected)
        } else {
            match Engine::new(Settings::default()) {
                Ok(engine) => engine.plan(&selected.items).await,
                Err(error) => return super::sync::failed(printer, &error),
            }
        };
        let text = match args.output {
            ListFormat::Text => {
                to_text(&selected, &plan, args.selection.has_target(), args.offline)
            }
            ListFormat::Json => to_json(&selected, &plan, args.selection.has_target()),
            ListFormat::Name => names(&selected.images),
        };
        match said(printer, &stores, &text) {
            Exit::Done if plan.images.iter().any(|image| image.error.is_some()) => Exit::Failed,
            exit => exit,
        }
    })
}

/// Writes the list, and what its registries allow still.
fn said(printer: Printer, stores: &Stores, text: &str) -> Exit {
    if let Err(error) = printer.data(text) {
        printer.complain(&format!("error: standard output: {error}"));
        return Exit::Failed;
    }
    super::sync::say_allowances(printer, stores);
    Exit::Done
}

fn names(images: &ApplicationImages) -> String {
    let mut out = String::new();
    for needed in &images.needed {
        out.push_str(&needed.image.whole());
        out.push('\n');
    }
    out
}

fn names_only(selected: &Selected) -> Plan {
    let images = selected
        .items
        .iter()
        .map(|item| ImagePlan {
            source: item.source_text(),
            target: item.target_text(),
            ..ImagePlan::default()
        })
        .collect();
    Plan { images }
}

/// The places that ask for an image: `compose.yaml:3:12 (services.web.image)`.
pub(super) fn places(selected: &Selected, index: usize) -> Vec<String> {
    origins(selected, index)
        .iter()
        .map(|origin| {
            let place = selected.images.sources.display(origin.at);
            format!("{place} ({})", origin.path)
        })
        .collect()
}

fn origins(selected: &Selected, index: usize) -> &[Origin] {
    selected
        .images
        .needed
        .get(index)
        .map_or(&[], |needed| needed.origins.as_slice())
}

/// The same places for programs.
fn places_json(selected: &Selected, index: usize) -> Vec<serde_json::Value> {
    origins(selected, index)
        .iter()
        .map(|origin| {
            json!({
                "file": selected.images.sources.get(origin.at.file).map(|file| file.name.as_str()),
                "line": origin.at.line,
                "column": origin.at.column,
                "path": origin.path.to_string(),
            })
        })
        .collect()
}

pub(super) fn to_json(selected: &Selected, plan: &Plan, has_target: bool) -> String {
    let images: Vec<_> = plan
        .images
        .iter()
        .enumerate()
        .map(|(index, image)| {
            let mut value = serde_json::to_value(image).unwrap_or_default();
            value["asked_for_at"] = json!(places_json(selected, index));
            if !has_target && let Some(fields) = value.as_object_mut() {
                for key in [
                    "target",
                    "up_to_date",
                    "to_move",
                    "blobs_to_move",
                    "present",
                    "manifests",
                ] {
                    fields.remove(key);
                }
            }
            value
        })
        .collect();
    let mut value = json!({"schema": 1, "images": images});
    if has_target {
        value["to_move"] = json!(plan.to_move());
    }
    format!("{value:#}\n")
}

pub(super) fn to_text(selected: &Selected, plan: &Plan, has_target: bool, offline: bool) -> String {
    let mut out = String::new();
    for (index, image) in plan.images.iter().enumerate() {
        out.push_str(&image.source);
        out.push('\n');
        if let Some(error) = &image.error {
            out.push_str(&format!("  error: {error}\n"));
            for place in places(selected, index) {
                out.push_str(&format!("  asked for at {place}\n"));
            }
            continue;
        }
        if offline {
            continue;
        }
        let mut facts = Vec::new();
        facts.extend(image.digest.as_ref().map(ToString::to_string));
        facts.push(size(image.size));
        out.push_str(&format!("  {}\n", facts.join(", ")));
        if !image.platforms.is_empty() {
            out.push_str(&format!("  for {}\n", image.platforms.join(", ")));
        }
        if image.elsewhere > 0 {
            out.push_str(&format!(
                "  {} at servers of its own: it may not be distributed (sync --foreign-layers copies it)\n",
                count(image.elsewhere, "layer")
            ));
        }
        if has_target {
            let state = if image.up_to_date {
                "is there".to_owned()
            } else if image.to_move == 0 {
                "its layers are there, its name is not".to_owned()
            } else {
                format!(
                    "{} to move, {} there",
                    size(image.to_move),
                    size(image.present)
                )
            };
            out.push_str(&format!("  -> {}: {state}\n", image.target));
        }
    }
    if has_target && !offline {
        let waiting = plan
            .images
            .iter()
            .filter(|image| !image.up_to_date && image.error.is_none())
            .count();
        out.push_str(&format!(
            "{}, {} up to date, {} to move.\n",
            count(plan.images.len(), "image"),
            plan.images.len() - waiting - plan.images.iter().filter(|i| i.error.is_some()).count(),
            size(plan.to_move())
        ));
    }
    out
}
