//! Image pre-synchronisation: copies what appears in a source before a migration needs it.

pub mod queue;
pub mod rules;
