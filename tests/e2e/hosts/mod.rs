//! The three programs inside of the real kubectl, docker and helm, each in a home of its own.

mod commands;
mod completion;
mod dist;
mod docker;
mod doctor;
mod errors;
mod helm;
mod interrupts;
mod krew;
mod kubectl;
mod readme;
mod terminal;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tests::lab::Components;

static COMPONENTS: LazyLock<Components> = LazyLock::new(Components::from_env);

pub(crate) const KUBECTL_MIGRATE: &str = env!("CARGO_BIN_EXE_kubectl-migrate-dup");
pub(crate) const DOCKER_MIGRATE: &str = env!("CARGO_BIN_EXE_docker-migrate-dup");
pub(crate) const HELM_CONVERT: &str = env!("CARGO_BIN_EXE_helm-convert-dup");

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A component by its field of [`Components`], or a plain word that it is not there.
fn component(name: &str, path: Option<&PathBuf>) -> Option<PathBuf> {
    if path.is_none() {
        assert!(
            std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
            "{name} is required; run `tests/lab/components {name}`"
        );
        println!("NOT TESTED: {name} could not be found; run `tests/lab/components {name}`");
    }
    path.cloned()
}

/// Both majors of helm, as far as they are there.
fn helms() -> Vec<(u32, PathBuf)> {
    [
        (3, component("helm3", COMPONENTS.helm3.as_ref())),
        (4, component("helm4", COMPONENTS.helm4.as_ref())),
    ]
    .into_iter()
    .filter_map(|(major, helm)| Some((major, helm?)))
    .collect()
}

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn done(self) -> Self {
        self.ended(0)
    }

    #[track_caller]
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(
            self.out.contains(text) || self.err.contains(text),
            "`{text}` is missing in {self:#?}"
        );
        self
    }

    #[track_caller]
    fn does_not_say(self, text: &str) -> Self {
        assert!(
            !self.out.contains(text) && !self.err.contains(text),
            "`{text}` stands in {self:#?}"
        );
        self
    }
}

/// A home folder with `bin` on its PATH, and nothing of the caller's.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("migrate-home-")
            .tempdir()
            .unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a program on PATH, as a link.
    fn link(&self, name: &str, program: impl AsRef<Path>) -> &Self {
        std::os::unix::fs::symlink(program, self.path().join("bin").join(name)).unwrap();
        self
    }

    /// Writes a program of a few lines of shell.
    fn script(&self, path: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.write(path, &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    /// A command that sees this home only.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("HOME", self.path())
            .env(
                "PATH",
                format!("{}/bin:/usr/bin:/bin", self.path().display()),
            )
            .current_dir(self.path());
        command
    }

    fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Ran {
        let mut command = self.command(program);
        command.args(arguments);
        run(command)
    }

    /// Runs a line of shell in this home.
    fn shell(&self, line: &str) -> Ran {
        self.run("/bin/sh", &["-c", line])
    }

    /// Runs a program that stands in this home's `bin`.
    fn host(&self, name: &str, arguments: &[&str]) -> Ran {
        self.run(self.path().join("bin").join(name), arguments)
    }

    /// All files, links and folders whose names have one of these words.
    fn named(&self, words: &[&str]) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut open = vec![self.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if words.iter().any(|word| name.contains(word)) {
                    found.insert(path.strip_prefix(self.path()).unwrap().to_owned());
                }
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                }
            }
        }
        found
    }
}

fn run(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Serves the files of a folder on loopback until the process ends.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // A client that goes away has its own say about it.
            std::thread::spawn(move || answer(&stream, &folder).ok());
        }
    });
    format!("http://{address}")
}

fn answer(stream: &TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let mut words = request.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().trim_start_matches('/');
    let mut stream = stream;
    match std::fs::read(folder.join(path)) {
        Ok(bytes) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            )?;
            if method != "HEAD" {
                stream.write_all(&bytes)?;
            }
        }
        Err(_) => {
            write!(
                stream,
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )?;
        }
    }
    stream.flush()
}
