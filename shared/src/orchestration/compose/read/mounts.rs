//! Mounts of a service: volumes, tmpfs, configs, secrets.

use super::Reader;
use crate::orchestration::model::{
    BindKind, Container, Mount, MountSource, ObjectItem, ObjectKind, ObjectMount, Propagation, User,
};
use crate::orchestration::quantity::bytes_from_compose;
use crate::source::{Fields, Item, Node, PathKind, Sourced, is_private, telling_mode};

impl Reader<'_> {
    pub(super) fn mounts(&mut self, fields: &mut Fields<'_>, container: &mut Container) {
        for item in fields.items("volumes", self.ledger) {
            if let Some(mount) = self.volume_mount(&item) {
                container.mounts.push(mount);
            }
        }
        for item in fields.items("tmpfs", self.ledger) {
            if let Some(text) = item.text(self.ledger) {
                container.mounts.push(tmpfs(&text));
            }
        }
        for (key, kind) in [
            ("configs", ObjectKind::Config),
            ("secrets", ObjectKind::Secret),
        ] {
            for item in fields.items(key, self.ledger) {
                if let Some(mut mount) = self.object_mount(&item, key, kind) {
                    self.mode_of_host(&mut mount, key, container.user.as_ref());
                    container.mounts.push(mount);
                }
            }
        }
    }

    fn volume_mount(&mut self, item: &Item<'_>) -> Option<Mount> {
        let mut fields = item.fields("services.*.volumes[]", self.ledger)?;
        let kind = fields.text("type", self.ledger);
        let source = fields.text("source", self.ledger);
        let target = fields.text("target", self.ledger);
        let read_only = fields.boolean("read_only", self.ledger);
        let mut mount = Mount {
            target: target.unwrap_or_else(|| item.sourced(String::new())),
            source: MountSource::Anonymous,
            read_only,
            subpath: None,
            propagation: None,
            no_copy: None,
            volume_name: None,
            origin: item.origin(),
        };
        let kind = kind.map_or_else(|| "volume".to_owned(), |k| k.value);
        let path = source.map(|s| s.value);
        match kind.as_str() {
            "bind" => self.bind(&mut fields, path.unwrap_or_default(), &mut mount),
            "tmpfs" => {
                let mut size = None;
                let mut mode = None;
                if let Some(mut tmpfs) =
                    fields.fields("tmpfs", "services.*.volumes[].tmpfs", self.ledger)
                {
                    size = tmpfs.integer("size", self.ledger).map(|s| s.value);
                    mode = tmpfs.integer("mode", self.ledger).map(|m| m.value);
                    tmpfs.finish(self.ledger);
                }
                mount.source = MountSource::Tmpfs {
                    size,
                    mode,
                    options: Vec::new(),
                };
            }
            "npipe" => mount.source = MountSource::Pipe(path.unwrap_or_default()),
            "cluster" => mount.source = MountSource::Cluster(path.unwrap_or_default()),
            "image" => {
                mount.source = MountSource::Image {
                    reference: path.unwrap_or_default(),
                    pull: None,
                };
                if let Some(mut image) =
                    fields.fields("image", "services.*.volumes[].image", self.ledger)
                {
                    mount.subpath = image.text("subpath", self.ledger);
                    image.finish(self.ledger);
                }
            }
            _ => {
                if let Some(name) = path.filter(|name| !name.is_empty()) {
                    mount.source = MountSource::Volume(name);
                }
                if let Some(mut volume) =
                    fields.fields("volume", "services.*.volumes[].volume", self.ledger)
                {
                    mount.no_copy = volume.boolean("nocopy", self.ledger);
                    mount.subpath = volume.text("subpath", self.ledger);
                    volume.finish(self.ledger);
                }
            }
        }
        fields.finish(self.ledger);
        Some(mount)
    }

    fn bind(&mut self, fields: &mut Fields<'_>, path: String, mount: &mut Mount) {
        let mut create = None;
        let mut selinux = None;
        if let Some(mut bind) = fields.fields("bind", "services.*.volumes[].bind", self.ledger) {
            create = bind
                .boolean("create_host_path", self.ledger)
                .map(|c| c.value);
            selinux = bind.text("selinux", self.ledger).map(|s| s.value);
            mount.propagation = bind.text("propagation", self.ledger).map(|text| {
                text.map(|t| match t.as_str() {
                    "rprivate" => Propagation::Private,
                    "rslave" => Propagation::FromHost,
                    "rshared" => Propagation::Both,
                    _ => Propagation::Other(t),
                })
            });
            bind.finish(self.ledger);
        }
        let path = plain(path);
        let relative =
            (path.starts_with("./") || path.starts_with("../") || path == "." || path == "..")
                .then(|| path.clone())
                .or_else(|| self.in_project(&path));
        let on_disk = self.project.directory.join(&path);
        let socket = std::path::Path::new(&path)
            .extension()
            .is_some_and(|e| e == "sock");
        // Only paths of the project are looked at: a path such as /data is another machine's after the move.
        let there = if relative.is_some() {
            self.files.kind(&on_disk)
        } else {
            PathKind::Missing
        };
        let kind = match there {
            PathKind::File(_) => BindKind::File,
            PathKind::Directory => BindKind::Directory,
            PathKind::Other | PathKind::Missing if socket => BindKind::Socket,
            PathKind::Missing if create == Some(true) => BindKind::DirectoryOrCreate,
            PathKind::Missing | PathKind::Other => BindKind::Unknown,
        };
        mount.source = MountSource::Bind {
            path: if relative.is_some() {
                crate::source::normalize(&on_disk)
                    .to_string_lossy()
                    .into_owned()
            } else {
                path
            },
            kind,
            relative,
            selinux,
        };
    }

    /// An absolute path below the project folder, such as `${PWD}/conf`, is one of the project's files.
    fn in_project(&self, path: &str) -> Option<String> {
        let inner = std::path::Path::new(path)
            .strip_prefix(&self.project.directory)
            .ok()?;
        let inner = inner.to_string_lossy();
        // The folder itself may well be meant as one of the machine.
        (!inner.is_empty()).then(|| format!("./{inner}"))
    }

    /// `docker compose` mounts the file of a config or secret as it lies there, with its mode.
    fn mode_of_host(&mut self, mount: &mut Mount, section: &str, user: Option<&Sourced<User>>) {
        let MountSource::Object(object) = &mut mount.source else {
            return;
        };
        if self.swarm() || object.mode.is_some() {
            return;
        }
        let file = self.project.node.below(&[section, &object.object, "file"]);
        let file = file.and_then(Node::as_text);
        let Some(file) = file else { return };
        let mode = self.files.mode(&self.project.directory.join(file));
        let Some(mode) = mode.and_then(telling_mode) else {
            return;
        };
        if is_private(mode) {
            let root = user.is_none_or(|user| user.value.is_root());
            let then = if root {
                "it keeps the mode, but not the owner"
            } else {
                "it does not keep the owner, so all may read it"
            };
            let message = format!("`{file}` has the mode {mode:04o} here: {then}");
            self.error("private-file", &mount.origin, message);
            if !root {
                return;
            }
        }
        object.mode = Some(Sourced::new(mode, mount.origin.clone()));
    }

    fn object_mount(&mut self, item: &Item<'_>, key: &str, kind: ObjectKind) -> Option<Mount> {
        let mut fields = item.fields(format!("services.*.{key}[]"), self.ledger)?;
        let source = fields.text("source", self.ledger);
        let target = fields.text("target", self.ledger);
        let Some(source) = source else {
            self.error(
                "bad-value",
                &item.origin(),
                format!("`{}` has no `source`", item.path),
            );
            fields.finish(self.ledger);
            return None;
        };
        let path = match (&target, kind) {
            (Some(t), _) if t.value.starts_with('/') => t.value.clone(),
            (Some(t), ObjectKind::Secret) => format!("/run/secrets/{}", t.value),
            (Some(t), ObjectKind::Config) => format!("/{}", t.value),
            (None, ObjectKind::Secret) => format!("/run/secrets/{}", source.value),
            (None, ObjectKind::Config) => format!("/{}", source.value),
        };
        let object = ObjectMount {
            kind,
            object: source.value.clone(),
            items: vec![ObjectItem {
                key: source.value.clone(),
                path: source.value,
                mode: None,
                origin: item.origin(),
            }],
            single: true,
            mode: fields.integer("mode", self.ledger),
            uid: fields.text("uid", self.ledger),
            gid: fields.text("gid", self.ledger),
            optional: None,
        };
        fields.finish(self.ledger);
        Some(Mount {
            target: Sourced::new(path, target.map_or_else(|| item.origin(), |t| t.origin)),
            source: MountSource::Object(object),
            read_only: None,
            subpath: None,
            propagation: None,
            no_copy: None,
            volume_name: None,
            origin: item.origin(),
        })
    }
}

/// An absolute path without steps to where it is and back.
fn plain(path: String) -> String {
    let steps = |path: &str| path.split('/').any(|part| matches!(part, "." | ".."));
    if path.starts_with('/') && steps(&path) {
        let plain = crate::source::normalize(std::path::Path::new(&path));
        return plain.to_string_lossy().into_owned();
    }
    path
}

/// `path[:size=64m,mode=1777,noexec]`
fn tmpfs(text: &Sourced<String>) -> Mount {
    let (path, options) = text.value.split_once(':').unwrap_or((&text.value, ""));
    let mut size = None;
    let mut mode = None;
    let mut rest = Vec::new();
    let mut read_only = None;
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) if bytes_from_compose(value).is_some() => {
                size = bytes_from_compose(value)
            }
            Some(("mode", value)) if u32::from_str_radix(value, 8).is_ok() => {
                mode = u32::from_str_radix(value, 8).ok()
            }
            _ if option == "ro" => read_only = Some(Sourced::new(true, text.origin.clone())),
            _ => rest.push(option.to_owned()),
        }
    }
    Mount {
        target: Sourced::new(path.to_owned(), text.origin.clone()),
        source: MountSource::Tmpfs {
            size,
            mode,
            options: rest,
        },
        read_only,
        subpath: None,
        propagation: None,
        no_copy: None,
        volume_name: None,
        origin: text.origin.clone(),
    }
}
