//! What `kubectl migrate`, `docker migrate` and `helm convert` have in common.
//!
//! The modules mirror the three layers of a migration: the image layer ([`images`]), the orchestration
//! layer ([`orchestration`]) and the application layer ([`application`]). Around them stand what every layer
//! needs: text with positions ([`source`]), the account of what could not be carried over ([`finding`]), the
//! report of one migration ([`report`]), the contracts of the host tools and the command line that
//! the three programs share ([`cli`]).

pub mod application;
pub mod cli;
pub mod finding;
pub mod host;
pub mod images;
pub mod orchestration;
mod parallel;
pub mod report;
pub mod source;

/// Documents are trees of small pieces, and the allocator of a static program (musl's) is slow with them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
