//! Volumes, configs and secrets.

use std::collections::BTreeMap;

use super::{Metadata, ObjectKind};
use crate::source::{Origin, Sourced};

/// Storage that outlives a unit: a named volume, a PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// The name that mounts use: key in Compose, claim name in Kubernetes.
    pub name: Sourced<String>,
    /// Kubernetes namespace, if the source names one.
    pub namespace: Option<Sourced<String>>,
    /// The real name, where it differs (`name:`).
    pub real_name: Option<Sourced<String>>,
    /// Exists already and is only referred to.
    pub external: bool,
    /// What it stands on.
    pub backing: VolumeBacking,
    /// Requested size in bytes.
    pub size: Option<Sourced<u64>>,
    /// Upper bound of the size in bytes.
    pub size_limit: Option<Sourced<u64>>,
    /// Who may mount it; empty where the source is silent.
    pub access: Vec<Sourced<AccessMode>>,
    /// Storage class (Kubernetes).
    pub class: Option<Sourced<String>>,
    /// A raw device instead of a file system.
    pub block: Option<Sourced<bool>>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Where it stood.
    pub origin: Origin,
}

impl Volume {
    /// A volume of which only the name is known.
    #[must_use]
    pub fn new(name: Sourced<String>) -> Self {
        Self {
            origin: name.origin.clone(),
            name,
            namespace: None,
            real_name: None,
            external: false,
            backing: VolumeBacking::Default,
            size: None,
            size_limit: None,
            access: Vec::new(),
            class: None,
            block: None,
            metadata: Metadata::default(),
        }
    }
}

/// What a volume stands on.
#[derive(Debug, Clone, PartialEq)]
pub enum VolumeBacking {
    /// Whatever the platform provides.
    Default,
    /// A driver of Docker with its options.
    Driver {
        /// Its name; `None` is `local`.
        name: Option<Sourced<String>>,
        /// Its options.
        options: BTreeMap<String, Sourced<String>>,
    },
    /// An NFS export.
    Nfs {
        /// Host name or address.
        server: String,
        /// Exported path.
        path: String,
        /// Mount options.
        options: Vec<String>,
        /// Writing is refused.
        read_only: bool,
        /// Where it stood.
        origin: Origin,
    },
    /// A path of the node.
    HostPath {
        /// The path.
        path: String,
        /// Where it stood.
        origin: Origin,
    },
    /// Memory.
    Memory {
        /// Upper bound in bytes.
        size: Option<u64>,
        /// Other options of its mount (`uid=1000`, `mode=0700`).
        options: Vec<String>,
        /// Where it stood.
        origin: Origin,
    },
}

/// Who may mount a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessMode {
    /// One node, reading and writing.
    ReadWriteOnce,
    /// Many nodes, reading.
    ReadOnlyMany,
    /// Many nodes, reading and writing.
    ReadWriteMany,
    /// One Pod, reading and writing.
    ReadWriteOncePod,
}

/// A config or secret: named pieces of content.
#[derive(Debug, Clone, PartialEq)]
pub struct FileObject {
    /// Config or secret.
    pub kind: ObjectKind,
    /// The name that mounts and variables use.
    pub name: Sourced<String>,
    /// Kubernetes namespace, if the source names one.
    pub namespace: Option<Sourced<String>>,
    /// The real name, where it differs (`name:`).
    pub real_name: Option<Sourced<String>>,
    /// Exists already and is only referred to.
    pub external: bool,
    /// Content by key. A config or secret of Compose has the one key that its mount names, or its own name.
    pub data: BTreeMap<String, ObjectData>,
    /// Whether it can be changed.
    pub immutable: Option<Sourced<bool>>,
    /// Type of a Kubernetes Secret.
    pub secret_type: Option<Sourced<String>>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Where it stood.
    pub origin: Origin,
}

/// One piece of content. Its `Debug` form never shows the content.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectData {
    /// The content.
    pub bytes: Vec<u8>,
    /// Path that it was read from, as the user wrote it.
    pub file: Option<String>,
    /// Variable that it was read from.
    pub variable: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

impl std::fmt::Debug for ObjectData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectData")
            .field("bytes", &format_args!("<{} bytes>", self.bytes.len()))
            .field("file", &self.file)
            .field("variable", &self.variable)
            .field("origin", &self.origin)
            .finish()
    }
}
