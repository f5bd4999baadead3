//! Image, process and user of a container.

use super::document::{Map, flag, put, put_some, words};
use super::environment::Variables;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{Build, Container, PullPolicy, User};

impl<'a> Writer<'a> {
    /// `image`, `build`, `pull_policy`, `platform`.
    pub(super) fn write_image(&mut self, site: &Site<'_>, service: &mut Map) {
        let swarm = self.is_swarm();
        let key = site.key();
        let Container {
            name,
            role: _,
            image,
            build,
            pull,
            entrypoint: _,
            command: _,
            composed: _,
            working_dir: _,
            environment: _,
            environment_from: _,
            user: _,
            ports: _,
            mounts: _,
            probes: _,
            health_disabled: _,
            post_start: _,
            pre_stop: _,
            stop_signal: _,
            resources: _,
            security: _,
            tty: _,
            stdin: _,
            shm_size: _,
            platform,
            origin,
        } = site.container;
        if let Some(image) = image.as_ref().filter(|image| !image.value.is_empty()) {
            put(service, "image", image.value.clone());
        } else if build.is_none() {
            self.note(
                "container-without-image",
                origin,
                format!("container `{}` has no image", name.value),
            );
        } else if swarm {
            let project = self.app.name.as_ref().map_or("stack", |n| n.value.as_str());
            put(service, "image", format!("{project}-{key}"));
        }
        if let Some(build) = build {
            self.write_build(site, build, service);
        }
        if let Some(pull) = pull {
            let word = match &pull.value {
                PullPolicy::Always => "always",
                PullPolicy::Missing => "missing",
                PullPolicy::Never => "never",
                PullPolicy::Build => "build",
                PullPolicy::Refresh(word) => word,
            };
            if swarm {
                // The word that stands in the source.
                let word = match &pull.value {
                    PullPolicy::Always if self.from_kubernetes() => "Always",
                    PullPolicy::Missing if self.from_kubernetes() => "IfNotPresent",
                    PullPolicy::Never if self.from_kubernetes() => "Never",
                    _ => word,
                };
                let message = format!("the pull policy `{word}` of `{key}` has no key in a stack");
                self.note("image-pull-in-swarm", &pull.origin, message);
            } else {
                put(service, "pull_policy", word);
            }
        }
        // A stack says the platform by constraints: see `write_placement`.
        if let Some(platform) = platform.as_ref().filter(|_| !swarm) {
            put(service, "platform", platform.value.clone());
        }
    }

    fn write_build(&mut self, site: &Site<'_>, build: &Build, service: &mut Map) {
        let Build {
            context,
            dockerfile,
            target,
            origin,
        } = build;
        if self.is_swarm() {
            let message = format!(
                "the image of `{}` has to be built and pushed before the stack is deployed",
                site.key()
            );
            self.note("build-not-in-stack", origin, message);
            return;
        }
        let mut map = Map::new();
        put(
            &mut map,
            "context",
            context.clone().unwrap_or_else(|| ".".to_owned()),
        );
        put_some(&mut map, "dockerfile", dockerfile.clone());
        put_some(&mut map, "target", target.clone());
        put(service, "build", map);
    }

    /// `user`, `entrypoint`, `command`, `working_dir`, terminal, memory for `/dev/shm`.
    pub(super) fn write_process(
        &mut self,
        site: &Site<'a>,
        variables: &Variables,
        service: &mut Map,
    ) {
        let swarm = self.is_swarm();
        let container = site.container;
        let key = site.key();
        if let Some(user) = &container.user {
            match &user.value {
                User::Numeric {
                    uid: Some(uid),
                    gid,
                } => {
                    let text = gid.map_or_else(|| uid.to_string(), |gid| format!("{uid}:{gid}"));
                    put(service, "user", text);
                }
                User::Numeric {
                    uid: None,
                    gid: Some(gid),
                } => {
                    let message = format!("group {gid} of `{key}` cannot be set without a user");
                    self.note("group-without-user", &user.origin, message);
                }
                User::Numeric {
                    uid: None,
                    gid: None,
                } => {}
                User::Named(name) => put(service, "user", name.clone()),
            }
        }
        for (name, command) in [
            ("entrypoint", &container.entrypoint),
            ("command", &container.command),
        ] {
            let Some(command) = command else { continue };
            if command.value.is_empty() && swarm {
                let message = format!("a stack cannot clear the image's {name} for `{key}`");
                self.note("command-not-cleared", &command.origin, message);
            } else {
                let of_entrypoint = name == "entrypoint";
                let text = self.composed_words(site, of_entrypoint, &command.value, variables);
                put(service, name, words(&text));
            }
        }
        put_some(
            service,
            "working_dir",
            container.working_dir.as_ref().map(|d| d.value.clone()),
        );
        put_some(service, "tty", flag(container.tty.as_ref()));
        put_some(service, "stdin_open", flag(container.stdin.as_ref()));
        if let Some(signal) = &container.stop_signal {
            put(service, "stop_signal", signal.value.clone());
        }
        // A stack has no key for it, but takes a tmpfs there: see `write_mounts`.
        if let Some(size) = container.shm_size.as_ref().filter(|_| !swarm) {
            let text = crate::orchestration::quantity::bytes_to_compose(size.value);
            put(service, "shm_size", text);
        }
    }
}
