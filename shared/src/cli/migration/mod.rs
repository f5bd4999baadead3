//! The verbs `plan`, `run`, `status`, `resume` and `rollback`: all three layers on the command line.

mod bundle;
mod plan;
mod prepare;
mod run;
mod saved;
mod status;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::images::{StoreOptions, TransferOptions};
use super::{Exit, ImageOptions, Printer};
use crate::application::target::OnConflict;
use crate::application::{Origin, Target};
use crate::images::rewrite::Rules;
use crate::orchestration::convert::Conversion;

pub use plan::{PlanArgs, plan};
pub use run::{RunArgs, run};
pub use status::{ResumeArgs, RollbackArgs, StatusArgs, resume, rollback, status};

/// What a program migrates, from what its host takes.
pub trait Migration: Args {
    /// Reads and converts the application. What is wrong was said.
    ///
    /// # Errors
    /// The application cannot be read or converted.
    fn convert(&self, printer: Printer, images: &Rules) -> Result<Conversion, Exit>;

    /// Where it goes. `application` is its name.
    ///
    /// # Errors
    /// The options contradict each other; it was said how.
    fn goal(&self, printer: Printer, application: &str) -> Result<Goal, Exit>;

    /// The bundle that is meant instead of an application, if it is one.
    fn bundle(&self) -> Option<PathBuf>;

    /// Where it comes from, if that is running: for scaling it down afterwards. Asked after [`Migration::convert`].
    fn origin(&self, application: &str) -> Option<Origin>;

    /// The target for the files of a bundle. `format` is what the bundle holds.
    ///
    /// # Errors
    /// The program does not deploy this format; it was said which one does.
    fn bundle_target(
        &self,
        printer: Printer,
        application: &str,
        format: &str,
    ) -> Result<Box<dyn Target>, Exit>;
}

/// Where an application goes.
#[derive(Debug)]
pub enum Goal {
    /// It is started there.
    Target(Box<dyn Target>),
    /// It is written into a folder that travels. With the format of its files.
    Bundle(PathBuf, &'static str),
}

impl Goal {
    /// The goal in a few words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Target(target) => target.describe(),
            Self::Bundle(folder, _) => format!("bundle {}", folder.display()),
        }
    }
}

/// `--to` of a verb that has a bundle among its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To<Format> {
    /// A running target.
    Format(Format),
    /// `bundle:DIR`
    Bundle(PathBuf),
}

impl<Format: clap::ValueEnum> FromStr for To<Format> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(folder) = text
            .strip_prefix("bundle:")
            .filter(|folder| !folder.is_empty())
        {
            return Ok(Self::Bundle(folder.into()));
        }
        Format::from_str(text, true).map(Self::Format).map_err(|_| {
            let names: Vec<String> = Format::value_variants()
                .iter()
                .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("{} or bundle:DIR is expected", names.join(", "))
        })
    }
}

/// What plan and run have in common.
#[derive(Debug, Args)]
pub struct MigrationOptions<Source: Migration> {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    images: ImageOptions,
    /// Read all images from a store instead of their registries: oci:DIR
    #[arg(long, value_name = "STORE", help_heading = "Images")]
    images_from: Option<super::images::Place>,
    /// Copy no images: they are where the target looks for them
    #[arg(long, help_heading = "Images")]
    no_images: bool,
    /// Platform to copy; one alone is copied under its own digest [default: all]
    #[arg(long, value_name = "OS/ARCH", help_heading = "Images")]
    platform: Vec<crate::images::Platform>,
    #[command(flatten)]
    stores: StoreOptions,
    #[command(flatten)]
    transfer: TransferOptions,
    /// What to do about objects of the same names that are not ours
    #[arg(long, value_enum, default_value_t = OnConflict::Fail, help_heading = "Target")]
    on_conflict: OnConflict,
    /// Do not carry along what the target cannot say
    #[arg(long, help_heading = "Target")]
    no_carry: bool,
}

impl<Source: Migration> MigrationOptions<Source> {
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn rules(&self) -> Rules {
        self.images.rules()
    }
}

/// `90s`, `5m`, `1h`, or seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no time; 90s, 5m or 1h is expected");
    let (number, factor) = match text.char_indices().last() {
        Some((index, 's')) => (&text[..index], 1),
        Some((index, 'm')) => (&text[..index], 60),
        Some((index, 'h')) => (&text[..index], 3600),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number
        .checked_mul(factor)
        .map(Duration::from_secs)
        .ok_or_else(expected)
}
