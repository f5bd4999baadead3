//! Back to the revision that was there, or to nothing. Claims stay: what they hold is not ours to throw away.

use serde_json::Value;

use super::super::kubernetes::{ObjectName, is_claim, left};
use super::super::{Undo, run};
use super::release::{Revision, kept_in};
use super::{DESCRIPTION, Failure, Helm};
use crate::host::private::PrivateFolder;

/// See [`super::Target::undo`].
pub(super) fn undo(helm: &Helm, undo: &Undo<'_>) -> Result<Vec<String>, Failure> {
    // Claims stay in any case.
    let Undo {
        before,
        changed,
        force,
        ..
    } = *undo;
    let history = helm.revisions()?;
    let newest = history.last();
    let seen = changed["revision"].as_u64();
    if !force
        && let (Some(newest), Some(seen)) = (newest, seen)
        && newest.revision != seen
    {
        return Err(Failure::refused(format!(
            "the release {} has revision {} now, and had {seen} after the run; nothing was undone. To undo all the same: --force",
            helm.release(),
            newest.revision
        )));
    }
    let mut done = Vec::new();
    let mut claims_stay = false;
    match (before["release"].as_u64(), newest) {
        (_, None) => {}
        (None, Some(_)) => {
            let lines = helm.remove(&history)?;
            claims_stay = lines.iter().any(|line| line.starts_with("left "));
            done.extend(lines);
        }
        (Some(old), Some(newest)) => {
            if newest.revision != old || newest.status != "deployed" {
                helm.roll_back(old, newest.status == "deployed")?;
                done.push(format!(
                    "brought back revision {old} of release {}",
                    helm.release()
                ));
            }
        }
    }
    for object in before["objects"].as_array().into_iter().flatten() {
        done.extend(helm.cluster.bring_back(object)?);
    }
    if !claims_stay {
        done.extend(helm.cluster.remove_new_namespace(before)?);
    }
    Ok(done)
}

/// Whether Helm 3 has found an object that it is to go back to, and that its newest revision does not know (helm 3,
/// `pkg/kube/client.go`, `Update`).
fn is_in_no_revision(error: &Failure) -> bool {
    error.message.contains(" with the name ") && error.message.contains(" found")
}

fn stays(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
}

impl Helm {
    /// Rolls back to a revision. Claims that it does not have are kept.
    pub(super) fn roll_back(&self, revision: u64, with_hooks: bool) -> Result<(), Failure> {
        let old = self.objects("manifest", Some(revision))?;
        let old: Vec<ObjectName> = old.iter().filter_map(ObjectName::of).collect();
        let newest = self.objects("manifest", None)?;
        for claim in newest.iter().filter(|object| is_claim(object)) {
            let Some(name) = ObjectName::of(claim) else {
                continue;
            };
            if old.contains(&name) || self.cluster.get(&name)?.is_none() {
                continue;
            }
            let arguments = ["annotate", "--overwrite", &name.kind, &name.name];
            self.cluster
                .call(&[&arguments[..], &["helm.sh/resource-policy=keep"]].concat())?;
        }
        let roll_back = || {
            let mut command = self.helm(&["rollback"]);
            command.args([self.release(), &revision.to_string()]);
            if !with_hooks {
                // Hooks of what never became ready may never end.
                command.arg("--no-hooks");
            }
            run(command).map(drop)
        };
        match roll_back() {
            Err(error) if is_in_no_revision(&error) => {
                // Helm has no revision any more that it would take away for another one.
                self.take_away(&newest, &old)?;
                self.bridge(revision)?;
                roll_back()
            }
            other => other,
        }
    }

    /// Makes a revision of the very objects of another one. What helm was told to keep stays in the cluster without being
    /// in the newest revision, and Helm 3 refuses to go back to such an object, which it would take over in an upgrade.
    fn bridge(&self, revision: u64) -> Result<(), Failure> {
        let objects = self.text("manifest", Some(revision))?;
        let objects = objects.replace("{{", r#"{{ "{{" }}"#);
        let failed = |error: std::io::Error| Failure::disk(&error);
        let chart = PrivateFolder::new(objects.len() as u64, &std::env::temp_dir());
        let chart = chart.map_err(failed)?;
        let about = format!("apiVersion: v2\nname: {}\nversion: 0.0.0\n", self.release());
        fs_err::write(chart.path().join("Chart.yaml"), about).map_err(failed)?;
        fs_err::create_dir(chart.path().join("templates")).map_err(failed)?;
        let template = chart.path().join("templates/objects.yaml");
        fs_err::write(template, objects).map_err(failed)?;
        let mut command = self.helm(&["upgrade", "--no-hooks"]);
        command.arg(self.release()).arg(chart.path());
        command.arg(format!(
            "--description={DESCRIPTION}on its way back to revision {revision}"
        ));
        run(command).map(drop)
    }

    /// Removes objects of a revision, but no claim, nothing that helm is to keep, and none of the `others`.
    fn take_away(&self, objects: &[Value], others: &[ObjectName]) -> Result<(), Failure> {
        for object in objects.iter().rev().filter(|o| !is_claim(o) && !stays(o)) {
            if let Some(name) = ObjectName::of(object).filter(|name| !others.contains(name)) {
                self.cluster.delete(&name)?;
            }
        }
        Ok(())
    }

    /// Removes the release and what its hooks left, but no claim. Returns what it did.
    pub(super) fn remove(&self, history: &[Revision]) -> Result<Vec<String>, Failure> {
        let objects = self.objects("manifest", None)?;
        let mut claims = Vec::new();
        for claim in objects.iter().filter(|object| is_claim(object)) {
            if let Some(name) = ObjectName::of(claim)
                && self.cluster.get(&name)?.is_some()
            {
                claims.push(name);
            }
        }
        let hooks = self.objects("hooks", None)?;
        let mut done = Vec::new();
        if claims.is_empty() {
            let mut command = self.helm(&["uninstall"]);
            command.arg(self.release());
            if history.last().is_none_or(|one| one.status != "deployed") {
                command.arg("--no-hooks");
            }
            run(command)?;
        } else {
            // Helm would remove the claims as well: what it keeps is in the release, and not to be changed.
            self.take_away(&objects, &[])?;
            self.forget(history)?;
        }
        for hook in hooks.iter().filter(|hook| !is_claim(hook)) {
            if let Some(name) = ObjectName::of(hook) {
                self.cluster.delete(&name)?;
            }
        }
        done.push(format!("removed release {}", self.release()));
        done.extend(claims.iter().map(left));
        Ok(done)
    }

    /// Removes what helm remembers of the release.
    fn forget(&self, history: &[Revision]) -> Result<(), Failure> {
        let kind = kept_in().map_err(|driver| {
            Failure::tool(format!(
                "the objects of the release {} are removed and its claims were left, but HELM_DRIVER={driver} keeps what helm remembers of it where it cannot be reached; helm uninstall {0} --keep-history=false ends it, and removes the claims",
                self.release()
            ))
        })?;
        let names: Vec<String> = history
            .iter()
            .map(|one| format!("sh.helm.release.v1.{}.v{}", self.release(), one.revision))
            .collect();
        let mut arguments = vec!["delete", kind, "--ignore-not-found", "--output=name"];
        arguments.extend(names.iter().map(String::as_str));
        self.cluster.call(&arguments).map(drop)
    }
}
