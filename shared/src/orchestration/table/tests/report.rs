//! What is said about leftovers.

use super::super::rows::{DEFAULTS, compose, kubernetes, lines};
use super::super::{Target, report_leftovers, report_whole};
use crate::finding::{Code, Findings, explain as meaning};
use crate::orchestration::model::{Dialect, WholeObject};
use crate::source::{KeyPath, Leftover, Origin, Position, Sources};

fn origin(path: &str) -> Origin {
    let file = Sources::default().add("t.yaml", "");
    let path = if path.is_empty() {
        KeyPath::root()
    } else {
        KeyPath::root().join(path)
    };
    Origin::new(Position::start_of(file), path)
}

fn report(row: &str, path: &str, from: Dialect, to: Target) -> (&'static str, String) {
    let leftover = Leftover {
        row: row.into(),
        value: None,
        origin: origin(path),
    };
    let mut findings = Findings::default();
    report_leftovers(&[leftover], from, to, &mut findings);
    let finding = findings
        .into_iter()
        .next()
        .expect("each leftover is reported");
    (finding.code.0, finding.message)
}

#[test]
fn leftovers_are_reported_as_the_tables_say() {
    use Dialect::{Compose, Kubernetes, Swarm};
    for (row, path, from, to, code, words) in [
        (
            "services.*.ulimits",
            "services.web.ulimits",
            Compose,
            Target::Kubernetes,
            "ulimits-not-carried",
            "`services.web.ulimits` has no counterpart in Kubernetes",
        ),
        (
            "services.*.attach",
            "",
            Compose,
            Target::Kubernetes,
            "compose-dev-only",
            "`services.*.attach` has no effect",
        ),
        (
            "services.*.devices",
            "",
            Compose,
            Target::Kubernetes,
            "device-access",
            "no counterpart",
        ),
        (
            "services.*.devices",
            "",
            Swarm,
            Target::Kubernetes,
            "ignored-by-swarm",
            "`docker stack deploy`",
        ),
        (
            "services.*.build",
            "",
            Swarm,
            Target::Kubernetes,
            "build-needed",
            "building the image only",
        ),
        (
            "services.*.extends",
            "",
            Compose,
            Target::Kubernetes,
            "not-understood",
            "left out",
        ),
        (
            "services.*.security_opt[]",
            "",
            Compose,
            Target::Kubernetes,
            "other-security-options",
            "no counterpart in Kubernetes",
        ),
        (
            "PodSpec.volumes",
            "",
            Kubernetes,
            Target::Compose,
            "unused-volume",
            "no effect",
        ),
        (
            "DeploymentSpec.selector",
            "",
            Kubernetes,
            Target::Compose,
            "object-wiring",
            "before the conversion",
        ),
        (
            "services.*.placement",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "belongs under `services.*.deploy`",
        ),
        (
            "services.*.deploy.condition",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "belongs under `services.*.deploy.restart_policy`",
        ),
        (
            "services.*.deploy.image",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "belongs under `services.*`",
        ),
        (
            "PodSpec.livenessProbe",
            "",
            Kubernetes,
            Target::Compose,
            "unknown-key",
            "not a field that Kubernetes knows",
        ),
        (
            "DeploymentSpec.maxSurge",
            "",
            Kubernetes,
            Target::Swarm,
            "unknown-key",
            "not a field that Kubernetes knows",
        ),
        (
            "DeploymentStrategy.maxSurge",
            "",
            Kubernetes,
            Target::Swarm,
            "unknown-key",
            "belongs under `rollingUpdate`",
        ),
        (
            "services.*.prots",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "perhaps `ports` is meant",
        ),
        (
            "service",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "perhaps `services` is meant",
        ),
        (
            "services.*.qwertz",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "not a key that Compose knows",
        ),
        (
            "services.*.x-foo",
            "",
            Swarm,
            Target::Kubernetes,
            "extension-field",
            "extension field",
        ),
        (
            "services.*.image",
            "",
            Compose,
            Target::Kubernetes,
            "not-understood",
            "Container.image",
        ),
        (
            "services.*.restart",
            "",
            Compose,
            Target::Kubernetes,
            "not-understood",
            "PodSpec.restartPolicy",
        ),
        (
            "services.*.ulimits",
            "",
            Compose,
            Target::Compose,
            "not-understood",
            "left out",
        ),
        (
            "PodSpec.schedulerName",
            "",
            Kubernetes,
            Target::Compose,
            "single-host",
            "no effect in Compose",
        ),
        (
            "PodSpec.schedulerName",
            "",
            Kubernetes,
            Target::Swarm,
            "scheduler-detail",
            "no counterpart in Swarm",
        ),
        (
            "PodSpec.hostNetwrk",
            "",
            Kubernetes,
            Target::Swarm,
            "unknown-key",
            "perhaps `hostNetwork` is meant",
        ),
        (
            "Nothing.field",
            "",
            Kubernetes,
            Target::Swarm,
            "not-understood",
            "left out",
        ),
        (
            "PodSpec.hostPID",
            "",
            Kubernetes,
            Target::Kubernetes,
            "not-understood",
            "left out",
        ),
    ] {
        let (found, message) = report(row, path, from, to);
        assert_eq!(found, code, "{row}");
        assert!(message.contains(words), "{message}");
        assert!(!message.ends_with('.'), "{message}");
    }
}

/// Whatever a reader leaves over is spoken of, and never as an error of the program's own catalog.
#[test]
fn no_row_is_silent() {
    for path in compose().paths() {
        for from in [Dialect::Compose, Dialect::Swarm] {
            assert_ne!(
                meaning(Code(report(path, "", from, Target::Kubernetes).0)).code,
                "unknown",
                "{path}"
            );
        }
    }
    for path in kubernetes().paths() {
        for to in [Target::Compose, Target::Swarm] {
            assert_ne!(
                meaning(Code(report(path, "", Dialect::Kubernetes, to).0)).code,
                "unknown",
                "{path}"
            );
        }
    }
}

#[test]
fn whole_objects_are_reported() {
    let object = |api_version: &str, kind: &str| WholeObject {
        api_version: api_version.into(),
        kind: kind.into(),
        name: "web".into(),
        known: true,
        value: serde_json::Value::Null,
        origin: origin(""),
    };
    for (api_version, kind, to, code) in [
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            Target::Compose,
            "autoscaling",
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            Target::Compose,
            "single-host",
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            Target::Swarm,
            "disruption-budget",
        ),
        (
            "serving.knative.dev/v1",
            "Service",
            Target::Compose,
            "custom-resource",
        ),
    ] {
        let mut findings = Findings::default();
        report_whole(&[object(api_version, kind)], to, true, &mut findings);
        let finding = &findings.as_slice()[0];
        assert_eq!(finding.code.0, code);
        assert!(
            finding
                .message
                .starts_with(&format!("{kind} `web` has no counterpart")),
            "{}",
            finding.message
        );
    }
}

#[test]
fn a_stated_default_is_no_loss() {
    let cases = [
        (
            "ServiceSpec.sessionAffinity",
            Some("None"),
            "stated-default",
        ),
        (
            "ServiceSpec.sessionAffinity",
            Some("ClientIP"),
            "session-affinity",
        ),
        ("ServiceSpec.ipFamilies", Some("IPv4"), "stated-default"),
        (
            "ServiceSpec.ipFamilies",
            Some("IPv4,IPv6"),
            "address-families",
        ),
        ("PodSpec.priority", None, "pod-priority"),
    ];
    for (row, value, code) in cases {
        let leftover = Leftover {
            row: row.into(),
            value: value.map(str::to_owned),
            origin: origin("spec.x"),
        };
        let mut findings = Findings::default();
        report_leftovers(
            &[leftover],
            Dialect::Kubernetes,
            Target::Swarm,
            &mut findings,
        );
        assert_eq!(findings.as_slice()[0].code.0, code, "{row} {value:?}");
    }
    for line in lines(DEFAULTS) {
        let row = line.split('\t').next().unwrap_or_default();
        assert!(kubernetes().get(row).is_some(), "{row} has no row");
    }
}
