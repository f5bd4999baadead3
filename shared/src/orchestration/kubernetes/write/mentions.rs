//! Where the application itself asks for a name: in variables and commands.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use crate::orchestration::model::{Application, EnvValue};

/// So many places are named one by one.
const NAMED: usize = 5;

/// The words of all variables and commands, and where they stand. Gathered when the first name is looked up.
pub(super) struct Mentions<'a> {
    application: &'a Application,
    words: OnceCell<HashMap<&'a str, BTreeSet<(&'a str, &'a str)>>>,
}

impl<'a> Mentions<'a> {
    pub(super) fn new(application: &'a Application) -> Self {
        Self {
            application,
            words: OnceCell::new(),
        }
    }

    /// The places that ask for a name, for people: `web` (URL). `None` where nothing does.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let places = self.words.get_or_init(|| self.gather()).get(name)?;
        let mut shown: Vec<_> = places
            .iter()
            .take(NAMED)
            .map(|(unit, place)| format!("`{unit}` ({place})"))
            .collect();
        if places.len() > NAMED {
            shown.push(format!("{} more", places.len() - NAMED));
        }
        Some(shown.join(", "))
    }

    fn gather(&self) -> HashMap<&'a str, BTreeSet<(&'a str, &'a str)>> {
        let mut words = HashMap::<_, BTreeSet<_>>::new();
        for unit in &self.application.units {
            for container in &unit.containers {
                let of = container.name.value.as_str();
                let mut add = |text: &'a str, place: &'a str| {
                    for word in text.split(|c: char| !is_of_name(c)) {
                        if !word.is_empty() {
                            words.entry(word).or_default().insert((of, place));
                        }
                    }
                };
                for variable in &container.environment {
                    if let EnvValue::Literal(text) = &variable.value {
                        add(text, &variable.name.value);
                    }
                }
                for (list, place) in [
                    (&container.entrypoint, "entrypoint"),
                    (&container.command, "command"),
                ] {
                    for text in list.iter().flat_map(|list| &list.value) {
                        add(text, place);
                    }
                }
            }
        }
        words
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}
