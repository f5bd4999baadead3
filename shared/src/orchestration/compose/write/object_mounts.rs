//! Files of configs, secrets and fields inside of a container.

use serde_json::Value;

use super::document::{Map, put, put_some};
use super::keys::{file_name, legal};
use super::mounts::Mounts;
use super::names::list;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{ObjectItem, ObjectKind, ObjectMount};
use crate::source::Origin;

/// The mode of files from ConfigMaps and Secrets when nothing is said (Kubernetes API, `defaultMode`).
const KUBERNETES_MODE: u32 = 0o644;

/// A mount of an object, and where.
pub(super) struct ObjectPlace<'p> {
    /// Path in the container.
    pub(super) target: &'p str,
    /// Path inside of the folder that is mounted alone.
    pub(super) subpath: Option<&'p str>,
    /// Where it stood.
    pub(super) origin: &'p Origin,
}

impl<'a> Writer<'a> {
    /// One file for each key.
    pub(super) fn mount_object(
        &mut self,
        site: &Site<'a>,
        place: &ObjectPlace<'_>,
        mount: &ObjectMount,
        mounts: &mut Mounts,
    ) {
        let ObjectMount {
            kind,
            object,
            items,
            single,
            mode,
            uid,
            gid,
            optional,
        } = mount;
        let key = site.key();
        let optional = optional.as_ref().is_some_and(|o| o.value);
        let index = self.objects.find(*kind, object, site.namespace());
        // All keys under their own names, unless some are chosen.
        let all: Vec<ObjectItem>;
        let chosen = if items.is_empty() {
            let data = index.map(|index| self.objects.data(index));
            let names = data.into_iter().flat_map(std::collections::BTreeMap::keys);
            all = names
                .map(|name| ObjectItem {
                    key: name.clone(),
                    path: name.clone(),
                    mode: None,
                    origin: place.origin.clone(),
                })
                .collect();
            &all
        } else {
            items
        };
        if index.is_none() && optional {
            let message = format!("`{object}`, which `{key}` may use, is not part of the input");
            self.note("optional-objects", place.origin, message);
            return;
        }
        let external = index.is_some_and(|index| self.objects.is_external(index));
        if chosen.is_empty() {
            if index.is_none() || external {
                let message = format!(
                    "nobody knows the keys of `{object}`, which `{key}` mounts at `{}`",
                    place.target
                );
                self.note("object-not-in-input", place.origin, message);
            }
            return;
        }
        let mut files = 0_usize;
        for item in chosen {
            let ObjectItem {
                key: name,
                path,
                mode: own_mode,
                origin,
            } = item;
            let Some(target) = target_of(place, path, *single) else {
                continue;
            };
            let silent = self.from_kubernetes().then_some(KUBERNETES_MODE);
            let bits = own_mode.or(mode.as_ref().map(|m| m.value)).or(silent);
            let executable = bits.is_some_and(|bits| bits & 0o111 != 0);
            let source = match index {
                Some(index) => self.objects.mounted(index, name, executable),
                None => Some(self.outside(site, *kind, object, name, place.origin)),
            };
            let Some(source) = source else {
                if !optional {
                    let message = format!("`{object}` has no key `{name}`, which `{key}` mounts");
                    self.note("object-key-missing", origin, message);
                }
                continue;
            };
            if !mounts.claim(&target) {
                let message =
                    format!("`{target}` of `{key}` is mounted twice; the second mount is left out");
                self.note("mount-target-twice", origin, message);
                continue;
            }
            let mut map = Map::new();
            put(&mut map, "source", source);
            put(&mut map, "target", target);
            put_some(&mut map, "uid", uid.as_ref().map(|u| u.value.clone()));
            put_some(&mut map, "gid", gid.as_ref().map(|g| g.value.clone()));
            put_some(&mut map, "mode", bits);
            let home = match kind {
                ObjectKind::Config => &mut mounts.configs,
                ObjectKind::Secret => &mut mounts.secrets,
            };
            home.push(Value::Object(map));
            files += 1;
        }
        if files == 0 && place.subpath.is_some() {
            let message = format!(
                "`{object}` has no file `{}`, which `{key}` mounts",
                place.subpath.unwrap_or_default()
            );
            self.note("object-key-missing", place.origin, message);
        }
        if !*single && place.subpath.is_none() && self.from_kubernetes() && site.is_first() {
            let message = format!(
                "`{}` of `{key}` holds single files of `{object}` beside what the image has there",
                place.target
            );
            self.note("projected-files", place.origin, message);
        }
    }

    /// An object that the input does not have.
    fn outside(
        &mut self,
        site: &Site<'a>,
        kind: ObjectKind,
        object: &str,
        key: &str,
        origin: &Origin,
    ) -> String {
        let swarm = self.is_swarm();
        let name = self.objects.outside_name(kind, object, key);
        let folder = if kind == ObjectKind::Secret {
            "secrets"
        } else {
            "configs"
        };
        let path = format!("./{folder}/{}/{}", file_name(object), file_name(key));
        let message = if swarm {
            format!(
                "`{object}` is not part of the input; `{name}` with its key `{key}` has to exist in the swarm"
            )
        } else {
            format!(
                "`{object}` is not part of the input; its key `{key}` has to be put into `{path}`"
            )
        };
        self.note("object-not-in-input", origin, message);
        let space = site.namespace().unwrap_or_default();
        self.objects.make(
            kind,
            format!("{folder} {space} {object} {key}"),
            &name,
            |given| {
                let mut map = Map::new();
                if swarm {
                    put(&mut map, "external", true);
                    if given != name {
                        put(&mut map, "name", name.clone());
                    }
                } else {
                    put(&mut map, "file", path);
                }
                map
            },
        )
    }

    /// Fields of the instance as files.
    pub(super) fn mount_fields(
        &mut self,
        site: &Site<'a>,
        place: &ObjectPlace<'_>,
        fields: &[(String, String)],
        mounts: &mut Mounts,
    ) {
        for (path, field) in fields {
            let Some(target) = target_of(place, path, false) else {
                continue;
            };
            let text = match field.strip_prefix("resource:") {
                Some(resource) => {
                    let text = super::fields::resource(site, resource.trim(), None, None);
                    if text.is_none() {
                        let message = format!(
                            "`{}` cannot be told `{}`, which is not set",
                            site.key(),
                            resource.trim()
                        );
                        self.note("field-unknown", place.origin, message);
                    }
                    text
                }
                None => self.field(site, field, false, place.origin),
            };
            let Some(text) = text else { continue };
            if !mounts.claim(&target) {
                let message = format!(
                    "`{target}` of `{}` is mounted twice; the second mount is left out",
                    site.key()
                );
                self.note("mount-target-twice", place.origin, message);
                continue;
            }
            let swarm = self.is_swarm();
            let wanted = legal(&format!("{}-{}", site.key(), path.replace('/', "-")));
            let file = format!("configs/{}/{}", file_name(site.key()), file_name(path));
            let file = if swarm {
                self.files.add(&file, text.as_bytes(), false)
            } else {
                file
            };
            let identity = format!("field {} {path} {target}", site.key());
            let source = self
                .objects
                .make(ObjectKind::Config, identity, &wanted, |_| {
                    let mut map = Map::new();
                    if swarm {
                        put(&mut map, "file", format!("./{file}"));
                    } else {
                        put(&mut map, "content", text);
                    }
                    map
                });
            let mut map = Map::new();
            put(&mut map, "source", source);
            put(&mut map, "target", target);
            put(&mut map, "mode", KUBERNETES_MODE);
            mounts.configs.push(Value::Object(map));
            let message = format!(
                "`{path}` of `{}` holds `{field}` as it was at conversion",
                site.key()
            );
            self.note("pod-fields-as-files", place.origin, message);
        }
    }

    /// Sources that have no counterpart.
    pub(super) fn note_no_volume(
        &mut self,
        site: &Site<'a>,
        kind: &str,
        target: &str,
        origin: &Origin,
    ) {
        let code = match kind {
            "serviceAccountToken" | "clusterTrustBundle" | "podCertificate" => {
                "cluster-credentials"
            }
            "gitRepo" => "git-as-volume",
            _ => "storage-of-provider",
        };
        let message = format!(
            "`{target}` of `{}` is left out: Docker has no volume of kind `{kind}`",
            site.key()
        );
        self.note(code, origin, message);
    }

    /// Names for a message.
    pub(super) fn note_mount_detail(
        &mut self,
        site: &Site<'a>,
        target: &str,
        lost: &[String],
        origin: &Origin,
    ) {
        if !lost.is_empty() {
            let message = format!(
                "the mount at `{target}` of `{}` loses {}",
                site.key(),
                list(lost)
            );
            self.note("mount-option-lost", origin, message);
        }
    }
}

/// Where a file of a folder lies in the container, if it is mounted at all.
fn target_of(place: &ObjectPlace<'_>, path: &str, single: bool) -> Option<String> {
    let target = place.target;
    if single {
        return Some(target.to_owned());
    }
    match place
        .subpath
        .map(|s| s.trim_matches('/'))
        .filter(|s| !s.is_empty())
    {
        None => Some(join(target, path)),
        Some(subpath) if subpath == path => Some(target.to_owned()),
        Some(subpath) => {
            let rest = path.strip_prefix(subpath)?.strip_prefix('/')?;
            Some(join(target, rest))
        }
    }
}

/// A path below another one.
pub(super) fn join(folder: &str, path: &str) -> String {
    format!(
        "{}/{}",
        folder.trim_end_matches('/'),
        path.trim_start_matches('/')
    )
}
