//! What a container may do.

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Capabilities, SELinuxOptions, SeccompProfile, SecurityContext,
};

use super::plan::Plan;
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Capabilities as ModelCapabilities, Security, User};
use crate::source::Sourced;

/// `own_users` says that the Pod has a user namespace of its own.
pub(super) fn context(
    security: &Security,
    user: Option<&Sourced<User>>,
    own_users: bool,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Option<SecurityContext> {
    let Security {
        privileged,
        capabilities,
        read_only_root,
        allow_escalation,
        seccomp,
        apparmor,
        selinux,
        unmasked_proc,
        run_as_non_root,
    } = security;
    let all_rights = privileged.as_ref().is_some_and(|p| p.value);
    let mut context = SecurityContext {
        capabilities: self::capabilities(capabilities),
        privileged: privileged.as_ref().map(|p| p.value),
        read_only_root_filesystem: read_only_root.as_ref().map(|r| r.value),
        run_as_non_root: run_as_non_root.as_ref().map(|r| r.value),
        ..SecurityContext::default()
    };
    if let Some(allow) = allow_escalation {
        if !allow.value && all_rights {
            let message = "a privileged container cannot be kept from gaining rights";
            findings.add(Code("privileged-escalation"), &allow.origin, message);
        } else {
            context.allow_privilege_escalation = Some(allow.value);
        }
    }
    if let Some(profile) = seccomp {
        let (kind, local) = self::profile(profile, "seccomp", findings);
        context.seccomp_profile = Some(SeccompProfile {
            localhost_profile: local,
            type_: kind.to_owned(),
        });
    }
    if let Some(profile) = apparmor {
        let (kind, local) = self::profile(profile, "AppArmor", findings);
        context.app_armor_profile = Some(AppArmorProfile {
            localhost_profile: local,
            type_: kind.to_owned(),
        });
    }
    if !selinux.is_empty() {
        let mut options = SELinuxOptions::default();
        for option in selinux {
            let (key, value) = &option.value;
            let place = match key.as_str() {
                "user" => &mut options.user,
                "role" => &mut options.role,
                "type" => &mut options.type_,
                "level" => &mut options.level,
                _ => {
                    let message = format!("SELinux option `{key}` is unknown to Kubernetes");
                    findings.add(Code("selinux-option"), &option.origin, message);
                    continue;
                }
            };
            *place = Some(value.clone());
        }
        context.se_linux_options =
            Some(options).filter(|options| *options != SELinuxOptions::default());
    }
    if let Some(unmasked) = unmasked_proc.as_ref().filter(|u| u.value && !all_rights) {
        if own_users {
            context.proc_mount = Some("Unmasked".to_owned());
        } else {
            // The API server refuses `Unmasked` in the host's user namespace.
            let message = "paths of `/proc` and `/sys` stay masked";
            findings.add(Code("proc-masked"), &unmasked.origin, message);
        }
    }
    if let Some(user) = user {
        let (uid, gid) = self::user(user, plan, findings);
        context.run_as_user = uid;
        context.run_as_group = gid;
    }
    (context != SecurityContext::default()).then_some(context)
}

fn capabilities(capabilities: &ModelCapabilities) -> Option<Capabilities> {
    let ModelCapabilities { add, drop } = capabilities;
    let names = |list: &[Sourced<String>]| {
        let mut names: Vec<String> = Vec::new();
        for name in list {
            let upper = name.value.trim().to_ascii_uppercase();
            let upper = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
            if !names.contains(&upper) {
                names.push(upper);
            }
        }
        (!names.is_empty()).then_some(names)
    };
    let written = Capabilities {
        add: names(add),
        drop: names(drop),
    };
    (written != Capabilities::default()).then_some(written)
}

/// Kind and file of a profile for seccomp or `AppArmor`.
fn profile(
    profile: &Sourced<String>,
    what: &str,
    findings: &mut Findings,
) -> (&'static str, Option<String>) {
    match profile.value.as_str() {
        "unconfined" => ("Unconfined", None),
        "runtime/default" | "builtin" | "default" | "docker-default" => ("RuntimeDefault", None),
        name => {
            let normal = crate::source::normalize(std::path::Path::new(
                name.trim_start_matches("localhost/"),
            ));
            let local: Vec<_> = normal
                .components()
                .filter_map(|component| match component {
                    std::path::Component::Normal(part) => part.to_str(),
                    _ => None,
                })
                .collect();
            let local = local.join("/");
            if local.is_empty() {
                return ("RuntimeDefault", None);
            }
            let message = format!("the {what} profile `{local}` has to be installed on each node");
            findings.add(Code("profile-on-nodes"), &profile.origin, message);
            ("Localhost", Some(local))
        }
    }
}

/// User and group by number.
pub(super) fn user(
    user: &Sourced<User>,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> (Option<i64>, Option<i64>) {
    let (uid, gid) = match &user.value {
        User::Numeric { uid, gid } => (*uid, *gid),
        User::Named(text) => {
            let (name, group) = match text.split_once(':') {
                Some((name, group)) => (name, Some(group)),
                None => (text.as_str(), None),
            };
            if name.is_empty() {
                let message = format!("`{text}` names no user, so the image's user runs");
                findings.add(Code("user-name"), &user.origin, message);
                return (None, None);
            }
            let known = plan.options.users.get(name).copied();
            // The one name that has the same number in every image.
            let known = known.or_else(|| (name == "root").then_some((0, None)));
            let Some((uid, own_group)) = known.or_else(|| name.parse().ok().map(|uid| (uid, None)))
            else {
                let message = format!(
                    "only the image knows the number of user `{name}`, so the image's user runs"
                );
                findings.add(Code("user-name"), &user.origin, message);
                return (None, None);
            };
            let gid = match group {
                None => own_group,
                Some(group) => {
                    let number = group_number(group, plan);
                    if number.is_none() {
                        let message = format!("only the image knows the number of group `{group}`");
                        findings.add(Code("user-name"), &user.origin, message);
                    }
                    number
                }
            };
            (Some(uid), gid)
        }
    };
    let mut checked = |number: Option<i64>| {
        let ok = number.is_none_or(|n| (0..=i64::from(i32::MAX)).contains(&n));
        if !ok {
            let message = "a user or group has a number between 0 and 2147483647";
            findings.add(Code("user-name"), &user.origin, message);
        }
        number.filter(|_| ok)
    };
    (checked(uid), checked(gid))
}

/// A group by number, or by a name whose number was given.
pub(super) fn group_number(group: &str, plan: &Plan<'_>) -> Option<i64> {
    if let Ok(number) = group.parse::<i64>() {
        return (0..=i64::from(i32::MAX))
            .contains(&number)
            .then_some(number);
    }
    match plan.options.users.get(group) {
        Some((uid, gid)) => Some(gid.unwrap_or(*uid)),
        None => (group == "root").then_some(0),
    }
}
