//! The form of a provider's catalog file.
//!
//! `catalog/schema.json` describes the same form for editors and validators. Each attribute of the neutral model has
//! a name (`attributes.yaml`); a row says at which key a provider keeps it and how it spells the values.

mod rows;
mod storage;

use indexmap::IndexMap;
use serde::Deserialize;

pub use rows::{
    Constant, DefaultValue, Drop, Effect, ExposureRule, Form, OneOrMany, Order, Requirement, Row,
    Scope, Unit, When,
};
pub use storage::{
    Binding, Formula, Instead, Provisioned, SecretUse, ShippedClass, SizeLimits, Storage,
    StorageKind, Tier, VolumeZone,
};

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
    /// Numbers that the provider refuses unless one is larger than the other.
    #[serde(default)]
    pub orders: Vec<Order>,
    /// Keys that are written besides.
    #[serde(default)]
    pub always: Vec<Constant>,
    /// Keys without a counterpart anywhere; `*` at the end is any text.
    #[serde(default)]
    pub drop: IndexMap<String, Drop>,
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
    /// The word of the class where it is an annotation, if it is the only one that is understood there.
    pub annotation_word: Option<String>,
    /// The class is written as an annotation, not as `ingressClassName`.
    #[serde(default)]
    pub class_annotation: bool,
    /// Whether an Ingress without a class belongs to this controller.
    #[serde(default)]
    pub without_class: bool,
    /// It is known by its annotations as well, whatever an Ingress's class is called.
    #[serde(default)]
    pub any_class: bool,
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
    /// Paths without a type of Kubernetes' own may end with `/*`, which is a prefix.
    #[serde(default)]
    pub globs: bool,
    /// So may those of the type `Prefix`.
    #[serde(default)]
    pub prefix_globs: bool,
    /// What `spec.tls` names.
    #[serde(default)]
    pub secrets: TlsSecrets,
    /// The annotation that rewrites what goes to one Service.
    pub transforms: Option<String>,
    /// Backends that are no Services but what an annotation says.
    pub actions: Option<Actions>,
    /// Where certificates that the provider makes itself keep the hosts they are for.
    pub managed_certificates: Option<ManagedCertificates>,
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

/// What an Ingress controller makes of the Secrets of `spec.tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsSecrets {
    /// Certificates and keys.
    #[default]
    Certificate,
    /// The id of a certificate, under the key of the catalog's `secrets.certificate-id`.
    CertificateId,
    /// Nothing: certificates are named by their ids.
    None,
}

/// Backends that are no Services: the annotation says what is done with the request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Actions {
    /// The annotation; `{service}` is the name of the backend.
    pub annotation: String,
    /// The port by which such a backend is known.
    pub port: String,
}

/// Certificates that the provider makes and renews.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ManagedCertificates {
    /// `kind` of the object.
    pub kind: String,
    /// The field with its hosts.
    pub hosts: String,
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
    /// Labels whose values are words of the provider: the label to neutral words and their values. A word that is
    /// missing is said by a node without the label.
    #[serde(default)]
    pub node_label_words: IndexMap<String, IndexMap<String, String>>,
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
