//! What only a person knows: ids of things at the source and at the target.

use std::collections::{BTreeMap, BTreeSet};

use super::ObjectRef;
use crate::finding::{Code, Finding, Findings};
use crate::source::{FileId, KeyPath, Limits, Origin, Position, emit, parse};

/// The kinds of ids, with what they are.
const KINDS: &str = include_str!("mapping.tsv");
/// The version of the file's form.
const SCHEMA: &str = "1";
/// The source id that stands for each one that is not named.
const ANY: &str = "*";

/// What stands at the target for what is at the source.
///
/// The file has one mapping a kind, from an id of the source to one of the target:
/// `subnet: {"subnet-1": "vsw-1", "*": "vsw-2"}`. Where the source has no id, the object stands in its place:
/// `Service/web`, with its namespace if it has one: `shop/Service/web`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    ids: BTreeMap<String, BTreeMap<String, String>>,
}

/// Something that the target needs and nobody but a person knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What it is: a kind of the mapping file, such as `subnet`.
    pub kind: &'static str,
    /// Its id at the source, if the source has one.
    pub source: Option<String>,
    /// The object that needs it.
    pub object: ObjectRef,
    /// The key of the source that it comes from, or that made it necessary.
    pub path: KeyPath,
    /// What the target needs it for, in a few words.
    pub purpose: String,
    /// What stands in the output in its place.
    pub placeholder: String,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// It is not YAML, not of this form, or names an unknown kind; with the place of each fault.
    pub fn parse(file: FileId, text: &str, limits: &Limits) -> Result<Self, Findings> {
        let nodes = parse(file, text, limits).map_err(|f| Findings::from(*f))?;
        let mut findings = Findings::default();
        let mut mapping = Self::default();
        let mut bad = |at: Position, path: KeyPath, message: String| {
            let origin = Origin::new(at, path);
            findings.push(Finding::new(Code("bad-mapping-file"), message).at(&origin));
        };
        if nodes.len() > 1 {
            let message = "a mapping file is one document".to_owned();
            bad(nodes[1].at, KeyPath::root(), message);
        }
        if let Some(node) = nodes.first() {
            let Some(map) = node.as_mapping() else {
                let message = format!(
                    "a mapping file holds mappings from ids to ids, but this is {}",
                    node.describe()
                );
                bad(node.at, KeyPath::root(), message);
                return Err(findings);
            };
            for (kind, entry) in map.iter() {
                let path = KeyPath::root().key(kind);
                match kind {
                    "schema" if entry.node.as_text() == Some(SCHEMA) => {}
                    "schema" => bad(
                        entry.node.at,
                        path,
                        format!("only version {SCHEMA} of the mapping file is known"),
                    ),
                    "from" | "to" => {}
                    _ if describe(kind).is_none() => {
                        let known: Vec<_> = kinds().map(|(kind, _)| kind).collect();
                        let message =
                            format!("`{kind}` is no kind of id; there are: {}", known.join(", "));
                        bad(entry.key_at, path, message);
                    }
                    _ if entry.node.is_null() => {}
                    _ => match entry.node.as_mapping() {
                        Some(ids) => {
                            for (source, target) in ids.iter() {
                                match target.node.as_scalar() {
                                    Some(_) => mapping.set(
                                        kind,
                                        source,
                                        target.node.as_text().unwrap_or_default(),
                                    ),
                                    None => {
                                        let message = format!(
                                            "the target's id is a text, but this is {}",
                                            target.node.describe()
                                        );
                                        bad(target.node.at, path.key(source), message);
                                    }
                                }
                            }
                        }
                        None => {
                            let message = format!(
                                "`{kind}` maps ids of the source to ids of the target, but this is {}",
                                entry.node.describe()
                            );
                            bad(entry.node.at, path, message);
                        }
                    },
                }
            }
        }
        if findings.is_empty() {
            Ok(mapping)
        } else {
            Err(findings)
        }
    }

    /// Says what stands at the target for an id of the source. Empty text leaves it open.
    pub fn set(&mut self, kind: &str, source: &str, target: &str) {
        if !target.is_empty() {
            self.ids
                .entry(kind.to_owned())
                .or_default()
                .insert(source.to_owned(), target.to_owned());
        }
    }

    /// The same with other texts in the place of its ids of the source.
    #[must_use]
    pub fn spelled(&self, spell: impl Fn(&str) -> String) -> Self {
        let ids = self.ids.iter().map(|(kind, ids)| {
            let ids = ids.iter().map(|(id, target)| (spell(id), target.clone()));
            (kind.clone(), ids.collect())
        });
        Self { ids: ids.collect() }
    }

    /// What stands at the target: for the id, else for the object that needs it, else for all of the kind.
    #[must_use]
    pub fn find(&self, kind: &str, source: Option<&str>, object: &ObjectRef) -> Option<&str> {
        let ids = self.ids.get(kind)?;
        source
            .and_then(|id| ids.get(id))
            .or_else(|| ids.get(&place(object)))
            .or_else(|| ids.get(ANY))
            .map(String::as_str)
    }

    /// The target of the longest source id that a text begins with, and the rest of the text.
    #[must_use]
    pub fn find_prefix<'t>(&self, kind: &str, text: &'t str) -> Option<(&str, &'t str)> {
        let ids = self.ids.get(kind)?;
        let fits = ids.iter().filter_map(|(source, target)| {
            let rest = text.strip_prefix(source.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some((source, target, rest))
        });
        fits.max_by_key(|(source, ..)| source.len())
            .map(|(_, target, rest)| (target.trim_end_matches('/'), rest))
    }

    /// Whether an id of the source has a line of its own.
    #[must_use]
    pub fn has(&self, kind: &str, source: &str) -> bool {
        self.ids
            .get(kind)
            .is_some_and(|ids| ids.contains_key(source))
    }

    /// A mapping file with what is known and an empty line for each id that is missing.
    #[must_use]
    pub fn template(&self, from: &str, to: &str, missing: &[Missing]) -> String {
        let mut text = format!(
            "# What stands at {to} for what is at {from}. Fill in the empty texts and give the file with --map.\n\
             # `\"*\"` stands for all of a kind that are not named.\n\
             schema: {SCHEMA}\nfrom: {from}\nto: {to}\n"
        );
        let mut kinds: BTreeSet<&str> = missing.iter().map(|m| m.kind).collect();
        kinds.extend(self.ids.keys().map(String::as_str));
        for kind in kinds {
            text.push_str(&format!(
                "\n# {}\n{kind}:\n",
                describe(kind).unwrap_or_default()
            ));
            let line = |source: &str, target: &str| {
                let pair = serde_json::json!({ source: target });
                format!("  {}", emit(&pair))
            };
            for (source, target) in self.ids.get(kind).into_iter().flatten() {
                text.push_str(&line(source, target));
            }
            let mut open: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for one in missing.iter().filter(|m| m.kind == kind) {
                let source = one.source.clone().unwrap_or_else(|| place(&one.object));
                let why = format!("{}: {}", one.object, one.purpose);
                open.entry(source).or_default().insert(why);
            }
            for (source, reasons) in open {
                if self.has(kind, &source) {
                    continue;
                }
                for reason in reasons {
                    text.push_str(&format!("  # {}\n", reason.replace(['\n', '\r'], " ")));
                }
                text.push_str(&line(&source, ""));
            }
        }
        text
    }
}

/// How the mapping file names an object.
pub(super) fn place(object: &ObjectRef) -> String {
    match &object.namespace {
        Some(namespace) => format!("{namespace}/{}/{}", object.kind, object.name),
        None => format!("{}/{}", object.kind, object.name),
    }
}

/// All kinds of ids with what they are.
pub(super) fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
}

/// The kind of that name, as the table has it.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    kinds().map(|(kind, _)| kind).find(|kind| *kind == name)
}

fn describe(name: &str) -> Option<&'static str> {
    kinds()
        .find(|(kind, _)| *kind == name)
        .map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn read(text: &str) -> Result<Mapping, Findings> {
        let file = Sources::default().add("map.yaml", text);
        Mapping::parse(file, text, &Limits::default())
    }

    fn web() -> ObjectRef {
        ObjectRef {
            index: 0,
            api_version: "v1".into(),
            kind: "Service".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        }
    }

    #[test]
    fn the_id_wins_over_the_object_and_the_object_over_the_rest() {
        let map =
            read("schema: 1\nsubnet: {a: b, '*': c, shop/Service/web: d}\nkey:\nzone: {z: ''}\n")
                .unwrap_or_default();
        assert_eq!(map.find("subnet", Some("a"), &web()), Some("b"));
        assert_eq!(map.find("subnet", Some("x"), &web()), Some("d"));
        let mut other = web();
        other.name = "db".into();
        assert_eq!(map.find("subnet", None, &other), Some("c"));
        assert_eq!(map.find("zone", Some("z"), &web()), None);
    }

    #[test]
    fn the_template_can_be_read_and_keeps_what_is_known() {
        let known = read("subnet: {a: b}\n").unwrap_or_default();
        let missing = Missing {
            kind: "zone",
            source: Some("no: 1".into()),
            object: web(),
            path: KeyPath::root(),
            purpose: "a zone".into(),
            placeholder: "TODO".into(),
        };
        let text = known.template("huawei", "ali", &[missing]);
        assert!(text.contains("'no: 1': ''"), "{text}");
        assert_eq!(read(&text), Ok(known));
    }

    #[test]
    fn faults_have_a_place() {
        for (text, line) in [
            ("- a\n", 1),
            ("schema: 2\n", 1),
            ("schema: 1\nsubnets: {a: b}\n", 2),
            ("subnet: x\n", 1),
            ("subnet:\n  a: [b]\n", 2),
        ] {
            let Err(findings) = read(text) else {
                unreachable!("{text} was read");
            };
            let at = findings.as_slice()[0].at.map(|at| at.line);
            assert_eq!(at, Some(line), "{text}");
        }
    }
}
