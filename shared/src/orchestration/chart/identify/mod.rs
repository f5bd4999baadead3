//! The identification layer: which line of which template, and which value, a rendered field comes from.
//!
//! Both are found by rendering again with the real helm, never by understanding Go templates: lines of templates that
//! look like YAML get a comment with a number, which survives into the output ([`mark`]); values get words that nothing
//! else has, which show up where they are used ([`probe`]).

pub(crate) mod mark;
pub(crate) mod probe;

pub(crate) use mark::{Marked, Place, Places, TextRef, mark_chart, unmarked};
pub(crate) use probe::{Leaf, Probe, Source};
