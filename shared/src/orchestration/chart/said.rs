//! What a conversion has to say besides the findings of the provider layer, in words for people.

use std::collections::BTreeSet;

use super::helm::for_people;
use super::options::ChartConversion;
use super::output::flat::Flattened;
use super::output::solve::Base;
use super::target::describe;
use crate::finding::{Code, Finding};

/// Documents that are no objects to us stay as they are, which has to be said: helm may take more than we do.
pub(super) fn unread(bases: &[Base]) -> Vec<Finding> {
    let mut said = BTreeSet::new();
    let documents = bases
        .iter()
        .flat_map(|base| base.rendering.documents.iter());
    documents
        .filter(|document| document.tree.is_none() && said.insert(document.source.clone()))
        .map(|document| {
            let why = super::yaml::parse_documents(&document.text)
                .err()
                .unwrap_or_else(|| "it is no mapping".to_owned());
            let source = &document.source;
            let message = format!("`{source}` renders a document that cannot be read: {why}");
            Finding::new(Code("chart-document-unread"), message)
        })
        .collect()
}

/// Keys that stand twice in what the chart renders: which of them counts is told by their order alone.
pub(super) fn doubled(bases: &[Base]) -> Vec<Finding> {
    let mut said = BTreeSet::new();
    let documents = bases
        .iter()
        .flat_map(|base| base.rendering.documents.iter());
    let messages = documents.flat_map(|document| {
        let keys = document.doubled().iter();
        keys.map(move |key| {
            let at = describe(document.identity(), &key.path);
            format!("`{}` renders {at} more than once", document.source)
        })
    });
    messages
        .filter(|message| said.insert(message.clone()))
        .map(|message| Finding::new(Code("chart-key-doubled"), message))
        .collect()
}

/// A key that stands twice after the conversion as well.
pub(super) fn still_doubled(at: &str) -> Finding {
    Finding::new(
        Code("chart-key-doubled"),
        format!(
            "the converted chart renders {at} more than once, since values decide whether it does"
        ),
    )
}

/// A chart that asks for values is converted with those that are given; what it renders without them nobody knows.
pub(super) fn unrendered(variant: &str, message: &str) -> Finding {
    let said = message.lines().find(|line| line.contains("Error: "));
    let said = said.or_else(|| message.lines().next()).unwrap_or_default();
    Finding::new(
        Code("chart-values-required"),
        format!("with {variant}, helm renders nothing ({said}); the other values are the base"),
    )
}

/// Nothing had to change.
pub(super) fn neutral() -> Finding {
    Finding::new(
        Code("chart-neutral"),
        "nothing of any provider was seen in what the chart renders, so nothing had to change",
    )
}

/// What became text, and the Secrets whose content did.
pub(super) fn flattened(one: &Flattened) -> Vec<Finding> {
    let (file, why) = (&one.file, &one.why);
    let message = match &one.object {
        Some(object) => format!(
            "{}/{} is a rendered object in `{file}` now: {why}",
            object.kind, object.name
        ),
        None => format!("`{file}` holds rendered objects now: {why}"),
    };
    let mut found = vec![Finding::new(Code("chart-template-flattened"), message)];
    found.extend(one.secrets.iter().map(|name| secret_written(name, file)));
    found
}

/// The content of a Secret is only written into the chart where it is said.
pub(super) fn secret_written(name: &str, file: &str) -> Finding {
    Finding::new(
        Code("chart-secret-flattened"),
        format!("the content of Secret/{name} stands in `{file}`, as the values made it now"),
    )
}

/// The names that the chart was rendered with say nothing to the user.
pub(super) fn in_plain_names(conversion: &mut ChartConversion) {
    let findings = std::mem::take(&mut conversion.findings);
    for mut finding in findings.as_slice().iter().cloned() {
        finding.message = for_people(&finding.message);
        conversion.findings.push(finding);
    }
    for missing in &mut conversion.missing {
        missing.object.name = for_people(&missing.object.name);
        missing.object.namespace = missing.object.namespace.as_deref().map(for_people);
        missing.source = missing.source.as_deref().map(for_people);
        missing.purpose = for_people(&missing.purpose);
        missing.placeholder = for_people(&missing.placeholder);
    }
    conversion.findings.sort();
}
