//! Finding rows by what a person types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::rows::{INLINE, compose, kinds, kubernetes};
use super::suggest::nearest;
use super::{ComposeKey, Explained, KubernetesField};
use crate::finding::catalog;

/// No key path is longer than this many steps; a longer question is none.
const STEPS: usize = 24;

/// Types whose fields people mean when they name a field alone, in this order.
const PROMINENT: [&str; 12] = [
    "PodSpec",
    "Container",
    "DeploymentSpec",
    "ServiceSpec",
    "StatefulSetSpec",
    "JobSpec",
    "CronJobSpec",
    "SecurityContext",
    "VolumeSource",
    "VolumeMount",
    "Probe",
    "ServicePort",
];

/// How well a row answers a question; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The question is the row's name.
    Name,
    /// The question is a path that leads to the row.
    Path,
    /// The question is the end of the row's path.
    End,
    /// The question is the API type that has the field.
    Type,
    /// The question only fits if its first step is a name that a person has given.
    Guess,
}

/// All rows that answer a question, the best first.
pub(super) fn search(query: &str) -> Vec<(Fit, Explained)> {
    let query = query.trim().trim_matches('`').to_ascii_lowercase();
    let steps = steps(&query);
    if query.is_empty() || steps.is_empty() || steps.len() > STEPS {
        return Vec::new();
    }
    let mut found = Vec::new();
    for row in catalog().filter(|row| row.code == query) {
        found.push((Fit::Name, 0, row.code, Explained::Code(row)));
    }
    for row in kinds().filter(|row| row.kind.eq_ignore_ascii_case(&query)) {
        found.push((Fit::Name, 0, row.kind, Explained::Kind(row)));
    }
    for path in compose().paths() {
        if let Some(row) = compose().get(path)
            && let Some(fit) = fit_key(row, &query, &steps)
        {
            found.push((
                fit,
                path.matches(['.', '[']).count(),
                path,
                Explained::Key(row),
            ));
        }
    }
    for path in kubernetes().paths() {
        if let Some(row) = kubernetes().get(path)
            && let Some(fit) = fit_field(row, &query, &steps)
        {
            let of = path.split('.').next().unwrap_or(path);
            let place = PROMINENT
                .iter()
                .position(|name| *name == of)
                .unwrap_or(PROMINENT.len());
            found.push((fit, place, path, Explained::Field(row)));
        }
    }
    found.sort_by_key(|(fit, place, name, _)| (*fit, *place, *name));
    found
        .into_iter()
        .map(|(fit, _, _, row)| (fit, row))
        .collect()
}

/// The known name that a question without an answer may have meant.
pub(super) fn meant(query: &str) -> Option<&'static str> {
    let query = query.trim().trim_matches('`');
    let last = query.rsplit('.').next().unwrap_or(query);
    let fields = kubernetes().paths().map(last_step);
    let types = kubernetes()
        .paths()
        .filter_map(|path| path.split('.').next());
    let keys = compose().paths().map(last_step);
    let others = catalog()
        .map(|row| row.code)
        .chain(kinds().map(|row| row.kind));
    nearest(last, keys.chain(fields).chain(types).chain(others))
}

/// `services.web.ports[0].target` as `services`, `web`, `ports`, `target`.
fn steps(path: &str) -> Vec<&str> {
    path.split('.')
        .map(|step| step.split('[').next().unwrap_or(step))
        .collect()
}

/// The last step of a path without what marks a list.
fn last_step(path: &str) -> &str {
    let last = path.rsplit('.').next().unwrap_or(path);
    last.split('[').next().unwrap_or(last)
}

fn fit_key(row: &ComposeKey, query: &str, asked: &[&str]) -> Option<Fit> {
    if row.path.eq_ignore_ascii_case(query) {
        return Some(Fit::Name);
    }
    let last = last_step(row.path);
    if last != "*" && !asked.last()?.eq_ignore_ascii_case(last) {
        return None;
    }
    // The row of the list itself says more than that of its items.
    if row.path.ends_with("[]") && !query.ends_with(']') {
        return None;
    }
    let own = steps(row.path);
    let skipped = own.len().checked_sub(asked.len())?;
    let tail = own.get(skipped..)?;
    let fits = |(own, asked): (&&str, &&str)| *own == "*" || own.eq_ignore_ascii_case(asked);
    if asked.contains(&"") || !tail.iter().zip(asked).all(fits) {
        return None;
    }
    if query.ends_with(']') && !row.path.ends_with("[]") {
        return Some(Fit::Guess);
    }
    match (skipped, tail.first(), tail.last()) {
        (0, ..) if row.path != super::rows::EXTENSION => Some(Fit::Path),
        // A name that anybody can give is no answer to a question for just that name.
        (_, _, Some(&"*")) => None,
        (_, Some(&"*"), _) => Some(Fit::Guess),
        _ => Some(Fit::End),
    }
}

fn fit_field(row: &KubernetesField, query: &str, asked: &[&str]) -> Option<Fit> {
    if row.field.eq_ignore_ascii_case(query) {
        return Some(Fit::Name);
    }
    let (of, name) = row.field.split_once('.')?;
    if asked.last()?.eq_ignore_ascii_case(last_step(name))
        && let Some(split) = asked.len().checked_sub(name.split('.').count())
    {
        let (above, tail) = asked.split_at(split);
        let is_name = name
            .split('.')
            .zip(tail)
            .all(|(own, asked)| own.eq_ignore_ascii_case(asked));
        if is_name && above.is_empty() {
            return Some(Fit::End);
        }
        if is_name && leads_to(above, of, STEPS) {
            return Some(Fit::Path);
        }
    }
    matches!(asked, [only] if only.eq_ignore_ascii_case(of)).then_some(Fit::Type)
}

/// Whether these steps are a path to a field of type `of`: the end of one that begins at an object, or at a type.
fn leads_to(path: &[&str], of: &str, depth: usize) -> bool {
    static PARENTS: LazyLock<BTreeMap<&str, Vec<(&str, &str)>>> = LazyLock::new(|| {
        let mut parents = BTreeMap::<_, Vec<_>>::new();
        for path in kubernetes().paths() {
            if let (Some(row), Some((of, name))) = (kubernetes().get(path), path.split_once('.')) {
                parents
                    .entry(row.value.trim_end_matches("[]"))
                    .or_default()
                    .push((of, name));
            }
        }
        parents
    });
    let Some((last, above)) = path.split_last() else {
        return true;
    };
    if above.is_empty()
        && (last.eq_ignore_ascii_case(of) || (*last == "spec" && of.ends_with("Spec")))
    {
        return true;
    }
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let outer = INLINE
        .iter()
        .filter(|(_, inner)| *inner == of)
        .map(|(outer, _)| *outer);
    std::iter::once(of).chain(outer).any(|of| {
        let parents = PARENTS.get(of).map(Vec::as_slice).unwrap_or_default();
        parents
            .iter()
            .any(|(of, name)| name.eq_ignore_ascii_case(last) && leads_to(above, of, depth))
            || (above.is_empty() && last.eq_ignore_ascii_case(of))
    })
}
