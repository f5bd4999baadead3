//! End-to-end tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::format_collect,
    reason = "tests fail by panicking, and say plainly what they could not test"
)]

mod application;
mod catalog;
mod charts;
mod cli;
mod deletion;
mod fields;
mod hostile;
mod hosts;
mod images;
mod images_tools;
mod options;
mod paths;
mod presync;
mod provider;
mod round_trip;
mod snapshots;
mod validators;
