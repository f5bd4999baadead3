//! HelmConvert: a chart for one cloud provider becomes a chart for another, and stays a chart.
//!
//! Four layers, as in the paper. The input layer ([`input`]) reads any chart that helm takes. The identification layer
//! ([`identify`]) finds out which template line and which value each rendered field comes from, by rendering again
//! with marks. The conversion layer ([`crate::orchestration::provider`]) converts what was rendered. The output layer
//! ([`output`]) changes values first, then lines of templates, and writes text only where neither reaches.
//!
//! The law, checked with the real helm after each conversion: what the converted chart renders is what was rendered,
//! converted; for the default values and for each values file. A chart that breaks it is not written.

mod chance;
mod compare;
mod conditions;
mod converter;
mod decisive;
mod desk;
mod error;
mod given;
mod helm;
mod identify;
mod images;
mod input;
mod leftover;
mod manifests;
mod optional;
mod options;
mod originals;
mod output;
mod render;
mod said;
mod seen;
mod session;
mod summary;
mod target;
#[cfg(test)]
mod tests;
mod variants;
mod work;
mod yaml;

pub use error::ChartError;
pub use helm::{Helm, Release};
pub use input::ChartSource;
pub use manifests::{ManifestConversion, convert_manifests};
pub use options::{ChartConversion, ChartOptions, ChartTimings, Choice, ValuesOption};
pub use output::write::ChartOutput;
pub use session::{convert_chart, convert_chart_with_images};
pub use summary::Summary;
