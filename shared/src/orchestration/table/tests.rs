use std::collections::BTreeSet;

use super::report::OWN_CODES;
use super::rows::{FIELDS, KEYS, KINDS, compose, field, key, kind, kinds, kubernetes, lines};
use super::*;
use crate::finding::{Findings, Severity, explain as meaning};
use crate::orchestration::model::{Dialect, WholeObject};
use crate::source::{KeyPath, Leftover, Origin, Position, Sources};

/// Paths of all Compose schemas (v1, 2.0 to 2.4, 3.0 to 3.13, today's specification).
const SCHEMA_PATHS: usize = 515;
/// Keys that the schemas leave open, and that readers meet.
const OPEN_KEYS: [&str; 4] = [
    "services.*.log_opt.*",
    "services.*.storage_opt.*",
    "services.*.storage_opt.size",
    "x-*",
];
const API_FIELDS: usize = 778;

/// Unsupported, but mostly harmless as it is mostly used.
const NO_LOSS: [&str; 2] = ["log-shipping", "network-driver"];

const COMPOSE_CODES: &str = include_str!("../../finding/catalog/compose-keys.tsv");
const KUBERNETES_CODES: &str = include_str!("../../finding/catalog/kubernetes-fields.tsv");

fn codes_of(catalog: &'static str) -> BTreeSet<&'static str> {
    lines(catalog)
        .filter_map(|line| line.split('\t').next())
        .collect()
}

#[test]
fn each_key_and_field_has_exactly_one_row() {
    for line in lines(KEYS) {
        assert!(key(line).is_some(), "{line}");
    }
    for line in lines(FIELDS) {
        assert!(field(line).is_some(), "{line}");
    }
    for line in lines(KINDS) {
        assert!(kind(line).is_some(), "{line}");
    }
    assert_eq!(lines(KEYS).count(), SCHEMA_PATHS + OPEN_KEYS.len());
    assert_eq!(
        compose().paths().count(),
        lines(KEYS).count(),
        "a key stands twice"
    );
    assert_eq!(lines(FIELDS).count(), API_FIELDS);
    assert_eq!(
        kubernetes().paths().count(),
        lines(FIELDS).count(),
        "a field stands twice"
    );
    assert_eq!(kinds().count(), lines(KINDS).count(), "a kind stands twice");
    for path in OPEN_KEYS {
        assert!(compose().get(path).is_some(), "{path}");
    }
}

#[test]
fn each_key_has_a_row_above_it() {
    for path in compose().paths() {
        let parent = super::rows::split_last(path).map_or("", |(parent, _)| parent);
        assert!(
            parent.is_empty() || compose().get(parent).is_some(),
            "{path}"
        );
    }
}

#[test]
fn tables_and_catalogs_name_the_same_codes() {
    let treatments = |all: Vec<Treatment>| {
        all.into_iter()
            .filter_map(|t| t.code.map(|c| c.0))
            .collect::<BTreeSet<_>>()
    };
    let keys = treatments(
        compose()
            .paths()
            .filter_map(|p| compose().get(p))
            .map(|k| k.kubernetes)
            .collect(),
    );
    let fields = treatments(
        kubernetes()
            .paths()
            .filter_map(|p| kubernetes().get(p))
            .flat_map(|f| [f.compose, f.swarm])
            .collect(),
    );
    let kinds: BTreeSet<_> = kinds().flat_map(|k| [k.compose.0, k.swarm.0]).collect();
    let own: BTreeSet<_> = OWN_CODES.iter().map(|c| c.0).collect();
    let used: BTreeSet<_> = keys
        .iter()
        .chain(&fields)
        .chain(&kinds)
        .chain(&own)
        .copied()
        .collect();
    for code in &used {
        assert_eq!(
            meaning(Code(code)).code,
            *code,
            "`{code}` has no row in a catalog"
        );
    }
    for code in codes_of(COMPOSE_CODES).union(&codes_of(KUBERNETES_CODES)) {
        assert!(used.contains(code), "`{code}` is not used");
    }
}

#[test]
fn verdict_and_severity_agree() {
    let check = |name: &str, treatment: Treatment| {
        let Some(code) = treatment.code else {
            assert_eq!(treatment.verdict, Verdict::Exact, "{name}");
            return;
        };
        let severity = meaning(code).severity;
        let fits = match treatment.verdict {
            Verdict::Exact => false,
            Verdict::Approximate => severity == Severity::Warning,
            Verdict::Unsupported => {
                severity
                    == if NO_LOSS.contains(&code.0) {
                        Severity::Warning
                    } else {
                        Severity::Loss
                    }
            }
            Verdict::NoEffect | Verdict::Loader => severity == Severity::Info,
            Verdict::Build => matches!(severity, Severity::Warning | Severity::Info),
        };
        assert!(
            fits,
            "{name}: {:?} with {} of severity {severity:?}",
            treatment.verdict, code.0
        );
    };
    for path in compose().paths() {
        check(path, compose_key(path).unwrap().kubernetes);
    }
    for path in kubernetes().paths() {
        let row = kubernetes_field(path).unwrap();
        check(path, row.compose);
        check(path, row.swarm);
    }
}

/// Keys that only the schemas of version 3 lack are refused by the stack loader, unless it forbids them by name.
#[test]
fn stack_verdicts_follow_the_schema() {
    for path in compose().paths() {
        let row = compose_key(path).unwrap();
        if row.versions.contains("v3") {
            assert_ne!(row.stack, Stack::SchemaError, "{path}");
        } else {
            // The schema leaves the objects below a long mount open.
            let open = path.starts_with("services.*.volumes[].") && row.stack != Stack::Forbidden;
            let refused = matches!(row.stack, Stack::SchemaError | Stack::Forbidden);
            assert!(refused || open, "{path}: {:?}", row.stack);
        }
    }
}

#[test]
fn texts_are_sentences() {
    for line in lines(COMPOSE_CODES).chain(lines(KUBERNETES_CODES)) {
        let cells: Vec<_> = line.split('\t').collect();
        assert!(!cells[2].ends_with('.'), "{line}");
        for text in &cells[3..] {
            assert!(text.ends_with('.') && !text.contains("  "), "{line}");
        }
        assert!(cells[2].chars().count() <= 72, "{line}");
    }
}

#[test]
fn rows_are_found() {
    for (path, row) in [
        ("services.*.ulimits", Some("services.*.ulimits")),
        ("services.*.blkio_config", Some("services.*.blkio_config")),
        ("services.*.ulimits.nofile", Some("services.*.ulimits.*")),
        (
            "services.*.storage_opt.dm.basesize",
            Some("services.*.storage_opt.*"),
        ),
        (
            "services.*.storage_opt.size",
            Some("services.*.storage_opt.size"),
        ),
        ("services.*.healthcheck.test.anything", None),
        ("services.*.attach.deep.down", Some("services.*.attach")),
        (
            "services.*.ports[].target",
            Some("services.*.ports[].target"),
        ),
        ("services.*.deploy.x-foo", Some("x-*")),
        ("x-top", Some("x-*")),
        ("services.*.x-foo.a[].b", Some("x-*")),
        (
            "volumes.*.x-cluster-spec.group",
            Some("volumes.*.x-cluster-spec.group"),
        ),
        ("volumes.*.x-cluster-spec.grup", None),
        ("services.*.ax-foo", None),
        ("services.*.portz", None),
        ("services.*.portz.target", None),
        ("portz", None),
        ("", None),
        ("...", None),
        ("[]", None),
        ("x", None),
    ] {
        assert_eq!(compose_key(path).map(|k| k.path), row, "{path}");
    }
    for (path, row) in [
        ("PodSpec.schedulerName", Some("PodSpec.schedulerName")),
        ("Probe.exec", Some("ProbeHandler.exec")),
        ("Probe.periodSeconds", Some("Probe.periodSeconds")),
        ("Volume.iscsi", Some("VolumeSource.iscsi")),
        (
            "PersistentVolumeSpec.csi",
            Some("PersistentVolumeSource.csi"),
        ),
        ("CSIVolumeSource.driver", Some("CSIVolumeSource.*")),
        ("EphemeralContainer.image", Some("EphemeralContainer.*")),
        (
            "ResourceRequirements.limits.hugepages-2Mi",
            Some("ResourceRequirements.limits.*"),
        ),
        (
            "ResourceRequirements.limits.nvidia.com/gpu",
            Some("ResourceRequirements.limits.*"),
        ),
        ("ObjectMeta.labels.a", Some("ObjectMeta.labels")),
        ("PodSpec.hostNetwrk", None),
        ("Volume.hostPaht", None),
        ("PodSpec", None),
        ("Nothing.at", None),
        ("", None),
    ] {
        assert_eq!(kubernetes_field(path).map(|f| f.field), row, "{path}");
    }
    assert!(kubernetes_kind("v1", "ServiceAccount").is_some());
    assert!(kubernetes_kind("networking.k8s.io/v1", "NetworkPolicy").is_some());
    assert!(kubernetes_kind("example.org/v1", "NetworkPolicy").is_none());
    assert!(kubernetes_kind("v1", "Nothing").is_none());
}

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
            "version",
            "",
            Compose,
            Target::Kubernetes,
            "version-key",
            "before the conversion",
        ),
        (
            "services.*.prots",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "did you mean `ports`?",
        ),
        (
            "service",
            "",
            Compose,
            Target::Kubernetes,
            "unknown-key",
            "did you mean `services`?",
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
            "did you mean `hostNetwork`?",
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
        report_whole(&[object(api_version, kind)], to, &mut findings);
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
fn explains_what_people_type() {
    for (query, best) in [
        ("ulimits-not-carried", "ulimits-not-carried"),
        ("ulimits", "services.*.ulimits"),
        ("services.web.ulimits", "services.*.ulimits"),
        ("services.*.ulimits", "services.*.ulimits"),
        ("Services.Web.ULIMITS", "services.*.ulimits"),
        ("`ulimits`", "services.*.ulimits"),
        ("services.web.ports[0].target", "services.*.ports[].target"),
        ("services.web.ports[0]", "services.*.ports[]"),
        ("deploy.placement", "services.*.deploy.placement"),
        ("services.web", "services.*"),
        ("services.web.labels.com_example", "services.*.labels.*"),
        ("networks.front.driver", "networks.*.driver"),
        ("PodSpec.hostNetwork", "PodSpec.hostNetwork"),
        ("podspec.hostnetwork", "PodSpec.hostNetwork"),
        ("spec.template.spec.hostNetwork", "PodSpec.hostNetwork"),
        ("spec.hostNetwork", "PodSpec.hostNetwork"),
        ("hostNetwork", "PodSpec.hostNetwork"),
        ("containers.lifecycle", "Container.lifecycle"),
        (
            "spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds",
            "SleepAction.seconds",
        ),
        ("deployment.spec.replicas", "DeploymentSpec.replicas"),
        ("statefulset.spec.replicas", "StatefulSetSpec.replicas"),
        (
            "spec.jobTemplate.spec.template.spec.nodeName",
            "PodSpec.nodeName",
        ),
        (
            "containers.securityContext.procMount",
            "SecurityContext.procMount",
        ),
        ("readinessProbe.httpGet.path", "HTTPGetAction.path"),
        ("volumes.nfs.server", "NFSVolumeSource.server"),
        ("resources.limits.cpu", "ResourceRequirements.limits.cpu"),
        ("HorizontalPodAutoscaler", "HorizontalPodAutoscaler"),
        ("serviceaccount", "ServiceAccount"),
        ("podAntiAffinity", "Affinity.podAntiAffinity"),
        (
            "TopologySpreadConstraint",
            "TopologySpreadConstraint.labelSelector",
        ),
    ] {
        let found = explain(query);
        assert_eq!(found.first().map(Explained::name), Some(best), "{query}");
    }
    for nonsense in [
        "",
        " ",
        ".",
        "....",
        "[]",
        "nothing-of-the-kind",
        &"a.".repeat(100_000),
        &"a".repeat(100_000),
    ] {
        assert_eq!(explain(nonsense), [], "{nonsense:.20}");
    }
}

#[test]
fn each_name_explains_itself() {
    for name in compose().paths().chain(kubernetes().paths()) {
        assert_eq!(explain(name).first().map(Explained::name), Some(name));
    }
}

#[test]
fn explanations_fit_the_screen() {
    let all = compose()
        .paths()
        .chain(kubernetes().paths())
        .chain(codes_of(COMPOSE_CODES))
        .chain(["name", "spec"]);
    for name in all {
        let text = explain_text(name).unwrap();
        for line in text.lines() {
            let breakable = line.trim_start().contains(' ');
            assert!(line.chars().count() <= 80 || !breakable, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{text}");
    }
    let text = explain_text("ulimits").unwrap();
    for part in [
        "services.*.ulimits",
        "no counterpart",
        "honoured",
        "[loss]",
        "What to do:",
        "soft",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(
        explain_text("ulimit")
            .unwrap_err()
            .contains("did you mean `ulimits`?")
    );
    assert!(
        explain_text("PodSpec.hostNetwrk")
            .unwrap_err()
            .contains("did you mean `hostNetwork`?")
    );
    assert!(
        explain_text("zzzzzzzzz")
            .unwrap_err()
            .contains("finding code")
    );
}
#[test]
#[ignore]
fn show() {
    for q in [
        "ulimits",
        "hostNetwork",
        "name",
        "deploy",
        "ulimits-not-carried",
        "build-detail",
        "HorizontalPodAutoscaler",
        "network-driver",
        "podAntiAffinity",
        "ports",
    ] {
        println!("=== {q}\n{}", explain_text(q).unwrap());
    }
}
