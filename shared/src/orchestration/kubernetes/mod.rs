//! Kubernetes objects.

pub mod live;
pub mod load;
pub mod read;
pub mod write;

use crate::orchestration::model::Controller;

/// The choices that a conversion to Kubernetes must not guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesOptions {
    /// What a long-running service becomes (`--controller`).
    pub controller: ControllerChoice,
    /// Namespace of all objects; `None` leaves it to kubectl's context.
    pub namespace: Option<String>,
    /// What a published port becomes (`--publish`).
    pub publish: Publish,
    /// What a bind mount becomes (`--binds`).
    pub binds: BindPolicy,
    /// What `depends_on` becomes (`--start-order`).
    pub start_order: StartOrder,
    /// How references to images change (`--to-registry`, `--map-registry`).
    pub images: crate::images::rewrite::Rules,
    /// Image of the containers that wait for others (`--wait-image`).
    pub wait_image: String,
    /// What a health check becomes (`--probes`).
    pub probes: ProbePolicy,
    /// Size of a claim where the source gives none (`--storage-size`), in bytes.
    pub storage_size: u64,
    /// Storage class of all claims (`--storage-class`); `None` is the cluster's default.
    pub storage_class: Option<String>,
    /// Storage classes by Docker volume driver (`--storage-class-for DRIVER=CLASS`).
    pub driver_classes: std::collections::BTreeMap<String, String>,
    /// NetworkPolicies for Compose networks (`--network-policies`).
    pub network_policies: bool,
    /// Fill a fresh volume with what the image has at its mount point, as Docker does (`--copy-up`).
    pub copy_up: bool,
    /// Numeric ids of named users (`--uid NAME=UID[:GID]`).
    pub users: std::collections::BTreeMap<String, (i64, Option<i64>)>,
    /// Key of the content in an external Secret or ConfigMap (`--external-key`).
    pub external_key: String,
    /// Names of image pull secrets (`--image-pull-secret`).
    pub pull_secrets: Vec<String>,
    /// Ingress class, for `--publish ingress`.
    pub ingress_class: Option<String>,
}

/// What a long-running service becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControllerChoice {
    /// What the source says; a Deployment where it says nothing.
    #[default]
    Auto,
    /// This controller.
    Replicas(Controller),
    /// `DaemonSet`
    DaemonSet,
    /// `StatefulSet`
    StatefulSet,
    /// A bare `Pod`.
    Pod,
}

/// What a published port becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Publish {
    /// A Service of type LoadBalancer on the published port.
    #[default]
    LoadBalancer,
    /// A Service of type NodePort.
    NodePort,
    /// A Service inside of the cluster only.
    ClusterIp,
    /// An Ingress for TCP ports that speak HTTP, a LoadBalancer for the others.
    Ingress,
}

/// What a bind mount becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BindPolicy {
    /// Small files and folders of the project that are there: a ConfigMap; other paths of the project: a claim;
    /// absolute paths: a path of the node.
    #[default]
    Auto,
    /// A ConfigMap with the content; an error where that cannot hold it.
    ConfigMap,
    /// The same path on the node.
    HostPath,
    /// A claim that has to be filled by hand.
    Claim,
}

/// What `depends_on` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartOrder {
    /// Nothing: Kubernetes starts everything at once and restarts what fails.
    #[default]
    None,
    /// Init containers that wait for the Services of the dependencies.
    Wait,
}

/// What a health check becomes, beside the startup probe that looks for the first good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProbePolicy {
    /// As the source's engine acts on it: readiness for Compose; readiness and liveness for Swarm.
    #[default]
    Auto,
    /// Readiness only.
    Ready,
    /// Readiness and liveness.
    ReadyAndLive,
}

impl Default for KubernetesOptions {
    fn default() -> Self {
        Self {
            controller: ControllerChoice::default(),
            namespace: None,
            publish: Publish::default(),
            binds: BindPolicy::default(),
            start_order: StartOrder::default(),
            images: crate::images::rewrite::Rules::default(),
            wait_image: "docker.io/library/busybox:1.37".to_owned(),
            probes: ProbePolicy::default(),
            storage_size: 1 << 30,
            storage_class: None,
            driver_classes: std::collections::BTreeMap::new(),
            network_policies: false,
            copy_up: false,
            users: std::collections::BTreeMap::new(),
            external_key: "file".to_owned(),
            pull_secrets: Vec::new(),
            ingress_class: None,
        }
    }
}
