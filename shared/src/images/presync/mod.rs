//! Image pre-synchronisation: copies what appears in a source before a migration needs it.
//!
//! | module | what it is about |
//! |---|---|
//! | [`rules`] | the rules file |
//! | [`queue`] | what is to be copied, on disk |
//! | [`receiver`] | events of registries |
//! | [`trigger`] | engines, clusters, and the comparison of both sides |
//! | [`worker`] | one image at a time: look at both sides, copy, remember |
//! | [`nodes`] | nodes pull what their registry has got |
//! | [`health`] | metrics, probes, the status page |
//! | [`daemon`] | all of it together, from start to stop |
//! | [`admin`] | talking to a daemon that runs |
//! | [`install`] | manifests for Kubernetes, and one active replica |
//!
//! Every trigger leads to the same step: a job for an image and a target, which asks both sides and copies what the
//! target lacks. An event is a hint, so a wrong, doubled or late one does no harm, and one that was lost is found by
//! the next comparison.

pub mod admin;
pub mod daemon;
pub mod health;
pub mod install;
pub mod live;
pub mod nodes;
pub mod queue;
pub mod receiver;
pub mod rules;
pub mod stores;
pub mod trigger;
pub mod worker;
