//! The lab: real programs that the tests run against.
//!
//! `tests/lab/components` fetches or builds them, [`Components`] finds them,
//! [`ControlPlane`] runs a Kubernetes API server, [`DataCentres`] a whole Swarm and a whole cluster, and [`validators`] put what
//! we wrote before the programs that have the last word about it.

pub mod control_plane;
pub mod data_centres;
pub mod engine;
pub mod registry;
pub mod simple_registry;
pub mod token_server;
pub mod validators;

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use control_plane::ControlPlane;
pub use data_centres::{DataCentres, Place};
pub use registry::Registry;

/// Where the real programs are on this machine; `None` for those that are not.
#[derive(Clone, Debug, Default)]
pub struct Components {
    /// The database of the API server.
    pub etcd: Option<PathBuf>,
    /// The Kubernetes API server.
    pub kube_apiserver: Option<PathBuf>,
    /// `kubectl`.
    pub kubectl: Option<PathBuf>,
    /// The Docker command line.
    pub docker: Option<PathBuf>,
    /// A Docker configuration folder with Compose among its `cli-plugins`.
    pub docker_config: Option<PathBuf>,
    /// The converter that ours is measured against.
    pub kompose: Option<PathBuf>,
    /// Debian's registry (distribution 2.8).
    pub docker_registry: Option<PathBuf>,
    /// The registry of distribution 3.
    pub registry3: Option<PathBuf>,
    /// Reads images in every form.
    pub skopeo: Option<PathBuf>,
    /// Reads images at registries.
    pub crane: Option<PathBuf>,
    /// Helm 4.
    pub helm4: Option<PathBuf>,
    /// Runs programs of Docker and others from a tree of their own.
    pub node_tools: Option<PathBuf>,
    /// Helm 3.
    pub helm3: Option<PathBuf>,
    /// kubectl's manager of plugins.
    pub krew: Option<PathBuf>,
    /// Judges manifests for krew, as its index does.
    pub validate_krew_manifest: Option<PathBuf>,
}

impl Components {
    /// Finds the programs by the `MIGRATE_LAB_*` variables, else in the cache
    /// folder of `tests/lab/components`, else on `PATH`.
    #[must_use]
    pub fn from_env() -> Self {
        let cache = cache_folder();
        let find = |variable, name: &str| {
            set(variable)
                .map(PathBuf::from)
                .or_else(|| {
                    let cached = cache.as_ref()?.join("bin").join(name);
                    is_program(&cached).then_some(cached)
                })
                .or_else(|| on_path(name))
        };
        Self {
            etcd: find("MIGRATE_LAB_ETCD", "etcd"),
            kube_apiserver: find("MIGRATE_LAB_KUBE_APISERVER", "kube-apiserver"),
            kubectl: find("MIGRATE_LAB_KUBECTL", "kubectl"),
            docker: find("MIGRATE_LAB_DOCKER", "docker"),
            docker_config: set("MIGRATE_LAB_DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| {
                    let cached = cache.as_ref()?.join("docker-config");
                    is_program(&cached.join("cli-plugins/docker-compose")).then_some(cached)
                }),
            kompose: find("MIGRATE_LAB_KOMPOSE", "kompose"),
            docker_registry: find("MIGRATE_LAB_DOCKER_REGISTRY", "docker-registry"),
            registry3: find("MIGRATE_LAB_REGISTRY3", "registry3"),
            skopeo: find("MIGRATE_LAB_SKOPEO", "skopeo"),
            crane: find("MIGRATE_LAB_CRANE", "crane"),
            helm4: find("MIGRATE_LAB_HELM4", "helm4"),
            node_tools: find("MIGRATE_LAB_NODE_TOOLS", "node-tools"),
            helm3: find("MIGRATE_LAB_HELM3", "helm3"),
            krew: find("MIGRATE_LAB_KREW", "krew"),
            validate_krew_manifest: find(
                "MIGRATE_LAB_VALIDATE_KREW_MANIFEST",
                "validate-krew-manifest",
            ),
        }
    }
}

/// The path of a component, or an error that tells how to get it.
///
/// ```ignore
/// let docker = need("docker", components.docker.as_deref())?;
/// ```
pub fn need<'path>(name: &str, path: Option<&'path Path>) -> Result<&'path Path, String> {
    path.ok_or_else(|| format!("{name} is not on this machine; run `tests/lab/components {name}`"))
}

/// A command that sees nothing of the caller's environment but `PATH`, so that
/// a test gives the same answer on every machine.
fn clean_command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home);
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

fn cache_folder() -> Option<PathBuf> {
    set("MIGRATE_LAB_CACHE").map(PathBuf::from).or_else(|| {
        set("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))
            .map(|folder| folder.join("migrate-lab"))
    })
}

/// A variable; one that is empty counts as absent, as it does in the script.
fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
