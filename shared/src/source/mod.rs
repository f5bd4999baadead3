//! Text with positions, and the ledger that accounts for every node of it.
//!
//! [`parse`] turns YAML or JSON into [`Node`]s that know where they stand. Readers take nodes out of
//! [`Fields`]; whatever a reader leaves untaken is written into the [`Ledger`] by itself, so that no key of an
//! input can be forgotten.

mod emit;
mod fields;
mod file;
mod files;
mod indent;
mod keyed;
mod ledger;
mod node;
mod number;
mod parse;
mod path;
mod reread;
mod text;

pub use emit::{emit, emit_into};
pub use fields::{Fields, Item};
pub use file::{FileId, Position, SourceFile, Sources};
pub use files::{Disk, Files, Memory, PathKind, is_private, normalize, telling_mode};
pub(crate) use indent::Indents;
pub use keyed::Keyed;
pub use ledger::{Ledger, Leftover, Origin, Sourced};
pub use node::{Entry, Kind, Mapping, Node, Scalar, Tag, Value};
pub use parse::{Limits, parse};
pub use path::{KeyPath, PathStep, Trail};
pub use reread::{reread, reread_owned};
pub use text::{decode, read_all};
