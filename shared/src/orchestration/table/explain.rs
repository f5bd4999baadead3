//! What the tables say about a key, a field or a code, as a text for people.

use std::collections::BTreeSet;

use super::rows::{compose, kinds, kubernetes, split_last};
use super::search::{meant, search};
use super::{ComposeKey, KubernetesField, KubernetesKind, Treatment};
use crate::finding::{self, Code, Explanation, Severity};

/// Width of the text.
const WIDTH: usize = 80;
/// So many answers of one kind are printed in full; more are listed.
const IN_FULL: usize = 3;
/// So many names are listed.
const LISTED: usize = 24;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explained {
    /// A finding code.
    Code(&'static Explanation),
    /// A key of Compose.
    Key(&'static ComposeKey),
    /// A field of Kubernetes.
    Field(&'static KubernetesField),
    /// A kind of Kubernetes objects.
    Kind(&'static KubernetesKind),
}

/// What the tables know about a finding code, a key of Compose or a field of Kubernetes; the best answer first. Keys and
/// fields may be shortened to their end, or given as a path with real names: `ulimits`, `services.web.ulimits`,
/// `PodSpec.hostNetwork`, `spec.template.spec.hostNetwork`.
#[must_use]
pub fn explain(query: &str) -> Vec<Explained> {
    search(query).into_iter().map(|(_, row)| row).collect()
}

/// The answers as one text.
///
/// # Errors
/// Nothing is known under this name; the text says so, and what may have been meant.
pub fn explain_text(query: &str) -> Result<String, String> {
    let found = search(query);
    let Some((best, _)) = found.first() else {
        return Err(match meant(query) {
            Some(name) => {
                format!("error: nothing is known about `{query}`\nhint: did you mean `{name}`?")
            }
            None => format!(
                "error: nothing is known about `{query}`\n\
                 hint: give a finding code, a key of Compose (`services.*.ulimits`), a field of Kubernetes \
                 (`PodSpec.hostNetwork`) or a key of a provider (`kubernetes.io/elb.class`)"
            ),
        });
    };
    let (first, others): (Vec<_>, Vec<_>) = found.iter().partition(|(fit, _)| fit == best);
    let mut text = String::new();
    if first.len() <= IN_FULL {
        for (_, row) in first {
            push_block(&mut text, &row.render());
        }
        see_also(
            &mut text,
            "See also",
            others.iter().map(|(_, row)| row.name()),
        );
    } else {
        let mut list = format!(
            "`{}` is the name of {} keys and fields:\n",
            query.trim(),
            first.len()
        );
        for (_, row) in first {
            list.push_str(&wrap(&row.line(), 2, 6));
        }
        push_block(&mut text, &list);
    }
    Ok(text)
}

impl Explained {
    /// The name of the row.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Code(row) => row.code,
            Self::Key(row) => row.path,
            Self::Field(row) => row.field,
            Self::Kind(row) => row.kind,
        }
    }

    /// The answer as text, at most 80 columns wide.
    #[must_use]
    pub fn render(&self) -> String {
        match self {
            Self::Code(row) => code_text(row),
            Self::Key(row) => key_text(row),
            Self::Field(row) => field_text(row),
            Self::Kind(row) => kind_text(row),
        }
    }

    /// The answer in one sentence.
    fn line(&self) -> String {
        match self {
            Self::Code(row) => format!("{}: {}", row.code, row.title),
            Self::Key(row) => format!(
                "{} (Compose): {} in Kubernetes",
                row.path, row.kubernetes.verdict
            ),
            Self::Field(row) => {
                let (compose, swarm) = (row.compose.verdict, row.swarm.verdict);
                format!(
                    "{} (Kubernetes): {compose} in Compose, {swarm} in Swarm",
                    row.field
                )
            }
            Self::Kind(row) => format!("{}: {}", row.kind, row.effect),
        }
    }
}

fn key_text(row: &ComposeKey) -> String {
    let mut text = format!("{}\n", row.path);
    text.push_str(&wrap(
        &format!("key of Compose ({}): {}", row.versions, row.value),
        2,
        4,
    ));
    text.push_str(&wrap(
        &format!("in Kubernetes: {}", treated(row.kubernetes)),
        2,
        4,
    ));
    text.push_str(&wrap(
        &format!("with docker stack deploy: {}", row.stack),
        2,
        4,
    ));
    meanings(&mut text, [row.kubernetes.code]);
    let below = compose()
        .below(row.path)
        .iter()
        .copied()
        .filter(|step| !matches!(*step, "*" | "[]"));
    see_also(&mut text, "Keys below it", below);
    text
}

fn field_text(row: &KubernetesField) -> String {
    let mut text = format!("{}\n", row.field);
    text.push_str(&wrap(&format!("field of Kubernetes: {}", row.value), 2, 4));
    text.push_str(&wrap(
        &format!("in Compose: {}", treated(row.compose)),
        2,
        4,
    ));
    text.push_str(&wrap(&format!("in Swarm: {}", treated(row.swarm)), 2, 4));
    meanings(&mut text, [row.compose.code, row.swarm.code]);
    let below = kubernetes()
        .below(row.value.trim_end_matches("[]"))
        .iter()
        .copied();
    see_also(
        &mut text,
        "Fields below it",
        below.filter(|name| *name != "*"),
    );
    text
}

fn kind_text(row: &KubernetesKind) -> String {
    let mut text = format!("{}\n", row.kind);
    text.push_str(&wrap(
        &format!("kind of Kubernetes ({})", row.groups.replace(',', ", ")),
        2,
        4,
    ));
    text.push_str(&wrap(
        &format!("in Compose and Swarm: no counterpart; {}", row.effect),
        2,
        4,
    ));
    meanings(&mut text, [Some(row.compose), Some(row.swarm)]);
    text
}

fn code_text(row: &'static Explanation) -> String {
    let mut text = meaning(row, 0);
    let code = Some(Code(row.code));
    // What is said of a key goes for those below it; naming them as well would only be noise.
    let above = |path| split_last(path).and_then(|(above, _)| compose().get(above));
    let is_first =
        |key: &&ComposeKey| above(key.path).is_none_or(|above| above.kubernetes.code != code);
    let keys = compose()
        .all()
        .filter(|key| key.kubernetes.code == code)
        .filter(is_first)
        .map(|key| key.path.trim_end_matches('?'));
    let fields = kubernetes()
        .all()
        .filter(|field| field.compose.code == code || field.swarm.code == code)
        .map(|field| field.field.trim_end_matches('?'));
    let kinds = kinds()
        .filter(|kind| Some(kind.compose) == code || Some(kind.swarm) == code)
        .map(|kind| kind.kind);
    see_also(
        &mut text,
        "Said of",
        keys.chain(fields).chain(kinds).collect::<BTreeSet<_>>(),
    );
    text
}

fn treated(treatment: Treatment) -> String {
    match treatment.into {
        Some(into) => format!("{} ({into})", treatment.verdict),
        None => treatment.verdict.to_string(),
    }
}

/// Consequence and remedy of each code, once.
fn meanings(text: &mut String, codes: impl IntoIterator<Item = Option<Code>>) {
    let mut said = BTreeSet::new();
    for code in codes.into_iter().flatten() {
        if said.insert(code) {
            push_block(text, &meaning(finding::explain(code), 2));
        }
    }
}

fn meaning(row: &Explanation, indent: usize) -> String {
    let severity = match row.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Loss => "loss",
        Severity::Error => "error",
    };
    let mut text = wrap(
        &format!("{} [{severity}] {}", row.code, row.title),
        indent,
        indent + 2,
    );
    text.push_str(&wrap(
        &format!("What it means: {}", row.consequence),
        indent + 2,
        indent + 4,
    ));
    text.push_str(&wrap(
        &format!("What to do: {}", row.remedy),
        indent + 2,
        indent + 4,
    ));
    text
}

/// A list of names on as many lines as it needs; nothing if there is none.
fn see_also<'n>(text: &mut String, title: &str, names: impl IntoIterator<Item = &'n str>) {
    let names: Vec<_> = names.into_iter().collect();
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(LISTED);
    let list = names
        .into_iter()
        .take(LISTED)
        .collect::<Vec<_>>()
        .join(", ");
    let rest = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    push_block(text, &wrap(&format!("{title}: {list}{rest}"), 2, 4));
}

/// Adds a block after an empty line.
fn push_block(text: &mut String, block: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(block);
}

/// Breaks a text at spaces; the first line is indented by `first`, the others by `rest`.
fn wrap(text: &str, first: usize, rest: usize) -> String {
    let mut out = " ".repeat(first);
    let mut column = first;
    let mut start = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !start && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(rest));
            column = rest;
        } else if !start {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        start = false;
    }
    out.push('\n');
    out
}
