//! Attributes out of the keys of the source, and into the keys of the target.

mod leftover;
mod read;
mod write;

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::catalog::{Constant, DefaultValue, Drop, OneOrMany, Order, Requirement, Row, Section};
use super::context::Context;
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

    /// The same with the keys that are there.
    fn in_object(&self, ctx: &Context<'_>) -> Present<'_> {
        let mappings = [
            &self.annotations,
            &self.labels,
            &self.parameters,
            &self.attributes,
            &self.options,
        ];
        let mappings = mappings.into_iter().flatten();
        let found = mappings.filter_map(|path| ctx.get(self.object, path)?.as_mapping());
        let keys = found.flat_map(|mapping| mapping.iter().map(|(key, _)| key.to_owned()));
        Present {
            holder: self,
            keys: keys.collect(),
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

/// An object that is read. A catalog has a hundred rows, and an object has keys of a few of them.
struct Present<'h> {
    holder: &'h Holder,
    keys: BTreeSet<String>,
}

impl Present<'_> {
    /// Whether a key surely is not there, nor one with its older beginning.
    fn lacks(&self, view: View<'_>, place: &Place<'_>) -> bool {
        let (Place::Annotation(key)
        | Place::Label(key)
        | Place::Parameter(key)
        | Place::Attribute(key)
        | Place::Option(key)) = place
        else {
            return false;
        };
        let is_renamed = || {
            let mut renamed = view.renamed.into_iter().flatten();
            renamed.any(|(_, new)| key.starts_with(new.as_str()))
        };
        // A name with gaps stands for several keys.
        self.keys.is_empty() || (!self.keys.contains(*key) && !key.contains('{') && !is_renamed())
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

fn places(row: &Row) -> impl Iterator<Item = Place<'_>> {
    [
        row.parameter.as_deref().map(Place::Parameter),
        row.attribute.as_deref().map(Place::Attribute),
        row.option.as_deref().map(Place::Option),
        row.annotation.as_deref().map(Place::Annotation),
        row.label.as_deref().map(Place::Label),
        row.field.as_deref().map(Place::Field),
    ]
    .into_iter()
    .flatten()
}

fn constant_places(row: &Constant) -> impl Iterator<Item = Place<'_>> {
    [
        row.parameter.as_deref().map(Place::Parameter),
        row.attribute.as_deref().map(Place::Attribute),
        row.annotation.as_deref().map(Place::Annotation),
        row.label.as_deref().map(Place::Label),
        row.field.as_deref().map(Place::Field),
    ]
    .into_iter()
    .flatten()
}
