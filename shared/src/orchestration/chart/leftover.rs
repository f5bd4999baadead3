//! Words of the source provider that still stand in the templates: parts that no rendering reached.

use super::input::ChartFiles;
use crate::orchestration::provider::Provider;
use crate::orchestration::provider::catalog::{Place, Signature};

/// The lines that have a key or a driver of the source alone.
pub(crate) fn words(chart: &ChartFiles, from: &Provider, to: &Provider) -> Vec<String> {
    let signatures = &from.catalog().signatures;
    let marks: Vec<(&str, &Signature)> = signatures
        .iter()
        .filter_map(|signature| Some((literal(signature)?, signature)))
        .filter(|(mark, _)| {
            let theirs = to.catalog().signatures.iter();
            !theirs
                .filter_map(literal)
                .any(|own| own.starts_with(*mark) || mark.starts_with(own))
        })
        .collect();
    let mut found = Vec::new();
    for path in chart.files.keys().filter(|path| is_yaml_template(path)) {
        let text = chart.text(path).unwrap_or_default();
        let mut comment = false;
        for (number, line) in text.lines().enumerate() {
            comment |= line.contains("{{/*") || line.contains("{{- /*");
            let inside = comment;
            if line.contains("*/") {
                comment = false;
            }
            if inside || line.trim_start().starts_with('#') {
                continue;
            }
            let mark = marks.iter().find(|(mark, signature)| {
                let open = signature.is.ends_with('*');
                stands_in(line, mark, open)
            });
            if let Some((mark, _)) = mark {
                found.push(format!(
                    "`{path}`, line {}: `{mark}` is a word of {}",
                    number + 1,
                    from.title()
                ));
            }
        }
    }
    found
}

fn is_yaml_template(path: &str) -> bool {
    let of_template = path.starts_with("templates/") || path.contains("/templates/");
    let file = std::path::Path::new(path);
    let ending = file.extension().and_then(|ending| ending.to_str());
    of_template && matches!(ending, Some("yaml" | "yml" | "tpl"))
}

/// The text of a sign that is long enough to be nobody else's.
fn literal(signature: &Signature) -> Option<&str> {
    let key = matches!(
        signature.r#in,
        Place::Annotation | Place::Label | Place::Provisioner | Place::Driver | Place::FlexDriver
    );
    let text = signature.is.trim_matches('*');
    let usable = key
        && !signature.weak
        && signature.value.is_empty()
        && text.len() >= 8
        && text.contains(['/', '.'])
        && !text.contains('*');
    usable.then_some(text)
}

/// Whether a text stands in a line as a word, or as the beginning of one.
fn stands_in(line: &str, mark: &str, open: bool) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let behind = line[at + mark.len()..].chars().next();
        let begins = mark.starts_with('.') || !before.is_some_and(part);
        begins && (open || !behind.is_some_and(part))
    })
}

#[cfg(test)]
mod tests {
    use super::super::input::ChartFile;
    use super::*;

    #[test]
    fn a_branch_that_was_never_rendered_is_named() {
        let text = "{{/* everest.io/comment */}}\n# everest.io/x\na: not-everest.io/x\n{{- if .Values.kms }}\neverest.io/crypt-key-id: {{ .Values.kms }}\n{{- end }}\n";
        let mut chart = ChartFiles::default();
        for path in ["templates/class.yaml", "templates/NOTES.txt", "values.yaml"] {
            let file = ChartFile {
                bytes: text.as_bytes().into(),
                mode: 0o644,
            };
            chart.files.insert(path.to_owned(), file);
        }
        let provider = |name: &str| Provider::named(name).unwrap();
        let found = words(&chart, &provider("huawei"), &provider("ali"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("`templates/class.yaml`, line 5: `everest.io/`"));
        assert!(words(&chart, &provider("aws"), &provider("ali")).is_empty());
    }
}
