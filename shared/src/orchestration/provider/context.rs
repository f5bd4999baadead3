//! What one conversion knows and collects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;

use super::attribute::{Attribute, Bag, meaning};
use super::catalog::{Catalog, Effect};
use super::edit::{self, SourceKey};
use super::mapping::kind as mapping_kind;
use super::{Added, Mapping, Missing, ObjectRef, Options, Provider};
use crate::finding::{Code, Finding, Findings};
use crate::source::{KeyPath, Node, Origin, Position};

/// Where values of the target came from, by object and key path.
pub(super) type Trail = BTreeMap<(usize, String), Vec<SourceKey>>;

/// One conversion on its way.
pub(super) struct Context<'c> {
    pub(super) from: &'c Catalog,
    pub(super) to: &'c Catalog,
    pub(super) map: &'c Mapping,
    pub(super) options: &'c Options,
    /// The input.
    pub(super) before: &'c [Arc<Node>],
    pub(super) refs: Vec<ObjectRef>,
    /// The objects as they are by now, those of the input while nothing has changed in them; `None` for those removed.
    pub(super) now: Vec<Option<Arc<Node>>>,
    pub(super) findings: Findings,
    pub(super) missing: Vec<Missing>,
    pub(super) added: Vec<Added>,
    /// Where the values of the target came from, by object and key path.
    pub(super) trail: Trail,
    /// Keys of the source that went into added objects, by object and key path.
    pub(super) carried: BTreeSet<(usize, String)>,
    /// Paths of companions that were read, by object.
    pub(super) read_fields: HashMap<usize, BTreeSet<String>>,
    /// Class names of companions by what they hold.
    pub(super) shared_classes: HashMap<String, String>,
    /// Claims that use a kind of storage whose pods need annotations: namespace and name to kind.
    pub(super) claim_kinds: HashMap<(String, String), String>,
    /// Secrets that open storage, by namespace and name.
    pub(super) storage_secrets: BTreeSet<(String, String)>,
    /// What the claims of a class of the input have to say in its place, by the class.
    pub(super) class_attributes: HashMap<usize, Bag>,
    index: HashMap<(String, String, String), usize>,
}

impl<'c> Context<'c> {
    pub(super) fn new(
        objects: &'c [Arc<Node>],
        from: &'c Provider,
        to: &'c Provider,
        map: &'c Mapping,
        options: &'c Options,
    ) -> Self {
        let refs: Vec<ObjectRef> = objects
            .iter()
            .enumerate()
            .map(|(index, node)| ObjectRef::of(index, node))
            .collect();
        let mut index = HashMap::new();
        for object in &refs {
            let namespace = object.namespace.clone().unwrap_or_default();
            let key = (object.kind.clone(), namespace, object.name.clone());
            index.entry(key).or_insert(object.index);
        }
        Self {
            from: from.catalog(),
            to: to.catalog(),
            map,
            options,
            before: objects,
            refs,
            now: objects.iter().cloned().map(Some).collect(),
            findings: Findings::default(),
            missing: Vec::new(),
            added: Vec::new(),
            trail: BTreeMap::new(),
            carried: BTreeSet::new(),
            read_fields: HashMap::new(),
            shared_classes: HashMap::new(),
            claim_kinds: HashMap::new(),
            storage_secrets: BTreeSet::new(),
            class_attributes: HashMap::new(),
            index,
        }
    }

    /// The input's object of these names. A missing namespace is that of the release, as is the other's.
    pub(super) fn find(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<usize> {
        let at = |namespace: &str| {
            let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
            self.index.get(&key).copied()
        };
        at(namespace.unwrap_or_default()).or_else(|| at(""))
    }

    /// The value at a path of an object as it is by now.
    pub(super) fn get(&self, object: usize, path: &KeyPath) -> Option<&Node> {
        edit::get(self.now.get(object)?.as_ref()?, path)
    }

    /// The text at a dotted path of an object.
    pub(super) fn text(&self, object: usize, dotted: &str) -> Option<String> {
        let node = self.get(object, &KeyPath::root().join(dotted))?;
        node.as_text().map(str::to_owned)
    }

    /// Sets a value, which comes from these keys of the source.
    pub(super) fn put(&mut self, object: usize, path: &KeyPath, value: &Json, from: &[SourceKey]) {
        let Some(Some(node)) = self.now.get_mut(object) else {
            return;
        };
        let at = node.at;
        edit::set(Arc::make_mut(node), path, Node::from_json(value, at));
        let trail = self.trail.entry((object, path.to_string())).or_default();
        for key in from {
            if !trail.contains(key) {
                trail.push(key.clone());
            }
        }
    }

    /// Makes an object besides: writers work on objects of the list, so that it stands in the place of one for a moment.
    /// Gives it, and what the writer noted of where its values came from, which is nothing of the trail.
    pub(super) fn in_place_of(
        &mut self,
        object: usize,
        begin: &Json,
        write: impl FnOnce(&mut Self),
    ) -> (Option<Node>, Trail) {
        let begin = Node::from_json(begin, self.before[object].at);
        let kept = self.now[object].replace(Arc::new(begin));
        let trail = std::mem::take(&mut self.trail);
        write(self);
        let noted = std::mem::replace(&mut self.trail, trail);
        let made = std::mem::replace(&mut self.now[object], kept);
        (made.map(Arc::unwrap_or_clone), noted)
    }

    /// Notes that keys of the source went into an added object.
    pub(super) fn carry(&mut self, from: &[SourceKey]) {
        let places = from.iter().map(|key| (key.object, key.path.to_string()));
        self.carried.extend(places);
    }

    /// As [`Self::in_place_of`], and what the writer noted is carried into that object.
    pub(super) fn carried_into(
        &mut self,
        object: usize,
        begin: &Json,
        write: impl FnOnce(&mut Self),
    ) -> Option<Node> {
        let (made, noted) = self.in_place_of(object, begin, write);
        for keys in noted.values() {
            self.carry(keys);
        }
        made
    }

    /// Takes a key out, and the mapping around it if nothing else is left in it.
    pub(super) fn take(&mut self, object: usize, path: &KeyPath) -> Option<Node> {
        let node = self.now.get_mut(object)?.as_mut()?;
        edit::get(node, path)?;
        let node = Arc::make_mut(node);
        let taken = edit::remove(node, path)?;
        let parent = path.parent();
        let empty = |n: &Node| {
            n.as_mapping().is_some_and(|m| m.is_empty())
                || n.as_sequence().is_some_and(<[Node]>::is_empty)
        };
        let prunable = [
            "annotations",
            "labels",
            "parameters",
            "imagePullSecrets",
            "tolerations",
        ];
        if parent.last_key().is_some_and(|k| prunable.contains(&k))
            && edit::get(node, &parent).is_some_and(empty)
        {
            edit::remove(node, &parent);
        }
        Some(taken)
    }

    /// Where a key of the input stands.
    pub(super) fn position(&self, object: usize, path: &KeyPath) -> Option<Position> {
        let root = self.before.get(object)?;
        let mut path = path.clone();
        loop {
            if let Some(node) = edit::get(root, &path) {
                return Some(node.at);
            }
            if path.is_root() {
                return None;
            }
            path = path.parent();
        }
    }

    /// A finding at a key of the input.
    pub(super) fn note(&mut self, code: &'static str, object: usize, path: &KeyPath, what: &str) {
        let name = self.refs.get(object).map(ToString::to_string);
        let message = format!("{}: {what}", name.unwrap_or_default());
        let mut finding = Finding::new(Code(code), message);
        finding.path = path.to_string();
        if let Some(at) = self.position(object, path) {
            finding = finding.at(&Origin::new(at, path.clone()));
        }
        self.findings.push(finding);
    }

    /// A finding about an attribute, at the first of its keys.
    pub(super) fn note_attribute(
        &mut self,
        code: &'static str,
        object: usize,
        attribute: &Attribute,
        what: &str,
    ) {
        match attribute.from.first() {
            Some(key) => {
                let path = key.path.clone();
                self.note(code, key.object, &path, what);
            }
            None => self.note(code, object, &KeyPath::root(), what),
        }
    }

    /// An attribute that the target cannot say.
    pub(super) fn lost(&mut self, name: &str, attribute: &Attribute, object: usize) {
        let meaning = meaning(name);
        let value = &attribute.value;
        let what = format!(
            "{} (`{}`) has no counterpart at {}",
            meaning.what, value, self.to.title
        );
        let code = if meaning.default.as_ref() == Some(value) {
            "provider-setting-dropped"
        } else {
            effect_code(meaning.lost)
        };
        self.note_attribute(code, object, attribute, &what);
    }

    /// The target's ids for an attribute's value, or placeholders for what is missing.
    pub(super) fn map_ids(&mut self, name: &str, attribute: &Attribute, object: usize) -> String {
        let meaning = meaning(name);
        let Some(kind) = meaning.id.as_deref().and_then(mapping_kind) else {
            return attribute.value.clone();
        };
        if attribute.mapped {
            return attribute.value.clone();
        }
        let sources: Vec<&str> = if meaning.list {
            attribute.value.split(',').map(str::trim).collect()
        } else {
            vec![attribute.value.as_str()]
        };
        let mapped: Vec<String> = sources
            .into_iter()
            .map(|source| {
                self.id(
                    kind,
                    Some(source),
                    object,
                    attribute.from.first(),
                    &meaning.what,
                )
            })
            .collect();
        mapped.join(",")
    }

    /// The target's id for one of the source, or a placeholder with an entry among the missing.
    pub(super) fn id(
        &mut self,
        kind: &'static str,
        source: Option<&str>,
        object: usize,
        key: Option<&SourceKey>,
        purpose: &str,
    ) -> String {
        let who = self.refs[object].clone();
        if let Some(found) = self.map.find(kind, source, &who) {
            return found.to_owned();
        }
        let label = source.map_or_else(|| format!("{}-{}", who.kind, who.name), str::to_owned);
        let placeholder = format!("TODO-{kind}-{}", word(&label));
        let path = key.map_or_else(KeyPath::root, |key| key.path.clone());
        let place = key.map_or(object, |key| key.object);
        let known = self.missing.iter().any(|m| {
            m.kind == kind && m.source.as_deref() == source && m.object.index == who.index
        });
        if !known {
            let of = source.map_or_else(String::new, |s| format!(" for `{s}`"));
            let what = format!(
                "{purpose}: {} needs a {kind} id{of}; `{placeholder}` stands in its place",
                self.to.title
            );
            let code = if self.options.allow_missing {
                "id-placeholder"
            } else {
                "id-missing"
            };
            self.note(code, place, &path, &what);
            self.missing.push(Missing {
                kind,
                source: source.map(str::to_owned),
                object: who,
                path,
                purpose: purpose.to_owned(),
                placeholder: placeholder.clone(),
            });
        }
        placeholder
    }

    /// Adds an object, unless one of its names is there already; returns its name.
    pub(super) fn add(&mut self, node: Node, because: usize) {
        let object = ObjectRef::of(self.before.len() + self.added.len(), &node);
        let same = |a: &&mut Added| {
            a.object.kind == object.kind
                && a.object.name == object.name
                && a.object.namespace == object.namespace
        };
        match self.added.iter_mut().find(same) {
            Some(found) => {
                if !found.because.contains(&because) {
                    found.because.push(because);
                }
            }
            None => self.added.push(Added {
                object,
                node,
                because: vec![because],
            }),
        }
    }
}

/// The code of a finding about something that is not there any more.
pub(super) fn effect_code(effect: Effect) -> &'static str {
    match effect {
        Effect::Info => "provider-setting-dropped",
        Effect::Warning => "provider-setting-approximate",
        Effect::Loss => "provider-setting-lost",
    }
}

/// A text as a part of a name: letters, digits and hyphens.
pub(super) fn word(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    out.truncate(48);
    out.trim_end_matches('-').to_owned()
}
