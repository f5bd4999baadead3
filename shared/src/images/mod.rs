//! The image layer: the images of an application arrive in the target's registry with the digests they had.
//!
//! | module | what it is about |
//! |---|---|
//! | [`digest`], [`descriptor`] | names of content, and the manifests that refer to it; kept byte for byte |
//! | [`registry`], [`credential`] | a registry, and who we are to it |
//! | [`store`] | where an image can lie, as two traits: a source and a target |
//! | [`presync`] | the daemon that copies new images before a migration needs them |
//! | [`sync`] | which bytes are missing at a target, and the engine that moves them |

pub mod credential;
pub mod descriptor;
pub mod digest;
pub mod error;
pub mod inventory;
mod kept;
pub mod presync;
pub mod registry;
pub mod rewrite;
pub mod store;
pub mod sync;
pub mod tags;

pub use descriptor::{Content, Descriptor, Manifest, Platform};
pub use digest::Digest;
pub use error::ImageError;
/// A reference to an image: registry, repository, tag and digest (docker/distribution, `reference`). Docker Hub's short
/// names are completed.
pub use oci_distribution::Reference;
