//! Bind mounts: what lies on the author's machine, and what becomes of it in a cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::KeyToPath;

use super::documents::{Documents, Rank};
use super::objects::{self, DATA_MAX};
use super::plan::Plan;
use super::usage::Usage;
use super::{claims, metadata};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::BindPolicy;
use crate::orchestration::model::BindKind;
use crate::orchestration::names::{BIND, ROLE_BIND, short_hash, to_label, with_suffix};
use crate::source::{Files, Origin, PathKind, is_private, normalize, telling_mode};

/// How many files a folder may have to become a ConfigMap, and how deep they may lie.
const FILES_MAX: usize = 1000;
const DEPTH_MAX: usize = 16;

/// Where Docker's engine listens.
const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// What holds the content of a bind mount.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// A ConfigMap. `file` is the key of the one file, `items` say where files of a folder lie.
    Map {
        name: String,
        file: Option<String>,
        items: Option<Vec<KeyToPath>>,
        /// The mode of the one file, or of all, where it is not the usual one.
        mode: Option<u32>,
    },
    /// A claim; `file` is the file's name in it.
    Claim { name: String, file: Option<String> },
    /// The same path on the node, with the type that is checked there.
    Node(Option<&'static str>),
}

/// The bind mounts of one conversion, each path once.
pub(super) struct Binds<'f> {
    files: &'f dyn Files,
    directory: &'f Path,
    held: BTreeMap<String, Held>,
    maps: Vec<Map>,
    claims: BTreeMap<String, Claim>,
}

struct Map {
    name: String,
    path: String,
    content: BTreeMap<String, Vec<u8>>,
}

struct Claim {
    path: String,
    /// The path on the machine of the source, and where it stood first.
    full: PathBuf,
    origin: Origin,
    usage: Usage,
}

/// One bind mount of the source.
pub(super) struct Bind<'m> {
    pub(super) path: &'m str,
    pub(super) relative: Option<&'m str>,
    pub(super) kind: BindKind,
    pub(super) read_only: bool,
    pub(super) pods: u64,
    pub(super) origin: &'m Origin,
}

impl<'f> Binds<'f> {
    pub(super) fn new(files: &'f dyn Files, directory: &'f Path) -> Self {
        Self {
            files,
            directory,
            held: BTreeMap::new(),
            maps: Vec::new(),
            claims: BTreeMap::new(),
        }
    }

    /// What a bind mount becomes.
    pub(super) fn resolve(
        &mut self,
        bind: &Bind<'_>,
        plan: &Plan<'_>,
        findings: &mut Findings,
    ) -> Held {
        if !plan.docker {
            return Held::Node(node_type(bind.kind));
        }
        let held = if let Some(held) = self.held.get(bind.path) {
            held.clone()
        } else {
            let held = self.decide(bind, plan.options.binds, findings);
            self.held.insert(bind.path.to_owned(), held.clone());
            held
        };
        match &held {
            Held::Map { name, .. } => {
                let message = format!(
                    "`{}` is the ConfigMap `{name}`, with its content of now",
                    shown(bind)
                );
                findings.add(Code("bind-as-config-map"), bind.origin, message);
                if !bind.read_only {
                    let message = format!(
                        "`{}` cannot be written to, since it is a ConfigMap",
                        shown(bind)
                    );
                    findings.add(Code("bind-read-only"), bind.origin, message);
                }
            }
            Held::Claim { name, .. } => {
                let claim = self.claims.entry(name.clone()).or_insert_with(|| Claim {
                    path: shown(bind).to_owned(),
                    full: normalize(Path::new(bind.path)),
                    origin: bind.origin.clone(),
                    usage: Usage::default(),
                });
                claim.usage.add(bind.pods, !bind.read_only);
                let message = format!(
                    "`{}` is the claim `{name}`, which begins empty",
                    shown(bind)
                );
                findings.add(Code("bind-as-claim"), bind.origin, message);
            }
            Held::Node(_) if SOCKETS.contains(&bind.path) => {
                let message = format!(
                    "nodes of Kubernetes have no Docker engine behind `{}`, as they run containerd or CRI-O",
                    bind.path
                );
                findings.add(Code("docker-socket"), bind.origin, message);
            }
            Held::Node(_) => {
                let message = format!(
                    "`{}` is a path of whichever node the instance runs on",
                    bind.path
                );
                findings.add(Code("bind-node-path"), bind.origin, message);
            }
        }
        held
    }

    /// Writes each ConfigMap and each claim that a bind mount became.
    pub(super) fn write(self, plan: &Plan<'_>, documents: &mut Documents, findings: &mut Findings) {
        self.nested(findings);
        for map in self.maps {
            let mut meta = metadata::new(&map.name, None, None, plan);
            metadata::role(&mut meta, ROLE_BIND);
            metadata::annotate(&mut meta, BIND, map.path);
            let content = map
                .content
                .iter()
                .map(|(key, bytes)| (key.as_str(), bytes.as_slice()));
            documents.add(
                Rank::Data,
                &objects::config_map(meta, content, Some(true)),
                Vec::new(),
            );
        }
        for (
            name,
            Claim {
                path,
                usage,
                full: _,
                origin: _,
            },
        ) in self.claims
        {
            let mut meta = metadata::new(&name, None, None, plan);
            metadata::role(&mut meta, ROLE_BIND);
            metadata::annotate(&mut meta, BIND, path);
            documents.add(
                Rank::Storage,
                &claims::for_bind(meta, usage, plan),
                Vec::new(),
            );
        }
    }

    /// A folder and one inside of it hold the same files on one machine; as two claims they do not.
    fn nested(&self, findings: &mut Findings) {
        let by_path: BTreeMap<&Path, &Claim> = self
            .claims
            .values()
            .map(|claim| (claim.full.as_path(), claim))
            .collect();
        for inner in self.claims.values() {
            let outer = inner.full.ancestors().skip(1).find_map(|p| by_path.get(p));
            if let Some(outer) = outer {
                let message = format!(
                    "`{}` lies inside of `{}`, but the two are claims apart: what is written to one does not show in the other",
                    inner.path, outer.path
                );
                findings.add(Code("bind-nested"), &inner.origin, message);
            }
        }
    }

    fn decide(&mut self, bind: &Bind<'_>, policy: BindPolicy, findings: &mut Findings) -> Held {
        let path = Path::new(bind.path);
        // Any other absolute path is another machine's after the move; only paths of the project are looked at.
        let found = if bind.relative.is_some() || policy == BindPolicy::ConfigMap {
            self.files.kind(path)
        } else {
            PathKind::Missing
        };
        let of_project = normalize(path).starts_with(self.directory);
        match policy {
            BindPolicy::HostPath => Held::Node(docker_type(bind, found)),
            BindPolicy::Claim => self.claim(bind, found),
            BindPolicy::Auto if !of_project && bind.relative.is_none() => {
                Held::Node(docker_type(bind, found))
            }
            BindPolicy::Auto if !of_project => self.claim(bind, found),
            BindPolicy::Auto | BindPolicy::ConfigMap => match self.content(path, found) {
                Ok(content) => self.map(bind, content, found, findings),
                Err(reason) => {
                    // A missing or empty folder holds nothing that could be lost.
                    let nothing = matches!(reason, Reason::Missing | Reason::Empty);
                    if policy == BindPolicy::ConfigMap || !nothing {
                        let message =
                            format!("`{}` cannot be a ConfigMap: {}", shown(bind), reason.text());
                        let code = if policy == BindPolicy::ConfigMap {
                            "bind-unfit"
                        } else {
                            "bind-content"
                        };
                        findings.add(Code(code), bind.origin, message);
                    }
                    self.claim(bind, found)
                }
            },
        }
    }

    fn claim(&self, bind: &Bind<'_>, found: PathKind) -> Held {
        let is_file = matches!(found, PathKind::File(_))
            || matches!(bind.kind, BindKind::File | BindKind::FileOrCreate);
        Held::Claim {
            name: self.name(bind, None),
            file: is_file.then(|| file_name(bind.path)),
        }
    }

    fn map(
        &mut self,
        bind: &Bind<'_>,
        content: BTreeMap<String, Vec<u8>>,
        found: PathKind,
        findings: &mut Findings,
    ) -> Held {
        let mut bytes = Vec::new();
        for (path, content) in &content {
            bytes.extend_from_slice(path.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
            bytes.extend_from_slice(content);
        }
        let name = self.name(bind, Some(&short_hash(&bytes)));
        let size = content.values().map(|content| content.len() as u64).sum();
        objects::fits(size, &name, bind.origin, findings);
        let runs = |content: &[u8]| content.starts_with(b"#!") || content.starts_with(b"\x7fELF");
        let one_file = matches!(found, PathKind::File(_));
        let private = || {
            let mode = self.files.mode(Path::new(bind.path))?;
            telling_mode(mode).filter(|mode| is_private(*mode))
        };
        let mode = if !one_file {
            None
        } else if content.values().any(|content| runs(content)) {
            Some(0o755)
        } else {
            private()
        };
        let file = one_file.then(|| objects::key(&file_name(bind.path)));
        let items: Vec<_> = content
            .iter()
            .map(|(path, content)| KeyToPath {
                key: objects::key(path),
                mode: runs(content).then_some(0o755),
                path: path.clone(),
            })
            .collect();
        let plain = items
            .iter()
            .all(|item| item.key == item.path && item.mode.is_none());
        self.maps.push(Map {
            name: name.clone(),
            path: shown(bind).to_owned(),
            content,
        });
        Held::Map {
            name,
            file,
            items: (!one_file && !plain).then_some(items),
            mode,
        }
    }

    /// A name that is the same on each machine: from the path inside of the project, or the content.
    fn name(&self, bind: &Bind<'_>, hash: Option<&str>) -> String {
        let path = normalize(Path::new(bind.path));
        let inner = path.strip_prefix(self.directory).unwrap_or(&path);
        let inner = match bind.relative {
            Some(relative) if !path.starts_with(self.directory) => Path::new(relative),
            _ => inner,
        };
        let inner = inner.to_string_lossy();
        let own = short_hash(inner.as_bytes());
        let label = to_label(&file_name(&inner));
        with_suffix(
            &format!("bind-{label}"),
            &match hash {
                Some(hash) => short_hash(format!("{own}{hash}").as_bytes()),
                None => own,
            },
        )
    }

    /// The files below a path, by their path in it.
    fn content(&self, path: &Path, found: PathKind) -> Result<BTreeMap<String, Vec<u8>>, Reason> {
        let mut content = BTreeMap::new();
        match found {
            PathKind::Missing => return Err(Reason::Missing),
            PathKind::Other => return Err(Reason::Special),
            PathKind::File(size) if size > DATA_MAX => return Err(Reason::Large),
            PathKind::File(_) => {
                let bytes = self
                    .files
                    .read(path, DATA_MAX)
                    .map_err(|_| Reason::Unreadable)?;
                content.insert(file_name(&path.to_string_lossy()), bytes);
            }
            PathKind::Directory if normalize(path) == self.directory => {
                return Err(Reason::Project);
            }
            PathKind::Directory => {
                let mut room = DATA_MAX;
                self.folder(path, "", 0, &mut room, &mut content)?;
                if content.is_empty() {
                    return Err(Reason::Empty);
                }
            }
        }
        Ok(content)
    }

    fn folder(
        &self,
        folder: &Path,
        prefix: &str,
        depth: usize,
        room: &mut u64,
        content: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(), Reason> {
        if depth > DEPTH_MAX {
            return Err(Reason::Deep);
        }
        for name in self.files.list(folder).map_err(|_| Reason::Unreadable)? {
            let path = folder.join(&name);
            let inner = format!("{prefix}{name}");
            match self.files.kind(&path) {
                PathKind::Directory => {
                    self.folder(&path, &format!("{inner}/"), depth + 1, room, content)?
                }
                PathKind::File(size) => {
                    *room = room.checked_sub(size).ok_or(Reason::Large)?;
                    let bytes = self
                        .files
                        .read(&path, DATA_MAX)
                        .map_err(|_| Reason::Unreadable)?;
                    content.insert(inner, bytes);
                    if content.len() > FILES_MAX {
                        return Err(Reason::Many);
                    }
                }
                PathKind::Missing | PathKind::Other => return Err(Reason::Special),
            }
        }
        Ok(())
    }
}

/// Why content cannot be a ConfigMap.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Missing,
    Empty,
    Project,
    Special,
    Large,
    Many,
    Deep,
    Unreadable,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::Missing => "there is nothing at this path",
            Self::Empty => "the folder is empty",
            Self::Project => "it is the project folder itself",
            Self::Special => "it is, or holds, something that is neither a file nor a folder",
            Self::Large => "it has more than 1 MiB",
            Self::Many => "it has more than 1000 files",
            Self::Deep => "its folders are nested too deep",
            Self::Unreadable => "it cannot be read",
        }
    }
}

fn shown<'b>(bind: &'b Bind<'_>) -> &'b str {
    bind.relative.unwrap_or(bind.path)
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(
        || "root".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn node_type(kind: BindKind) -> Option<&'static str> {
    match kind {
        BindKind::Unknown => None,
        BindKind::Directory => Some("Directory"),
        BindKind::DirectoryOrCreate => Some("DirectoryOrCreate"),
        BindKind::File => Some("File"),
        BindKind::FileOrCreate => Some("FileOrCreate"),
        BindKind::Socket => Some("Socket"),
        BindKind::CharDevice => Some("CharDevice"),
        BindKind::BlockDevice => Some("BlockDevice"),
    }
}

/// What the kubelet shall expect at a path. Docker makes a folder where nothing is, and takes a file where one is; a
/// type that says folder would refuse the file.
fn docker_type(bind: &Bind<'_>, found: PathKind) -> Option<&'static str> {
    let path = Path::new(bind.path);
    let socket = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("sock"));
    match bind.kind {
        BindKind::DirectoryOrCreate | BindKind::Unknown | BindKind::Directory => match found {
            PathKind::File(_) => Some("File"),
            PathKind::Directory => node_type(bind.kind),
            PathKind::Missing | PathKind::Other if socket => Some("Socket"),
            PathKind::Missing | PathKind::Other => {
                node_type(bind.kind).filter(|_| !may_be_file(path))
            }
        },
        kind => node_type(kind),
    }
}

/// Folders of an operating system, below which files have names like those of folders.
const SYSTEM: [&str; 11] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr", "/var",
];

/// Whether a path of another machine could be a file or a device. Where it could, nothing is asked for: a wrong guess
/// keeps the Pod from starting.
fn may_be_file(path: &Path) -> bool {
    let name = file_name(&path.to_string_lossy()).to_ascii_lowercase();
    let system = SYSTEM
        .iter()
        .any(|folder| path.starts_with(folder) && path != Path::new(folder));
    // The folders that programs keep their data in.
    let data = ["/var/lib", "/var/opt", "/var/www", "/usr/local"]
        .iter()
        .any(|folder| path.starts_with(folder));
    path.extension().is_some() || name.ends_with("file") || (system && !data)
}
