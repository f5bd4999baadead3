//! A Kubernetes API server with its database, for one test process.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Components, clean_command, need};

/// How long the API server may take to come up on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long to wait before asking again whether it is up.
const PAUSE: Duration = Duration::from_millis(10);

/// How often to try another port when somebody else took the one chosen.
const ATTEMPTS: usize = 3;

/// Runs both programs until its standard input ends, then kills them and
/// removes the folder. `down` and `up` on its standard input end the API server
/// and start it again.
///
/// The write end of that input is held by the test process alone, so it ends
/// whether that process drops the control plane, exits with it in a `static`,
/// panics or is killed. Should the shell itself be killed, `--pdeathsig` takes
/// the two programs with it. Calling for that signal from the test process
/// would not do: it comes when the *thread* that started the program ends, and
/// every test is a thread.
///
/// etcd listens on sockets in the folder, which need no ports. The API server
/// signs service account tokens with the key of the certificate that it makes
/// for itself before it reads that file. The admission plugins switched off
/// refuse pods that name an object which a dry run never creates (a service
/// account, a priority class, a runtime class). The advertised address only has
/// to be none of the loopback's; it is reserved for documentation, and nobody
/// is told about it.
const SUPERVISOR: &str = r#"
set -eu
cd "$1"
client=unix://localhost:2379 peer=unix://localhost:2380
setpriv --pdeathsig KILL "$2" \
    --name lab \
    --data-dir etcd \
    --listen-client-urls "$client" \
    --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" \
    --initial-advertise-peer-urls "$peer" \
    --initial-cluster "lab=$peer" \
    --heartbeat-interval 10 \
    --election-timeout 100 \
    --logger zap \
    --log-level warn \
    </dev/null >etcd.log 2>&1 &
etcd=$!
serve() {
    setpriv --pdeathsig KILL "$3" \
        --etcd-servers="$client" \
        --bind-address=127.0.0.1 \
        --secure-port="$4" \
        --advertise-address=192.0.2.1 \
        --endpoint-reconciler-type=none \
        --cert-dir=certs \
        --token-auth-file=tokens.csv \
        --anonymous-auth=false \
        --authorization-mode="$5" \
        --allow-privileged=true \
        --service-cluster-ip-range=10.0.0.0/16 \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file=certs/apiserver.key \
        --service-account-signing-key-file=certs/apiserver.key \
        --disable-admission-plugins=ServiceAccount,Priority,RuntimeClass \
        --enable-priority-and-fairness=false \
        --profiling=false \
        </dev/null >>kube-apiserver.log 2>&1 &
    apiserver=$!
}
serve "$@"
echo "$etcd"
echo "$apiserver"
exec >/dev/null
while read -r word; do
    case "$word" in
    down) kill -KILL "$apiserver" || : ; wait "$apiserver" || : ;;
    up) serve "$@" ;;
    esac
done
kill -KILL "$etcd" "$apiserver" || :
wait || :
cd /
rm -rf "$1"
"#;

/// A running API server, which answers on loopback and forgets everything when
/// dropped.
///
/// No controller runs beside it: objects are checked and stored, but nothing
/// acts on them.
#[derive(Debug)]
pub struct ControlPlane {
    supervisor: Child,
    folder: PathBuf,
    kubectl: PathBuf,
    server: String,
    port: u16,
}

/// A program under the supervisor.
struct Program {
    name: &'static str,
    pid: String,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready for requests.
    pub fn start(components: &Components) -> Result<Self, String> {
        Self::start_as(components, "AlwaysAllow")
    }

    /// As [`Self::start`], but everybody else than the administrator of the kubeconfig may only do what Roles say.
    pub fn start_with_roles(components: &Components) -> Result<Self, String> {
        Self::start_as(components, "RBAC")
    }

    fn start_as(components: &Components, authorization: &str) -> Result<Self, String> {
        let etcd = need("etcd", components.etcd.as_deref())?;
        let apiserver = need("kube-apiserver", components.kube_apiserver.as_deref())?;
        let kubectl = need("kubectl", components.kubectl.as_deref())?;
        let mut attempt = 1;
        loop {
            match Self::start_once(etcd, apiserver, kubectl, authorization) {
                Err(error) if attempt < ATTEMPTS && error.contains("address already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn start_once(
        etcd: &Path,
        apiserver: &Path,
        kubectl: &Path,
        authorization: &str,
    ) -> Result<Self, String> {
        let port = free_port()?;
        let folder = tempfile::Builder::new()
            .prefix("migrate-lab-")
            .tempdir()
            .map_err(|error| format!("cannot make a folder for the control plane: {error}"))?;
        let server = format!("https://127.0.0.1:{port}");
        write_credentials(folder.path(), &server)?;

        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(folder.path())
            .args([etcd, apiserver])
            .arg(port.to_string())
            .arg(authorization)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Whoever interrupts the tests at the terminal must not interrupt
            // the clean-up as well.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start sh: {error}"))?;
        // From here on the folder is the supervisor's to remove.
        let mut plane = Self {
            supervisor,
            folder: folder.keep(),
            kubectl: kubectl.to_path_buf(),
            server,
            port,
        };
        let programs = plane.programs()?;
        plane.wait_until_ready(port, &programs)?;
        Ok(plane)
    }

    /// Ends the API server in the middle of whatever it does. The database stays.
    ///
    /// # Errors
    /// The supervisor is gone, or the server does not end.
    pub fn stop_server(&mut self) -> Result<(), String> {
        self.tell("down")?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            if Instant::now() > deadline {
                return Err("the API server does not end".to_owned());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Starts the API server again, with the same data and address.
    ///
    /// # Errors
    /// The supervisor is gone, or the server does not come up.
    pub fn start_server(&mut self) -> Result<(), String> {
        self.tell("up")?;
        self.wait_until_ready(self.port, &[])
    }

    fn tell(&mut self, word: &str) -> Result<(), String> {
        let stdin = self.supervisor.stdin.as_mut();
        let stdin = stdin.ok_or("the supervisor is gone")?;
        writeln!(stdin, "{word}").map_err(|error| format!("the supervisor is gone: {error}"))
    }

    /// The folder with the kubeconfig, the logs and the data; it goes when the
    /// control plane does.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A kubeconfig whose only user may do everything.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The address of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A `kubectl` that talks to this control plane and knows nothing else of
    /// the machine.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut command = clean_command(&self.kubectl, &self.folder);
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    fn programs(&mut self) -> Result<[Program; 2], String> {
        let mut lines = self
            .supervisor
            .stdout
            .take()
            .map(|stdout| BufReader::new(stdout).lines())
            .into_iter()
            .flatten();
        let mut program = |name| match lines.next() {
            Some(Ok(pid)) => Ok(Program { name, pid }),
            _ => Err(format!("cannot start {name}: its supervisor has ended")),
        };
        Ok([program("etcd")?, program("kube-apiserver")?])
    }

    fn wait_until_ready(&self, port: u16, programs: &[Program]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut answer = "nobody listens yet".to_owned();
        loop {
            // Connecting costs nothing, unlike kubectl.
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                let output = self
                    .kubectl()
                    .args(["get", "--raw", "/readyz", "--request-timeout=5s"])
                    .output()
                    .map_err(|error| format!("cannot start {}: {error}", self.kubectl.display()))?;
                if output.status.success() {
                    return Ok(());
                }
                answer = String::from_utf8_lossy(&output.stderr).into_owned();
            }
            for program in programs {
                if !program.is_running() {
                    return Err(format!(
                        "{} ended at once:\n{}",
                        program.name,
                        self.log(program.name)
                    ));
                }
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the API server is not ready after {} s: {answer}\n{}",
                    PATIENCE.as_secs(),
                    self.log("kube-apiserver")
                ));
            }
            thread::sleep(PAUSE);
        }
    }

    /// The last lines of a program's log.
    fn log(&self, name: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "the error is named just below")]
        let text = fs::read_to_string(self.folder.join(format!("{name}.log")))
            .unwrap_or_else(|error| format!("its log cannot be read: {error}"));
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // Nothing can be done about a failure here, and it leaves nothing
        // behind that the supervisor does not see to.
        let _ = self.supervisor.wait();
    }
}

impl Program {
    /// A program that has ended stays in the process table until the
    /// supervisor asks for it, but has no executable any more.
    fn is_running(&self) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok()
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no port is free: {error}"))
}

/// Writes what the API server knows its administrator by, and the kubeconfig
/// that says the same to kubectl. The certificate comes later, from the server.
fn write_credentials(folder: &Path, server: &str) -> Result<(), String> {
    let random = || RandomState::new().build_hasher().finish();
    let token = format!("{:016x}{:016x}", random(), random());
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "lab",
            "cluster": {"server": server, "certificate-authority": "certs/apiserver.crt"},
        }],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
        "current-context": "lab",
    });
    write(
        &folder.join("tokens.csv"),
        &format!("{token},admin,admin,\"system:masters\"\n"),
    )?;
    write(&folder.join("kubeconfig"), &kubeconfig.to_string())
}

#[expect(clippy::disallowed_methods, reason = "the error names the path")]
fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
