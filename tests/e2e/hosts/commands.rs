//! Every command in README.md is run as it stands there, in a world that has what it names: registries with the
//! hosts' names, clusters and engines under the contexts' names.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tests::lab::engine::Engine;
use tests::lab::{ControlPlane, Registry};

use super::readme::{blocks, home};
use super::{COMPONENTS, Home, Ran, component};

/// Names of registries, with the last byte of their addresses and their ports.
const REGISTRIES: [(&str, u8, &[u16]); 4] = [
    ("dc1.example", 1, &[5000]),
    ("dc2.example", 2, &[443, 5000]),
    ("quay.io", 3, &[443]),
    ("registry-1.docker.io", 4, &[443]),
];

/// What the registries hold.
const IMAGES: [&str; 4] = [
    "registry-1.docker.io/library/nginx:1.27",
    "registry-1.docker.io/library/postgres:17",
    "quay.io/team/app:1.2.0",
    "quay.io/team/app:1.3.0",
];

const STACK: &str = "services:
  front:
    image: quay.io/team/app:1.2.0
    ports: ['8080:80']
    deploy: {replicas: 2}
";

const RUNNING_STACK: &str = "version: '3.8'
services:
  vote:
    image: quay.io/team/app:1.2.0
    secrets: [password]
secrets:
  password: {file: ./FILE}
";

const WORKLOAD: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: vote}}
spec:
  selector: {matchLabels: {app: vote}}
  template:
    metadata: {labels: {app: vote}}
    spec: {containers: [{name: web, image: 'quay.io/team/app:1.3.0', ports: [{containerPort: 80}]}]}
";

const RULES: &str = "version: 1
state: ./presync
sources: {quay: {registry: quay.io}}
targets: {dc2: {registry: dc2.example}}
rules: [{name: team, from: quay, to: dc2, repositories: [team/app]}]
status: {listen: '127.0.0.1:0'}
";

/// Before a command that is for Helm 3.
const HELM3: &str = "export PATH=$HOME/bin3:$PATH HELM_DATA_HOME=$HOME/helm3;";

/// All that the commands talk to.
struct World {
    home: Home,
    _registries: Vec<Registry>,
    plane: ControlPlane,
    engine: Engine,
}

impl World {
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("NOT TESTED: the commands of the README; names of hosts need root");
            return None;
        }
        let program = component("docker-registry", COMPONENTS.docker_registry.as_ref())?;
        let crane = component("crane", COMPONENTS.crane.as_ref())?;
        let tools = component("node-tools", COMPONENTS.node_tools.as_ref())?;
        component("kube-apiserver", COMPONENTS.kube_apiserver.as_ref())?;
        let home = home()?;
        home.link("crane", crane);
        home.shell("mv shop tour").done();
        if let Some(helm3) = component("helm3", COMPONENTS.helm3.as_ref()) {
            std::fs::create_dir(home.path().join("bin3")).unwrap();
            std::os::unix::fs::symlink(helm3, home.path().join("bin3/helm")).unwrap();
            home.shell(&format!(
                "{HELM3} helm plugin install unpacked/helm-convert"
            ))
            .done();
        }
        let registries = registries(&home, &program);
        let world = Self {
            _registries: registries,
            plane: ControlPlane::start(&COMPONENTS).unwrap(),
            engine: Engine::start_swarm(&tools).unwrap(),
            home,
        };
        world.contexts();
        world.files();
        Some(world)
    }

    /// Contexts `dc1` and `dc2` of kubectl and docker.
    fn contexts(&self) {
        let config = std::fs::read_to_string(self.plane.kubeconfig()).unwrap();
        let mut config: serde_json::Value = serde_yaml::from_str(&config).unwrap();
        let authority = &mut config["clusters"][0]["cluster"]["certificate-authority"];
        let file = authority.as_str().unwrap();
        *authority = json!(self.plane.folder().join(file));
        let only = config["contexts"][0]["context"].clone();
        config["contexts"] = json!([
            {"name": "dc1", "context": only},
            {"name": "dc2", "context": only},
        ]);
        config["current-context"] = json!("dc1");
        self.home.write(".kube/config", &config.to_string());
        for name in ["dc1", "dc2"] {
            let host = format!("host={}", self.engine.host());
            self.home
                .host("docker", &["context", "create", name, "--docker", &host])
                .done();
        }
        self.home.host("docker", &["context", "use", "dc1"]).done();
    }

    /// Files that commands name, images, and what runs already.
    fn files(&self) {
        let home = &self.home;
        home.write("stack.yml", STACK);
        home.write("FILE", "secret\n");
        home.write("rules.yaml", RULES);
        // A class that every cluster of Alibaba has.
        home.write("class.yaml", "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: alicloud-disk-essd}\nprovisioner: diskplugin.csi.alibabacloud.com\n");
        home.write("manifests/web.yaml", WORKLOAD);
        home.write(
            "overlays/prod/kustomization.yaml",
            "resources: [web.yaml]\n",
        );
        home.write("overlays/prod/web.yaml", WORKLOAD);
        home.write("running.yml", RUNNING_STACK);
        home.write("prod.yaml", "tag: 1.3.0\n");
        home.write(
            "chart/Chart.yaml",
            "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
        );
        home.write("chart/values.yaml", "tag: 1.2.0\n");
        let template = WORKLOAD.replace("app:1.3.0", "app:{{ .Values.tag }}");
        home.write("chart/templates/web.yaml", &template);
        home.write("layer/file", "content\n");
        let mut setup = String::from("set -e; tar -cf layer.tar -C layer file\n");
        for image in IMAGES {
            let _ = writeln!(
                setup,
                "crane append --oci-empty-base --platform linux/amd64 -f layer.tar -t {image}"
            );
        }
        setup.push_str(
            "kubectl apply -f class.yaml\nkubectl create namespace shop\nkubectl apply -n shop -f manifests\nkubectl apply -f manifests\n\
             docker stack deploy --detach=true -c running.yml vote\n",
        );
        self.run(&setup).done();
    }

    /// Runs lines of shell with the names of the registries.
    fn run(&self, lines: &str) -> Ran {
        let mut command = self.home.command("unshare");
        command
            .args(["--mount", "sh", "-c"])
            .arg("mount --bind \"$HOME/hosts\" /etc/hosts && exec sh -c \"$0\"")
            .arg(lines)
            .env("SSL_CERT_FILE", self.home.path().join("authority.pem"))
            .env("KUBECONFIG", self.home.path().join(".kube/config"));
        super::run(command)
    }
}

/// Real registries under the names of the README, with certificates of an authority that the home trusts.
fn registries(home: &Home, program: &Path) -> Vec<Registry> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key).unwrap();
    home.write("authority.pem", &authority.pem());
    let mut hosts = String::from("127.0.0.1 localhost\n");
    let mut started = Vec::new();
    for (name, last, ports) in REGISTRIES {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let files = json!({
            "certificate": home.write(&format!("tls/{name}.crt"), &certificate.pem()),
            "key": home.write(&format!("tls/{name}.key"), &key.serialize_pem()),
        });
        let ip = Ipv4Addr::new(127, 77, 0, last);
        let _ = writeln!(hosts, "{ip} {name}");
        for port in ports {
            let address = SocketAddr::from((ip, *port));
            let settings = json!({"http": {"tls": files}});
            started.push(Registry::at(address, program, &settings).unwrap());
        }
    }
    home.write("hosts", &hosts);
    started
}

/// The commands of a block: comments gone, continued lines joined. `# Helm 3` and `# Helm 4` stay, because they say
/// which helm is meant.
fn commands(block: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in block {
        let line = match line.split_once(" #") {
            Some((command, _)) if !line.starts_with('#') => command.trim(),
            _ => line.trim(),
        };
        let part = line.trim_end_matches('\\').trim();
        match found.last_mut() {
            Some(last) if goes_on => {
                last.push(' ');
                last.push_str(part);
            }
            _ if part.is_empty() => {}
            _ => found.push(part.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// What a command needs where nobody sits at a terminal and no node runs anything, and how it ends.
fn ending(command: &str) -> (String, i32) {
    let is_run = command.contains(" migrate run ") || command.contains(" convert run ");
    if is_run && command.contains("--to bundle:") {
        (command.to_owned(), 0)
    } else if is_run {
        (format!("{command} --yes --no-wait"), 0)
    } else if command.contains("images watch") && !command.contains("--check") {
        // A daemon: it runs until it is told to stop.
        (format!("timeout --preserve-status -s TERM 5 {command}"), 0)
    } else if command.contains("--strict") {
        (command.to_owned(), 2)
    } else {
        (command.to_owned(), 0)
    }
}

#[test]
fn every_command_does_what_is_written_beside_it() {
    let Some(world) = World::new() else { return };
    let mut ran = 0;
    let mut wrong = String::new();
    for block in blocks("sh") {
        let commands = commands(&block);
        // The first two commands are for a work tree, and are what runs these tests.
        if commands
            .iter()
            .any(|c| c.starts_with("cargo ") || c == "tests/run")
        {
            continue;
        }
        world
            .run("rm -rf k8s compose prod stack vote bundle presync shop")
            .done();
        // A bundle takes the place of the chart of the same name.
        if !commands.iter().any(|c| c.contains("bundle:shop")) {
            world.run("cp -r tour shop").done();
        }
        let mut before = "";
        for command in commands {
            // `application::live_project` runs this for a project that docker compose has made.
            if command.contains("--project shop") {
                continue;
            }
            if command.starts_with('#') {
                before = if command == "# Helm 3" { HELM3 } else { "" };
                continue;
            }
            let (line, code) = ending(&command);
            let output = world.run(&format!("{before} {line}"));
            if output.code != Some(code) {
                let _ = writeln!(
                    wrong,
                    "{line}\n{:?}, not {code}\n{}{}",
                    output.code, output.out, output.err
                );
            }
            if command.starts_with("helm ") {
                // The other major of helm installs the same. There may be none, after a failure.
                let _ = world.run(&format!(
                    "{before} helm uninstall shop; helm uninstall -n shop shop"
                ));
            }
            ran += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(ran > 30, "{ran}");
}
