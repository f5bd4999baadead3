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

    /// The mapping that keys of a sort stand in.
    fn mapping(&self, place: &Place<'_>) -> Option<&KeyPath> {
        match place {
            Place::Annotation(_) => self.annotations.as_ref(),
            Place::Label(_) => self.labels.as_ref(),
            Place::Field(_) => self.fields.as_ref(),
            Place::Parameter(_) => self.parameters.as_ref(),
            Place::Attribute(_) => self.attributes.as_ref(),
            Place::Option(_) => self.options.as_ref(),
        }
    }

    fn place(&self, place: &Place<'_>) -> Option<KeyPath> {
        let mapping = self.mapping(place)?;
        Some(match place {
            Place::Field(path) => KeyPath::root().join(path),
            Place::Annotation(key)
            | Place::Label(key)
            | Place::Parameter(key)
            | Place::Attribute(key)
            | Place::Option(key) => mapping.key(key),
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
