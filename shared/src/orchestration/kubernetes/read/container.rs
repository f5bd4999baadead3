//! One container of a Pod.

use std::collections::BTreeMap;

use super::Reader;
use super::volumes::PodVolumes;
use crate::orchestration::model::{
    Container, DeviceRequest, EnvFrom, EnvValue, EnvVar, Port, PortRange, Protocol, Publication,
    PublishMode, PullPolicy, Purpose, Role, Security, Unit, User,
};
use crate::orchestration::quantity::{bytes_from_kubernetes, millicores_from_kubernetes};
use crate::orchestration::reference;
use crate::source::{Fields, Item, Sourced};

/// What a security context says, at either level.
#[derive(Default)]
pub(super) struct SecurityContext {
    pub(super) user: Option<Sourced<User>>,
    pub(super) security: Security,
}

impl Reader<'_> {
    pub(super) fn container(
        &mut self,
        item: &Item<'_>,
        init: bool,
        volumes: &mut PodVolumes,
        unit: &Unit,
    ) -> Option<Container> {
        let mut fields = item.fields("Container", self.ledger)?;
        let name = fields
            .text("name", self.ledger)
            .unwrap_or_else(|| item.sourced(unit.name.value.clone()));
        let always = init
            && fields
                .text("restartPolicy", self.ledger)
                .is_some_and(|p| p.value == "Always");
        let role = match (init, always) {
            (true, true) => Role::NativeSidecar,
            (true, false) => Role::Init,
            (false, _) => Role::Sidecar,
        };
        let mut container = Container::new(name, role);
        container.origin = item.origin();
        container.image = fields.text("image", self.ledger);
        container.pull = fields.text("imagePullPolicy", self.ledger).map(|text| {
            text.map(|t| match t.as_str() {
                "Always" => PullPolicy::Always,
                "Never" => PullPolicy::Never,
                _ => PullPolicy::Missing,
            })
        });
        let given = self.environment(&mut fields, &mut container);
        let known: BTreeMap<String, String> = container
            .environment
            .iter()
            .filter_map(|v| match &v.value {
                EnvValue::Literal(text) => Some((v.name.value.clone(), text.clone())),
                _ => None,
            })
            .collect();
        self.commands(&mut fields, &known, &mut container);
        container.working_dir = fields.text("workingDir", self.ledger);
        for item in fields.items("ports", self.ledger) {
            self.port(&item, &mut container);
        }
        for item in fields.items("volumeMounts", self.ledger) {
            if let Some(mount) = self.volume_mount(&item, volumes) {
                container.mounts.push(mount);
            }
        }
        shm(&mut container);
        for (key, purpose) in [
            ("readinessProbe", Purpose::Ready),
            ("livenessProbe", Purpose::Live),
            ("startupProbe", Purpose::Started),
        ] {
            container
                .probes
                .extend(self.probe(&mut fields, key, purpose, &given));
        }
        if let Some(mut lifecycle) = fields.fields("lifecycle", "Lifecycle", self.ledger) {
            container.post_start = self.hook(&mut lifecycle, "postStart");
            container.pre_stop = self.hook(&mut lifecycle, "preStop");
            container.stop_signal = lifecycle.text("stopSignal", self.ledger);
            lifecycle.finish(self.ledger);
        }
        if let Some(mut resources) = fields.fields("resources", "ResourceRequirements", self.ledger)
        {
            self.resources(&mut resources, &mut container);
            resources.finish(self.ledger);
        }
        if let Some(mut context) = fields.fields("securityContext", "SecurityContext", self.ledger)
        {
            let read = self.security_context(&mut context);
            context.finish(self.ledger);
            container.user = read.user;
            container.security = read.security;
        }
        container.tty = fields.boolean("tty", self.ledger);
        container.stdin = fields.boolean("stdin", self.ledger);
        fields.finish(self.ledger);
        Some(container)
    }

    /// Reads the variables, and gives each with the text that stands there; none is an empty one.
    fn environment(
        &mut self,
        fields: &mut Fields<'_>,
        container: &mut Container,
    ) -> BTreeMap<String, String> {
        for item in fields.items("envFrom", self.ledger) {
            let Some(mut from) = item.fields("EnvFromSource", self.ledger) else {
                continue;
            };
            let prefix = from.text("prefix", self.ledger);
            for (key, secret) in [("configMapRef", false), ("secretRef", true)] {
                let Some(mut reference) = from.fields(
                    key,
                    if secret {
                        "SecretEnvSource"
                    } else {
                        "ConfigMapEnvSource"
                    },
                    self.ledger,
                ) else {
                    continue;
                };
                if let Some(object) = reference.text("name", self.ledger) {
                    let kind = if secret { "Secret" } else { "ConfigMap" };
                    let object = object.map(|name| self.model_name(kind, &name));
                    container.environment_from.push(EnvFrom {
                        secret,
                        object,
                        prefix: prefix.clone(),
                        optional: reference.boolean("optional", self.ledger),
                    });
                }
                reference.finish(self.ledger);
            }
            from.finish(self.ledger);
        }
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let mut given = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for item in fields.items("env", self.ledger) {
            let Some(mut variable) = item.fields("EnvVar", self.ledger) else {
                continue;
            };
            let name = variable.text("name", self.ledger);
            let text = variable.text("value", self.ledger);
            let from = variable.fields("valueFrom", "EnvVarSource", self.ledger);
            if let Some(name) = &name {
                let text = text.as_ref().map(|text| text.value.clone());
                given.insert(name.value.clone(), text.unwrap_or_default());
            }
            let value = match (from, text) {
                (Some(mut from), _) => {
                    let value = self.env_source(&mut from);
                    from.finish(self.ledger);
                    value
                }
                (None, Some(text)) => {
                    let (resolved, open) = reference::expand(&text.value, |name| known.get(name));
                    Some(if open.is_empty() {
                        EnvValue::Literal(resolved)
                    } else {
                        EnvValue::Composed(text.value)
                    })
                }
                (None, None) => Some(EnvValue::Literal(String::new())),
            };
            variable.finish(self.ledger);
            if let (Some(name), Some(value)) = (name, value) {
                if let Some(at) = seen.insert(name.value.clone(), name.origin.clone()) {
                    let message =
                        format!("`{}` is given again further down, which counts", name.value);
                    self.error("variable-twice", &at, message);
                }
                if let EnvValue::Literal(text) = &value {
                    known.insert(name.value.clone(), text.clone());
                }
                container.environment.push(EnvVar { name, value });
            }
        }
        given
    }

    fn env_source(&mut self, from: &mut Fields<'_>) -> Option<EnvValue> {
        for (key, table, secret) in [
            ("configMapKeyRef", "ConfigMapKeySelector", false),
            ("secretKeyRef", "SecretKeySelector", true),
        ] {
            let Some(mut reference) = from.fields(key, table, self.ledger) else {
                continue;
            };
            let object = reference
                .text("name", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            let key = reference
                .text("key", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            let optional = reference.boolean("optional", self.ledger).map(|o| o.value);
            reference.finish(self.ledger);
            let kind = if secret { "Secret" } else { "ConfigMap" };
            return Some(EnvValue::Object {
                secret,
                object: self.model_name(kind, &object),
                key,
                optional,
            });
        }
        self.field_value(from)
    }

    /// A field of the Pod, or a resource of a container.
    pub(super) fn field_value(&mut self, from: &mut Fields<'_>) -> Option<EnvValue> {
        if let Some(mut field) = from.fields("fieldRef", "ObjectFieldSelector", self.ledger) {
            field.take("apiVersion");
            let path = field
                .text("fieldPath", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            field.finish(self.ledger);
            return Some(EnvValue::Field(path));
        }
        if let Some(mut field) =
            from.fields("resourceFieldRef", "ResourceFieldSelector", self.ledger)
        {
            let value = EnvValue::Resource {
                resource: field
                    .text("resource", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default(),
                container: field.text("containerName", self.ledger).map(|t| t.value),
                divisor: field.text("divisor", self.ledger).map(|t| t.value),
            };
            field.finish(self.ledger);
            return Some(value);
        }
        None
    }

    fn port(&mut self, item: &Item<'_>, container: &mut Container) {
        let Some(mut fields) = item.fields("ContainerPort", self.ledger) else {
            return;
        };
        let target: Option<Sourced<u16>> = fields.integer("containerPort", self.ledger);
        let host: Option<Sourced<u16>> = fields.integer("hostPort", self.ledger);
        let host_ip = fields.text("hostIP", self.ledger);
        let protocol = fields
            .text("protocol", self.ledger)
            .and_then(|text| Some(Sourced::new(Protocol::named(&text.value)?, text.origin)));
        let name = fields.text("name", self.ledger);
        fields.finish(self.ledger);
        let Some(target) = target.filter(|t| t.value > 0) else {
            return;
        };
        let published = host.filter(|h| h.value > 0).map(|host| Publication {
            port: Some(PortRange::one(host.value)),
            host_ip,
            mode: PublishMode::Host,
            service: None,
            origin: host.origin,
        });
        container.ports.push(Port {
            target: target.value,
            protocol,
            name,
            app_protocol: None,
            published: published.into_iter().collect(),
            origin: item.origin(),
        });
    }

    fn resources(&mut self, fields: &mut Fields<'_>, container: &mut Container) {
        for (key, limits) in [("limits", true), ("requests", false)] {
            let Some(item) = fields.take(key) else {
                continue;
            };
            for (name, item) in item.entries(self.ledger) {
                let Some(text) = item.text(self.ledger) else {
                    continue;
                };
                let resources = &mut container.resources;
                let parsed = match name.value.as_str() {
                    "cpu" => millicores_from_kubernetes(&text.value),
                    _ => bytes_from_kubernetes(&text.value),
                };
                let Some(amount) = parsed else {
                    self.error(
                        "bad-quantity",
                        &text.origin,
                        format!("`{}` is not a quantity such as 250m or 64Mi", text.value),
                    );
                    continue;
                };
                let value = Some(Sourced::new(amount, text.origin.clone()));
                match (name.value.as_str(), limits) {
                    ("cpu", true) => resources.cpu_limit = value,
                    ("cpu", false) => resources.cpu_request = value,
                    ("memory", true) => resources.memory_limit = value,
                    ("memory", false) => resources.memory_request = value,
                    ("ephemeral-storage", true) => resources.storage_limit = value,
                    (other, true) if other.contains('/') => resources.devices.push(DeviceRequest {
                        name: other.to_owned(),
                        count: Some(amount),
                        driver: None,
                        capabilities: Vec::new(),
                        ids: Vec::new(),
                        generic: false,
                        origin: text.origin,
                    }),
                    // Extended resources have equal requests and limits.
                    (other, false) if other.contains('/') => {}
                    (other, _) => self
                        .ledger
                        .leave(format!("ResourceRequirements.{key}.{other}"), &item),
                }
            }
        }
    }

    pub(super) fn security_context(&mut self, fields: &mut Fields<'_>) -> SecurityContext {
        let mut context = SecurityContext::default();
        let uid: Option<Sourced<i64>> = fields.integer("runAsUser", self.ledger);
        let gid: Option<Sourced<i64>> = fields.integer("runAsGroup", self.ledger);
        if let Some(origin) = uid.as_ref().or(gid.as_ref()).map(|u| u.origin.clone()) {
            let user = User::Numeric {
                uid: uid.map(|u| u.value),
                gid: gid.map(|g| g.value),
            };
            context.user = Some(Sourced::new(user, origin));
        }
        let security = &mut context.security;
        security.privileged = fields.boolean("privileged", self.ledger);
        security.read_only_root = fields.boolean("readOnlyRootFilesystem", self.ledger);
        security.allow_escalation = fields.boolean("allowPrivilegeEscalation", self.ledger);
        security.run_as_non_root = fields.boolean("runAsNonRoot", self.ledger);
        if let Some(mut capabilities) = fields.fields("capabilities", "Capabilities", self.ledger) {
            let upper = |text: Sourced<String>| {
                text.map(|t| {
                    let upper = t.to_uppercase();
                    upper
                        .strip_prefix("CAP_")
                        .map_or(upper.clone(), str::to_owned)
                })
            };
            security.capabilities.add = capabilities
                .texts("add", self.ledger)
                .into_iter()
                .map(upper)
                .collect();
            security.capabilities.drop = capabilities
                .texts("drop", self.ledger)
                .into_iter()
                .map(upper)
                .collect();
            capabilities.finish(self.ledger);
        }
        for (key, table, into) in [
            ("seccompProfile", "SeccompProfile", &mut security.seccomp),
            ("appArmorProfile", "AppArmorProfile", &mut security.apparmor),
        ] {
            let Some(item) = fields.take(key) else {
                continue;
            };
            let Some(mut profile) = item.fields(table, self.ledger) else {
                continue;
            };
            let kind = profile.text("type", self.ledger).map(|t| t.value);
            let local = profile
                .text("localhostProfile", self.ledger)
                .map(|t| t.value);
            profile.finish(self.ledger);
            *into = match kind.as_deref() {
                Some("Unconfined") => Some(item.sourced("unconfined".to_owned())),
                Some("RuntimeDefault") => Some(item.sourced("runtime/default".to_owned())),
                _ => local.map(|l| item.sourced(l)),
            };
        }
        if let Some(mut selinux) = fields.fields("seLinuxOptions", "SELinuxOptions", self.ledger) {
            for key in ["user", "role", "type", "level"] {
                if let Some(text) = selinux.text(key, self.ledger) {
                    security.selinux.push(text.map(|t| (key.to_owned(), t)));
                }
            }
            selinux.finish(self.ledger);
        }
        if let Some(mount) = fields.text("procMount", self.ledger) {
            security.unmasked_proc = Some(mount.map(|m| m == "Unmasked"));
        }
        context
    }
}

/// A container's own user with what only the Pod says.
pub(super) fn filled_user(own: Sourced<User>, shared: &User) -> Sourced<User> {
    own.map(|own| match (own, shared) {
        (
            User::Numeric { uid, gid },
            User::Numeric {
                uid: shared_uid,
                gid: shared_gid,
            },
        ) => User::Numeric {
            uid: uid.or(*shared_uid),
            gid: gid.or(*shared_gid),
        },
        (own, _) => own,
    })
}

/// A memory volume at /dev/shm is the size of the shared memory.
fn shm(container: &mut Container) {
    use crate::orchestration::model::{MountSource, SharedMedium};
    let index = container
        .mounts
        .iter()
        .position(|m| m.target.value == "/dev/shm");
    if let Some(index) = index
        && let MountSource::Shared {
            medium: SharedMedium::Memory,
            size: Some(size),
            ..
        } = container.mounts[index].source
    {
        let mount = container.mounts.remove(index);
        container.shm_size = Some(Sourced::new(size, mount.origin));
    }
}
