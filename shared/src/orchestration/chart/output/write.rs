//! The files of the converted chart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::super::ChartError;
use super::super::input::{ChartFile, ChartFiles};
use super::super::work::{Origin, UserFile, Work};
use super::super::yaml::{Item, Step, Tree, YamlEdit, edit_yaml, parse_tree};
use crate::source::emit;

/// All files of a converted chart, by path in its folder.
#[derive(Debug, Clone, Default)]
pub struct ChartOutput {
    files: BTreeMap<String, ChartFile>,
    /// Subcharts that were archives and are folders now.
    pub unpacked: Vec<String>,
    /// The converted values files: as the user named them, and their paths in the chart.
    pub twins: Vec<(String, String)>,
}

impl ChartOutput {
    /// The paths with their contents.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, file)| (path.as_str(), &*file.bytes))
    }

    /// Writes the chart into a folder. A new folder appears whole or not at all; into one that is there, files are
    /// only written with `force`.
    ///
    /// # Errors
    /// The folder has files and `force` is not given, or the file system refuses.
    pub fn write(&self, folder: &Path, force: bool) -> Result<(), ChartError> {
        let occupied =
            folder.exists() && (!folder.is_dir() || fs_err::read_dir(folder)?.next().is_some());
        if occupied {
            if !force || !folder.is_dir() {
                return Err(ChartError::Exists(folder.to_owned()));
            }
            return self.fill(folder);
        }
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("chart");
        let parent = match folder.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs_err::create_dir_all(&parent)?;
        let partial = parent.join(format!(".{name}.partial-{}", std::process::id()));
        // Of a run that was killed.
        if partial.exists() {
            fs_err::remove_dir_all(&partial)?;
        }
        let result = self.fill(&partial).and_then(|()| {
            if folder.exists() {
                fs_err::remove_dir(folder)?;
            }
            fs_err::rename(&partial, folder)?;
            Ok(())
        });
        if result.is_err() {
            let _ = fs_err::remove_dir_all(&partial);
        }
        result
    }

    fn fill(&self, folder: &Path) -> Result<(), ChartError> {
        fs_err::create_dir_all(folder)?;
        super::super::input::write_files(folder, self.files.iter())
    }
}

/// Puts the output together.
pub(crate) fn output(original: &Work, work: &Work, target: &str, from: &str) -> ChartOutput {
    let mut out = ChartOutput::default();
    let touched: BTreeSet<&str> = work
        .chart
        .archives
        .iter()
        .filter(|(_, folder)| changed_below(&original.chart, &work.chart, folder))
        .map(|(archive, _)| archive.as_str())
        .collect();
    for (path, file) in &work.chart.files {
        let packed = work.chart.archives.iter().any(|(archive, folder)| {
            !touched.contains(archive.as_str())
                && path
                    .strip_prefix(folder.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
        });
        if !packed && !touched.contains(path.as_str()) {
            out.files.insert(path.clone(), file.clone());
        }
    }
    for archive in &touched {
        out.unpacked.push((*archive).to_owned());
    }
    local_dependencies(&mut out, work, &touched);
    let before = original.chart.text("values.yaml").unwrap_or_default();
    let after = work.chart.text("values.yaml").unwrap_or_default();
    let name = free_name(&out, &format!("values-{target}.yaml"));
    let header =
        format!("# What differs at {target} from the values that this chart had at {from}.\n");
    add_text(&mut out, &name, overlay(before, after, &header));
    for (old, new) in original.user.iter().zip(&work.user) {
        if new.origin == Origin::Together && new.text.is_empty() {
            continue;
        }
        let name = free_name(&out, &twin_name(&old.name, target));
        add_text(&mut out, &name, new.text.clone());
        let old = match old.origin {
            Origin::Given => old.name.clone(),
            Origin::Options => "--set".to_owned(),
            Origin::Together => "all values together (give it last)".to_owned(),
        };
        out.twins.push((old, name));
    }
    out
}

/// A chart of rendered manifests needs nothing of this.
pub(crate) fn plain_output(chart: ChartFiles) -> ChartOutput {
    ChartOutput {
        files: chart.files,
        ..ChartOutput::default()
    }
}

fn add_text(out: &mut ChartOutput, name: &str, text: String) {
    out.files.insert(
        name.to_owned(),
        ChartFile {
            bytes: text.into_bytes().into(),
            mode: 0o644,
        },
    );
}

fn changed_below(before: &ChartFiles, after: &ChartFiles, folder: &str) -> bool {
    let prefix = format!("{folder}/");
    let of = |chart: &ChartFiles| -> BTreeMap<String, ChartFile> {
        chart
            .files
            .range(prefix.clone()..)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .map(|(path, file)| (path.clone(), file.clone()))
            .collect()
    };
    of(before) != of(after)
}

fn free_name(out: &ChartOutput, name: &str) -> String {
    if !out.files.contains_key(name) {
        return name.to_owned();
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "yaml"));
    (2..1000)
        .map(|number| format!("{stem}-{number}.{extension}"))
        .find(|name| !out.files.contains_key(name))
        .unwrap_or_else(|| name.to_owned())
}

/// `prod.yaml` becomes `prod-ali.yaml`.
fn twin_name(name: &str, target: &str) -> String {
    let name = Path::new(name)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("values.yaml");
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "yaml"));
    format!("{stem}-{target}.{extension}")
}

/// The values that changed, and nothing else: what is gone is null.
fn overlay(before: &str, after: &str, header: &str) -> String {
    let value = |text: &str| {
        parse_tree(text)
            .ok()
            .flatten()
            .map_or(Json::Null, |tree| tree.to_json())
    };
    match changes(&value(before), &value(after)) {
        Some(changes) => format!("{header}{}", emit(&changes)),
        None => format!("{header}# No value had to change.\n{{}}\n"),
    }
}

fn changes(before: &Json, after: &Json) -> Option<Json> {
    if before == after {
        return None;
    }
    let (Json::Object(old), Json::Object(new)) = (before, after) else {
        return Some(after.clone());
    };
    let mut out = Map::new();
    for (key, value) in old {
        match new.get(key) {
            None => {
                out.insert(key.clone(), Json::Null);
            }
            Some(other) => {
                if let Some(change) = changes(value, other) {
                    out.insert(key.clone(), change);
                }
            }
        }
    }
    for (key, value) in new {
        if !old.contains_key(key) {
            out.insert(key.clone(), value.clone());
        }
    }
    (!out.is_empty()).then_some(Json::Object(out))
}

/// A subchart that lies in `charts/` as a folder now must not be downloaded again, which would undo its conversion: in
/// `Chart.yaml` and `Chart.lock` its repository becomes empty, which tells helm to use the folder.
fn local_dependencies(out: &mut ChartOutput, work: &Work, touched: &BTreeSet<&str>) {
    let names: BTreeSet<String> = touched
        .iter()
        .filter(|archive| archive.matches('/').count() == 1)
        .filter_map(|archive| {
            let folder = work.chart.archives.get(*archive)?;
            Some(work.chart.info(folder).name)
        })
        .collect();
    if names.is_empty() {
        return;
    }
    for (definition, lock) in [
        ("Chart.yaml", "Chart.lock"),
        ("requirements.yaml", "requirements.lock"),
    ] {
        let text = |out: &ChartOutput, path: &str| {
            out.files
                .get(path)
                .and_then(|file| std::str::from_utf8(&file.bytes).map(str::to_owned).ok())
        };
        let (Some(before), lock_before) = (text(out, definition), text(out, lock)) else {
            continue;
        };
        let after = without_repository(&before, &names);
        if after == before {
            continue;
        }
        set_text(out, definition, &after);
        if let Some(lock_before) = lock_before {
            let mut lock_after = without_repository(&lock_before, &names);
            // Only if the old digest was understood is a new one written.
            if digest(&before, &lock_before).is_some_and(|d| lock_before.contains(&d))
                && let Some(new) = digest(&after, &lock_after)
            {
                let edit = YamlEdit::Set(vec![Step::Key("digest".into())], Json::from(new));
                lock_after = edit_yaml(&lock_after, &[edit]).unwrap_or(lock_after);
            }
            set_text(out, lock, &lock_after);
        }
    }
}

fn set_text(out: &mut ChartOutput, path: &str, text: &str) {
    if let Some(file) = out.files.get_mut(path) {
        file.bytes = text.as_bytes().into();
    }
}

fn dependencies(tree: &Tree) -> &[Tree] {
    match tree.entry("dependencies").map(|e| &e.value.item) {
        Some(Item::Sequence { items, .. }) => items,
        _ => &[],
    }
}

fn without_repository(text: &str, names: &BTreeSet<String>) -> String {
    let Ok(Some(tree)) = parse_tree(text) else {
        return text.to_owned();
    };
    let edits: Vec<YamlEdit> = dependencies(&tree)
        .iter()
        .enumerate()
        .filter(|(_, item)| {
            item.entry("name")
                .and_then(|e| e.value.text())
                .is_some_and(|name| names.contains(name))
        })
        .map(|(index, _)| {
            YamlEdit::Set(
                vec![
                    Step::Key("dependencies".into()),
                    Step::Index(index),
                    Step::Key("repository".into()),
                ],
                Json::from(""),
            )
        })
        .collect();
    edit_yaml(text, &edits).unwrap_or_else(|_| text.to_owned())
}

/// The digest of `Chart.lock`: over the dependencies of both files as Go writes them (helm, `internal/resolver`).
fn digest(definition: &str, lock: &str) -> Option<String> {
    let list = |text: &str| -> Option<Vec<Json>> {
        let tree = parse_tree(text).ok()??;
        Some(
            dependencies(&tree)
                .iter()
                .map(|item| {
                    let item = item.to_json();
                    let mut out = Map::new();
                    for (key, omit) in [
                        ("name", false),
                        ("version", true),
                        ("repository", false),
                        ("condition", true),
                        ("tags", true),
                        ("enabled", true),
                        ("import-values", true),
                        ("alias", true),
                    ] {
                        match item.get(key) {
                            Some(value) if !(omit && is_zero(value)) => {
                                out.insert(key.into(), value.clone());
                            }
                            _ if omit => {}
                            _ => {
                                out.insert(key.into(), json!(""));
                            }
                        }
                    }
                    Json::Object(out)
                })
                .collect(),
        )
    };
    let both = json!([list(definition)?, list(lock)?]).to_string();
    let as_go = both
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e");
    let hash = Sha256::digest(as_go.as_bytes());
    let hex = hash.iter().fold(String::new(), |mut out, byte| {
        out.push_str(&format!("{byte:02x}"));
        out
    });
    Some(format!("sha256:{hex}"))
}

fn is_zero(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// A values file made of options such as `--set`.
pub(crate) fn file_of_options(values: &Json) -> UserFile {
    UserFile {
        name: "set.yaml".into(),
        text: emit(values),
        origin: Origin::Options,
    }
}

/// What has to be given on top of `before` to get `after`.
pub(crate) fn difference(before: &Json, after: &Json) -> Option<Json> {
    changes(before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlay_has_what_changed() {
        let text = overlay(
            "a: 1\nb: {c: 1, d: 2}\n",
            "a: 1\nb: {c: 3}\ne: 4\n",
            "# h\n",
        );
        assert_eq!(text, "# h\nb:\n  c: 3\n  d: null\ne: 4\n");
        assert_eq!(
            overlay("a: 1", "a: 1", ""),
            "# No value had to change.\n{}\n"
        );
        assert_eq!(twin_name("x/prod.yaml", "ali"), "prod-ali.yaml");
    }
}
