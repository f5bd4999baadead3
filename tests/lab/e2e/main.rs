//! Whole migrations between two real data centres: Docker Swarm in one, Kubernetes in the other.
//!
//! The tests share both, so they run one after the other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::format_collect,
    reason = "tests fail by panicking, and say plainly what they could not test"
)]

mod application;
mod charts;
mod kubernetes_to_swarm;
mod presynchronised;
mod runs;
mod site;
mod swarm_to_kubernetes;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tests::lab::DataCentres;

static CENTRES: LazyLock<Result<Mutex<DataCentres>, String>> =
    LazyLock::new(|| DataCentres::up().map(Mutex::new));

/// The data centres, for one test at a time; says plainly why there are none. Where `MIGRATE_LAB_REQUIRED` is set,
/// that is a failure.
fn centres() -> Option<MutexGuard<'static, DataCentres>> {
    match &*CENTRES {
        // A test that failed has not broken them for the next: each one clears its own place first.
        Ok(centres) => Some(centres.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "the lab is required here: {error}"
            );
            println!("NOT TESTED: {error}");
            None
        }
    }
}
