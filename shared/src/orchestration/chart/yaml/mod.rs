//! YAML as text with spans: what stands where, so that a file can be changed in place.
//!
//! [`crate::source`] reads YAML for conversion and refuses what is doubtful. Here everything that helm accepts has to be
//! read as helm reads it: a key that stands twice counts the last time, `yes` and `on` are booleans (YAML 1.1, as in
//! helm's own parser).

mod edit;
mod parse;
mod tree;
mod write;

pub(crate) use edit::{YamlEdit, edit_yaml};
pub(crate) use parse::{parse_documents, parse_tree};
pub(crate) use tree::{Entry, Item, Step, Style, Tree, path_text};
pub(crate) use write::render_value;
