//! What a container may do.

use super::document::{Map, flag, put, put_list, put_some, unique};
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{Capabilities, Security, User};
use crate::source::Origin;

impl Writer<'_> {
    /// `privileged`, `cap_add`, `cap_drop`, `read_only`, `security_opt`.
    pub(super) fn write_security(&mut self, site: &Site<'_>, service: &mut Map) {
        let Security {
            privileged,
            capabilities: Capabilities { add, drop },
            read_only_root,
            allow_escalation,
            seccomp,
            apparmor,
            selinux,
            unmasked_proc,
            run_as_non_root,
        } = &site.container.security;
        let swarm = self.is_swarm();
        let key = site.key();
        if let Some(privileged) = privileged {
            match (swarm, privileged.value) {
                (false, value) => put(service, "privileged", value),
                (true, true) => {
                    let message = format!("`{key}` is not privileged in a stack");
                    self.note("privileges-in-swarm", &privileged.origin, message);
                }
                (true, false) => {}
            }
        }
        put_list(
            service,
            "cap_add",
            unique(add.iter().map(|c| c.value.clone())),
        );
        put_list(
            service,
            "cap_drop",
            unique(drop.iter().map(|c| c.value.clone())),
        );
        put_some(service, "read_only", flag(read_only_root.as_ref()));

        let mut options: Vec<(String, &Origin)> = Vec::new();
        if let Some(allow) = allow_escalation
            && (!swarm || !allow.value)
        {
            options.push((format!("no-new-privileges:{}", !allow.value), &allow.origin));
        }
        // What Kubernetes calls the runtime's default is what Docker does when nothing is said.
        for (name, profile) in [("seccomp", seccomp), ("apparmor", apparmor)] {
            let Some(profile) = profile.as_ref().filter(|p| p.value != "runtime/default") else {
                continue;
            };
            if profile.value != "unconfined" && !swarm && self.from_kubernetes() {
                let message = format!(
                    "the {name} profile `{}` of `{key}` has to be on the Docker host",
                    profile.value
                );
                self.note("security-profiles", &profile.origin, message);
            }
            options.push((format!("{name}={}", profile.value), &profile.origin));
        }
        for entry in selinux {
            let (name, value) = &entry.value;
            options.push((format!("label={name}:{value}"), &entry.origin));
        }
        if let Some(unmasked) = unmasked_proc.as_ref().filter(|u| u.value) {
            options.push(("systempaths=unconfined".to_owned(), &unmasked.origin));
        }
        if swarm {
            for (option, origin) in options {
                let message = format!("`{option}` of `{key}` has no effect in a stack");
                self.note("security-in-swarm", origin, message);
            }
        } else {
            put_list(
                service,
                "security_opt",
                unique(options.into_iter().map(|(option, _)| option)),
            );
        }
        if let Some(check) = run_as_non_root.as_ref().filter(|c| c.value) {
            // A number that is not 0 stands in `user`: the check has nothing left to refuse.
            match site.container.user.as_ref().map(|user| &user.value) {
                Some(User::Numeric { uid: Some(uid), .. }) if *uid != 0 => {
                    let message = format!("`{key}` runs as user {uid}, which is not root");
                    self.note("non-root-by-user", &check.origin, message);
                }
                _ => {
                    let message = format!("nothing refuses to run `{key}` as root");
                    self.note("non-root-check", &check.origin, message);
                }
            }
        }
    }
}
