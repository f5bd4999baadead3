//! The daemon in Kubernetes: manifests, and the Lease that lets one replica of several work.

mod lease;
mod manifests;

pub use lease::{Held, LeaseError, LeaseName, hold};
pub use manifests::{InstallOptions, manifests};
