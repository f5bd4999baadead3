//! One container of a unit.

use super::{Mount, Port, Probe};
use crate::source::{Origin, Sourced};

/// One container. `None` and empty lists where the source is silent.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Its name inside the unit: the service key in Compose, `containers[].name` in Kubernetes.
    pub name: Sourced<String>,
    /// What it is for.
    pub role: Role,
    /// The image reference, verbatim.
    pub image: Option<Sourced<String>>,
    /// How the image would be built.
    pub build: Option<Build>,
    /// When the image is pulled.
    pub pull: Option<Sourced<PullPolicy>>,
    /// Replaces the image's entry point.
    pub entrypoint: Option<Sourced<Command>>,
    /// Replaces the image's command.
    pub command: Option<Sourced<Command>>,
    /// Words of the two with references that the target has to resolve at run time.
    pub composed: Vec<ComposedWord>,
    /// Working directory.
    pub working_dir: Option<Sourced<String>>,
    /// Variables, in the order in which they were written.
    pub environment: Vec<EnvVar>,
    /// Whole objects as variables.
    pub environment_from: Vec<EnvFrom>,
    /// User and group.
    pub user: Option<Sourced<User>>,
    /// Ports that it listens on, and how they are published.
    pub ports: Vec<Port>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// Health checks, at most one for each purpose.
    pub probes: Vec<Probe>,
    /// The image's own health check is switched off (`healthcheck.disable`, `test: NONE`).
    pub health_disabled: Option<Sourced<bool>>,
    /// Runs right after the start.
    pub post_start: Vec<Hook>,
    /// Runs before the stop signal.
    pub pre_stop: Vec<Hook>,
    /// Signal that asks it to stop.
    pub stop_signal: Option<Sourced<String>>,
    /// What it may and shall get of the node.
    pub resources: Resources,
    /// What it may do.
    pub security: Security,
    /// A terminal is allocated.
    pub tty: Option<Sourced<bool>>,
    /// Standard input stays open.
    pub stdin: Option<Sourced<bool>>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<Sourced<u64>>,
    /// `os[/arch[/variant]]`.
    pub platform: Option<Sourced<String>>,
    /// Where it stood.
    pub origin: Origin,
}

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Gives the unit its purpose.
    Main,
    /// Runs beside the main container.
    Sidecar,
    /// Starts before the main container and runs beside it (an init container that is always restarted).
    NativeSidecar,
    /// Runs to its end before the main container starts, in each instance.
    Init,
    /// Runs to its end before the main container starts, once for the service (Compose `pre_start`).
    PreStart,
}

/// Words of a command. Empty means that the image's value is cleared.
pub type Command = Vec<String>;

/// A word of a command line whose references `$(NAME)` could not be resolved beforehand; the word itself has them as
/// they were written.
#[derive(Debug, Clone, PartialEq)]
pub struct ComposedWord {
    /// Whether it is one of the entry point's, not of the command's.
    pub of_entrypoint: bool,
    /// Its place among them.
    pub index: usize,
    /// The text in Kubernetes' syntax (`$$(` is a literal `$(`).
    pub text: String,
    /// References that a shell runs as commands, since no variable has their names.
    pub for_shell: Vec<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// An image that has to be built first.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// Build context as written.
    pub context: Option<String>,
    /// Dockerfile as written.
    pub dockerfile: Option<String>,
    /// Target stage.
    pub target: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// When an image is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// When it is not there.
    Missing,
    /// Never.
    Never,
    /// It is built on the spot.
    Build,
    /// When it is older than a period (`daily`, `weekly`, `every_12h`), verbatim.
    Refresh(String),
}

/// One variable.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvVar {
    /// Its name.
    pub name: Sourced<String>,
    /// Its value.
    pub value: EnvValue,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum EnvValue {
    /// Text as the process sees it, all references of the source's format resolved.
    Literal(String),
    /// Text with references `$(NAME)` that the target has to resolve at run time, in Kubernetes' syntax (`$$(` is a
    /// literal `$(`). Only where a reference cannot be resolved beforehand.
    Composed(String),
    /// A key of a config or secret.
    Object {
        /// Whether it is a secret.
        secret: bool,
        /// The object.
        object: String,
        /// The key.
        key: String,
        /// Whether it may be missing.
        optional: Option<bool>,
    },
    /// A field of the instance (`metadata.name`, `status.podIP`, ...).
    Field(String),
    /// A resource of a container (`limits.cpu`), with container and divisor.
    Resource {
        /// The resource.
        resource: String,
        /// The container, if not this one.
        container: Option<String>,
        /// The divisor.
        divisor: Option<String>,
    },
    /// Explicitly taken from the caller's environment and not set there.
    Unset,
}

/// All keys of a config or secret as variables.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvFrom {
    /// Whether it is a secret.
    pub secret: bool,
    /// The object.
    pub object: Sourced<String>,
    /// Put before each key.
    pub prefix: Option<Sourced<String>>,
    /// Whether it may be missing.
    pub optional: Option<Sourced<bool>>,
}

/// The user that a container runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// Numbers.
    Numeric {
        /// User id.
        uid: Option<i64>,
        /// Group id.
        gid: Option<i64>,
    },
    /// A name that only the image can resolve, verbatim with its group.
    Named(String),
}

impl User {
    /// Whether it surely is root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        match self {
            Self::Numeric { uid, gid: _ } => *uid == Some(0),
            Self::Named(name) => name.split(':').next() == Some("root"),
        }
    }
}

/// What runs at a point of the life cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// What is done.
    pub action: HookAction,
    /// User, if another one.
    pub user: Option<Sourced<String>>,
    /// Privileged.
    pub privileged: Option<Sourced<bool>>,
    /// Working directory.
    pub working_dir: Option<Sourced<String>>,
    /// Variables beside the container's.
    pub environment: Vec<EnvVar>,
    /// Where it stood.
    pub origin: Origin,
}

/// What a hook does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookAction {
    /// Runs a command without a shell.
    Exec(Command),
    /// Runs a line in a shell.
    Shell(String),
    /// Waits for that many seconds.
    Sleep(u64),
    /// Asks an address by HTTP; host, port and path as a URL.
    Http(String),
    /// Connects to a port.
    Tcp(String),
}

/// What a container may and shall get of the node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resources {
    /// Upper bound of CPU in thousandths of a core.
    pub cpu_limit: Option<Sourced<u64>>,
    /// Upper bound of memory in bytes.
    pub memory_limit: Option<Sourced<u64>>,
    /// Reserved CPU in thousandths of a core.
    pub cpu_request: Option<Sourced<u64>>,
    /// Reserved memory in bytes.
    pub memory_request: Option<Sourced<u64>>,
    /// Bytes of the writable layer.
    pub storage_limit: Option<Sourced<u64>>,
    /// Devices and other countable resources.
    pub devices: Vec<DeviceRequest>,
}

/// Devices that a container needs.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRequest {
    /// Name in Kubernetes (`nvidia.com/gpu`) or kind in Swarm (`GPU`).
    pub name: String,
    /// How many; `None` means all.
    pub count: Option<u64>,
    /// Driver, as Compose names it.
    pub driver: Option<String>,
    /// Capabilities, as Compose names them.
    pub capabilities: Vec<String>,
    /// Certain devices instead of a number.
    pub ids: Vec<String>,
    /// Whether it is a generic resource of Swarm.
    pub generic: bool,
    /// Where it stood.
    pub origin: Origin,
}

/// What a container may do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Security {
    /// All rights.
    pub privileged: Option<Sourced<bool>>,
    /// Single rights.
    pub capabilities: Capabilities,
    /// Root file system is read-only.
    pub read_only_root: Option<Sourced<bool>>,
    /// `no-new-privileges` when false.
    pub allow_escalation: Option<Sourced<bool>>,
    /// Seccomp: `unconfined`, `runtime/default` or the profile's file.
    pub seccomp: Option<Sourced<String>>,
    /// AppArmor: `unconfined`, `runtime/default` or the profile's name.
    pub apparmor: Option<Sourced<String>>,
    /// SELinux: `user`, `role`, `type`, `level` with their values.
    pub selinux: Vec<Sourced<(String, String)>>,
    /// `/proc` without masked paths.
    pub unmasked_proc: Option<Sourced<bool>>,
    /// The container must not run as root; a check only.
    pub run_as_non_root: Option<Sourced<bool>>,
}

/// Kernel capabilities without the prefix `CAP_`, upper case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Capabilities {
    /// Added.
    pub add: Vec<Sourced<String>>,
    /// Taken away.
    pub drop: Vec<Sourced<String>>,
}

impl Container {
    /// A container without any settings.
    #[must_use]
    pub fn new(name: Sourced<String>, role: Role) -> Self {
        let origin = name.origin.clone();
        Self {
            name,
            role,
            image: None,
            build: None,
            pull: None,
            entrypoint: None,
            command: None,
            composed: Vec::new(),
            working_dir: None,
            environment: Vec::new(),
            environment_from: Vec::new(),
            user: None,
            ports: Vec::new(),
            mounts: Vec::new(),
            probes: Vec::new(),
            health_disabled: None,
            post_start: Vec::new(),
            pre_stop: Vec::new(),
            stop_signal: None,
            resources: Resources::default(),
            security: Security::default(),
            tty: None,
            stdin: None,
            shm_size: None,
            platform: None,
            origin,
        }
    }
}
