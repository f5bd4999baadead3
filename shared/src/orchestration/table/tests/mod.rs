//! The tables themselves: whole, without doubles, and in step with the catalogs.

mod explain;
mod report;

use std::collections::BTreeSet;

use super::report::OWN_CODES;
use super::rows::{FIELDS, KEYS, KINDS, compose, field, key, kind, kinds, kubernetes, lines};
use super::*;
use crate::finding::{Severity, explain as meaning};

/// Paths of all Compose schemas (v1, 2.0 to 2.4, 3.0 to 3.13, today's specification).
const SCHEMA_PATHS: usize = 515;
/// Keys that the schemas leave open, and that readers meet.
const OPEN_KEYS: [&str; 4] = [
    "services.*.log_opt.*",
    "services.*.storage_opt.*",
    "services.*.storage_opt.size",
    "x-*",
];
/// What readers leave over of keys that they take otherwise.
const KEY_RESTS: [&str; 5] = [
    "networks.*.driver",
    "services.*.logging",
    "services.*.security_opt[]",
    "services.*.storage_opt",
    "services.*.volumes_from[]",
];
/// Fields of the API, and types with one row for all their fields.
const API_FIELDS: usize = 778;
/// What readers leave over of fields that they take otherwise.
const FIELD_RESTS: [&str; 3] = [
    "HTTPGetAction.httpHeaders",
    "PodSpec.topologySpreadConstraints",
    "PodSpec.volumes",
];

/// Unsupported, but mostly harmless as it is mostly used.
const NO_LOSS: [&str; 2] = ["log-shipping", "network-driver"];

const COMPOSE_CODES: &str = include_str!("../../../finding/catalog/compose-keys.tsv");
const KUBERNETES_CODES: &str = include_str!("../../../finding/catalog/kubernetes-fields.tsv");

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
    assert_eq!(compose().paths().count(), SCHEMA_PATHS + OPEN_KEYS.len());
    assert_eq!(
        compose().all().count(),
        lines(KEYS).count(),
        "a key stands twice"
    );
    assert_eq!(kubernetes().paths().count(), API_FIELDS);
    assert_eq!(
        kubernetes().all().count(),
        lines(FIELDS).count(),
        "a field stands twice"
    );
    assert_eq!(
        lines(KEYS).count(),
        SCHEMA_PATHS + OPEN_KEYS.len() + KEY_RESTS.len()
    );
    assert_eq!(lines(FIELDS).count(), API_FIELDS + FIELD_RESTS.len());
    for path in KEY_RESTS {
        assert!(
            compose().rest(path).is_some() && compose().get(path).is_some(),
            "{path}"
        );
    }
    for path in FIELD_RESTS {
        assert!(
            kubernetes().rest(path).is_some() && kubernetes().get(path).is_some(),
            "{path}"
        );
    }
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
    let keys = treatments(compose().all().map(|k| k.kubernetes).collect());
    let fields = treatments(
        kubernetes()
            .all()
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
    for row in compose().all() {
        check(row.path, row.kubernetes);
    }
    for row in kubernetes().all() {
        check(row.field, row.compose);
        check(row.field, row.swarm);
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
