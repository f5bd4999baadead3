//! Top-level volumes.

use std::collections::HashMap;

use serde_json::Value;

use super::document::{Map, put, put_map, put_some};
use super::health::quoted;
use super::keys::{Keys, legal};
use super::object_mounts::join;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{
    AccessMode, Application, ClaimTemplate, Metadata, UnitKind, Volume, VolumeBacking,
};
use crate::orchestration::names::DOMAIN;
use crate::orchestration::quantity::{bytes_to_compose, bytes_to_kubernetes};
use crate::source::{Origin, Sourced};

/// The volumes of the document and how mounts find them.
#[derive(Debug, Default)]
pub(super) struct Volumes<'a> {
    keys: Keys,
    declared: Vec<(String, &'a Volume)>,
    by_name: HashMap<&'a str, Vec<usize>>,
    made: Vec<(String, Map)>,
    made_for: HashMap<String, String>,
}

impl<'a> Volumes<'a> {
    /// The volumes that the model lists.
    pub(super) fn new(app: &'a Application) -> Self {
        let mut volumes = Self::default();
        for (index, volume) in app.volumes.iter().enumerate() {
            let name = volume.name.value.as_str();
            let mut wanted = vec![legal(name)];
            if let Some(space) = &volume.namespace {
                wanted.push(legal(&format!("{name}-{}", space.value)));
            }
            let key = volumes.keys.give(&wanted);
            volumes.declared.push((key, volume));
            volumes.by_name.entry(name).or_default().push(index);
        }
        volumes
    }

    /// The volume of that name, in this namespace if both say one.
    fn find(&self, name: &str, namespace: Option<&str>) -> Option<&str> {
        let found = self.by_name.get(name)?;
        found.iter().find_map(|index| {
            let (key, volume) = self.declared.get(*index)?;
            let own = volume.namespace.as_ref().map(|n| n.value.as_str());
            (own.is_none() || namespace.is_none() || own == namespace).then_some(key.as_str())
        })
    }

    /// The volume of the model that has this key.
    fn volume(&self, key: &str) -> Option<&'a Volume> {
        let mut declared = self.declared.iter();
        declared.find_map(|(own, volume)| (own == key).then_some(*volume))
    }

    /// A volume that the model does not list; the same `identity` always gets the same one.
    pub(super) fn make(
        &mut self,
        identity: String,
        wanted: &str,
        map: impl FnOnce() -> Map,
    ) -> String {
        if let Some(key) = self.made_for.get(&identity) {
            return key.clone();
        }
        let key = self.keys.give(&[legal(wanted)]);
        self.made.push((key.clone(), map()));
        self.made_for.insert(identity, key.clone());
        key
    }
}

impl<'a> Writer<'a> {
    /// The key of the volume that a mount names.
    pub(super) fn volume_key(&mut self, site: &Site<'a>, name: &str, origin: &Origin) -> String {
        if let UnitKind::Stateful(settings) = &site.unit.kind
            && let Some(claim) = settings
                .claims
                .iter()
                .find(|claim| claim.name.value == name)
        {
            return self.claim_key(site, claim);
        }
        if let Some(key) = self.volumes.find(name, site.namespace()) {
            return key.to_owned();
        }
        let message = format!("the volume `{name}` is not part of the input and has to exist");
        self.note("volume-not-in-input", origin, message);
        let space = site.namespace().unwrap_or_default();
        self.volumes
            .make(format!("outside {space} {name}"), name, || {
                let mut map = Map::new();
                put(&mut map, "external", true);
                if legal(name) != name {
                    put(&mut map, "name", name);
                }
                map
            })
    }

    /// The volume of one instance of a StatefulSet.
    fn claim_key(&mut self, site: &Site<'a>, claim: &'a ClaimTemplate) -> String {
        let ClaimTemplate {
            name,
            size,
            access,
            class,
            metadata,
            origin,
        } = claim;
        let UnitKind::Stateful(settings) = &site.unit.kind else {
            return name.value.clone();
        };
        let first = settings.first_ordinal.as_ref().map_or(0, |o| o.value);
        let base = format!("{}-{}", name.value, site.unit.name.value);
        let many = site.replicas() > 1;
        let swarm = self.is_swarm();
        let key = match site.instance.ordinal {
            Some(ordinal) => format!("{base}-{ordinal}"),
            None if many => base.clone(),
            None => format!("{base}-{first}"),
        };
        if site.is_main() && site.is_first() {
            self.note_size(&base, size.as_ref(), None);
            self.note_access(&base, access);
            self.note_class(&base, class.as_ref(), &VolumeBacking::Default);
            if swarm && many {
                let message = format!(
                    "each task of `{}` gets its own volume `{base}-SLOT` on the node where it runs",
                    site.key()
                );
                self.note("claim-of-each-replica", origin, message);
            } else if swarm {
                self.note_per_node(&key, origin);
            }
        }
        let labels = labels_of(metadata);
        self.volumes
            .make(format!("claim {} {key}", site.index), &key, || {
                let mut map = Map::new();
                if swarm && many {
                    // Swarm fills templates in the source of a mount (swarmkit `template/expand.go`).
                    put(&mut map, "name", format!("{base}-{{{{.Task.Slot}}}}"));
                }
                put_map(&mut map, "labels", labels);
                map
            })
    }

    /// Top-level `volumes`.
    pub(super) fn write_volumes(&mut self) -> Map {
        let mut volumes = Map::new();
        for (key, volume) in std::mem::take(&mut self.volumes.declared) {
            let map = self.write_volume(&key, volume);
            volumes.insert(key, Value::Object(map));
        }
        for (key, map) in std::mem::take(&mut self.volumes.made) {
            volumes.insert(key, Value::Object(map));
        }
        volumes
    }

    fn write_volume(&mut self, key: &str, volume: &Volume) -> Map {
        let Volume {
            name,
            namespace: _,
            real_name,
            external,
            backing,
            size,
            size_limit,
            access,
            class,
            block,
            metadata,
            origin,
        } = volume;
        if key != name.value {
            self.note(
                "volume-renamed",
                &name.origin,
                format!("volume `{}` is written as `{key}`", name.value),
            );
        }
        self.note_size(&name.value, size.as_ref(), size_limit.as_ref());
        self.note_access(&name.value, access);
        self.note_class(&name.value, class.as_ref(), backing);
        if let Some(block) = block.as_ref().filter(|b| b.value) {
            let message = format!(
                "volume `{}` is a folder instead of a raw device",
                name.value
            );
            self.note("block-devices", &block.origin, message);
        }
        let mut map = Map::new();
        put_some(
            &mut map,
            "name",
            real_name.as_ref().map(|n| n.value.clone()),
        );
        let labels = labels_of(metadata);
        if *external {
            put(&mut map, "external", true);
            if *backing != VolumeBacking::Default || !labels.is_empty() {
                let message = format!(
                    "volume `{}` exists already; what is said of it is left out",
                    name.value
                );
                self.note("external-detail", origin, message);
            }
            return map;
        }
        self.write_backing(key, backing, origin, &mut map);
        put_map(&mut map, "labels", labels);
        map
    }

    fn write_backing(
        &mut self,
        key: &str,
        backing: &VolumeBacking,
        origin: &Origin,
        map: &mut Map,
    ) {
        let mut options = Map::new();
        match backing {
            VolumeBacking::Default => {
                if self.is_swarm() && self.from_kubernetes() {
                    self.note_per_node(key, origin);
                }
                return;
            }
            VolumeBacking::Driver {
                name,
                options: given,
            } => {
                put_some(map, "driver", name.as_ref().map(|n| n.value.clone()));
                for (option, value) in given {
                    put(&mut options, option, value.value.clone());
                }
                put_map(map, "driver_opts", options);
                return;
            }
            VolumeBacking::Nfs {
                server,
                path,
                options: given,
                read_only,
                origin: _,
            } => {
                let mut words = vec![format!("addr={server}")];
                words.extend(
                    given
                        .iter()
                        .filter(|word| !word.starts_with("addr="))
                        .cloned(),
                );
                if *read_only && !given.iter().any(|word| word == "ro") {
                    words.push("ro".to_owned());
                }
                put(&mut options, "type", "nfs");
                put(&mut options, "o", words.join(","));
                put(&mut options, "device", format!(":{path}"));
            }
            VolumeBacking::HostPath { path, origin } => {
                put(&mut options, "type", "none");
                put(&mut options, "o", "bind");
                put(&mut options, "device", path.clone());
                if self.from_kubernetes() {
                    let message = format!("volume `{key}` is the path `{path}` of the Docker host");
                    self.note(
                        if self.is_swarm() {
                            "host-path-in-swarm"
                        } else {
                            "host-path"
                        },
                        origin,
                        message,
                    );
                }
            }
            VolumeBacking::Memory {
                size,
                options: others,
                origin: _,
            } => {
                put(&mut options, "type", "tmpfs");
                put(&mut options, "device", "tmpfs");
                let size = size.map(|size| format!("size={size}"));
                let all: Vec<_> = size.into_iter().chain(others.iter().cloned()).collect();
                if !all.is_empty() {
                    put(&mut options, "o", all.join(","));
                }
            }
        }
        put(map, "driver", "local");
        put_map(map, "driver_opts", options);
    }

    /// Docker's volumes have no size.
    fn note_size(&mut self, name: &str, size: Option<&Sourced<u64>>, limit: Option<&Sourced<u64>>) {
        if let Some(size) = size {
            let message = format!(
                "volume `{name}` has no size, where {} is asked for",
                bytes_to_kubernetes(size.value)
            );
            self.note("volume-size", &size.origin, message);
        }
        if let Some(limit) = limit {
            let message = format!(
                "volume `{name}` may grow beyond {}",
                bytes_to_kubernetes(limit.value)
            );
            self.note("volume-size", &limit.origin, message);
        }
    }

    /// Docker's volumes have no access modes; the most usual one is what a local volume has anyway.
    fn note_access(&mut self, name: &str, access: &[Sourced<AccessMode>]) {
        for mode in access {
            let word = match mode.value {
                AccessMode::ReadWriteOnce => {
                    let message = format!("volume `{name}` is on one host, as ReadWriteOnce asks");
                    self.note("access-by-one-node", &mode.origin, message);
                    continue;
                }
                AccessMode::ReadOnlyMany => "ReadOnlyMany",
                AccessMode::ReadWriteMany => "ReadWriteMany",
                AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
            };
            let message = format!("the access mode {word} of volume `{name}` has no place");
            self.note("access-modes", &mode.origin, message);
        }
    }

    /// A class only matters where it makes the volume: not where it is empty, and not where a volume is bound.
    fn note_class(&mut self, name: &str, class: Option<&Sourced<String>>, backing: &VolumeBacking) {
        let Some(class) = class else { return };
        if class.value.is_empty() {
            let message = format!("volume `{name}` is made by no storage class");
            self.note("storage-class-without-effect", &class.origin, message);
        } else if *backing != VolumeBacking::Default {
            let message = format!("storage class `{}` made no volume `{name}`", class.value);
            self.note("storage-class-without-effect", &class.origin, message);
        } else {
            let message = format!(
                "volume `{name}` has the driver `local` instead of storage class `{}`",
                class.value
            );
            self.note("storage-class-of-claim", &class.origin, message);
        }
    }

    /// The kubelet makes the folder that a `subPath` names, Docker does not start the container without it.
    pub(super) fn note_subpath(
        &mut self,
        site: &Site<'a>,
        key: &str,
        subpath: &str,
        origin: &Origin,
    ) {
        if !self.from_kubernetes() {
            return;
        }
        let folder = quoted(&join("/v", subpath));
        let at = if self.is_swarm() { " on its node" } else { "" };
        let backing = self.volumes.volume(key).map(|volume| &volume.backing);
        let command = match backing {
            Some(VolumeBacking::HostPath { path, origin: _ }) => {
                format!("`mkdir -p {}`{at}", quoted(&join(path, subpath)))
            }
            Some(VolumeBacking::Nfs { path, .. }) => {
                format!(
                    "`mkdir -p {}` on the NFS server",
                    quoted(&join(path, subpath))
                )
            }
            // A volume that is made here has to be the one that the application takes.
            _ => format!(
                "`docker run --rm -v {}:/v busybox mkdir -p {folder}`{at}",
                self.name_on_host(key)
            ),
        };
        let message = format!(
            "the folder `{subpath}` of volume `{key}` has to be there before `{}` starts: {command}",
            site.key()
        );
        self.note("sub-path-not-made", origin, message);
    }

    /// What the engine calls a volume of the document.
    fn name_on_host(&self, key: &str) -> String {
        if let Some(volume) = self.volumes.volume(key) {
            if let Some(name) = &volume.real_name {
                return name.value.clone();
            }
            if volume.external {
                return key.to_owned();
            }
        }
        let made = self.volumes.made.iter().find(|(made, _)| made == key);
        if let Some((_, map)) = made {
            if let Some(name) = map.get("name").and_then(Value::as_str) {
                return name.replace("{{.Task.Slot}}", "SLOT");
            }
            if map.contains_key("external") {
                return key.to_owned();
            }
        }
        // The name of a stack is given when it is deployed.
        if self.is_swarm() {
            return format!("STACK_{key}");
        }
        let project = self.legal_project_name();
        format!("{}_{key}", project.as_deref().unwrap_or("PROJECT"))
    }

    /// A local volume of Swarm exists anew on each node.
    pub(super) fn note_per_node(&mut self, key: &str, origin: &Origin) {
        let message =
            format!("volume `{key}` is another one on each node: a task that moves finds it empty");
        self.note("volumes-of-each-node", origin, message);
    }
}

/// Labels and annotations of a volume without the marks of this program.
fn labels_of(metadata: &Metadata) -> Map {
    let mut labels = Map::new();
    for (key, value) in metadata.labels.iter().chain(&metadata.annotations) {
        if !key.starts_with(DOMAIN) {
            put(&mut labels, key, value.value.clone());
        }
    }
    labels
}

/// Driver options of a volume in memory.
pub(super) fn memory(size: Option<u64>) -> Map {
    let mut options = Map::new();
    put(&mut options, "type", "tmpfs");
    put(&mut options, "device", "tmpfs");
    put_some(&mut options, "o", size.map(|size| format!("size={size}")));
    let mut map = Map::new();
    put(&mut map, "driver", "local");
    put_map(&mut map, "driver_opts", options);
    map
}

/// A size as the target's schema takes it: a stack wants a number.
pub(super) fn size_value(size: u64, swarm: bool) -> Value {
    if swarm {
        Value::from(size)
    } else {
        Value::from(bytes_to_compose(size))
    }
}
