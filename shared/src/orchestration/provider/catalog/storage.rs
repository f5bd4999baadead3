//! Storage in a catalog: kinds, tiers, sizes and the classes that each cluster has.

use indexmap::IndexMap;
use serde::Deserialize;

use super::rows::{Constant, DefaultValue, Drop, Effect, OneOrMany, Requirement, Row};

/// How storage is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Storage {
    /// Beginnings of annotation and label keys of claims and volumes that belong to the provider.
    #[serde(default)]
    pub owns: Vec<String>,
    /// Node labels with a zone; the first is written into affinities of disks.
    pub zone_keys: Vec<String>,
    /// Where a volume says its zone.
    #[serde(default)]
    pub volume_zone: VolumeZone,
    /// `block`, `file`, `object` and `local`.
    pub kinds: IndexMap<String, StorageKind>,
    /// The classes that each cluster of the provider has.
    #[serde(default)]
    pub classes: IndexMap<String, ShippedClass>,
    /// Keys without a counterpart anywhere.
    #[serde(default)]
    pub drop: IndexMap<String, Drop>,
}

/// One kind of storage.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageKind {
    /// `driver` of CSI volumes; the first is written.
    #[serde(default)]
    pub drivers: Vec<String>,
    /// `provisioner` of classes; the first is written. Several kinds may share one.
    #[serde(default)]
    pub provisioners: Vec<String>,
    /// The parameter that tells kinds with one provisioner apart, and its value.
    pub selected_by: Option<(String, String)>,
    /// `driver` of flexVolumes (before CSI).
    #[serde(default)]
    pub flex_drivers: Vec<String>,
    /// Options of flexVolumes to patterns of attributes.
    #[serde(default)]
    pub flex_options: IndexMap<String, String>,
    /// Volume sources of Kubernetes itself: key to its fields with patterns of attributes.
    #[serde(default)]
    pub sources: IndexMap<String, IndexMap<String, String>>,
    /// The source is written in place of a CSI volume.
    #[serde(default)]
    pub write_source: bool,
    /// The volume handle as a pattern of attributes.
    #[serde(default)]
    pub handle: String,
    /// CSI attributes of a volume that exists, as patterns of attributes.
    #[serde(default)]
    pub attributes: IndexMap<String, String>,
    /// Constants of a volume that exists: `metadata` annotations and labels.
    #[serde(default)]
    pub volume_always: Vec<Constant>,
    /// Access modes.
    pub modes: Vec<String>,
    /// The class that volumes and claims name which exist already.
    #[serde(default)]
    pub static_class: String,
    /// Whether a claim can make a new volume.
    #[serde(default = "yes")]
    pub dynamic: bool,
    /// The kind that takes its place, if the provider does not have this one.
    pub instead: Option<Instead>,
    /// `fsType` of CSI volumes as a pattern of attributes.
    #[serde(default)]
    pub fs_type: String,
    /// The program that understands the mount options; they are carried between kinds with the same one.
    #[serde(default)]
    pub options: String,
    /// The CSI attribute that has the options as `-o a -o b`, in place of `mountOptions`.
    pub options_attribute: Option<String>,
    /// The Secret that opens the volume.
    pub secret: Option<SecretUse>,
    /// Kinds of disks, from the cheapest on.
    #[serde(default)]
    pub tiers: IndexMap<String, Tier>,
    /// The tier where the source does not tell what it needs.
    pub default_tier: Option<String>,
    /// Smallest, largest size in GiB and its step; the tiers' own win.
    #[serde(default)]
    pub size: SizeLimits,
    /// Attributes.
    #[serde(default)]
    pub rows: IndexMap<String, OneOrMany<Row>>,
    /// Attributes of classes that must have a value which nobody but a person knows.
    #[serde(default)]
    pub requires: Vec<Requirement>,
    /// Attributes that must have a value.
    #[serde(default)]
    pub defaults: Vec<DefaultValue>,
    /// Parameters, annotations that are written besides.
    #[serde(default)]
    pub always: Vec<Constant>,
    /// Annotations of each pod that uses such a volume.
    #[serde(default)]
    pub pod_annotations: IndexMap<String, String>,
    /// Mount options that a class or volume gets where the source has none.
    #[serde(default)]
    pub mount_options: Vec<String>,
    /// Whether classes of this kind can be expanded.
    #[serde(default)]
    pub expand: bool,
    /// Parameters, attributes and options without a counterpart.
    #[serde(default)]
    pub drop: IndexMap<String, Drop>,
}

fn yes() -> bool {
    true
}

/// Limits on sizes, in GiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SizeLimits {
    /// The smallest.
    pub min: Option<u64>,
    /// The largest.
    pub max: Option<u64>,
    /// Multiples of this.
    pub step: Option<u64>,
}

/// A kind of disk.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tier {
    /// The values of the parameters that make it, by attribute (`tier`, `level`).
    pub is: IndexMap<String, OneOrMany<String>>,
    /// IOPS by size.
    pub iops: Option<Formula>,
    /// MB/s by size.
    pub throughput: Option<Formula>,
    /// IOPS that can be asked for.
    pub provisioned_iops: Option<Provisioned>,
    /// MB/s that can be asked for.
    pub provisioned_throughput: Option<Provisioned>,
    /// Limits on the size.
    #[serde(default)]
    pub size: SizeLimits,
    /// MB/s that each of the asked IOPS brings besides.
    #[serde(default)]
    pub throughput_per_extra_iops: f64,
    /// It is chosen only for what asks for IOPS or throughput of its own, or if nothing else is fast enough.
    #[serde(default)]
    pub on_request: bool,
    /// It is read, but not chosen: an older generation.
    #[serde(default)]
    pub read_only: bool,
}

/// A performance by size C in GiB: min(max, base + per-gib × C), or steps.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Formula {
    /// At size 0.
    #[serde(default)]
    pub base: f64,
    /// For each GiB.
    #[serde(default)]
    pub per_gib: f64,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// From this size in GiB on, so much.
    #[serde(default)]
    pub steps: Vec<(u64, f64)>,
}

/// A performance that can be asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Provisioned {
    /// The smallest that can be asked for.
    #[serde(default)]
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The largest for each GiB.
    pub per_gib: Option<f64>,
    /// For throughput: the largest for each IOPS.
    pub per_iops: Option<f64>,
    /// The largest above what the size gives.
    pub extra: Option<f64>,
    /// It must be asked for.
    #[serde(default)]
    pub always: bool,
}

/// A class that each cluster of the provider has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ShippedClass {
    /// The kind of storage.
    pub kind: String,
    /// When volumes are made.
    #[serde(default)]
    pub binding: Binding,
    /// Attributes that it sets.
    #[serde(default)]
    pub values: IndexMap<String, String>,
    /// Attributes that each claim may set besides, by annotations.
    #[serde(default)]
    pub open: Vec<String>,
    /// Attributes that each claim must have.
    #[serde(default)]
    pub needs: Vec<String>,
    /// It is read, but not chosen.
    #[serde(default)]
    pub read_only: bool,
}

/// The kind of storage that takes the place of another.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Instead {
    /// The kind.
    pub kind: String,
    /// How much that matters.
    pub effect: Effect,
    /// What it means, in a sentence.
    pub what: String,
}

/// The Secret that opens a volume.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretUse {
    /// `node-publish` or `node-stage`.
    pub purpose: String,
    /// A volume without it does not work.
    #[serde(default)]
    pub required: bool,
}

/// Where a volume says its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeZone {
    /// `nodeAffinity`
    #[default]
    Affinity,
    /// Labels.
    Labels,
}

/// When volumes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// With the claim.
    #[default]
    Immediate,
    /// With the first pod, in its zone.
    Wait,
}
