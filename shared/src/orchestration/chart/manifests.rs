//! Rendered manifests in, converted manifests out: for helm's post-rendering.

use super::ChartError;
use super::options::Choice;
use super::render::{Known, split};
use super::seen::source_provider;
use super::target::{FileTable, nodes};
use crate::orchestration::provider::{Converted, Mapping, Options, Provider, convert};
use crate::source::{Sources, emit};

/// Converted manifests.
#[derive(Debug)]
pub struct ManifestConversion {
    /// The manifests; those that did not change, byte for byte.
    pub text: String,
    /// What the conversion had to say.
    pub converted: Converted,
    /// The text that findings point into.
    pub sources: Sources,
    /// The provider that they were made for; none if nothing of any was seen.
    pub from: Option<Provider>,
}

/// Converts manifests that helm rendered.
///
/// # Errors
/// A document cannot be read as YAML, or more than one provider was seen.
pub fn convert_manifests(
    text: &str,
    from: &Choice,
    to: &Provider,
    map: &Mapping,
    options: &Options,
) -> Result<ManifestConversion, ChartError> {
    let documents = split(text, &Known::default());
    for document in &documents {
        if document.tree.is_none() {
            let error = super::yaml::parse_documents(&document.text)
                .err()
                .unwrap_or_else(|| "it is no mapping".into());
            return Err(ChartError::Input(format!(
                "the manifests on standard input, document at line {}: {error}",
                document.line + 1
            )));
        }
    }
    let mut files = FileTable::default();
    let located = nodes(&documents, None, text, &mut files, &|_| None);
    let nodes: Vec<_> = located.into_iter().map(|(node, _)| node).collect();
    let (from, _) = source_provider(from, &nodes)?;
    let Some(from) = from else {
        return Ok(ManifestConversion {
            text: text.to_owned(),
            converted: Converted::default(),
            sources: files.sources,
            from: None,
        });
    };
    let converted = convert(&nodes, &from, to, map, options);
    let mut out = String::new();
    for (document, outcome) in documents.iter().zip(&converted.outcomes) {
        let Some(node) = &outcome.node else { continue };
        out.push_str("---\n");
        if !document.source.is_empty() {
            out.push_str(&format!("# Source: {}\n", document.source));
        }
        if outcome.edits.is_empty() {
            out.push_str(&document.text);
            if !document.text.ends_with('\n') {
                out.push('\n');
            }
        } else {
            out.push_str(&emit(&node.to_json()));
        }
    }
    for added in &converted.added {
        out.push_str("---\n");
        out.push_str(&emit(&added.node.to_json()));
    }
    Ok(ManifestConversion {
        text: out,
        converted,
        sources: files.sources,
        from: Some(from),
    })
}
