//! The application layer: a converted application is brought to its target, started with the native tool, and watched
//! until it is ready; or the target is as it was.
//!
//! | module | what it is about |
//! |---|---|
//! | [`journal`] | what a run has done, written before it does it |
//! | [`target`] | Kubernetes, Swarm and Compose: look before, deploy, wait, undo |
//! | [`terms`] | how long each part of a migration takes |
//! | [`bundle`] | a folder with orchestration and images, for a target without a link |

pub mod bundle;
pub mod journal;
pub mod target;
pub mod terms;

pub use journal::{Journal, Record, Status};
pub use target::{Check, Origin, Target, Verdict};
pub use terms::Terms;
