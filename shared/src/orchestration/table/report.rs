//! Findings about what the model had no home for.

use std::collections::HashMap;

use super::rows::{Rows, compose, kubernetes, kubernetes_default, split_last};
use super::suggest::nearest;
use super::{Treatment, Verdict, compose_key, kubernetes_field, kubernetes_kind};
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::model::{Dialect, WholeObject};
use crate::source::Leftover;

const UNKNOWN_KEY: Code = Code("unknown-key");
const STATED_DEFAULT: Code = Code("stated-default");
const NOT_UNDERSTOOD: Code = Code("not-understood");
const IGNORED_BY_SWARM: Code = Code("ignored-by-swarm");
const CUSTOM_RESOURCE: Code = Code("custom-resource");
const EXTENSION_FIELD: Code = Code("extension-field");

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Kubernetes objects.
    Kubernetes,
    /// A Compose file.
    Compose,
    /// A stack file.
    Swarm,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "Kubernetes",
            Self::Compose => "Compose",
            Self::Swarm => "Swarm",
        }
    }
}

/// What is to be said about the rows that a reader left over; many leftovers share a row.
#[derive(Clone)]
struct Verdicts {
    code: Code,
    /// The end of the sentence that begins with the key.
    says: String,
}

/// One finding for each node that the model has no home for, as the mapping table of its format says.
pub fn report_leftovers(
    leftovers: &[Leftover],
    from: Dialect,
    to: Target,
    findings: &mut Findings,
) {
    let mut known = HashMap::<_, Verdicts>::new();
    for leftover in leftovers {
        let path = leftover.origin.path.to_string();
        let row = leftover.row.as_str();
        if from == Dialect::Kubernetes
            && let Some(value) = leftover.value.as_deref()
            && kubernetes_default(row) == Some(value)
        {
            let message = format!("`{path}` is `{value}`, as it is where nothing is said");
            findings.push(Finding::new(STATED_DEFAULT, message).at(&leftover.origin));
            continue;
        }
        let verdicts = known.entry(row).or_insert_with(|| match from {
            Dialect::Compose | Dialect::Swarm => of_key(row, from, to),
            Dialect::Kubernetes => of_field(row, to),
        });
        let subject = if path.is_empty() { row } else { &path };
        let message = format!("`{subject}` {}", verdicts.says);
        findings.push(Finding::new(verdicts.code, message).at(&leftover.origin));
    }
}

fn of_key(row: &str, from: Dialect, to: Target) -> Verdicts {
    let Some(key) = compose().rest(row).or_else(|| compose_key(row)) else {
        return unknown(row, "key", "Compose", compose(), elsewhere_in_compose(row));
    };
    if key.kubernetes.code == Some(EXTENSION_FIELD) {
        return Verdicts {
            code: EXTENSION_FIELD,
            says: format!(
                "is an extension field, which means nothing to {}",
                to.name()
            ),
        };
    }
    // An image has to be there whoever builds it.
    if from == Dialect::Swarm
        && key.stack.is_without_effect()
        && key.kubernetes.verdict != Verdict::Build
    {
        return Verdicts {
            code: IGNORED_BY_SWARM,
            says: "is ignored by `docker stack deploy` as well".to_owned(),
        };
    }
    match to {
        // The loader should have used it up; what reaches a reader has had no effect.
        Target::Kubernetes if key.kubernetes.verdict == Verdict::Loader => not_understood(None, to),
        Target::Kubernetes => of_treatment(key.kubernetes, to),
        // Compose to Compose: whatever the model does not hold is lost.
        Target::Compose | Target::Swarm => not_understood(None, to),
    }
}

fn of_field(row: &str, to: Target) -> Verdicts {
    let Some(field) = kubernetes().rest(row).or_else(|| kubernetes_field(row)) else {
        let of = row.split('.').next().unwrap_or(row);
        // A type without a single row is one that the table lacks, so nothing can be said about its fields.
        if kubernetes().below(of).is_empty() {
            return not_understood(None, to);
        }
        return unknown(
            row,
            "field",
            "Kubernetes",
            kubernetes(),
            elsewhere_in_kubernetes(row),
        );
    };
    match to {
        Target::Compose => of_treatment(field.compose, to),
        Target::Swarm => of_treatment(field.swarm, to),
        Target::Kubernetes => not_understood(None, to),
    }
}

fn of_treatment(treatment: Treatment, to: Target) -> Verdicts {
    let Treatment {
        verdict,
        into,
        code,
    } = treatment;
    let to_name = to.name();
    let says = match verdict {
        Verdict::Exact | Verdict::Approximate => return not_understood(into, to),
        Verdict::Unsupported => format!("has no counterpart in {to_name}"),
        Verdict::NoEffect => format!("has no effect in {to_name}"),
        Verdict::Loader => "was used up before the conversion".to_owned(),
        Verdict::Build => {
            format!("matters for building the image only, which {to_name} does not do")
        }
    };
    Verdicts {
        code: code.unwrap_or(NOT_UNDERSTOOD),
        says,
    }
}

/// A reader should have taken it, and did not.
fn not_understood(into: Option<&str>, to: Target) -> Verdicts {
    let says = match into {
        Some(into) => format!(
            "could not be read in this form and is left out; {} has it as: {into}",
            to.name()
        ),
        None => "could not be read in this form and is left out".to_owned(),
    };
    Verdicts {
        code: NOT_UNDERSTOOD,
        says,
    }
}

fn unknown<T>(
    row: &str,
    what: &str,
    format: &str,
    rows: &Rows<T>,
    elsewhere: Option<&str>,
) -> Verdicts {
    let (parent, wrong) = split_last(row).unwrap_or(("", row));
    let says = match (
        elsewhere,
        nearest(wrong, rows.below(parent).iter().copied()),
    ) {
        (Some(place), _) => {
            format!("is not a {what} that {format} knows here; it belongs under `{place}`")
        }
        (None, Some(right)) => {
            format!("is not a {what} that {format} knows; perhaps `{right}` is meant")
        }
        (None, None) => format!("is not a {what} that {format} knows"),
    };
    Verdicts {
        code: UNKNOWN_KEY,
        says,
    }
}

/// Where Compose has a key of this name, if it stands at the wrong depth: the nearest place, if there is only one.
fn elsewhere_in_compose(row: &str) -> Option<&'static str> {
    let (parent, wrong) = row.rsplit_once('.')?;
    let shared = |place: &str| {
        let steps = place.split('.').zip(parent.split('.'));
        steps.take_while(|(a, b)| a == b).count()
    };
    let places = compose().paths().filter_map(|path| path.rsplit_once('.'));
    let mut places: Vec<_> = places
        .filter(|(_, name)| *name == wrong)
        .map(|(place, _)| {
            (
                std::cmp::Reverse(shared(place)),
                place.matches('.').count(),
                place,
            )
        })
        .collect();
    places.sort_unstable();
    match places.as_slice() {
        // A step that both have in common has to be more than the section.
        [(shared, ..), ..] if shared.0 < 2 => None,
        [(a, n, _), (b, m, _), ..] if (a, n) == (b, m) => None,
        [(.., place), ..] => Some(place),
        [] => None,
    }
}

/// The field of the same type whose value has a field of this name, if there is only one.
fn elsewhere_in_kubernetes(row: &str) -> Option<&'static str> {
    let (of, wrong) = row.split_once('.')?;
    let mut places = kubernetes().below(of).iter().filter(|name| {
        let value = kubernetes()
            .get(&format!("{of}.{name}"))
            .map(|field| field.value);
        value.is_some_and(|value| {
            kubernetes()
                .below(value.trim_end_matches("[]"))
                .contains(&wrong)
        })
    });
    let place = places.next().copied();
    place.filter(|_| places.next().is_none())
}

/// One finding for each object of a kind that the model does not hold. With `kept`, what no table of ours knows goes into
/// files beside the document, which standard output has no place for.
pub fn report_whole(objects: &[WholeObject], to: Target, kept: bool, findings: &mut Findings) {
    for object in objects {
        let row = kubernetes_kind(&object.api_version, &object.kind);
        let code = row.map_or(CUSTOM_RESOURCE, |row| match to {
            Target::Swarm => row.swarm,
            Target::Compose | Target::Kubernetes => row.compose,
        });
        let effect = row.map_or("nothing acts on it", |row| row.effect);
        let place = match (object.known, kept) {
            (false, true) => "; its content is only written with `--out-dir`",
            (false, false) => "; its content is not written",
            (true, _) => "",
        };
        let message = format!(
            "{} `{}` has no counterpart in {}: {effect}{place}",
            object.kind,
            object.name,
            to.name()
        );
        findings.add(code, &object.origin, message);
    }
}

/// Codes that this part uses beside those of the tables.
#[cfg(test)]
pub(super) const OWN_CODES: [Code; 6] = [
    STATED_DEFAULT,
    UNKNOWN_KEY,
    NOT_UNDERSTOOD,
    EXTENSION_FIELD,
    IGNORED_BY_SWARM,
    CUSTOM_RESOURCE,
];
