//! Reads and checks a rules file.

mod pace;
mod places;
mod rule;
mod serving;
mod values;
mod whole;

use std::path::{Path, PathBuf};

use super::{Rule, Rules};
use crate::finding::{Code, Finding, Findings, Severity};
use crate::source::{Disk, Files as _, Item, Ledger, Limits, Sources, parse};

const BAD_VALUE: Code = Code("presync-bad-value");
const MISSING: Code = Code("presync-missing");

/// A rules file larger than this is none.
const LARGEST_FILE: u64 = 4 << 20;

/// What came of reading a rules file.
#[derive(Debug)]
pub struct Checked {
    /// The rules; `None` if there is an error among the findings.
    pub rules: Option<Rules>,
    /// What is wrong, and what should be known.
    pub findings: Findings,
    /// The text, for showing the findings.
    pub sources: Sources,
}

/// Reads a rules file from disk. Relative paths in it start from its folder.
#[must_use]
pub fn load(path: &Path) -> Checked {
    load_as(path, Place::Here)
}

/// Reads a rules file that will be used on another machine: secrets and certificates need not be here.
#[must_use]
pub fn load_for_elsewhere(path: &Path) -> Checked {
    load_as(path, Place::Elsewhere)
}

/// Where rules will be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    Elsewhere,
}

fn load_as(path: &Path, place: Place) -> Checked {
    let text = Disk
        .read(path, LARGEST_FILE)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
    match text {
        Ok(text) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            read_as(&path.display().to_string(), &text, folder, place)
        }
        Err(error) => Checked {
            rules: None,
            findings: Findings::from(Finding::new(
                Code("presync-unreadable"),
                format!("the rules file {} cannot be read: {error}", path.display()),
            )),
            sources: Sources::default(),
        },
    }
}

/// Reads the text of a rules file. Relative paths in it start from `folder`.
#[must_use]
pub fn read(name: &str, text: &str, folder: &Path) -> Checked {
    read_as(name, text, folder, Place::Here)
}

fn read_as(name: &str, text: &str, folder: &Path, place: Place) -> Checked {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let mut ledger = Ledger::new();
    let rules = match parse(file, text, &Limits::default()) {
        Err(finding) => {
            ledger.findings.push(*finding);
            None
        }
        Ok(documents) => match documents.as_slice() {
            [document] => Reader {
                ledger: &mut ledger,
                folder,
                place,
            }
            .rules(&Item::root(document)),
            _ => {
                let message = format!(
                    "a rules file is one YAML document, but this has {}",
                    documents.len()
                );
                ledger.findings.push(
                    Finding::new(BAD_VALUE, message)
                        .at_position(crate::source::Position::start_of(file)),
                );
                None
            }
        },
    };
    let Ledger {
        mut findings,
        leftovers,
    } = ledger;
    for leftover in leftovers {
        let message = format!("`{}` is no key of a rules file", leftover.origin.path);
        findings.add(Code("presync-unknown-key"), &leftover.origin, message);
    }
    findings.sort();
    let wrong = findings
        .as_slice()
        .iter()
        .any(|finding| finding.severity() == Severity::Error);
    Checked {
        rules: rules.filter(|_| !wrong),
        findings,
        sources,
    }
}

struct Reader<'l> {
    ledger: &'l mut Ledger,
    folder: &'l Path,
    place: Place,
}

/// Names that a rule uses, with their places, for the check when all is read: whether it is a source, and the name.
type Used = Vec<(bool, crate::source::Sourced<String>)>;

impl Reader<'_> {
    fn rules(&mut self, root: &Item<'_>) -> Option<Rules> {
        let mut fields = root.fields("presync", self.ledger)?;
        let version = fields.integer::<u32>("version", self.ledger);
        if version.as_ref().is_none_or(|version| version.value != 1) {
            let origin = version.map_or_else(|| root.origin(), |version| version.origin);
            self.ledger
                .add(BAD_VALUE, &origin, "`version: 1` is expected");
        }
        let state = self
            .path_of(&mut fields, "state")
            .unwrap_or_else(|| PathBuf::from("/var/lib/migrate/presync"));
        let parallel = self.bounded(&mut fields, "parallel", 4, 1..=64);
        let reconcile = self.reconcile(&mut fields);
        let retry = self.retry(&mut fields);
        let sources = self.named(&mut fields, root, "sources", Self::origin);
        let targets = self.named(&mut fields, root, "targets", Self::destination);
        let bandwidth = self.bandwidth(&mut fields);
        let receiver = self.receiver(&mut fields);
        let status = self.status(&mut fields);
        let mut used = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        let items = fields.items("rules", self.ledger);
        if items.is_empty() {
            self.ledger.add(
                MISSING,
                &root.origin(),
                "`rules` is missing: nothing would be copied",
            );
        }
        for item in &items {
            if let Some(rule) = self.rule(item, rules.len(), &mut used) {
                if rules.iter().any(|other| other.name == rule.name) {
                    let message = format!("there are two rules named `{}`", rule.name);
                    self.ledger.add(BAD_VALUE, &item.origin(), message);
                }
                rules.push(rule);
            }
        }
        fields.finish(self.ledger);
        let rules = Rules {
            state,
            parallel,
            reconcile,
            retry,
            sources,
            targets,
            rules,
            bandwidth,
            receiver,
            status,
        };
        self.check(&rules, &used, root);
        Some(rules)
    }
}
