//! What helm remembers of a release.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::run;
use super::{Failure, Helm};
use crate::source::{Limits, Sources, parse};

/// A revision of a release.
#[expect(clippy::struct_field_names, reason = "as helm names it")]
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Revision {
    /// Its number.
    pub(super) revision: u64,
    /// `deployed`, `superseded`, `failed`, `pending-upgrade`
    pub(super) status: String,
    /// `shop-1.2.3`; empty if only the marks of the revision were read.
    pub(super) chart: String,
    /// In our words or helm's; empty as above.
    #[serde(default)]
    pub(super) description: String,
}

impl Revision {
    /// Helm is at it, or was killed while it was.
    pub(super) fn is_open(&self) -> bool {
        self.status.starts_with("pending-") || self.status == "uninstalling"
    }

    /// Name of its chart, without the version.
    pub(super) fn is_of(&self, chart: &str) -> bool {
        self.chart
            .strip_prefix(chart)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|version| {
                version
                    .trim_start_matches('v')
                    .starts_with(|c: char| c.is_ascii_digit())
            })
    }
}

/// The revision that the release stands at: the deployed one, else the newest that has come to an end.
pub(super) fn standing(history: &[Revision]) -> Option<&Revision> {
    let deployed = history.iter().rfind(|one| one.status == "deployed");
    deployed.or_else(|| {
        history
            .iter()
            .rfind(|one| !one.is_open() && one.status != "uninstalled")
    })
}

/// The kind of objects in which helm remembers releases (helm, `pkg/storage/driver`); an error names another place.
pub(super) fn kept_in() -> Result<&'static str, String> {
    let driver = std::env::var("HELM_DRIVER").unwrap_or_default();
    match driver.as_str() {
        "" | "secret" | "secrets" => Ok("Secret.v1."),
        "configmap" | "configmaps" => Ok("ConfigMap.v1."),
        _ => Err(driver),
    }
}

impl Helm {
    /// Numbers and states of all revisions, the oldest first, as helm marks the objects in which it remembers them; helm
    /// itself is only asked where that cannot be seen.
    pub(super) fn revisions(&self) -> Result<Vec<Revision>, Failure> {
        let marks = kept_in().ok().and_then(|kind| {
            let wanted = format!("owner=helm,name={}", self.release());
            self.cluster.labels(kind, &wanted)
        });
        let Some(marks) = marks else {
            return self.history();
        };
        let revision = |labels: BTreeMap<String, String>| {
            Some(Revision {
                revision: labels.get("version")?.parse().ok()?,
                status: labels.get("status")?.clone(),
                chart: String::new(),
                description: String::new(),
            })
        };
        let mut revisions: Vec<Revision> = marks.into_iter().filter_map(revision).collect();
        revisions.sort_by_key(|one| one.revision);
        Ok(revisions)
    }

    /// All revisions that helm remembers, the oldest first; none if there is no release.
    pub(super) fn history(&self) -> Result<Vec<Revision>, Failure> {
        let mut command = self.helm(&["history", "--output=json"]);
        command.arg(self.release());
        match run(command) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                Failure::tool(format!("helm history cannot be understood: {error}"))
            }),
            Err(error) if error.message.contains("release: not found") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// What helm keeps of a revision, the newest where none is named: `manifest` or `hooks`.
    pub(super) fn text(&self, part: &str, revision: Option<u64>) -> Result<String, Failure> {
        let mut command = self.helm(&["get", part]);
        command.arg(self.release());
        if let Some(revision) = revision {
            command.arg(format!("--revision={revision}"));
        }
        run(command)
    }

    /// Its objects.
    pub(super) fn objects(&self, part: &str, revision: Option<u64>) -> Result<Vec<Value>, Failure> {
        let text = self.text(part, revision)?;
        let file = Sources::default().add("helm get", text.as_str());
        let nodes = parse(file, &text, &Limits::default())
            .map_err(|finding| Failure::tool(format!("helm get {part}: {}", finding.message)))?;
        let objects = nodes.iter().map(crate::source::Node::to_json);
        Ok(objects.filter(Value::is_object).collect())
    }

    /// Ends what a killed helm has begun, which locks the release: back to where the release stood, or to nothing.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        let history = self.revisions()?;
        if !history.last().is_some_and(Revision::is_open) {
            return Ok(());
        }
        match standing(&history) {
            Some(revision) => self.roll_back(revision.revision, false),
            None => self.remove(&history).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(revision: u64, status: &str) -> Revision {
        Revision {
            revision,
            status: status.to_owned(),
            chart: "shop-api-1.2.3".to_owned(),
            description: String::new(),
        }
    }

    #[test]
    fn a_release_stands_at_what_has_come_to_an_end() {
        let history = [
            one(1, "superseded"),
            one(2, "deployed"),
            one(3, "pending-upgrade"),
        ];
        assert_eq!(standing(&history).unwrap().revision, 2);
        assert_eq!(standing(&history[2..]), None);
        assert_eq!(
            standing(&[one(1, "failed"), one(2, "pending-upgrade")])
                .unwrap()
                .revision,
            1
        );
    }

    #[test]
    fn charts_are_told_apart() {
        assert!(one(1, "deployed").is_of("shop-api"));
        assert!(!one(1, "deployed").is_of("shop"));
    }
}
