//! The kinds that are read from a cluster, by the names that kubectl has for them.

use kube::api::{ApiResource, GroupVersionKind};

/// A kind of object.
#[expect(clippy::struct_field_names, reason = "`kind` is the word of the API")]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    short: &'static str,
    /// It runs containers.
    pub(super) is_workload: bool,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
    is_workload: bool,
) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        short,
        is_workload,
    }
}

/// All kinds; what runs containers first, and of those the owners first.
pub(super) const KINDS: [Kind; 19] = [
    kind("apps", "v1", "Deployment", "deployments", "deploy", true),
    kind("apps", "v1", "StatefulSet", "statefulsets", "sts", true),
    kind("apps", "v1", "DaemonSet", "daemonsets", "ds", true),
    kind("batch", "v1", "CronJob", "cronjobs", "cj", true),
    kind("batch", "v1", "Job", "jobs", "job", true),
    kind(
        "",
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        "rc",
        true,
    ),
    kind("apps", "v1", "ReplicaSet", "replicasets", "rs", true),
    kind("", "v1", "Pod", "pods", "po", true),
    kind("", "v1", "Service", "services", "svc", false),
    kind("", "v1", "ConfigMap", "configmaps", "cm", false),
    kind("", "v1", "Secret", "secrets", "secret", false),
    kind(
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "pvc",
        false,
    ),
    kind(
        "networking.k8s.io",
        "v1",
        "Ingress",
        "ingresses",
        "ing",
        false,
    ),
    kind(
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        "netpol",
        false,
    ),
    kind(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        false,
    ),
    kind(
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "pdb",
        false,
    ),
    kind("", "v1", "ServiceAccount", "serviceaccounts", "sa", false),
    kind(
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
        "rolebinding",
        false,
    ),
    kind(
        "rbac.authorization.k8s.io",
        "v1",
        "Role",
        "roles",
        "role",
        false,
    ),
];

impl Kind {
    /// `v1`, `apps/v1`
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(super) fn resource(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&kind, self.plural)
    }

    /// `deployment/web`
    pub(super) fn with(&self, name: &str) -> String {
        format!("{}/{name}", self.kind.to_lowercase())
    }

    /// The kind of that name: `Deployment`. It is one of ours by construction, or nothing is found.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.kind == name)
    }

    /// The kind of an object by its `apiVersion` (the version may be another) and `kind`.
    pub(super) fn of(api_version: &str, name: &str) -> Option<&'static Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self::named(name).filter(|kind| kind.group == group)
    }

    /// The kind that a user means: `deploy`, `deployments`, `deployment.apps`, `deployments.v1.apps`.
    pub(super) fn meant(word: &str) -> Option<&'static Self> {
        let word = word.to_lowercase();
        let (name, group) = match word.split_once('.') {
            None => (word.as_str(), None),
            Some((name, rest)) => (name, Some(rest)),
        };
        KINDS.iter().find(|kind| {
            let named =
                name == kind.plural || name == kind.short || name == kind.kind.to_lowercase();
            let grouped = group.is_none_or(|group| {
                group == kind.group
                    || group == format!("{}.{}", kind.version, kind.group)
                    || (kind.group.is_empty() && group.trim_end_matches('.') == kind.version)
            });
            named && grouped
        })
    }
}

/// What runs containers.
pub(super) fn workloads() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| kind.is_workload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_kubectl_is_understood() {
        for word in [
            "deploy",
            "Deployment",
            "deployments",
            "deployment.apps",
            "deployments.v1.apps",
        ] {
            assert_eq!(
                Kind::meant(word).map(|kind| kind.kind),
                Some("Deployment"),
                "{word}"
            );
        }
        assert_eq!(Kind::meant("po").map(|kind| kind.kind), Some("Pod"));
        assert_eq!(Kind::meant("pods.v1.").map(|kind| kind.kind), Some("Pod"));
        assert!(Kind::meant("deployments.extensions").is_none());
        assert!(Kind::meant("gateways").is_none());
    }
}
