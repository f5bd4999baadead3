//! Image pre-synchronisation up to the nodes: what comes to a registry is pulled by those who will run it.

use std::process::{Child, Stdio};

use tests::lab::{DataCentres, Place};

use super::centres;
use super::site::{docker, kubectl, patiently, run};

/// `images watch`, ended with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Puts an image of the lab into a registry, under a name that nobody has asked for yet.
fn push(centres: &DataCentres, place: Place, image: &str) {
    let from = format!("{}/library/redis:7.0", Place::Dc1.registry());
    let to = format!("{}/{image}", place.registry());
    run(centres
        .inside(Place::Dc1, "crane")
        .args(["copy", "--insecure", &from, &to]))
    .unwrap();
}

#[test]
fn what_comes_is_pulled_by_the_nodes() {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let places = run(centres
        .inside(Place::Dc1, "sh")
        .args(["-c", "echo $KUBECONFIG $DOCKER_HOST"]))
    .unwrap();
    let (kubeconfig, engine) = places.trim().split_once(' ').unwrap();
    let tag = format!("{}", std::process::id());
    let (there, back) = (format!("nodes/there:{tag}"), format!("nodes/back:{tag}"));
    push(&centres, Place::Dc1, &there);
    push(&centres, Place::Dc2, &back);
    let rules = format!(
        "version: 1
state: {state}
sources:
  one: {{registry: '{one}', plain_http: true}}
  two: {{registry: '{two}', plain_http: true}}
targets:
  cluster: {{registry: '{two}', plain_http: true, nodes: {{kubernetes: {{kubeconfig: {kubeconfig}, namespace: kube-system}}}}}}
  swarm: {{registry: '{one}', plain_http: true, nodes: {{docker: '{engine}'}}}}
rules:
- {{name: there, from: one, to: cluster, repositories: nodes/there, tags: '{tag}'}}
- {{name: back, from: two, to: swarm, repositories: nodes/back, tags: '{tag}'}}
status: {{enabled: false}}
",
        state = folder.path().join("state").display(),
        one = Place::Dc1.registry(),
        two = Place::Dc2.registry(),
    );
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, rules).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = centres.inside(Place::Dc1, env!("CARGO_BIN_EXE_docker-migrate-dup"));
    command
        .args(["migrate", "images", "watch", "--config"])
        .arg(&file)
        .env("HOME", folder.path())
        .stderr(log)
        .stdout(Stdio::null());
    let mut daemon = Daemon(command.spawn().unwrap());
    let pulled = patiently("both have pulled", || {
        let said = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        if daemon.0.try_wait().is_ok_and(|ended| ended.is_some()) {
            panic!("the daemon has ended: {said}");
        }
        let targets = ["cluster", "swarm"];
        let done = |target: &&str| {
            said.lines()
                .any(|line| line.contains("have pulled") && line.contains(*target))
        };
        if targets.iter().all(done) {
            Ok(())
        } else {
            Err(said)
        }
    });
    pulled.unwrap();

    let image = format!("{}/{back}", Place::Dc1.registry());
    run(docker(&centres).args(["image", "inspect", &image])).unwrap();
    // A Pod that may not pull runs what is on its node, or nothing.
    let image = format!("{}/{there}", Place::Dc2.registry());
    let pod = ["-n", "kube-system", "pod/nodes-there"];
    run(kubectl(&centres)
        .args(["run", "nodes-there", "-n", "kube-system", "--image"])
        .arg(&image)
        .args(["--image-pull-policy=Never", "--restart=Never"])
        .args(["--command", "--", "sleep", "60"]))
    .unwrap();
    let ready = run(kubectl(&centres)
        .args(["wait", "--for=condition=Ready", "--timeout=60s"])
        .args(pod));
    let left = run(kubectl(&centres).args([
        "get",
        "pods",
        "-n",
        "kube-system",
        "-l",
        "app.kubernetes.io/name=migrate-pull",
        "-o",
        "name",
    ]));
    run(kubectl(&centres).args(["delete", "--now"]).args(pod)).unwrap();
    ready.unwrap();
    assert_eq!(left.unwrap(), "", "no Pod that pulls is left");
}
