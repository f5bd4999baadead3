//! A real API server with a home folder for what talks to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::lab::ControlPlane;

use super::{COMPONENTS, docker_migrate, succeeded, text};

/// A cluster without nodes: what it accepts is real, only Pods never start.
pub(super) struct Cluster {
    pub(super) plane: ControlPlane,
    pub(super) home: tempfile::TempDir,
}

impl Cluster {
    pub(super) fn start() -> Option<Self> {
        Self::of(ControlPlane::start(&COMPONENTS))
    }

    /// Whoever is no administrator may only do what Roles say.
    pub(super) fn start_with_roles() -> Option<Self> {
        Self::of(ControlPlane::start_with_roles(&COMPONENTS))
    }

    fn of(plane: Result<ControlPlane, String>) -> Option<Self> {
        match plane {
            Ok(plane) => Some(Self {
                plane,
                home: tempfile::tempdir().unwrap(),
            }),
            Err(error) => {
                assert!(
                    std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                    "{error}"
                );
                println!("NOT TESTED: kube-apiserver could not be started: {error}");
                None
            }
        }
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.plane.kubeconfig()
    }

    /// `docker-migrate` with the cluster as its target.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = docker_migrate(self.home.path());
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECTL", COMPONENTS.kubectl.as_ref().unwrap())
            .args(arguments);
        command
    }

    pub(super) fn migrate(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A kubectl for `KUBECTL` that runs a piece of shell before it changes anything; `$*` are its arguments.
    pub(super) fn kubectl_that(&self, name: &str, before_changes: &str) -> PathBuf {
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in\n*\" --dry-run=server \"*) ;;\n*\" apply \"*)\n{before_changes}\n;;\nesac\nexec '{}' \"$@\"\n",
            COMPONENTS.kubectl.as_ref().unwrap().display()
        );
        script_at(&self.home.path().join(name), &script)
    }

    /// `kubectl-migrate` with the cluster as its source.
    pub(super) fn kubectl_migrate(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECTL", COMPONENTS.kubectl.as_ref().unwrap())
            .current_dir(self.home.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Creates objects, and says what is wrong with them.
    pub(super) fn apply(&self, arguments: &[&str], objects: &str) {
        let file = self.home.path().join("apply.yaml");
        std::fs::write(&file, objects).unwrap();
        let output = Command::new(COMPONENTS.kubectl.as_ref().unwrap())
            .env("KUBECONFIG", self.kubeconfig())
            .args(["apply", "--filename"])
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap();
        succeeded(&output);
    }

    /// A kubeconfig for an account that has one of our Roles.
    pub(super) fn with_role(&self, namespace: &str, account: &str, role: &str) -> PathBuf {
        self.kubectl(&["create", "namespace", namespace]);
        self.apply(&["-n", namespace], role);
        let name = role
            .lines()
            .find_map(|line| line.trim().strip_prefix("name: "))
            .unwrap();
        self.kubectl(&["create", "serviceaccount", account, "-n", namespace]);
        let subject = format!("--serviceaccount={namespace}:{account}");
        let role = format!("--role={name}");
        self.kubectl(&[
            "create",
            "rolebinding",
            account,
            &role,
            &subject,
            "-n",
            namespace,
        ]);
        let token = self.kubectl(&["create", "token", account, "-n", namespace]);
        let certificate = self.plane.folder().join("certs/apiserver.crt");
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.plane.server(), "certificate-authority": certificate}}],
            "users": [{"name": "u", "user": {"token": token.trim()}}],
            "contexts": [{"name": "narrow", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
            "current-context": "narrow",
        });
        let path = self.home.path().join(format!("{account}.kubeconfig"));
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new(COMPONENTS.kubectl.as_ref().unwrap())
            .env("KUBECONFIG", self.kubeconfig())
            .args(arguments)
            .output()
            .unwrap();
        text(&output.stdout) + &text(&output.stderr)
    }

    pub(super) fn write(&self, compose: &str) {
        std::fs::write(self.home.path().join("compose.yaml"), compose).unwrap();
    }
}

/// Writes a program of shell.
pub(super) fn script_at(path: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}
