//! Configs and secrets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::document::{Map, put, put_map};
use super::files::inside;
use super::keys::{Keys, SWARM_OBJECT_MAX, file_name, legal, swarm_object};
use super::writer::Writer;
use crate::orchestration::model::{
    Application, Dialect, FileObject, Mount, MountSource, ObjectData, ObjectKind,
};
use crate::orchestration::names::{DOMAIN, short_hash};
use crate::source::Origin;

/// Largest config and secret of Swarm in bytes (swarmkit `manager/controlapi`).
const CONFIG_MAX: usize = 1_000 * 1024;
const SECRET_MAX: usize = 500 * 1024;

/// The configs and secrets of the document.
#[derive(Debug, Default)]
pub(super) struct Objects<'a> {
    configs: Keys,
    secrets: Keys,
    entries: Vec<Entry<'a>>,
    by_name: HashMap<(ObjectKind, &'a str), Vec<usize>>,
    made: Vec<(ObjectKind, String, Map)>,
    made_for: HashMap<String, String>,
    /// Keys that mounts name of objects that are not part of the input.
    asked: HashMap<(ObjectKind, &'a str), BTreeSet<&'a str>>,
}

/// One object of the model.
#[derive(Debug)]
struct Entry<'a> {
    object: &'a FileObject,
    /// Its own key, and folder of its files.
    base: String,
    keys: BTreeMap<&'a str, KeyUse>,
}

/// What becomes of one piece of content.
#[derive(Debug, Default)]
struct KeyUse {
    name: String,
    mounted: bool,
    variable: bool,
    executable: bool,
}

impl<'a> Objects<'a> {
    /// Gives each piece of content its key.
    pub(super) fn new(app: &'a Application) -> Self {
        let mut objects = Self::default();
        for object in &app.objects {
            let name = object.name.value.as_str();
            let mut wanted = vec![legal(name)];
            if let Some(space) = &object.namespace {
                wanted.push(legal(&format!("{name}-{}", space.value)));
            }
            let keys = objects.keys_of(object.kind);
            let base = keys.give(&wanted);
            let single = object.data.len() == 1;
            let uses = object.data.keys().map(|key| {
                let name = if single {
                    base.clone()
                } else {
                    keys.give(&[legal(&format!("{base}-{key}"))])
                };
                (
                    key.as_str(),
                    KeyUse {
                        name,
                        ..KeyUse::default()
                    },
                )
            });
            let uses = uses.collect();
            let index = objects.entries.len();
            objects.entries.push(Entry {
                object,
                base,
                keys: uses,
            });
            objects
                .by_name
                .entry((object.kind, name))
                .or_default()
                .push(index);
        }
        let mounts = app
            .units
            .iter()
            .flat_map(|unit| &unit.containers)
            .flat_map(|container| &container.mounts);
        for Mount { source, .. } in mounts {
            objects.ask(source);
        }
        objects
    }

    fn ask(&mut self, source: &'a MountSource) {
        match source {
            MountSource::Object(mount)
                if !self
                    .by_name
                    .contains_key(&(mount.kind, mount.object.as_str())) =>
            {
                let keys = self
                    .asked
                    .entry((mount.kind, mount.object.as_str()))
                    .or_default();
                keys.extend(mount.items.iter().map(|item| item.key.as_str()));
            }
            MountSource::Projected(sources) => sources.iter().for_each(|source| self.ask(source)),
            _ => {}
        }
    }

    fn keys_of(&mut self, kind: ObjectKind) -> &mut Keys {
        match kind {
            ObjectKind::Config => &mut self.configs,
            ObjectKind::Secret => &mut self.secrets,
        }
    }

    /// The object of that name, in this namespace if both say one.
    pub(super) fn find(
        &self,
        kind: ObjectKind,
        name: &str,
        namespace: Option<&str>,
    ) -> Option<usize> {
        let found = self.by_name.get(&(kind, name))?;
        found.iter().copied().find(|index| {
            let own = self
                .entries
                .get(*index)
                .and_then(|e| e.object.namespace.as_ref())
                .map(|n| n.value.as_str());
            own.is_none() || namespace.is_none() || own == namespace
        })
    }

    /// Its content.
    pub(super) fn data(&self, index: usize) -> &'a BTreeMap<String, ObjectData> {
        static NOTHING: BTreeMap<String, ObjectData> = BTreeMap::new();
        self.entries
            .get(index)
            .map_or(&NOTHING, |entry| &entry.object.data)
    }

    /// Whether it exists outside of the application.
    pub(super) fn is_external(&self, index: usize) -> bool {
        self.entries
            .get(index)
            .is_some_and(|entry| entry.object.external)
    }

    /// Marks a piece of content as used by a variable.
    pub(super) fn mark_variable(&mut self, index: usize, key: &str) {
        if let Some(entry) = self.entries.get_mut(index)
            && let Some(used) = entry.keys.get_mut(key)
        {
            used.variable = true;
        }
    }

    /// The key under which a piece of content is mounted.
    pub(super) fn mounted(&mut self, index: usize, key: &str, executable: bool) -> Option<String> {
        let entry = self.entries.get_mut(index)?;
        if entry.object.external {
            return Some(entry.base.clone());
        }
        let used = entry.keys.get_mut(key)?;
        used.mounted = true;
        used.executable |= executable;
        Some(used.name.clone())
    }

    /// The key of something that the model does not list; the same `identity` always gets the same one.
    pub(super) fn make(
        &mut self,
        kind: ObjectKind,
        identity: String,
        wanted: &str,
        map: impl FnOnce(&str) -> Map,
    ) -> String {
        if let Some(key) = self.made_for.get(&identity) {
            return key.clone();
        }
        let key = self.keys_of(kind).give(&[legal(wanted)]);
        let map = map(&key);
        self.made.push((kind, key.clone(), map));
        self.made_for.insert(identity, key.clone());
        key
    }

    /// How an object outside of the input is called, for one of its keys.
    pub(super) fn outside_name(&self, kind: ObjectKind, object: &str, key: &str) -> String {
        let single = self
            .asked
            .get(&(kind, object))
            .is_none_or(|keys| keys.len() <= 1);
        if single {
            object.to_owned()
        } else {
            format!("{object}-{key}")
        }
    }
}

impl Writer<'_> {
    /// Top-level `configs` and `secrets`.
    pub(super) fn write_objects(&mut self) -> (Map, Map) {
        let mut configs = Map::new();
        let mut secrets = Map::new();
        for entry in std::mem::take(&mut self.objects.entries) {
            let home = match entry.object.kind {
                ObjectKind::Config => &mut configs,
                ObjectKind::Secret => &mut secrets,
            };
            self.write_object(&entry, home);
        }
        for (kind, key, map) in std::mem::take(&mut self.objects.made) {
            let home = match kind {
                ObjectKind::Config => &mut configs,
                ObjectKind::Secret => &mut secrets,
            };
            put(home, &key, map);
        }
        (configs, secrets)
    }

    fn write_object(&mut self, entry: &Entry<'_>, home: &mut Map) {
        let FileObject {
            kind,
            name,
            namespace: _,
            real_name,
            external,
            data,
            immutable,
            secret_type,
            metadata,
            origin,
        } = entry.object;
        let word = match kind {
            ObjectKind::Config => "config",
            ObjectKind::Secret => "secret",
        };
        let name = &name.value;
        let mut labels = Map::new();
        for (key, value) in metadata.labels.iter().chain(&metadata.annotations) {
            if !key.starts_with(DOMAIN) {
                put(&mut labels, key, value.value.clone());
            }
        }
        if *external {
            let mut map = Map::new();
            put(&mut map, "external", true);
            if let Some(real) = real_name {
                put(&mut map, "name", real.value.clone());
            }
            if !labels.is_empty() {
                self.note(
                    "external-detail",
                    origin,
                    format!("{word} `{name}` exists already; what is said of it is left out"),
                );
            }
            put(home, &entry.base, map);
            return;
        }
        if data.is_empty() {
            self.note(
                "object-empty",
                origin,
                format!("{word} `{name}` has no content and is left out"),
            );
            return;
        }
        if let Some(secret_type) = secret_type.as_ref().filter(|t| t.value != "Opaque") {
            let message = format!(
                "the type {} of secret `{name}` has no place",
                secret_type.value
            );
            self.note("object-details", &secret_type.origin, message);
        }
        if let Some(immutable) = immutable.as_ref().filter(|i| i.value && !self.is_swarm()) {
            self.note(
                "object-details",
                &immutable.origin,
                format!("nothing keeps {word} `{name}` from being changed"),
            );
        }
        let unused: Vec<_> = entry
            .keys
            .iter()
            .filter(|(_, used)| !used.mounted && !used.variable)
            .collect();
        if !unused.is_empty() {
            let keys: Vec<_> = unused.iter().map(|(key, _)| *key).collect();
            let gone = |key: &str| data.get(key).is_some_and(|data| data.bytes.is_empty());
            let gone = self.is_swarm() && self.from_kubernetes() && keys.iter().all(|k| gone(k));
            let message = format!(
                "no container uses {} of {word} `{name}`{}",
                super::names::list(&keys),
                if gone { "; empty, it is left out" } else { "" }
            );
            self.note("object-unused", origin, message);
        }
        let mut written = false;
        for (key, used) in &entry.keys {
            let Some(content) = data.get(*key) else {
                continue;
            };
            if !used.mounted && used.variable {
                continue;
            }
            // Swarm refuses the whole deployment for one that is empty.
            let empty = content.bytes.is_empty() && self.is_swarm() && self.from_kubernetes();
            if empty && !used.mounted {
                continue;
            }
            let filled;
            let content = if empty {
                let what = format!("`{key}` of {word} `{name}`");
                filled = ObjectData {
                    bytes: self.never_empty("", &what, &content.origin).into_bytes(),
                    ..content.clone()
                };
                &filled
            } else {
                content
            };
            let mut map = self.write_content(entry, key, used, content);
            if let Some(real) = real_name {
                put(&mut map, "name", real.value.clone());
            } else if self.is_swarm() && self.from_kubernetes() {
                // Content of Swarm never changes under one name.
                let hash = short_hash(&content.bytes);
                let stem = swarm_object(&used.name, SWARM_OBJECT_MAX - hash.len() - 1);
                put(&mut map, "name", format!("{stem}-{hash}"));
            }
            put_map(&mut map, "labels", labels.clone());
            put(home, &used.name, map);
            written = true;
        }
        if !written && !labels.is_empty() {
            let message = format!(
                "labels and annotations of {word} `{name}` have no place: its content only is used by variables"
            );
            self.note("object-metadata", origin, message);
        }
    }

    /// Content that a stack can hold: Swarm takes nothing that is empty (swarmkit `manager/controlapi`).
    pub(super) fn never_empty(&mut self, text: &str, what: &str, origin: &Origin) -> String {
        if !text.is_empty() {
            return text.to_owned();
        }
        let message = format!("{what} holds a line break: Swarm takes nothing empty");
        self.note("object-never-empty", origin, message);
        "\n".to_owned()
    }

    /// Where a piece of content comes from.
    fn write_content(
        &mut self,
        entry: &Entry<'_>,
        key: &str,
        used: &KeyUse,
        content: &ObjectData,
    ) -> Map {
        let ObjectData {
            bytes,
            file,
            variable,
            origin,
        } = content;
        let mut map = Map::new();
        let swarm = self.is_swarm();
        let secret = entry.object.kind == ObjectKind::Secret;
        let name = &entry.object.name.value;
        let max = if secret { SECRET_MAX } else { CONFIG_MAX };
        if swarm && bytes.len() > max {
            let message = format!(
                "`{key}` of `{name}` has {} bytes; Swarm takes {max} at most",
                bytes.len()
            );
            self.note("swarm-object-too-large", origin, message);
        }
        if let Some(variable) = variable.as_ref().filter(|_| !swarm) {
            put(&mut map, "environment", variable.clone());
            return map;
        }
        if let Some(path) = file {
            match inside(path) {
                Some(path) => {
                    self.files.add(&path, bytes, secret);
                }
                None => {
                    let message = format!("`{path}` has to be there with the content of `{name}`");
                    self.note("file-outside-of-output", origin, message);
                }
            }
            put(&mut map, "file", path.clone());
            return map;
        }
        // A file is mounted with the mode that it has; content is written with the mode that is asked for.
        let inline = used.executable || self.app.dialect != Dialect::Kubernetes;
        if let Ok(text) = std::str::from_utf8(bytes)
            && inline
            && !secret
            && !swarm
            && !text.contains('\0')
        {
            put(&mut map, "content", text);
            return map;
        }
        let folder = if secret { "secrets" } else { "configs" };
        let path = format!("{folder}/{}/{}", file_name(&entry.base), file_name(key));
        let path = self.files.add(&path, bytes, secret);
        if used.executable && !swarm {
            self.note(
                "file-modes-of-compose",
                origin,
                format!("`{path}` has to be made executable: chmod +x {path}"),
            );
        }
        put(&mut map, "file", format!("./{path}"));
        map
    }
}
