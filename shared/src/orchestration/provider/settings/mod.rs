//! Attributes out of the keys of the source, and into the keys of the target.

mod leftover;
mod read;
mod write;

use indexmap::IndexMap;

use super::catalog::{Constant, DefaultValue, Drop, OneOrMany, Order, Requirement, Row, Section};
use crate::source::KeyPath;

pub(super) use read::read;
pub(super) use write::{ForCompanion, complete, write};

/// In a key: it stands once for each item of a list, numbered from 1.
const NUMBER: &str = "{n}";
/// As a member of a JSON text: the name of the Service's first port.
const PORT_NAME: &str = "{port-name}";

/// The parts of a catalog that say how one sort of object keeps its attributes.
#[derive(Clone, Copy)]
pub(super) struct View<'v> {
    pub(super) rows: &'v IndexMap<String, OneOrMany<Row>>,
    pub(super) owns: &'v [String],
    pub(super) renamed: Option<&'v IndexMap<String, String>>,
    pub(super) drop: &'v IndexMap<String, Drop>,
    pub(super) defaults: &'v [DefaultValue],
    pub(super) requires: &'v [Requirement],
    pub(super) orders: &'v [Order],
    pub(super) always: &'v [Constant],
}

impl Section {
    pub(super) fn view(&self) -> View<'_> {
        View {
            rows: &self.rows,
            owns: &self.owns,
            renamed: Some(&self.renamed),
            drop: &self.drop,
            defaults: &self.defaults,
            requires: &self.requires,
            orders: &self.orders,
            always: &self.always,
        }
    }
}

/// Where in an object the keys stand. A place that is not there cannot be read or written.
#[derive(Debug, Clone, Default)]
pub(super) struct Holder {
    pub(super) object: usize,
    pub(super) annotations: Option<KeyPath>,
    pub(super) labels: Option<KeyPath>,
    pub(super) fields: Option<KeyPath>,
    pub(super) parameters: Option<KeyPath>,
    pub(super) attributes: Option<KeyPath>,
    pub(super) options: Option<KeyPath>,
    /// There is a certificate, so that a port without a protocol is one of HTTPS.
    pub(super) tls: bool,
}

impl Holder {
    /// The annotations and labels of an object, and its fields.
    pub(super) fn of_object(object: usize) -> Self {
        let metadata = KeyPath::root().key("metadata");
        Self {
            object,
            annotations: Some(metadata.key("annotations")),
            labels: Some(metadata.key("labels")),
            fields: Some(KeyPath::root()),
            ..Self::default()
        }
    }

    fn place(&self, place: &Place<'_>) -> Option<KeyPath> {
        Some(match place {
            Place::Annotation(key) => self.annotations.as_ref()?.key(key),
            Place::Label(key) => self.labels.as_ref()?.key(key),
            Place::Field(path) => {
                self.fields.as_ref()?;
                KeyPath::root().join(path)
            }
            Place::Parameter(key) => self.parameters.as_ref()?.key(key),
            Place::Attribute(key) => self.attributes.as_ref()?.key(key),
            Place::Option(key) => self.options.as_ref()?.key(key),
        })
    }
}

enum Place<'r> {
    Annotation(&'r str),
    Label(&'r str),
    Field(&'r str),
    Parameter(&'r str),
    Attribute(&'r str),
    Option(&'r str),
}

fn places(row: &Row) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    places.extend(row.parameter.as_deref().map(Place::Parameter));
    places.extend(row.attribute.as_deref().map(Place::Attribute));
    places.extend(row.option.as_deref().map(Place::Option));
    places.extend(row.annotation.as_deref().map(Place::Annotation));
    places.extend(row.label.as_deref().map(Place::Label));
    places.extend(row.field.as_deref().map(Place::Field));
    places
}

fn constant_places(row: &Constant) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    places.extend(row.parameter.as_deref().map(Place::Parameter));
    places.extend(row.attribute.as_deref().map(Place::Attribute));
    places.extend(row.annotation.as_deref().map(Place::Annotation));
    places.extend(row.label.as_deref().map(Place::Label));
    places.extend(row.field.as_deref().map(Place::Field));
    places
}
