//! What is mounted into a container.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::document::{Map, put, put_list, put_map, put_some};
use super::object_mounts::{ObjectPlace, join};
use super::plan::runs_on;
use super::service::Site;
use super::volumes::{memory, size_value};
use super::writer::Writer;
use crate::orchestration::model::{
    Application, BindKind, Mount, MountSource, Propagation, SharedMedium,
};
use crate::source::Origin;

/// The mounts of one service.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    volumes: Vec<Value>,
    tmpfs: Vec<Value>,
    /// `configs`
    pub(super) configs: Vec<Value>,
    /// `secrets`
    pub(super) secrets: Vec<Value>,
    targets: HashSet<String>,
}

impl Mounts {
    /// Takes a path of the container; false if something is mounted there already.
    pub(super) fn claim(&mut self, target: &str) -> bool {
        let path = target.trim_end_matches('/');
        self.targets.insert(if path.is_empty() {
            "/".to_owned()
        } else {
            path.to_owned()
        })
    }
}

/// How the containers of a unit mount a volume that they share.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    mounts: u32,
    /// A container that ends before the others start mounts it.
    by_early: bool,
    /// Another container mounts it.
    by_other: bool,
}

/// What the units share, by unit and name.
pub(super) fn sharing(app: &Application) -> HashMap<(usize, &str), Sharing> {
    let mut sharing = HashMap::new();
    for (index, unit) in app.units.iter().enumerate() {
        for container in &unit.containers {
            let mut seen = HashSet::new();
            for mount in &container.mounts {
                let MountSource::Shared { name, .. } = &mount.source else {
                    continue;
                };
                let entry: &mut Sharing = sharing.entry((index, name.as_str())).or_default();
                let first = entry.mounts == 0;
                entry.mounts = entry.mounts.saturating_add(1);
                if seen.insert(name.as_str()) {
                    entry.by_other |= !first;
                    entry.by_early |= !runs_on(container);
                }
            }
        }
    }
    sharing
}

impl<'a> Writer<'a> {
    /// `volumes`, `tmpfs`, `configs`, `secrets`.
    pub(super) fn write_mounts(&mut self, site: &Site<'a>, service: &mut Map) {
        let mut mounts = Mounts::default();
        for mount in &site.container.mounts {
            self.write_mount(site, mount, &mut mounts);
        }
        if let Some(size) = &site.container.shm_size
            && self.is_swarm()
            && mounts.claim("/dev/shm")
        {
            let tmpfs = serde_json::json!({"size": size_value(size.value, true)});
            mounts
                .volumes
                .push(serde_json::json!({"type": "tmpfs", "target": "/dev/shm", "tmpfs": tmpfs}));
        }
        put_list(service, "volumes", mounts.volumes);
        put_list(service, "tmpfs", mounts.tmpfs);
        put_list(service, "configs", mounts.configs);
        put_list(service, "secrets", mounts.secrets);
    }

    fn write_mount(&mut self, site: &Site<'a>, mount: &'a Mount, mounts: &mut Mounts) {
        let Mount {
            target,
            source,
            read_only,
            subpath,
            propagation,
            no_copy,
            volume_name: _,
            origin,
        } = mount;
        let path = target.value.as_str();
        let subpath = subpath
            .as_ref()
            .map(|s| s.value.as_str())
            .filter(|s| !s.is_empty());
        let place = ObjectPlace {
            target: path,
            subpath,
            origin,
        };
        match source {
            MountSource::Object(object) => return self.mount_object(site, &place, object, mounts),
            MountSource::Fields(fields) => return self.mount_fields(site, &place, fields, mounts),
            MountSource::Projected(sources) => {
                for source in sources {
                    match source {
                        MountSource::Object(object) => {
                            self.mount_object(site, &place, object, mounts)
                        }
                        MountSource::Fields(fields) => {
                            self.mount_fields(site, &place, fields, mounts)
                        }
                        MountSource::Other { kind, value: _ } => {
                            self.note_no_volume(site, kind, path, origin)
                        }
                        _ => self.note_no_volume(site, "projected", path, origin),
                    }
                }
                return;
            }
            MountSource::Other { kind, value: _ } => {
                return self.note_no_volume(site, kind, path, origin);
            }
            MountSource::Volume(_)
            | MountSource::Shared { .. }
            | MountSource::Anonymous
            | MountSource::Bind { .. }
            | MountSource::Tmpfs { .. }
            | MountSource::Image { .. }
            | MountSource::Pipe(_)
            | MountSource::Cluster(_) => {}
        }
        if !mounts.claim(path) {
            let message = format!(
                "`{path}` of `{}` is mounted twice; the second mount is left out",
                site.key()
            );
            self.note("mount-target-twice", origin, message);
            return;
        }
        let swarm = self.is_swarm();
        let mut lost = Vec::new();
        let mut map = Map::new();
        let mut volume = Map::new();
        let mut bind = Map::new();
        let mut copies = false;
        match source {
            MountSource::Volume(name) => {
                let key = self.volume_key(site, name, origin);
                if let Some(subpath) = subpath {
                    self.note_subpath(site, &key, subpath, origin);
                }
                put(&mut map, "type", "volume");
                put(&mut map, "source", key);
                put_some(&mut volume, "subpath", subpath);
                copies = true;
            }
            MountSource::Shared { name, medium, size } => {
                self.shared(site, name, *medium, *size, origin, &mut map);
                // A fresh volume for one mount alone: any path inside of it is as empty as its root.
                let key = map.get("source").and_then(Value::as_str);
                if let (Some(subpath), Some(key)) = (subpath, key) {
                    self.note_subpath(site, key, subpath, origin);
                    put(&mut volume, "subpath", subpath);
                }
                copies = map.get("type").and_then(Value::as_str) == Some("volume");
            }
            MountSource::Anonymous => {
                put(&mut map, "type", "volume");
                copies = true;
                lost.extend(subpath.map(|s| format!("the path {s}")));
            }
            MountSource::Bind {
                path: from,
                kind,
                relative,
                selinux,
            } => {
                let from = relative.as_ref().unwrap_or(from);
                let from = subpath.map_or_else(|| from.clone(), |subpath| join(from, subpath));
                put(&mut map, "type", "bind");
                put(&mut map, "source", from.clone());
                self.bind_kind(site, &from, *kind, origin, &mut bind);
                match selinux {
                    Some(label) if swarm => lost.push(format!("SELinux label {label}")),
                    Some(label) => put(&mut bind, "selinux", label.clone()),
                    None => {}
                }
                if self.from_kubernetes() && relative.is_none() && site.is_first() {
                    let message = format!(
                        "`{from}` is a path of the Docker host for `{}`, no longer of the nodes",
                        site.key()
                    );
                    self.note(
                        if swarm {
                            "host-path-in-swarm"
                        } else {
                            "host-path"
                        },
                        origin,
                        message,
                    );
                }
            }
            MountSource::Tmpfs {
                size,
                mode,
                options,
            } => {
                if !options.is_empty() && !swarm {
                    mounts.tmpfs.push(Value::String(short_tmpfs(
                        path,
                        *size,
                        *mode,
                        read_only.as_ref().is_some_and(|r| r.value),
                        options,
                    )));
                    return;
                }
                put(&mut map, "type", "tmpfs");
                let mut tmpfs = Map::new();
                put_some(&mut tmpfs, "size", size.map(|size| size_value(size, swarm)));
                match mode {
                    Some(mode) if swarm => lost.push(format!("mode {mode:04o}")),
                    mode => put_some(&mut tmpfs, "mode", *mode),
                }
                lost.extend(options.iter().cloned());
                put_map(&mut map, "tmpfs", tmpfs);
            }
            MountSource::Image { reference, pull } => {
                put(&mut map, "type", "image");
                put(&mut map, "source", reference.clone());
                match subpath {
                    Some(subpath) if swarm => lost.push(format!("the path {subpath}")),
                    Some(subpath) => {
                        put(&mut map, "image", serde_json::json!({ "subpath": subpath }))
                    }
                    None => {}
                }
                lost.extend(pull.as_ref().map(|pull| format!("pull policy {pull}")));
            }
            MountSource::Pipe(name) => {
                put(&mut map, "type", "npipe");
                put(&mut map, "source", name.clone());
            }
            MountSource::Cluster(name) => {
                let key = if name.starts_with("group:") {
                    name.clone()
                } else {
                    self.volume_key(site, name, origin)
                };
                put(&mut map, "type", "cluster");
                put(&mut map, "source", key);
            }
            MountSource::Object(_)
            | MountSource::Projected(_)
            | MountSource::Fields(_)
            | MountSource::Other { .. } => return,
        }
        put(&mut map, "target", path);
        put_some(&mut map, "read_only", read_only.as_ref().map(|r| r.value));
        if let Some(no_copy) = no_copy {
            if copies {
                put(&mut volume, "nocopy", no_copy.value);
            } else {
                lost.push("nocopy".to_owned());
            }
        }
        if let Some(propagation) = propagation {
            let word = match &propagation.value {
                Propagation::Private => "rprivate",
                Propagation::FromHost => "rslave",
                Propagation::Both => "rshared",
                Propagation::Other(word) => word,
            };
            if map.get("type").and_then(Value::as_str) == Some("bind") {
                put(&mut bind, "propagation", word);
            } else if propagation.value != Propagation::Private {
                lost.push(format!("propagation {word}"));
            }
        }
        put_map(&mut map, "bind", bind);
        put_map(&mut map, "volume", volume);
        self.note_mount_detail(site, path, &lost, origin);
        mounts.volumes.push(Value::Object(map));
    }

    /// What is expected at a path of the host.
    fn bind_kind(
        &mut self,
        site: &Site<'a>,
        from: &str,
        kind: BindKind,
        origin: &Origin,
        bind: &mut Map,
    ) {
        let create = match kind {
            BindKind::Unknown => return,
            BindKind::DirectoryOrCreate => true,
            BindKind::Directory
            | BindKind::File
            | BindKind::FileOrCreate
            | BindKind::Socket
            | BindKind::CharDevice
            | BindKind::BlockDevice => false,
        };
        if kind == BindKind::FileOrCreate {
            let message = format!(
                "the file `{from}` for `{}` is not made if it is missing",
                site.key()
            );
            self.note("path-not-made", origin, message);
        }
        if !self.is_swarm() {
            put(bind, "create_host_path", create);
        } else if create {
            let message = format!(
                "the folder `{from}` for `{}` has to exist on each node",
                site.key()
            );
            self.note("host-path-in-swarm", origin, message);
        }
    }

    /// Storage that the containers of one instance share.
    fn shared(
        &mut self,
        site: &Site<'a>,
        name: &str,
        medium: SharedMedium,
        size: Option<u64>,
        origin: &Origin,
        map: &mut Map,
    ) {
        let swarm = self.is_swarm();
        let sharing = self.sharing.get(&(site.index, name));
        let several = sharing.is_some_and(|sharing| sharing.mounts > 1);
        // The engine unmounts a tmpfs with the last container that uses it: what one container leaves for the next
        // would be gone.
        let handed_on = sharing.is_some_and(|sharing| sharing.by_early && sharing.by_other);
        let memory_only = medium == SharedMedium::Memory && !handed_on;
        if medium == SharedMedium::Other {
            let message = format!(
                "`{name}` of `{}` lies on the disk instead of its own medium",
                site.key()
            );
            self.note("scratch-space", origin, message);
        }
        // The kubelet makes it writable for everybody; a tmpfs is that as well.
        if let Some(user) = site.other_than_root()
            && !memory_only
            && self.from_kubernetes()
            && site.unit.settings.volume_group.is_none()
            && site.is_first()
        {
            let message = format!(
                "`{name}` of `{}` belongs to root, unless the image has a folder there: {user} may not write into it",
                site.key()
            );
            self.note("scratch-owner", origin, message);
        }
        if !several {
            if memory_only {
                put(map, "type", "tmpfs");
                let mut tmpfs = Map::new();
                put_some(&mut tmpfs, "size", size.map(|size| size_value(size, swarm)));
                put_map(map, "tmpfs", tmpfs);
            } else {
                put(map, "type", "volume");
                self.note_scratch_size(site, name, size, origin);
            }
            return;
        }
        let base = site.main_key();
        let mut fresh = false;
        let key = self.volumes.make(
            format!("shared {} {base} {name}", site.index),
            &format!("{base}-{name}"),
            || {
                fresh = true;
                if memory_only {
                    memory(size)
                } else {
                    Map::new()
                }
            },
        );
        put(map, "type", "volume");
        put(map, "source", key.clone());
        if medium == SharedMedium::Memory && !memory_only && fresh && site.is_first() {
            let message = format!("volume `{key}` lies on the disk instead of in memory");
            self.note("memory-volume-on-disk", origin, message);
        }
        if !memory_only {
            self.note_scratch_size(site, name, size, origin);
        }
        if !site.is_main() && runs_on(site.container) {
            return;
        }
        if swarm {
            self.note_per_node(&key, origin);
        }
        if site.replicas() > 1 {
            let message = format!("all instances of `{base}` share the volume `{key}`");
            self.note("scratch-shared-by-instances", origin, message);
        } else if !memory_only {
            let message = format!("volume `{key}` keeps its content when `{base}` is replaced");
            self.note("scratch-space", origin, message);
        }
    }

    fn note_scratch_size(
        &mut self,
        site: &Site<'a>,
        name: &str,
        size: Option<u64>,
        origin: &Origin,
    ) {
        if let Some(size) = size {
            let size = crate::orchestration::quantity::bytes_to_kubernetes(size);
            let message = format!("`{name}` of `{}` may grow beyond {size}", site.key());
            self.note("scratch-space", origin, message);
        }
    }
}

/// The short form, the only one that takes options such as `uid=`.
fn short_tmpfs(
    path: &str,
    size: Option<u64>,
    mode: Option<u32>,
    read_only: bool,
    options: &[String],
) -> String {
    let mut words = Vec::new();
    words.extend(size.map(|size| format!("size={size}")));
    words.extend(mode.map(|mode| format!("mode={mode:04o}")));
    if read_only && !options.iter().any(|option| option == "ro") {
        words.push("ro".to_owned());
    }
    words.extend(options.iter().cloned());
    format!("{path}:{}", words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_form_of_tmpfs() {
        let options = ["uid=1000".to_owned(), "noexec".to_owned()];
        assert_eq!(
            short_tmpfs("/run", Some(1024), Some(0o1777), false, &options),
            "/run:size=1024,mode=1777,uid=1000,noexec"
        );
    }
}
