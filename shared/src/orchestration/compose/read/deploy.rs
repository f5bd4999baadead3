//! `deploy`: how many, where, and how they are replaced.

use super::Reader;
use crate::orchestration::model::{
    Amount, Container, DeviceRequest, JobSettings, Name, NameKind, Restart, RestartCondition,
    RolloutStrategy, Spread, Unit, UnitKind,
};
use crate::source::{Fields, Item, Sourced};

impl Reader<'_> {
    pub(super) fn deploy(
        &mut self,
        fields: &mut Fields<'_>,
        unit: &mut Unit,
        container: &mut Container,
        names: &mut Vec<Name>,
    ) {
        unit.replicas = fields.integer("scale", self.ledger);
        let Some(mut deploy) = fields.fields("deploy", "services.*.deploy", self.ledger) else {
            return;
        };
        if let Some(replicas) = deploy.integer("replicas", self.ledger) {
            unit.replicas = Some(replicas);
        }
        if let Some(mode) = deploy.text("mode", self.ledger) {
            unit.kind = match mode.value.as_str() {
                "replicated" => UnitKind::Service(None),
                "global" => UnitKind::Daemon,
                "replicated-job" => UnitKind::Job(JobSettings::default()),
                "global-job" => UnitKind::Job(JobSettings {
                    on_each_node: Some(Sourced::new(true, mode.origin.clone())),
                    ..JobSettings::default()
                }),
                other => {
                    let message = format!(
                        "`{other}` is not a mode; it is replicated, global, replicated-job or global-job"
                    );
                    self.error("bad-value", &mode.origin, message);
                    UnitKind::Service(None)
                }
            };
            if unit.kind == UnitKind::Daemon
                && let Some(replicas) = &unit.replicas
            {
                let message =
                    "a global service runs once on each node; `replicas` has no meaning there"
                        .to_owned();
                let origin = replicas.origin.clone();
                self.error("keys-exclude", &origin, message);
            }
        }
        unit.metadata.labels = self.labels(&mut deploy);
        if let Some(mode) = deploy.text("endpoint_mode", self.ledger) {
            names.push(Name {
                name: unit.name.clone(),
                namespace: None,
                kind: NameKind::Unit,
                units: vec![unit.name.value.clone()],
                ports: Vec::new(),
                headless: Some(Sourced::new(mode.value == "dnsrr", mode.origin.clone())),
                metadata: crate::orchestration::model::Metadata::default(),
                origin: mode.origin,
            });
        }
        self.restart_policy(&mut deploy, unit);
        self.update_config(&mut deploy, unit);
        self.deploy_placement(&mut deploy, unit);
        self.deploy_resources(&mut deploy, container);
        self.leave_extensions(&mut deploy, "services.*.deploy.x-*");
        deploy.finish(self.ledger);
    }

    fn restart_policy(&mut self, deploy: &mut Fields<'_>, unit: &mut Unit) {
        let Some(mut policy) = deploy.fields(
            "restart_policy",
            "services.*.deploy.restart_policy",
            self.ledger,
        ) else {
            return;
        };
        let condition = policy.text("condition", self.ledger).and_then(|text| {
            let condition = match text.value.as_str() {
                "any" => RestartCondition::Always,
                "on-failure" => RestartCondition::OnFailure,
                "none" => RestartCondition::Never,
                // `docker compose` takes the words of `restart` too; the engine refuses them of a stack.
                "always" if !self.swarm() => RestartCondition::Always,
                "unless-stopped" if !self.swarm() => RestartCondition::UnlessStopped,
                "no" if !self.swarm() => RestartCondition::Never,
                other => {
                    let message =
                        format!("`{other}` is not a condition; it is any, on-failure or none");
                    self.error("bad-value", &text.origin, message);
                    return None;
                }
            };
            Some(Sourced::new(condition, text.origin))
        });
        let written = Restart {
            condition,
            max_attempts: policy.integer("max_attempts", self.ledger),
            delay: self.duration(&mut policy, "delay"),
            window: self.duration(&mut policy, "window"),
        };
        policy.finish(self.ledger);
        match &mut unit.restart {
            // `docker compose` prefers `deploy.restart_policy`; a stack reads nothing else.
            Some(restart) => {
                if let Some(condition) = written.condition {
                    if restart
                        .condition
                        .as_ref()
                        .is_some_and(|c| c.value != condition.value)
                    {
                        let message = "`restart` and `deploy.restart_policy.condition` say different things; the latter counts";
                        self.error("restart-twice", &condition.origin, message);
                    }
                    restart.condition = Some(condition);
                }
                restart.max_attempts = written.max_attempts.or(restart.max_attempts.take());
                restart.delay = written.delay;
                restart.window = written.window;
            }
            None => unit.restart = Some(written),
        }
    }

    fn update_config(&mut self, deploy: &mut Fields<'_>, unit: &mut Unit) {
        let Some(mut update) = deploy.fields(
            "update_config",
            "services.*.deploy.update_config",
            self.ledger,
        ) else {
            return;
        };
        let rollout = &mut unit.rollout;
        let parallelism: Option<Sourced<u32>> = update.integer("parallelism", self.ledger);
        let order = update.text("order", self.ledger);
        rollout.delay = self.duration(&mut update, "delay");
        rollout.monitor = self.duration(&mut update, "monitor");
        rollout.failure_action = update.text("failure_action", self.ledger);
        rollout.max_failure_ratio = update.number("max_failure_ratio", self.ledger);
        update.finish(self.ledger);
        // 0 means all at once.
        let amount = |n: u32| {
            if n == 0 {
                Amount::Percent(100)
            } else {
                Amount::Count(n)
            }
        };
        match order.as_ref().map(|o| o.value.as_str()) {
            Some("start-first") => {
                let origin = order.as_ref().map(|o| o.origin.clone());
                let count = parallelism.as_ref().map_or(1, |p| p.value);
                rollout.max_surge = origin
                    .clone()
                    .map(|o| Sourced::new(amount(count), parallelism.map_or(o, |p| p.origin)));
                rollout.max_unavailable = origin.map(|o| Sourced::new(Amount::Count(0), o));
            }
            Some("stop-first") => {
                let origin = order.as_ref().map(|o| o.origin.clone());
                let count = parallelism.as_ref().map_or(1, |p| p.value);
                rollout.max_unavailable = origin
                    .clone()
                    .map(|o| Sourced::new(amount(count), parallelism.map_or(o, |p| p.origin)));
                rollout.max_surge = origin.map(|o| Sourced::new(Amount::Count(0), o));
            }
            Some(other) => {
                let message = format!("`{other}` is not an order; it is stop-first or start-first");
                if let Some(order) = &order {
                    self.error("bad-value", &order.origin, message);
                }
            }
            None => rollout.max_unavailable = parallelism.map(|p| p.map(amount)),
        }
        if rollout.max_surge.is_some() || rollout.max_unavailable.is_some() {
            let origin = rollout
                .max_surge
                .as_ref()
                .or(rollout.max_unavailable.as_ref())
                .map(|a| a.origin.clone());
            rollout.strategy = origin.map(|o| Sourced::new(RolloutStrategy::Rolling, o));
        }
    }

    fn deploy_placement(&mut self, deploy: &mut Fields<'_>, unit: &mut Unit) {
        let Some(mut placement) =
            deploy.fields("placement", "services.*.deploy.placement", self.ledger)
        else {
            return;
        };
        let mut predicates = Vec::new();
        for item in placement.items("constraints", self.ledger) {
            let Some(text) = item.text(self.ledger) else {
                continue;
            };
            match super::placement::constraint(&text.value) {
                Ok((attribute, operator, value)) => {
                    predicates.push(crate::orchestration::model::Predicate {
                        attribute,
                        operator,
                        values: vec![value],
                        origin: text.origin,
                    })
                }
                Err(message) => self.error("bad-constraint", &text.origin, message),
            }
        }
        if !predicates.is_empty() {
            unit.placement.required.push(predicates);
        }
        for item in placement.items("preferences", self.ledger) {
            let Some(mut preference) =
                item.fields("services.*.deploy.placement.preferences[]", self.ledger)
            else {
                continue;
            };
            if let Some(spread) = preference.text("spread", self.ledger) {
                match super::placement::attribute(&spread.value) {
                    Some(attribute) => unit.placement.spread.push(Spread {
                        attribute,
                        max_skew: None,
                        hard: None,
                        origin: spread.origin,
                    }),
                    None => {
                        let message = format!(
                            "`{}` is not an attribute of a node; write node.labels.NAME",
                            spread.value
                        );
                        self.error("bad-constraint", &spread.origin, message);
                    }
                }
            }
            preference.finish(self.ledger);
        }
        unit.placement.max_per_node = placement.integer("max_replicas_per_node", self.ledger);
        placement.finish(self.ledger);
    }

    fn deploy_resources(&mut self, deploy: &mut Fields<'_>, container: &mut Container) {
        let Some(mut all) = deploy.fields("resources", "services.*.deploy.resources", self.ledger)
        else {
            return;
        };
        if let Some(mut limits) =
            all.fields("limits", "services.*.deploy.resources.limits", self.ledger)
        {
            if let Some(cpus) = self.cpus(&mut limits, "cpus") {
                container.resources.cpu_limit = Some(cpus);
            }
            if let Some(memory) = limits.integer("memory", self.ledger) {
                container.resources.memory_limit = Some(memory);
            }
            limits.finish(self.ledger);
        }
        let table = "services.*.deploy.resources.reservations";
        if let Some(mut reservations) = all.fields("reservations", table, self.ledger) {
            if let Some(cpus) = self.cpus(&mut reservations, "cpus") {
                container.resources.cpu_request = Some(cpus);
            }
            if let Some(memory) = reservations.integer("memory", self.ledger) {
                container.resources.memory_request = Some(memory);
            }
            for item in reservations.items("devices", self.ledger) {
                if let Some(request) = self.device(&item, &format!("{table}.devices[]")) {
                    container.resources.devices.push(request);
                }
            }
            for item in reservations.items("generic_resources", self.ledger) {
                if let Some(request) = self.generic(&item, &format!("{table}.generic_resources[]"))
                {
                    container.resources.devices.push(request);
                }
            }
            reservations.finish(self.ledger);
        }
        all.finish(self.ledger);
    }

    fn generic(&mut self, item: &Item<'_>, table: &str) -> Option<DeviceRequest> {
        let mut fields = item.fields(table, self.ledger)?;
        let spec = fields.fields(
            "discrete_resource_spec",
            format!("{table}.discrete_resource_spec"),
            self.ledger,
        );
        let request = spec.and_then(|mut spec| {
            let kind = spec.text("kind", self.ledger).map(|k| k.value);
            let count = spec.integer("value", self.ledger).map(|v| v.value);
            spec.finish(self.ledger);
            Some(DeviceRequest {
                name: kind?,
                count: Some(count.unwrap_or(1)),
                driver: None,
                capabilities: Vec::new(),
                ids: Vec::new(),
                generic: true,
                origin: item.origin(),
            })
        });
        fields.finish(self.ledger);
        request
    }
}
