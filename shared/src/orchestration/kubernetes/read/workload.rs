//! Controllers and Pods.

use super::Reader;
use super::metadata::annotation;
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::model::{
    Amount, ClaimTemplate, Concurrency, Controller, CronSettings, Dependency, DependencyCondition,
    JobSettings, Metadata, Rollout, RolloutStrategy, StatefulSettings, Unit, UnitKind,
};
use crate::orchestration::names;
use crate::source::{Fields, Item, Sourced};

impl Reader<'_> {
    pub(super) fn workload(&mut self, object: &Object, item: &Item<'_>) -> Option<Unit> {
        let mut fields = item.fields(object.kind.clone(), self.ledger)?;
        fields.take("apiVersion");
        fields.take("kind");
        let name = annotation(&object.node, names::ORIGINAL_NAME)
            .unwrap_or(&object.name)
            .to_owned();
        let mut unit = Unit::new(Sourced::new(name, object.origin.clone()));
        unit.namespace = object
            .namespace
            .clone()
            .map(|n| Sourced::new(n, object.origin.clone()));
        unit.metadata = self.metadata(&mut fields);
        if object.kind == "Pod" {
            unit.kind = UnitKind::Bare;
            unit.instance_metadata = std::mem::take(&mut unit.metadata);
            if let Some(spec) = fields.take("spec") {
                self.pod(&mut unit, &spec);
            }
        } else if let Some(spec) = fields.take("spec") {
            self.controller(object, &spec, &mut unit);
        }
        fields.finish(self.ledger);
        self.marks(object, item, &mut unit);
        if unit.containers.is_empty() {
            let message = format!("{} `{}` has no container", object.kind, object.name);
            self.error("no-container", &object.origin, message);
            return None;
        }
        Some(unit)
    }

    fn controller(&mut self, object: &Object, item: &Item<'_>, unit: &mut Unit) {
        let Some(mut spec) = item.fields(format!("{}Spec", object.kind), self.ledger) else {
            return;
        };
        // The selector follows from the template's labels, which are kept.
        if object.kind != "Job" {
            spec.take("selector");
        }
        let replicas =
            |spec: &mut Fields<'_>, reader: &mut Self| spec.integer("replicas", reader.ledger);
        unit.rollout.delay = spec
            .integer::<u32>("minReadySeconds", self.ledger)
            .map(|s| s.map(|s| std::time::Duration::from_secs(u64::from(s))));
        match object.kind.as_str() {
            "Deployment" => {
                unit.kind = UnitKind::Service(Some(Controller::Deployment));
                unit.replicas = replicas(&mut spec, self);
                unit.rollout.monitor = spec
                    .integer::<u32>("progressDeadlineSeconds", self.ledger)
                    .map(|s| s.map(|s| std::time::Duration::from_secs(u64::from(s))));
                self.strategy(
                    &mut spec,
                    "strategy",
                    "DeploymentStrategy",
                    "RollingUpdateDeployment",
                    &mut unit.rollout,
                );
            }
            "ReplicaSet" => {
                unit.kind = UnitKind::Service(Some(Controller::ReplicaSet));
                unit.replicas = replicas(&mut spec, self);
            }
            "ReplicationController" => {
                unit.kind = UnitKind::Service(Some(Controller::ReplicationController));
                unit.replicas = replicas(&mut spec, self);
            }
            "DaemonSet" => {
                unit.kind = UnitKind::Daemon;
                let table = "DaemonSetUpdateStrategy";
                self.strategy(
                    &mut spec,
                    "updateStrategy",
                    table,
                    "RollingUpdateDaemonSet",
                    &mut unit.rollout,
                );
            }
            "StatefulSet" => {
                unit.replicas = replicas(&mut spec, self);
                let table = "StatefulSetUpdateStrategy";
                self.strategy(
                    &mut spec,
                    "updateStrategy",
                    table,
                    "RollingUpdateStatefulSetStrategy",
                    &mut unit.rollout,
                );
                unit.kind = UnitKind::Stateful(self.stateful(&mut spec));
            }
            "Job" => unit.kind = UnitKind::Job(self.job(&mut spec)),
            _ => {
                unit.kind = UnitKind::Cron(self.cron(&mut spec, unit));
                spec.finish(self.ledger);
                return;
            }
        }
        if !matches!(unit.kind, UnitKind::Job(_)) {
            unit.rollout.history = spec.integer("revisionHistoryLimit", self.ledger);
        }
        if let Some(template) = spec.take("template") {
            self.template(unit, &template);
        }
        spec.finish(self.ledger);
    }

    fn template(&mut self, unit: &mut Unit, item: &Item<'_>) {
        let Some(mut template) = item.fields("PodTemplateSpec", self.ledger) else {
            return;
        };
        unit.instance_metadata = self.metadata(&mut template);
        if let Some(spec) = template.take("spec") {
            self.pod(unit, &spec);
        }
        template.finish(self.ledger);
    }

    fn strategy(
        &mut self,
        spec: &mut Fields<'_>,
        key: &str,
        table: &str,
        rolling: &str,
        rollout: &mut Rollout,
    ) {
        let Some(mut strategy) = spec.fields(key, table, self.ledger) else {
            return;
        };
        if let Some(text) = strategy.text("type", self.ledger) {
            let kind = match text.value.as_str() {
                "RollingUpdate" => RolloutStrategy::Rolling,
                "Recreate" => RolloutStrategy::Recreate,
                "OnDelete" => RolloutStrategy::OnDelete,
                other => {
                    self.error(
                        "bad-field",
                        &text.origin,
                        format!("`{other}` is not a strategy"),
                    );
                    RolloutStrategy::Rolling
                }
            };
            rollout.strategy = Some(Sourced::new(kind, text.origin));
        }
        if let Some(mut rolling) = strategy.fields("rollingUpdate", rolling, self.ledger) {
            rollout.max_unavailable = self.amount(&mut rolling, "maxUnavailable");
            rollout.max_surge = self.amount(&mut rolling, "maxSurge");
            rollout.partition = rolling.integer("partition", self.ledger);
            rolling.finish(self.ledger);
        }
        strategy.finish(self.ledger);
    }

    fn amount(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<Sourced<Amount>> {
        let text = fields.text(key, self.ledger)?;
        let amount = match text.value.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Amount::Percent),
            None => text.value.parse().ok().map(Amount::Count),
        };
        match amount {
            Some(amount) => Some(Sourced::new(amount, text.origin)),
            None => {
                self.error(
                    "bad-field",
                    &text.origin,
                    format!("`{}` is neither a number nor a percentage", text.value),
                );
                None
            }
        }
    }

    fn stateful(&mut self, spec: &mut Fields<'_>) -> StatefulSettings {
        let mut settings = StatefulSettings {
            service_name: spec.text("serviceName", self.ledger),
            ..StatefulSettings::default()
        };
        if let Some(text) = spec.text("podManagementPolicy", self.ledger) {
            settings.parallel = Some(Sourced::new(text.value == "Parallel", text.origin));
        }
        if let Some(mut ordinals) = spec.fields("ordinals", "StatefulSetOrdinals", self.ledger) {
            settings.first_ordinal = ordinals.integer("start", self.ledger);
            ordinals.finish(self.ledger);
        }
        for item in spec.items("volumeClaimTemplates", self.ledger) {
            let Some(mut fields) = item.fields("PersistentVolumeClaim", self.ledger) else {
                continue;
            };
            fields.take("apiVersion");
            fields.take("kind");
            fields.take("status");
            let name = super::metadata::mapping(item.node, "metadata")
                .and_then(|m| m.get("name"))
                .and_then(crate::source::Node::as_text)
                .unwrap_or_default()
                .to_owned();
            let metadata = self.metadata(&mut fields);
            let claim = fields
                .take("spec")
                .map(|spec| self.claim_spec(&spec))
                .unwrap_or_default();
            fields.finish(self.ledger);
            settings.claims.push(ClaimTemplate {
                name: Sourced::new(name, item.origin()),
                size: claim.size,
                access: claim.access,
                class: claim.class,
                metadata,
                origin: item.origin(),
            });
        }
        settings
    }

    fn job(&mut self, spec: &mut Fields<'_>) -> JobSettings {
        let mut job = JobSettings {
            completions: spec.integer("completions", self.ledger),
            parallelism: spec.integer("parallelism", self.ledger),
            backoff_limit: spec.integer("backoffLimit", self.ledger),
            suspend: spec.boolean("suspend", self.ledger),
            ..JobSettings::default()
        };
        if let Some(text) = spec.text("completionMode", self.ledger) {
            job.indexed = Some(Sourced::new(text.value == "Indexed", text.origin));
        }
        job
    }

    fn cron(&mut self, spec: &mut Fields<'_>, unit: &mut Unit) -> CronSettings {
        let mut cron = CronSettings {
            schedule: spec.text("schedule", self.ledger),
            time_zone: spec.text("timeZone", self.ledger),
            suspend: spec.boolean("suspend", self.ledger),
            concurrency: spec.text("concurrencyPolicy", self.ledger).map(|text| {
                text.map(|t| match t.as_str() {
                    "Forbid" => Concurrency::Forbid,
                    "Replace" => Concurrency::Replace,
                    _ => Concurrency::Allow,
                })
            }),
            job: JobSettings::default(),
        };
        if let Some(mut template) = spec.fields("jobTemplate", "JobTemplateSpec", self.ledger) {
            let inner: Metadata = self.metadata(&mut template);
            unit.metadata.labels.extend(inner.labels);
            unit.metadata.annotations.extend(inner.annotations);
            if let Some(mut job) = template.fields("spec", "JobSpec", self.ledger) {
                cron.job = self.job(&mut job);
                if let Some(template) = job.take("template") {
                    self.template(unit, &template);
                }
                job.finish(self.ledger);
            }
            template.finish(self.ledger);
        }
        cron
    }

    /// What our own writer noted on the Pod: dependencies, networks, names of containers.
    fn marks(&mut self, object: &Object, item: &Item<'_>, unit: &mut Unit) {
        let template = super::pod::template_of(item.node);
        let Some(pod) = template else { return };
        let mark = |key: &str| annotation(pod, key).map(str::to_owned);
        let pairs = |text: Option<String>| -> Vec<(String, String)> {
            let text = text.unwrap_or_default();
            text.split(',')
                .filter_map(|p| p.split_once('='))
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .collect()
        };
        let helpers: Vec<String> = mark(names::HELPERS)
            .unwrap_or_default()
            .split(',')
            .map(str::to_owned)
            .collect();
        unit.containers.retain(|c| !helpers.contains(&c.name.value));
        for entry in mark(names::WAIT).unwrap_or_default().split(',') {
            let Some((name, condition)) = entry.rsplit_once(':') else {
                continue;
            };
            unit.dependencies.push(Dependency {
                unit: Sourced::new(name.to_owned(), object.origin.clone()),
                condition: match condition {
                    "healthy" | "service_healthy" => DependencyCondition::Healthy,
                    "completed" | "service_completed_successfully" => {
                        DependencyCondition::Completed
                    }
                    _ => DependencyCondition::Started,
                },
                implicit: false,
                restart: None,
                required: None,
            });
        }
        for (label, original) in pairs(mark(names::CONTAINERS)) {
            for container in unit.containers.iter_mut().filter(|c| c.name.value == label) {
                container.name.value.clone_from(&original);
            }
        }
        let originals = pairs(mark(names::NETWORKS));
        let labels = super::metadata::mapping(pod, "metadata")
            .and_then(|m| m.get("labels"))
            .and_then(crate::source::Node::as_mapping);
        for (key, entry) in labels.into_iter().flat_map(crate::source::Mapping::iter) {
            let Some(network) = key.strip_prefix(names::NETWORK_LABEL_PREFIX) else {
                continue;
            };
            let original = originals
                .iter()
                .find(|(label, _)| label == network)
                .map_or(network, |(_, o)| o.as_str());
            let path = item.path.join("metadata.labels").key(key);
            let origin = crate::source::Origin::new(entry.key_at, path);
            unit.networks.push(crate::orchestration::model::Attachment {
                network: Sourced::new(original.to_owned(), origin),
                aliases: Vec::new(),
            });
        }
    }
}
