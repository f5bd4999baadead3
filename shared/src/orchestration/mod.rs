//! The orchestration layer: SwarmNetes (Compose and Swarm to Kubernetes and back).
//!
//! One way through the house: text becomes nodes with positions ([`crate::source`]), a reader fills the
//! [`model::Application`], a writer turns it into the target's text. Readers never know the target, writers never
//! know the source. [`carry`] finds out what a target could not say and packs it into annotations or `x-` fields.

pub mod carry;
pub mod chart;
pub mod compose;
pub mod convert;
pub mod kubernetes;
pub mod live;
pub mod model;
pub mod names;
pub mod output;
pub mod provider;
pub mod quantity;
mod reference;
pub mod table;
