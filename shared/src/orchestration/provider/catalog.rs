//! The form of a provider's catalog file.
//!
//! `catalog/schema.json` describes the same form for editors and validators. Each attribute of the neutral model has
//! a name (`attributes.yaml`); a row says at which key a provider keeps it and how it spells the values.

use indexmap::IndexMap;
use serde::Deserialize;

/// A provider's catalog.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Catalog {
    /// Version of the form: 1.
    pub schema: u32,
    /// The name on the command line, in lower case.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// Other names on the command line, in lower case.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What tells that objects were made for this provider.
    pub signatures: Vec<Signature>,
    /// Services of type LoadBalancer.
    pub service: Section,
    /// Ingresses of the provider's own controller.
    pub ingress: Ingress,
    /// Volumes, claims and classes.
    pub storage: Storage,
    /// Pods.
    pub pods: Pods,
    /// Secrets.
    #[serde(default)]
    pub secrets: Secrets,
    /// Objects of the provider's own kinds.
    #[serde(default)]
    pub companions: IndexMap<String, Companion>,
}

/// Something that only this provider's objects have.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Signature {
    /// Where to look.
    pub r#in: Place,
    /// What stands there; `*` is any text.
    pub is: String,
    /// For keys: what the value must be; `*` is any text. Any of them.
    #[serde(default)]
    pub value: Vec<String>,
    /// Others may have chosen the same name.
    #[serde(default)]
    pub weak: bool,
}

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A key of any annotations.
    Annotation,
    /// A key of any labels, node selectors or affinity terms.
    Label,
    /// `provisioner` of a StorageClass, or the provisioner annotations of a claim or volume.
    Provisioner,
    /// `driver` of a CSI volume or snapshot class.
    Driver,
    /// `driver` of a flexVolume.
    FlexDriver,
    /// A key of a volume source.
    VolumeSource,
    /// The name of a storage class.
    StorageClass,
    /// `ingressClassName`, or its annotation.
    IngressClass,
    /// `controller` of an IngressClass.
    IngressController,
    /// `loadBalancerClass` of a Service.
    LoadBalancerClass,
    /// The key of a toleration.
    Toleration,
    /// An image reference.
    Image,
    /// A name of `imagePullSecrets`.
    PullSecret,
    /// `type` of a Secret.
    SecretType,
    /// `kind/group` of an object.
    Kind,
}

/// How the attributes of one sort of object are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Section {
    /// What `~` at the beginning of a key of annotations stands for.
    #[serde(default)]
    pub prefix: String,
    /// Beginnings of the annotation and label keys that belong to the provider.
    #[serde(default)]
    pub owns: Vec<String>,
    /// Beginnings of older keys, and what they are today.
    #[serde(default)]
    pub renamed: IndexMap<String, String>,
    /// Who can reach a load balancer that does not say so: the first line that fits.
    #[serde(default)]
    pub exposure: Vec<ExposureRule>,
    /// Attribute to its places; the first that fits is written, all are read.
    #[serde(default)]
    pub rows: IndexMap<String, OneOrMany<Row>>,
    /// Attributes that must have a value where the source gives none.
    #[serde(default)]
    pub defaults: Vec<DefaultValue>,
    /// Attributes that must have a value which nobody but a person knows.
    #[serde(default)]
    pub requires: Vec<Requirement>,
    /// Keys that are written besides.
    #[serde(default)]
    pub always: Vec<Constant>,
    /// Keys without a counterpart anywhere; `*` at the end is any text.
    #[serde(default)]
    pub drop: IndexMap<String, Drop>,
}

/// One value or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter(),
            Self::Many(many) => many.iter(),
        }
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        match self {
            Self::One(one) => std::slice::from_mut(one).iter_mut(),
            Self::Many(many) => many.iter_mut(),
        }
    }
}

/// Conditions on the neutral attributes: a value, one of several, `*` for any, null for none.
pub type When = IndexMap<String, Option<OneOrMany<String>>>;

/// Where a provider keeps an attribute.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Row {
    /// A key of the annotations.
    pub annotation: Option<String>,
    /// A key of the labels.
    pub label: Option<String>,
    /// A path of the object: `spec.loadBalancerIP`; `[*]` stands for each item of a list.
    pub field: Option<String>,
    /// A key of a StorageClass's parameters.
    pub parameter: Option<String>,
    /// A key of a CSI volume's attributes.
    pub attribute: Option<String>,
    /// A key of a flexVolume's options.
    pub option: Option<String>,
    /// The member of a JSON text that stands at the key.
    pub json: Option<String>,
    /// The name in a text of the form `a=b,c=d` that stands at the key.
    pub pairs: Option<String>,
    /// Another object that has the key: `service` (behind an Ingress) or a companion.
    pub on: Option<String>,
    /// Neutral value to the provider's; of several, the first is written. Empty: the key is left out.
    #[serde(default)]
    pub words: IndexMap<String, OneOrMany<String>>,
    /// The provider's unit, where it is not that of the neutral model (seconds).
    pub unit: Option<Unit>,
    /// Smallest and largest value at this provider, in its own unit.
    pub range: Option<(i64, i64)>,
    /// How the text is made.
    #[serde(default)]
    pub form: Form,
    /// The value is a number, not a text.
    #[serde(default)]
    pub number: bool,
    /// The value is a boolean, not a text.
    #[serde(default)]
    pub boolean: bool,
    /// When this row is written.
    #[serde(default)]
    pub when: When,
    /// The switches that are written together with it. When reading, the attribute counts if they stand like this.
    #[serde(default)]
    pub along: Vec<Constant>,
    /// Attributes that have a value because this one is there.
    #[serde(default)]
    pub implies: IndexMap<String, String>,
    /// An old place: it is read, but not written.
    #[serde(default)]
    pub read_only: bool,
    /// A field of Kubernetes itself: it stays where it is when it was read.
    #[serde(default)]
    pub keep: bool,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// 60 seconds.
    Minutes,
    /// A thousandth of a second.
    Milliseconds,
}

/// How a value is made into text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As it is.
    #[default]
    Text,
    /// One value only; the neutral model has a list.
    First,
    /// `{"values": [...]}`
    JsonValues,
    /// A list of Kubernetes, not a text.
    List,
    /// `$1` is spelled `${1}`.
    Braces,
    /// `[{"HTTP":80},{"HTTPS":443}]` for `http:80,https:443`.
    ListenPorts,
    /// `80` for `http:80`; the certificate tells `https`.
    Port,
    /// What is asked for above that which the tier gives.
    AboveBaseline,
    /// `a:b,c:d` for `a=b,c=d`.
    ColonPairs,
    /// `{"a":"b"}` for `a=b`.
    JsonPairs,
    /// `{"80":{"protocol":["HTTP"]}}` for `http:80`.
    SpecifyProtocol,
    /// A path without captures; the neutral model has one that may have them.
    Prefix,
}

/// A key with a fixed value. `{name}` and `{namespace}` are those of the object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Constant {
    /// A key of the annotations.
    pub annotation: Option<String>,
    /// A key of the labels.
    pub label: Option<String>,
    /// A path of the object.
    pub field: Option<String>,
    /// A key of a StorageClass's parameters.
    pub parameter: Option<String>,
    /// A key of a CSI volume's attributes.
    pub attribute: Option<String>,
    /// The member of a JSON text.
    pub json: Option<String>,
    /// The name in a text of the form `a=b,c=d`.
    pub pairs: Option<String>,
    /// The value.
    pub value: String,
    /// The value is a number.
    #[serde(default)]
    pub number: bool,
    /// The value is a boolean.
    #[serde(default)]
    pub boolean: bool,
    /// When it is written.
    #[serde(default)]
    pub when: When,
}

/// Who can reach a load balancer that does not say so.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExposureRule {
    /// For which ones.
    #[serde(default)]
    pub when: When,
    /// For those with this annotation.
    pub annotation: Option<String>,
    /// `public`, `internal`, `none` (no load balancer is made) or `unknown`.
    pub scope: Scope,
}

/// Who can reach a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The internet.
    Public,
    /// The provider's private network.
    Internal,
    /// Nobody: no load balancer is made.
    None,
    /// The manifest does not tell.
    Unknown,
}

/// An attribute's value where the source gives none.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DefaultValue {
    /// The attribute.
    pub attribute: String,
    /// Its value.
    pub value: String,
    /// When it is needed.
    #[serde(default)]
    pub when: When,
}

/// An attribute whose value nobody but a person knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Requirement {
    /// The attribute; its kind of id is that of `attributes.yaml`.
    pub attribute: String,
    /// What it is needed for.
    pub purpose: String,
    /// The kind of the mapping file, where the attribute is no id itself.
    pub id: Option<String>,
    /// The attribute of the source that it takes the place of; the mapping file maps its value.
    pub of: Option<String>,
    /// Attributes that get another value along with it; null for none.
    #[serde(default)]
    pub sets: IndexMap<String, Option<String>>,
    /// How many are needed.
    #[serde(default = "one")]
    pub count: usize,
    /// When it is needed.
    #[serde(default)]
    pub when: When,
}

fn one() -> usize {
    1
}

/// A key without a counterpart anywhere.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Drop {
    /// How much that matters.
    pub effect: Effect,
    /// What it does, in a few words.
    pub what: String,
}

/// How much the absence of something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing behaves differently.
    Info,
    /// Something behaves a little differently.
    Warning,
    /// Something does not work any more.
    Loss,
}

/// How Ingresses of the provider's own controller are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ingress {
    /// The class names of the provider's own controller; the first is written.
    pub classes: Vec<String>,
    /// Its `controller` in IngressClass objects.
    #[serde(default)]
    pub controllers: Vec<String>,
    /// The class for load balancers of the private network, where that is a class of its own.
    pub internal_class: Option<String>,
    /// The class is written as an annotation, not as `ingressClassName`.
    #[serde(default)]
    pub class_annotation: bool,
    /// Whether an Ingress without a class belongs to this controller.
    #[serde(default)]
    pub without_class: bool,
    /// Service types that the controller reaches; empty for any.
    #[serde(default)]
    pub backends: Vec<String>,
    /// The attributes under which each type of Service is reached.
    #[serde(default)]
    pub any_backend_when: When,
    /// Key of `property` in each path that says how the path is matched, with its words.
    pub path_property: Option<PathProperty>,
    /// Whether regular expressions in paths work.
    #[serde(default)]
    pub regex: bool,
    /// `pathType` of paths that are regular expressions.
    #[serde(default = "by_controller")]
    pub regex_path_type: String,
    /// Attributes.
    #[serde(default)]
    pub settings: Section,
}

fn by_controller() -> String {
    "ImplementationSpecific".to_owned()
}

/// A field in each path that Kubernetes itself does not have.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PathProperty {
    /// The key.
    pub key: String,
    /// `exact`, `prefix` and `regex` to the provider's words.
    pub words: IndexMap<String, String>,
}

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

/// How pods are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pods {
    /// Beginnings of annotation keys that belong to the provider.
    #[serde(default)]
    pub owns: Vec<String>,
    /// Attributes of pods.
    #[serde(default)]
    pub rows: IndexMap<String, OneOrMany<Row>>,
    /// Annotations without a counterpart.
    #[serde(default)]
    pub drop: IndexMap<String, Drop>,
    /// Attribute of nodes (`node-pool`, ...) to the labels that have it; the first is written.
    #[serde(default)]
    pub node_labels: IndexMap<String, OneOrMany<String>>,
    /// Beginnings of node labels and taints that only this provider has.
    #[serde(default)]
    pub owns_node_labels: Vec<String>,
    /// Pull secrets that the provider makes by itself in each namespace.
    #[serde(default)]
    pub pull_secrets: Vec<String>,
    /// Pods name one of them to pull from the provider's registry.
    #[serde(default)]
    pub needs_pull_secret: bool,
    /// Registry hosts; `*` is any text.
    #[serde(default)]
    pub registries: Vec<String>,
}

/// How Secrets are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Secrets {
    /// Types of certificates besides `kubernetes.io/tls`.
    #[serde(default)]
    pub tls_types: Vec<String>,
    /// Key of a Secret that holds the id of a certificate.
    pub certificate_id: Option<String>,
    /// Credentials of storage.
    pub storage: Option<StorageSecret>,
}

/// The Secret with which a driver reaches a bucket or share.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageSecret {
    /// `type`
    #[serde(default = "opaque")]
    pub r#type: String,
    /// `access-key` and `secret-key` to the keys of the Secret; of several, the first is written.
    pub keys: IndexMap<String, OneOrMany<String>>,
    /// Labels that it must have.
    #[serde(default)]
    pub labels: IndexMap<String, String>,
}

fn opaque() -> String {
    "Opaque".to_owned()
}

/// An object of the provider's own kinds that holds attributes of another object.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Companion {
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// It has no namespace.
    #[serde(default)]
    pub cluster: bool,
    /// How an object names it.
    pub link: Link,
    /// What it is made from: a template for tera with `name`, `namespace`, `ports`, `hosts`; documents of YAML.
    pub template: String,
    /// It is made even if no attribute needs it.
    #[serde(default)]
    pub always: bool,
    /// Paths without a counterpart; `*` at the end is any text.
    #[serde(default)]
    pub drop: IndexMap<String, Drop>,
}

/// How an object names its companion.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Link {
    /// The object that names it: `service` or `ingress`.
    pub from: String,
    /// The annotation with its name.
    pub annotation: Option<String>,
    /// The member of the JSON text in that annotation.
    pub json: Option<String>,
    /// It is the `parameters` of the Ingress's class.
    #[serde(default)]
    pub class: bool,
}

impl Catalog {
    /// Writes out the prefixes that `~` stands for.
    pub(super) fn expand(&mut self) {
        self.service.expand();
        self.ingress.settings.expand();
    }
}

impl Section {
    fn expand(&mut self) {
        let prefix = self.prefix.clone();
        let full = |key: &mut String| {
            if let Some(rest) = key.strip_prefix('~') {
                *key = format!("{prefix}{rest}");
            }
        };
        for row in self.rows.values_mut().flat_map(OneOrMany::iter_mut) {
            row.annotation.iter_mut().for_each(full);
            for along in &mut row.along {
                along.annotation.iter_mut().for_each(full);
            }
        }
        for constant in &mut self.always {
            constant.annotation.iter_mut().for_each(full);
        }
        for rule in &mut self.exposure {
            rule.annotation.iter_mut().for_each(full);
        }
        self.drop = std::mem::take(&mut self.drop)
            .into_iter()
            .map(|(mut key, drop)| {
                full(&mut key);
                (key, drop)
            })
            .collect();
    }
}
