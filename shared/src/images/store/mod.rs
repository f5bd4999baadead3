//! Where an image can lie: a registry, an OCI layout folder, an archive, a Docker engine.
//!
//! A [`Source`] is read from, a [`Target`] is written to; any source goes to any target. Both name an image by its
//! repository and a [`Name`]; a store that is not a registry decides itself what a repository is.

mod archive;
mod contents;
mod engine;
mod layout;
mod staged;

use std::fmt::Debug;
use std::ops::Range;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use archive::{DockerArchive, OciArchive};
pub use engine::DockerEngine;
pub use layout::Layout;
pub use staged::{Goal, Staged};

use super::{Descriptor, Digest, ImageError, Manifest};

/// The processor of this machine, as images name it.
fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// A step of a store.
pub type Step<'a, T> = BoxFuture<'a, Result<T, ImageError>>;

/// Bytes of a blob as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, ImageError>>;

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// A tag, which can move.
    Tag(String),
    /// A digest, which cannot.
    Digest(Digest),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// Something that images can be read from.
pub trait Source: Debug + Send + Sync {
    /// What it is, for people and as a key: `registry.example:5000`, `oci:bundle/images`.
    fn location(&self) -> &str;

    /// The descriptor behind a name, in one request; `None` if there is no such manifest or repository.
    fn resolve<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Descriptor>>;

    /// The manifest behind a name, byte for byte; `None` if there is none. Asked for by digest, the bytes have it.
    fn manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Manifest>>;

    /// The bytes `range` of a blob. The stream ends early only with an error; the bytes are not verified.
    fn blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        range: Range<u64>,
    ) -> Step<'a, ByteStream>;

    /// Whether ranges of one blob can be read at the same time with gain (a registry behind a network).
    fn serves_ranges(&self) -> bool {
        false
    }

    /// Whether it is a registry so near that one connection carries what the network can.
    fn is_near(&self) -> bool {
        false
    }

    /// All tags of a repository, page by page, in the store's order.
    fn tags<'a>(&'a self, repository: &'a str) -> BoxStream<'a, Result<Vec<String>, ImageError>>;

    /// All repositories, page by page, where the store tells them.
    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>>;

    /// Manifests whose subject is `digest` (signatures, attestations), by the referrers API, its fallback tag, and the
    /// tags that cosign uses.
    fn referrers<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Step<'a, Vec<Referrer>>;
}

/// A manifest about another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The manifest.
    pub descriptor: Descriptor,
    /// The tag by which it is found, where that is how: `sha256-....sig`.
    pub tag: Option<String>,
}

/// Something that images can be written to. It can be read from as well.
pub trait Target: Source {
    /// Whether a blob is in this repository.
    fn has_blob<'a>(&'a self, repository: &'a str, blob: &'a Descriptor) -> Step<'a, bool>;

    /// Begins to write a blob. With `mount_from`, a repository of the same target that has it, nothing need be sent.
    fn begin_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        mount_from: Option<&'a str>,
    ) -> Step<'a, BeginBlob>;

    /// Finds an upload again that another process began, by its [`Upload::token`]; `None` if the target has given it up.
    fn resume_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        token: &'a str,
    ) -> Step<'a, Option<Box<dyn Upload>>>;

    /// Writes a manifest under a name. All that it refers to has to be there.
    fn put_manifest<'a>(
        &'a self,
        repository: &'a str,
        name: &'a Name,
        manifest: &'a Manifest,
    ) -> Step<'a, ()>;

    /// Removes a tag or a manifest. Only called where a user's rule says so.
    fn delete_manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, ()>;

    /// Whether a blob of one repository can be had in another one without sending it.
    fn mounts(&self) -> bool {
        false
    }

    /// A blob that a repository is known to have was mounted from there, or was not: after some that were not,
    /// [`Self::mounts`] is no longer true.
    fn saw_mount(&self, taken: bool) {
        let _ = taken;
    }
}

/// How writing a blob begins.
#[derive(Debug)]
pub enum BeginBlob {
    /// It is there already, or was mounted: nothing is to be sent.
    Done,
    /// The bytes are wanted.
    Upload(Box<dyn Upload>),
}

/// A blob that is being written.
pub trait Upload: Debug + Send {
    /// What [`Target::resume_blob`] needs to find it again; holds no secret. Empty if it cannot be found again.
    fn token(&self) -> String;

    /// How many bytes the target has.
    fn offset(&self) -> u64;

    /// Sends the bytes from [`Self::offset`] to the end and commits the blob under its digest. `rest` ends with an error
    /// if the source breaks or the bytes turn out wrong: then nothing is committed. On failure the target may have kept
    /// a part, which [`Target::resume_blob`] tells.
    fn finish(self: Box<Self>, rest: ByteStream) -> Step<'static, ()>;

    /// Gives it up, so that the target can forget what it got.
    fn cancel(self: Box<Self>) -> BoxFuture<'static, ()>;
}
