//! Moves images: what is missing at the target and nothing else, each byte hashed on its way, tags last.
//!
//! An [`Engine`] first asks both sides for the digests of all images: equal ones are done. For the others it reads the
//! manifests, byte for byte, and sends their blobs, each once for a target; other repositories mount it. Then manifests
//! are written, children first and the tag last, so that a target has an image whole or not at all.

mod engine;
mod item;
mod known;
mod plan;
mod rate;
mod read;
mod send;
mod state;
mod tree;
mod turns;

pub use engine::{Engine, Settings};
pub use item::{BlobOutcome, Event, ImageOutcome, ImagePlan, Item, Observer, Plan, Quiet, Summary};
pub use rate::{Rate, Schedule};
