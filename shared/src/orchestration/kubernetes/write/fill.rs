//! Init containers that fill a volume from an image.

use k8s_openapi::api::core::v1::{Container as KubernetesContainer, SecurityContext, VolumeMount};

use super::command::{literal, quoted, shell};
use super::container;
use super::pod::Pod;
use super::volumes::empty;
use crate::finding::{Code, Findings};
use crate::orchestration::model::Container;
use crate::source::Origin;

/// Where helpers see the volume that they fill.
pub(super) const FILL: &str = "/migrate";

/// Docker fills a fresh volume with what the image has at the mount point; Kubernetes never does.
pub(super) fn copy_up(
    volume: &str,
    target: &str,
    sub_path: Option<&str>,
    container: &Container,
    origin: &Origin,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) {
    if !pod.copied.insert(volume.to_owned()) {
        return;
    }
    let image = container::image(container, pod.plan);
    if !pod.plan.options.copy_up {
        let message = format!("`{target}` begins empty, without what the image has there");
        findings.add(Code("volume-copy-up"), origin, message);
        return;
    }
    let name = pod.container_name(&format!("copy-{volume}"));
    let line = format!(
        "if [ -d {from} ] && [ -z \"$(ls -A {FILL})\" ]; then cp -a {from}/. {FILL}/; fi",
        from = quoted(target)
    );
    pod.helpers.push(KubernetesContainer {
        command: Some(shell(literal(&line))),
        image: Some(image),
        name: name.clone(),
        // Owners are kept only by root.
        security_context: Some(SecurityContext {
            run_as_user: Some(0),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![VolumeMount {
            mount_path: FILL.to_owned(),
            name: volume.to_owned(),
            sub_path: sub_path.map(str::to_owned),
            ..VolumeMount::default()
        }]),
        ..KubernetesContainer::default()
    });
    let message = format!(
        "the init container `{name}` fills `{target}` and needs a shell and `cp` in the image"
    );
    findings.add(Code("copy-up-container"), origin, message);
}

/// The image volumes of Kubernetes are off by default in 1.34, so an init container copies the image's files.
pub(super) fn image(
    reference: &str,
    pull: Option<&str>,
    sub_path: Option<&str>,
    origin: &Origin,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> String {
    let from = sub_path.unwrap_or_default();
    let count = pod.images;
    let volume = pod.volumes.add(
        format!("image/{reference}/{from}"),
        &format!("image-{count}"),
        |v| empty(v, None, None),
    );
    if !pod.copied.insert(volume.clone()) {
        return volume;
    }
    pod.images += 1;
    let name = pod.container_name(&volume);
    // All but what the kernel and the volume itself put there.
    let line = if from.is_empty() {
        format!(
            "for f in /* /.[!.]*; do case \"$f\" in /proc|/sys|/dev|{FILL}) ;; *) if [ -e \"$f\" ]; then cp -a \"$f\" \
             {FILL}/; fi ;; esac; done"
        )
    } else {
        format!(
            "cp -a {}/. {FILL}/",
            quoted(&format!("/{}", from.trim_matches('/')))
        )
    };
    pod.helpers.push(KubernetesContainer {
        command: Some(shell(literal(&line))),
        image: Some(reference.trim().to_owned()),
        image_pull_policy: pull.and_then(|pull| match pull.to_ascii_lowercase().as_str() {
            "always" => Some("Always".to_owned()),
            "never" => Some("Never".to_owned()),
            "missing" | "if_not_present" | "ifnotpresent" => Some("IfNotPresent".to_owned()),
            _ => None,
        }),
        name: name.clone(),
        volume_mounts: Some(vec![VolumeMount {
            mount_path: FILL.to_owned(),
            name: volume.clone(),
            ..VolumeMount::default()
        }]),
        ..KubernetesContainer::default()
    });
    let message = format!("the files of `{reference}` are copied by the init container `{name}`");
    findings.add(Code("image-volume"), origin, message);
    volume
}
