//! The output layer: the chart stays a chart. First values change, then lines of templates, and only what neither
//! reaches becomes a rendered file.

pub(crate) mod flat;
pub(crate) mod lines;
pub(crate) mod plan;
pub(crate) mod schema;
mod single;
pub(crate) mod solve;
pub(crate) mod widen;
pub(crate) mod write;

pub(crate) use super::input::join;
