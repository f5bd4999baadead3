//! Bringing a namespace back to what it was.

use serde_json::Value;

use super::super::Undo;
use super::{Failure, Kubernetes, ObjectName};

/// See [`super::Target::undo`].
pub(super) fn undo(cluster: &Kubernetes, undo: &Undo<'_>) -> Result<Vec<String>, Failure> {
    let Undo {
        before,
        changed,
        force,
        keep_data,
    } = *undo;
    let old = objects(before);
    let was_there = |name: &ObjectName| {
        old.iter().any(|object| {
            ObjectName::of(object)
                .is_some_and(|other| other.kind == name.kind && other.name == name.name)
        })
    };
    let touched = objects(changed);
    if !force {
        refuse_if_edited(cluster, &touched)?;
    }
    let mut done = Vec::new();
    let mut kept = Vec::new();
    for object in touched.iter().rev() {
        let Some(name) = ObjectName::of(object) else {
            continue;
        };
        if was_there(&name) {
            continue;
        }
        if keep_data && is_claim(object) {
            kept.push(name);
            continue;
        }
        cluster.delete(&name)?;
        done.push(format!("removed {}", name.short()));
    }
    for object in &old {
        done.extend(cluster.bring_back(object)?);
    }
    let claims = if keep_data && before["namespace_is_new"] == true {
        // Those of StatefulSets are in no document of ours, and would go with the namespace.
        cluster.claims()?
    } else {
        let live = cluster.get_all(&kept)?;
        let there = kept.into_iter().zip(live);
        there
            .filter_map(|(name, live)| live.map(|_| name))
            .collect()
    };
    if claims.is_empty() {
        done.extend(cluster.remove_new_namespace(before)?);
    }
    done.extend(claims.iter().map(left));
    Ok(done)
}

/// Whether an object is a claim, which holds what is not ours to throw away.
pub(in super::super) fn is_claim(object: &Value) -> bool {
    object["kind"] == "PersistentVolumeClaim"
}

/// Says of a claim that it stays.
pub(in super::super) fn left(claim: &ObjectName) -> String {
    format!(
        "left {}: what it holds is yours to keep or to delete",
        claim.short()
    )
}

fn objects(value: &Value) -> Vec<Value> {
    value["objects"].as_array().cloned().unwrap_or_default()
}

/// What has another identity or generation than after the run was changed by somebody else.
fn refuse_if_edited(cluster: &Kubernetes, touched: &[Value]) -> Result<(), Failure> {
    let mut foreign = Vec::new();
    for object in touched {
        let Some(name) = ObjectName::of(object) else {
            continue;
        };
        let live = cluster.get(&name)?;
        let edited = live.as_ref().is_some_and(|live| {
            (!object["uid"].is_null() && live["metadata"]["uid"] != object["uid"])
                || (!object["generation"].is_null()
                    && live["metadata"]["generation"] != object["generation"])
        });
        if edited {
            foreign.push(name.short());
        }
    }
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "changed by somebody else since: {}; nothing was undone. To undo all the same: --force",
        foreign.join(", ")
    )))
}

impl Kubernetes {
    /// All claims of the namespace.
    fn claims(&self) -> Result<Vec<ObjectName>, Failure> {
        let claims = self.list("PersistentVolumeClaim.v1.", false)?;
        Ok(claims.iter().filter_map(ObjectName::of).collect())
    }

    /// Removes an object, if it is there.
    pub(in super::super) fn delete(&self, name: &ObjectName) -> Result<(), Failure> {
        let mut arguments = vec![
            "delete",
            &name.kind,
            &name.name,
            "--ignore-not-found",
            "--wait=false",
            "--output=name",
        ];
        let namespace = name.namespace.as_ref().map(|n| format!("--namespace={n}"));
        arguments.extend(namespace.as_deref());
        self.call(&arguments).map(drop)
    }

    /// Makes an object what it was, from what [`super::kept`] kept of it. Returns what it did.
    pub(in super::super) fn bring_back(&self, object: &Value) -> Result<Option<String>, Failure> {
        let Some(name) = ObjectName::of(object) else {
            return Ok(None);
        };
        if object["secret"] == true {
            return Ok(Some(format!(
                "left {}: the content of Secrets is not kept",
                name.short()
            )));
        }
        let text = object.to_string();
        let verb = if self.get(&name)?.is_some() {
            "replace"
        } else {
            "create"
        };
        if let Err(error) = self.call_with(&[verb, "--filename=-", "--output=name"], &text) {
            if verb == "create" {
                return Err(error);
            }
            // Fields that cannot be changed: the object is made anew, as it was.
            self.call_with(
                &["replace", "--force", "--filename=-", "--output=name"],
                &text,
            )?;
        }
        Ok(Some(format!("brought back {}", name.short())))
    }

    /// Removes the namespace if the run has made it.
    pub(in super::super) fn remove_new_namespace(
        &self,
        before: &Value,
    ) -> Result<Option<String>, Failure> {
        if before["namespace_is_new"] != true {
            return Ok(None);
        }
        let Some(namespace) = before["namespace"].as_str() else {
            return Ok(None);
        };
        self.call(&[
            "delete",
            "namespace",
            namespace,
            "--ignore-not-found",
            "--wait=false",
            "--output=name",
        ])?;
        Ok(Some(format!("removed namespace/{namespace}")))
    }
}
