//! Moves images: what is missing at the target and nothing else, each byte hashed on its way, tags last.

mod item;

pub use item::{BlobOutcome, Event, ImageOutcome, ImagePlan, Item, Observer, Plan, Quiet, Summary};
