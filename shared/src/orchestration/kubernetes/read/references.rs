//! Command lines, and the references to variables that stand in them.

use std::collections::BTreeMap;

use super::Reader;
use crate::orchestration::model::{ComposedWord, Container};
use crate::orchestration::reference;
use crate::source::{Fields, Sourced};

/// Programs that replace `$(...)` themselves, in the text behind their option `-c`.
const SHELLS: [&str; 7] = ["sh", "bash", "ash", "dash", "ksh", "zsh", "busybox"];

/// How far a command line has been read towards the text that a shell runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shell {
    /// No shell so far.
    None,
    /// A shell, whose options come.
    Named,
    /// Behind `-c`.
    Text,
}

impl Shell {
    fn after(self, word: &str) -> Self {
        let name = word.rsplit('/').next().unwrap_or(word);
        match self {
            Self::None if SHELLS.contains(&name) => Self::Named,
            // `-ec` holds `-c` as well; `--command` does not.
            Self::Named
                if word.starts_with('-') && !word.starts_with("--") && word.contains('c') =>
            {
                Self::Text
            }
            other => other,
        }
    }
}

impl Reader<'_> {
    /// `command` and `args`: one command line, whose shell can stand in the first for a text in the second.
    pub(super) fn commands(
        &mut self,
        fields: &mut Fields<'_>,
        known: &BTreeMap<String, String>,
        container: &mut Container,
    ) {
        let mut shell = Shell::None;
        let mut open = Vec::new();
        for (key, of_entrypoint) in [("command", true), ("args", false)] {
            let words = self.command(fields, key, known, container, &mut shell, &mut open);
            let part = if of_entrypoint {
                &mut container.entrypoint
            } else {
                &mut container.command
            };
            *part = words;
            for word in open.drain(..) {
                container.composed.push(ComposedWord {
                    of_entrypoint,
                    ..word
                });
            }
        }
    }

    fn command(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        known: &BTreeMap<String, String>,
        container: &Container,
        shell: &mut Shell,
        composed: &mut Vec<ComposedWord>,
    ) -> Option<Sourced<Vec<String>>> {
        let item = fields.take(key)?;
        let mut words = Vec::new();
        for text in item.texts(self.ledger) {
            let (word, open) = reference::expand(&text.value, |name| known.get(name));
            if !open.is_empty() {
                let for_shell =
                    |name: &String| *shell == Shell::Text && is_undefined(name, container);
                composed.push(ComposedWord {
                    of_entrypoint: false,
                    index: words.len(),
                    for_shell: open.into_iter().filter(for_shell).collect(),
                    text: text.value,
                    origin: text.origin,
                });
            }
            *shell = shell.after(&word);
            words.push(word);
        }
        (!words.is_empty()).then(|| item.sourced(words))
    }
}

/// Whether the kubelet has no variable of this name. Whole ConfigMaps and Secrets can hold any name, and it makes
/// variables such as `WEB_SERVICE_HOST` and `WEB_PORT` from Services.
fn is_undefined(name: &str, container: &Container) -> bool {
    let of_service = name.contains("_SERVICE_") || name.contains("_PORT");
    let mut variables = container.environment.iter();
    container.environment_from.is_empty()
        && !of_service
        && !variables.any(|variable| variable.name.value == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_their_texts() {
        for (words, behind) in [
            (&["sh", "-c"][..], true),
            (&["/bin/bash", "-o", "errexit", "-ec"], true),
            (&["bash", "--login"], false),
            (&["app", "-c"], false),
        ] {
            let state = words
                .iter()
                .fold(Shell::None, |state, word| state.after(word));
            assert_eq!(state == Shell::Text, behind, "{words:?}");
        }
    }
}
