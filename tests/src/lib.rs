//! Helpers of the end-to-end tests.

pub mod fixtures;
pub mod lab;
pub mod run;
