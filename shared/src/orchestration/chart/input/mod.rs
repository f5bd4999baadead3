//! The input layer: any chart that helm takes, as files in memory.

mod archive;
mod dependencies;
mod fetch;
mod files;
mod ignore;
mod pack;

pub(crate) use dependencies::complete;
pub use fetch::ChartSource;
pub(crate) use fetch::load;
pub(crate) use files::{ChartFile, ChartFiles, join, write_files};
