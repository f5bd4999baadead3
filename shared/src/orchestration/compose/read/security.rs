//! What a service may do, and what it may use.

use super::Reader;
use crate::orchestration::model::{Container, Unit};
use crate::orchestration::quantity::millicores_from_compose;
use crate::source::{Fields, Sourced};

impl Reader<'_> {
    pub(super) fn security(
        &mut self,
        fields: &mut Fields<'_>,
        unit: &mut Unit,
        container: &mut Container,
    ) {
        let security = &mut container.security;
        security.privileged = fields.boolean("privileged", self.ledger);
        security.read_only_root = fields.boolean("read_only", self.ledger);
        let capability = |text: Sourced<String>| {
            text.map(|t| {
                let upper = t.to_uppercase();
                upper
                    .strip_prefix("CAP_")
                    .map_or(upper.clone(), str::to_owned)
            })
        };
        security.capabilities.add = fields
            .texts("cap_add", self.ledger)
            .into_iter()
            .map(capability)
            .collect();
        security.capabilities.drop = fields
            .texts("cap_drop", self.ledger)
            .into_iter()
            .map(capability)
            .collect();
        for item in fields.items("security_opt", self.ledger) {
            let Some(text) = item.text(self.ledger) else {
                continue;
            };
            let (key, value) = text
                .value
                .split_once(['=', ':'])
                .unwrap_or((&text.value, "true"));
            let sourced = |value: &str| Some(Sourced::new(value.to_owned(), text.origin.clone()));
            match (key, value) {
                ("no-new-privileges", "true" | "false") => {
                    security.allow_escalation =
                        Some(Sourced::new(value == "false", text.origin.clone()));
                }
                ("seccomp", profile) => security.seccomp = sourced(profile),
                ("apparmor", profile) => security.apparmor = sourced(profile),
                ("systempaths", "unconfined") => {
                    security.unmasked_proc = Some(Sourced::new(true, text.origin.clone()));
                }
                ("label", label) if label.contains(':') => {
                    let (key, value) = label.split_once(':').unwrap_or((label, ""));
                    security.selinux.push(Sourced::new(
                        (key.to_owned(), value.to_owned()),
                        text.origin.clone(),
                    ));
                }
                _ => self.ledger.leave("services.*.security_opt[]", &item),
            }
        }
        let settings = &mut unit.settings;
        if let Some(text) = fields.text("userns_mode", self.ledger) {
            settings.host_users = Some(Sourced::new(text.value == "host", text.origin.clone()));
            if text.value != "host" {
                self.error(
                    "userns-mode",
                    &text.origin,
                    format!("`{}` has no counterpart; only `host` has", text.value),
                );
            }
        }
        settings.groups = fields.texts("group_add", self.ledger);
        if let Some(item) = fields.take("sysctls") {
            for (name, item) in item.entries(self.ledger) {
                if let Some(text) = item.text(self.ledger) {
                    settings.sysctls.insert(name.value, text);
                }
            }
        }
    }

    /// The keys beside `deploy`.
    pub(super) fn resources(&mut self, fields: &mut Fields<'_>, container: &mut Container) {
        let resources = &mut container.resources;
        resources.memory_limit = fields.integer("mem_limit", self.ledger);
        resources.memory_request = fields.integer("mem_reservation", self.ledger);
        let reserved = resources.memory_request.as_ref().filter(|r| r.value > 0);
        if let Some(reserved) = reserved.cloned() {
            let message = format!(
                "{} bytes are kept free for it, where Docker only shrinks it to them",
                reserved.value
            );
            self.error("memory-reservation", &reserved.origin, message);
        }
        let resources = &mut container.resources;
        resources.cpu_limit = self.cpus(fields, "cpus");
        let quota: Option<Sourced<i64>> = fields.integer("cpu_quota", self.ledger);
        let period: Option<Sourced<i64>> = fields.integer("cpu_period", self.ledger);
        if let Some(quota) = quota
            && quota.value > 0
        {
            // A period of 100 ms is the kernel's default.
            let period = period.map_or(100_000, |p| p.value).max(1);
            let millicores = quota.value.saturating_mul(1000) / period;
            let millicores = u64::try_from(millicores).unwrap_or_default();
            resources
                .cpu_limit
                .get_or_insert_with(|| Sourced::new(millicores, quota.origin));
        }
        if let Some(shares) = fields.integer::<u64>("cpu_shares", self.ledger)
            && shares.value > 0
        {
            let millicores = shares.value.saturating_mul(1000) / 1024;
            let message = format!(
                "{} CPU shares are a weight; they become a reservation of {millicores}m",
                shares.value
            );
            self.error("cpu-shares", &shares.origin, message);
            container.resources.cpu_request = Some(Sourced::new(millicores, shares.origin));
        }
        for item in fields.items("gpus", self.ledger) {
            if let Some(mut request) = self.device(&item, "services.*.gpus[]") {
                // What `gpus` asks for is always one, whatever else it has to be able to do.
                if !request.capabilities.iter().any(|name| name == "gpu") {
                    request.capabilities.insert(0, "gpu".to_owned());
                }
                container.resources.devices.push(request);
            }
        }
        if let Some(item) = fields.take("storage_opt") {
            for (name, item) in item.entries(self.ledger) {
                let size = item
                    .node
                    .as_text()
                    .and_then(crate::orchestration::quantity::bytes_from_compose);
                match (name.value.as_str(), size) {
                    ("size", Some(size)) => {
                        container.resources.storage_limit = Some(item.sourced(size))
                    }
                    _ => self.ledger.leave("services.*.storage_opt", &item),
                }
            }
        }
    }

    pub(super) fn cpus(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<Sourced<u64>> {
        let text = fields.text(key, self.ledger)?;
        match millicores_from_compose(&text.value) {
            Some(millicores) => Some(Sourced::new(millicores, text.origin)),
            None => {
                self.error(
                    "bad-value",
                    &text.origin,
                    format!("`{}` is not a number of processors", text.value),
                );
                None
            }
        }
    }
}
