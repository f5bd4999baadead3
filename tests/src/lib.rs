//! Helpers of the end-to-end tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::format_collect,
    reason = "tests fail by panicking, and say plainly what they could not test"
)]

pub mod fault;
pub mod fixtures;
pub mod image;
pub mod lab;
pub mod run;
