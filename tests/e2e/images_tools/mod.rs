//! `images list` and `images sync` as their users call them, against real registries, engines and peers.

mod bad_input;
mod convert;
mod credentials;
mod engine;
mod lists;
mod stores;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::lab::Components;
use tests::lab::simple_registry::Registry;

static COMPONENTS: LazyLock<Components> = LazyLock::new(Components::from_env);

/// Says plainly which real program is missing. Where `MIGRATE_LAB_REQUIRED` is set, that is a failure.
fn missing(what: &str) {
    assert!(
        std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
        "{what} is required here"
    );
    println!("NOT TESTED: {what} is missing; `tests/lab/components` gets it");
}

/// A registry without credentials, or `None` if there is no program for it.
fn registry() -> Option<Registry> {
    let Some(program) = &COMPONENTS.docker_registry else {
        missing("docker-registry");
        return None;
    };
    Some(Registry::start(program, false).unwrap())
}

/// What a run of a program gave.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }
}

/// A folder in which a program of ours is called.
struct Desk {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn docker(&self, arguments: &[&str]) -> Ran {
        self.run(env!("CARGO_BIN_EXE_docker-migrate-dup"), arguments)
    }

    fn kubectl(&self, arguments: &[&str]) -> Ran {
        self.run(env!("CARGO_BIN_EXE_kubectl-migrate-dup"), arguments)
    }

    fn helm(&self, arguments: &[&str]) -> Ran {
        self.run(env!("CARGO_BIN_EXE_helm-convert-dup"), arguments)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.path("state"));
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// What a real program prints.
fn peer(program: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{} {arguments:?}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// An OCI layout that is written by hand, file by file.
struct HandMade {
    folder: PathBuf,
    entries: Vec<Value>,
}

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl HandMade {
    fn at(folder: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        std::fs::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .unwrap();
        Self {
            folder,
            entries: Vec::new(),
        }
    }

    fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        let path = self.folder.join("blobs").join(digest.replace(':', "/"));
        std::fs::write(path, bytes).unwrap();
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// An image with one layer that holds `content`, for a processor.
    fn image(&self, content: &str, architecture: &str) -> Value {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "content", content.as_bytes())
            .unwrap();
        let plain = tar.into_inner().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut gzip, &plain).unwrap();
        let layer = self.blob(LAYER, &gzip.finish().unwrap());
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [sha256(&plain)]},
        });
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    /// An index of two platforms.
    fn index(&self, content: &str) -> Value {
        let children: Vec<Value> = ["amd64", "arm64"]
            .into_iter()
            .map(|architecture| {
                let mut child = self.image(&format!("{content} for {architecture}"), architecture);
                child["platform"] = json!({"os": "linux", "architecture": architecture});
                child
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
        self.blob(INDEX, index.to_string().as_bytes())
    }

    /// Names an image, and gives its digest.
    fn name(&mut self, descriptor: &Value, name: &str) -> String {
        let mut entry = descriptor.clone();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        self.entries.push(entry);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries});
        std::fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
        descriptor["digest"].as_str().unwrap().to_owned()
    }
}

/// The digest that a registry has under a name, by its own bytes.
fn digest_at(registry: &Registry, repository: &str, tag: &str) -> Option<String> {
    let (status, body) = registry.get(&format!("/v2/{repository}/manifests/{tag}"))?;
    (status == 200).then(|| sha256(body.as_bytes()))
}

/// Text that is the same in every run: without ports, folders and seconds.
fn steady(text: &str, desk: &Desk, registries: &[&Registry]) -> String {
    let mut text = text.replace(&desk.folder.path().display().to_string(), "DESK");
    for (number, registry) in registries.iter().enumerate() {
        text = text.replace(&registry.host(), &format!("localhost:{}", 5001 + number));
    }
    let seconds = regex::Regex::new(r#"\b\d+\.\d+ s\b|("seconds": )[0-9.e-]+"#).unwrap();
    seconds.replace_all(&text, "${1}0.0 s").into_owned()
}

fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}
