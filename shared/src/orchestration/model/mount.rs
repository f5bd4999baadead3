//! What is mounted into a container.

use super::EnvValue;
use crate::source::{Origin, Sourced};

/// One mount.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// Absolute path in the container.
    pub target: Sourced<String>,
    /// What is mounted.
    pub source: MountSource,
    /// Writing is refused.
    pub read_only: Option<Sourced<bool>>,
    /// Path inside the source.
    pub subpath: Option<Sourced<String>>,
    /// Whether mounts below it spread.
    pub propagation: Option<Sourced<Propagation>>,
    /// Content of the image is copied into a fresh volume: Docker's way, off with `nocopy`.
    pub no_copy: Option<Sourced<bool>>,
    /// The Pod volume's name in Kubernetes.
    pub volume_name: Option<Sourced<String>>,
    /// Where it stood.
    pub origin: Origin,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq)]
pub enum MountSource {
    /// A volume of [`super::Application::volumes`].
    Volume(String),
    /// Storage that lives as long as the instance and may be shared by its containers (`emptyDir`); the name is unique
    /// within the unit.
    Shared {
        /// Name within the unit.
        name: String,
        /// Where it lies.
        medium: SharedMedium,
        /// Upper bound in bytes.
        size: Option<u64>,
    },
    /// A volume without a name, for this container alone.
    Anonymous,
    /// A path of the node.
    Bind {
        /// Path on the node, absolute or, in Compose, resolved against the project folder.
        path: String,
        /// What is expected there.
        kind: BindKind,
        /// The path as the user wrote it, when it was relative to the project folder.
        relative: Option<String>,
        /// SELinux relabelling (`z` or `Z`).
        selinux: Option<String>,
    },
    /// Memory, for this container alone.
    Tmpfs {
        /// Upper bound in bytes.
        size: Option<u64>,
        /// Permission bits.
        mode: Option<u32>,
        /// Other options (`uid=`, `noexec`), verbatim.
        options: Vec<String>,
    },
    /// The file system of an image.
    Image {
        /// Its reference.
        reference: String,
        /// When it is pulled, as written.
        pull: Option<String>,
    },
    /// Files of a config or secret.
    Object(ObjectMount),
    /// Files of several configs, secrets and fields in one folder.
    Projected(Vec<MountSource>),
    /// Fields of the instance as files.
    Fields(Vec<FieldFile>),
    /// A named pipe of Windows.
    Pipe(String),
    /// A CSI volume of a Swarm cluster: a volume of [`super::Application::volumes`], or `group:NAME`.
    Cluster(String),
    /// A source that only Kubernetes has (`csi`, `iscsi`, ...), verbatim.
    Other {
        /// The field of `VolumeSource`.
        kind: String,
        /// Its value.
        value: serde_json::Value,
    },
}

/// Files of a config or secret.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectMount {
    /// Config or secret.
    pub kind: ObjectKind,
    /// Name of the object.
    pub object: String,
    /// Chosen keys; empty means all, each as a file below the target. With `single`, exactly one.
    pub items: Vec<ObjectItem>,
    /// The target is the file itself, not the folder.
    pub single: bool,
    /// Permission bits of all files.
    pub mode: Option<Sourced<u32>>,
    /// Owner, as Compose says it.
    pub uid: Option<Sourced<String>>,
    /// Group, as Compose says it.
    pub gid: Option<Sourced<String>>,
    /// Whether the object may be missing.
    pub optional: Option<Sourced<bool>>,
}

/// One key as a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectItem {
    /// Key in the object.
    pub key: String,
    /// Path below the target.
    pub path: String,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Where it stood.
    pub origin: Origin,
}

/// One field of the instance as a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldFile {
    /// Path below the target.
    pub path: String,
    /// What it holds: [`EnvValue::Field`] or [`EnvValue::Resource`].
    pub value: EnvValue,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// Config or secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Not confidential.
    Config,
    /// Confidential.
    Secret,
}

/// What is expected at a path of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindKind {
    /// Nothing is known or checked.
    Unknown,
    /// A folder that must exist.
    Directory,
    /// A folder that is made if it is missing.
    DirectoryOrCreate,
    /// A file that must exist.
    File,
    /// A file that is made if it is missing.
    FileOrCreate,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// Where short-lived storage lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedMedium {
    /// The node's disk.
    Disk,
    /// Memory.
    Memory,
    /// Huge pages or another medium that only Kubernetes has.
    Other,
}

/// Whether mounts below a mount spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Propagation {
    /// Neither way.
    Private,
    /// From the node to the container.
    FromHost,
    /// Both ways.
    Both,
    /// A form that only Docker has (`shared`, `slave`), verbatim.
    Other(String),
}
