//! Files of configs, secrets and fields inside of a container.

use serde_json::Value;

use super::document::{Map, put, put_some};
use super::keys::file_name;
use super::mounts::Mounts;
use super::names::list;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{ObjectItem, ObjectKind, ObjectMount, User};
use crate::source::Origin;

/// The mode of files from ConfigMaps and Secrets when nothing is said (Kubernetes API, `defaultMode`).
pub(super) const KUBERNETES_MODE: u32 = 0o644;

/// A mount of an object, and where.
pub(super) struct ObjectPlace<'p> {
    /// Path in the container.
    pub(super) target: &'p str,
    /// Path inside of the folder that is mounted alone.
    pub(super) subpath: Option<&'p str>,
    /// Where it stood.
    pub(super) origin: &'p Origin,
}

/// Who may read a file.
pub(super) struct Owner {
    pub(super) uid: Option<String>,
    pub(super) gid: String,
    pub(super) mode: u32,
}

/// What the kubelet makes of the owner of a file that not everybody may read: the group that owns the volumes may read
/// it too. A stack hands no such group to the process, so the file is given to its user as well.
pub(super) fn owner(site: &Site<'_>, bits: Option<u32>) -> Option<Owner> {
    let group = site.unit.settings.volume_group.as_ref()?;
    let bits = bits.filter(|bits| bits & 0o004 == 0)?;
    let uid = match site.container.user.as_ref().map(|user| &user.value) {
        Some(User::Numeric { uid, gid: _ }) => uid.map(|uid| uid.to_string()),
        _ => None,
    };
    Some(Owner {
        uid,
        gid: group.value.to_string(),
        mode: bits | 0o440,
    })
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
            // Compose mounts a file as it lies on the host.
            let owner = owner(site, bits).filter(|_| self.is_swarm());
            let (uid, gid) = (uid.as_ref(), gid.as_ref());
            let given = uid.is_some() || gid.is_some();
            let owner = owner.filter(|_| !given);
            let uid = uid.map(|u| u.value.clone());
            let gid = gid.map(|g| g.value.clone());
            put_some(
                &mut map,
                "uid",
                uid.or(owner.as_ref().and_then(|o| o.uid.clone())),
            );
            put_some(
                &mut map,
                "gid",
                gid.or(owner.as_ref().map(|o| o.gid.clone())),
            );
            put_some(&mut map, "mode", owner.map(|o| o.mode).or(bits));
            let home = match kind {
                ObjectKind::Config => &mut mounts.configs,
                ObjectKind::Secret => &mut mounts.secrets,
            };
            home.push(Value::Object(map));
            files += 1;
        }
        if *kind == ObjectKind::Secret && files > 0 {
            self.note_secret_reader(site, object, place.origin);
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

    /// Compose mounts a file as it lies on the host, where a secret is for the one alone who converted it.
    fn note_secret_reader(&mut self, site: &Site<'a>, object: &str, origin: &Origin) {
        let group = site.unit.settings.volume_group.as_ref();
        let some_group = || group.map(|group| format!("group {}", group.value));
        if self.is_swarm() || !self.from_kubernetes() || !site.is_first() {
            return;
        }
        if let Some(reader) = site.other_than_root().or_else(some_group) {
            let folder = format!("secrets/{}", file_name(object));
            let message = format!(
                "{reader} of `{}` may not read `{object}`: its files in `{folder}` are for their owner only",
                site.key()
            );
            self.note("secret-for-other-user", origin, message);
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
pub(super) fn target_of(place: &ObjectPlace<'_>, path: &str, single: bool) -> Option<String> {
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
