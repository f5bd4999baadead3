//! Ctrl-C, SIGTERM and docker's socket: the plugin ends in order, and the host gives back its exit code.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Home, docker, helm, helms, kubectl};

/// A registry that takes connections and never answers.
struct Silent {
    address: String,
    asked: std::sync::mpsc::Receiver<std::net::TcpStream>,
}

fn silent() -> Silent {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    Silent { address, asked }
}

/// A sync behind a host that waits for that registry. In a process group of its own.
fn waiting(home: &Home, host: &str, plugin: &str, registry: &Silent) -> Child {
    let child = home
        .command(home.path().join("bin").join(host))
        .args([plugin, "images", "sync", "--to", "oci:out"])
        .arg("--repository")
        .arg(format!("{}/app", registry.address))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    registry
        .asked
        .recv_timeout(Duration::from_mins(1))
        .expect("the sync asks the registry");
    child
}

fn kill(signal: &str, whom: &str) {
    let sent = Command::new("kill")
        .args([signal, "--", whom])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Exit code, what was said, and that it did not take long.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let begun = Instant::now();
    let mut said = String::new();
    // The plugin holds this pipe as long as it lives.
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let status = child.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{said}");
    (status.code(), said)
}

#[test]
fn kubectl_becomes_the_plugin_so_signals_reach_it() {
    let Some(home) = kubectl::home() else { return };
    for signal in ["-INT", "-TERM"] {
        let registry = silent();
        let child = waiting(&home, "kubectl", "migrate", &registry);
        kill(signal, &child.id().to_string());
        let (code, said) = ended(child);
        assert_eq!(code, Some(130), "{signal}: {said}");
    }
}

#[test]
fn docker_closes_its_socket() {
    let Some(home) = docker::home() else { return };
    for signal in ["-INT", "-TERM"] {
        let registry = silent();
        let child = waiting(&home, "docker", "migrate", &registry);
        // Only docker gets the signal, as from a service manager.
        kill(signal, &child.id().to_string());
        let (code, said) = ended(child);
        assert_eq!(code, Some(130), "{signal}: {said}");
    }
}

#[test]
fn helm_and_the_plugin_get_ctrl_c_together() {
    for (_, program) in helms() {
        let home = helm::home(&program);
        let registry = silent();
        let child = waiting(&home, "helm", "convert", &registry);
        kill("-INT", &format!("-{}", child.id()));
        let (_, said) = ended(child);
        // Helm itself may end first; the plugin's own words come all the same.
        assert!(said.contains("interrupted"), "{said}");
    }
}
