//! Fields of the instance as files.

use super::document::{Map, put, put_some};
use super::keys::{file_name, legal};
use super::mounts::Mounts;
use super::object_mounts::{KUBERNETES_MODE, ObjectPlace, Owner, owner, target_of};
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{EnvValue, FieldFile, ObjectKind};
use serde_json::Value;

impl<'a> Writer<'a> {
    /// Fields of the instance as files.
    pub(super) fn mount_fields(
        &mut self,
        site: &Site<'a>,
        place: &ObjectPlace<'_>,
        fields: &[FieldFile],
        mounts: &mut Mounts,
    ) {
        for FieldFile { path, value, mode } in fields {
            let Some(target) = target_of(place, path, false) else {
                continue;
            };
            let (field, text) = match value {
                EnvValue::Resource {
                    resource,
                    container,
                    divisor,
                } => {
                    let (of, divisor) = (container.as_deref(), divisor.as_deref());
                    let text = super::fields::resource(site, resource, of, divisor);
                    if text.is_none() {
                        let message = format!(
                            "`{}` cannot be told `{resource}`, which is not set",
                            site.key()
                        );
                        self.note("field-unknown", place.origin, message);
                    }
                    (resource, text)
                }
                EnvValue::Field(field) => (field, self.field(site, field, false, place.origin)),
                EnvValue::Literal(_)
                | EnvValue::Composed(_)
                | EnvValue::Object { .. }
                | EnvValue::Unset => continue,
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
                let text = self.never_empty(&text, &format!("`{path}`"), place.origin);
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
            // Content that stands in the document gets its owner and mode from Compose, too.
            match owner(site, *mode) {
                Some(Owner { uid, gid, mode }) => {
                    put_some(&mut map, "uid", uid);
                    put(&mut map, "gid", gid);
                    put(&mut map, "mode", mode);
                }
                None => put(&mut map, "mode", mode.unwrap_or(KUBERNETES_MODE)),
            }
            mounts.configs.push(Value::Object(map));
            let message = format!(
                "`{path}` of `{}` holds `{field}` as it was at conversion",
                site.key()
            );
            self.note("pod-fields-as-files", place.origin, message);
        }
    }
}
