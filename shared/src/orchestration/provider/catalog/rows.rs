//! Rows of a catalog: at which key an attribute is kept, how its values are spelled, and what holds without it.

use indexmap::IndexMap;
use serde::Deserialize;

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

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
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
    /// It is read only where no row before it gave the attribute a value.
    #[serde(default)]
    pub fallback: bool,
    /// Values that ask for what holds without the key: they are read as nothing.
    #[serde(default)]
    pub nothing: Vec<String>,
    /// Protocols before a colon whose names are others here: `tls` to `tcpssl`; empty for one that there is not.
    #[serde(default)]
    pub protocols: IndexMap<String, String>,
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
    /// The ports with TLS (`443,8443`) for `https:443,https:8443`.
    TlsPorts,
    /// What takes the place of the path that was matched; the neutral model has a replacement with captures.
    Prefix,
    /// `http_2xx,http_3xx` for `200-399`.
    StatusClasses,
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
    /// For those whose companion of this name is part of the input.
    pub companion: Option<String>,
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

/// A number that must be larger than another one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Order {
    /// The attribute that must be larger.
    pub attribute: String,
    /// The attribute that it is compared with.
    pub above: String,
    /// What the first one is where nothing says it.
    pub default: i64,
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
