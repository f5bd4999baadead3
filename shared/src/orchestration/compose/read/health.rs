//! The health check of a service.

use super::Reader;
use crate::orchestration::model::{Check, Container, Probe, Purpose, Timings};
use crate::source::{Fields, Sourced};

impl Reader<'_> {
    pub(super) fn health(&mut self, fields: &mut Fields<'_>, container: &mut Container) {
        let Some(item) = fields.take("healthcheck") else {
            return;
        };
        let Some(mut fields) = item.fields("services.*.healthcheck", self.ledger) else {
            return;
        };
        let test = fields.take("test");
        let timings = Timings {
            interval: self.duration(&mut fields, "interval"),
            timeout: self.duration(&mut fields, "timeout"),
            retries: fields.integer("retries", self.ledger),
            successes: None,
            initial_delay: None,
            start_period: self.duration(&mut fields, "start_period"),
            start_interval: self.duration(&mut fields, "start_interval"),
        };
        let disable = fields.boolean("disable", self.ledger);
        fields.finish(self.ledger);
        if disable.as_ref().is_some_and(|d| d.value) {
            if test.is_some() || timings != Timings::default() {
                let message = "the check is disabled, so the rest of it has no effect";
                self.error("health-disabled", &item.origin(), message);
            }
            container.health_disabled = disable;
            return;
        }
        let Some(test) = test else {
            // Timings alone change the check that the image brings, which is not in the file.
            if timings != Timings::default() {
                let message = "only timings are given; the check itself is the image's, which is not read here";
                self.error("image-healthcheck", &item.origin(), message);
            }
            return;
        };
        let words: Vec<_> = test
            .texts(self.ledger)
            .into_iter()
            .map(|t| t.value)
            .collect();
        let check = match words.split_first() {
            None => return,
            Some((head, _)) if head == "NONE" => {
                container.health_disabled = Some(Sourced::new(true, test.origin()));
                return;
            }
            Some((head, rest)) if head == "CMD" && !rest.is_empty() => Check::Exec(rest.to_vec()),
            Some((head, [line])) if head == "CMD-SHELL" => Check::Shell(line.clone()),
            Some((head, rest)) if head == "CMD-SHELL" && !rest.is_empty() => {
                Check::Shell(rest.join(" "))
            }
            _ => {
                self.error(
                    "bad-healthcheck",
                    &test.origin(),
                    format!("`{}` has no command", test.path),
                );
                return;
            }
        };
        container.probes.push(Probe {
            purpose: Purpose::Health,
            check,
            timings,
            origin: test.origin(),
        });
    }
}
