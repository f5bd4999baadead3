//! The report of one migration: for people on a terminal, in a log, or as JSON for programs.

mod json;
mod text;

pub use json::to_json;
pub use text::{Style, summary, to_text};
