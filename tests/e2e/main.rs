//! End-to-end tests.

mod catalog;
mod cli;
mod deletion;
mod fields;
mod hostile;
mod paths;
mod round_trip;
mod snapshots;
mod validators;
