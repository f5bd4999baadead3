//! The files of a chart, its subcharts among them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::ChartError;
use super::super::yaml::{Item, parse_tree};
use super::archive;
use crate::parallel;

/// Most bytes that all files of a chart may have together.
const MOST_BYTES: u64 = 256 << 20;
/// Most files.
const MOST_FILES: usize = 20_000;
/// Deepest folders; a folder that links to itself ends here.
const DEPTH: usize = 24;

/// One file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ChartFile {
    /// Its content.
    pub bytes: Arc<[u8]>,
    /// Permission bits.
    pub mode: u32,
}

impl std::fmt::Debug for ChartFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChartFile")
            .field("bytes", &self.bytes.len())
            .field("mode", &format_args!("{:o}", self.mode))
            .finish()
    }
}

/// All files of a chart, by path with `/`. Archives in `charts/` are unpacked beside themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChartFiles {
    /// The files.
    pub files: BTreeMap<String, ChartFile>,
    /// Archives of subcharts: path of the archive, and the folder that its files stand in here.
    pub archives: BTreeMap<String, String>,
}

/// What the `Chart.yaml` of a chart says.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChartInfo {
    /// Its name.
    pub name: String,
    /// Its dependencies.
    pub dependencies: Vec<Dependency>,
}

/// One entry of `dependencies`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dependency {
    /// Name of the chart.
    pub name: String,
    /// Version or range.
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// The name that it is known by in this chart.
    pub alias: String,
}

impl ChartFiles {
    /// Reads a folder.
    pub(crate) fn read_folder(folder: &Path) -> Result<Self, ChartError> {
        let mut found = Vec::new();
        let mut total = 0;
        find(folder, "", 0, &mut found, &mut total)?;
        let contents = parallel::each(&found, |(_, path, _)| fs_err::read(path));
        let mut chart = Self::default();
        for ((inner, _, mode), content) in found.into_iter().zip(contents) {
            let bytes = content?.into();
            chart.files.insert(inner, ChartFile { bytes, mode });
        }
        Ok(chart)
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(&self.files.get(path)?.bytes).ok()
    }

    /// Puts a text in the place of another; a new file gets the usual permissions.
    pub(crate) fn set_text(&mut self, path: &str, text: String) {
        let mode = self.files.get(path).map_or(0o644, |file| file.mode);
        self.files.insert(
            path.to_owned(),
            ChartFile {
                bytes: text.into_bytes().into(),
                mode,
            },
        );
    }

    /// Unpacks the archives in `charts/`, at every depth.
    pub(crate) fn unpack_archives(&mut self) -> Result<(), ChartError> {
        for _ in 0..DEPTH {
            let next: Vec<String> = self
                .files
                .keys()
                .filter(|path| is_archive(path) && !self.archives.contains_key(*path))
                .cloned()
                .collect();
            if next.is_empty() {
                return Ok(());
            }
            for path in next {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                let files = archive::unpack(&path, &self.files[&path].bytes)?;
                let name = files
                    .get("Chart.yaml")
                    .and_then(|file| std::str::from_utf8(&file.bytes).ok())
                    .map(|text| chart_info(text).name)
                    .filter(|name| !name.is_empty())
                    .ok_or_else(|| ChartError::Archive {
                        archive: path.clone(),
                        problem: "there is no Chart.yaml with a name in it".into(),
                    })?;
                // Two versions of the same chart may lie side by side.
                let taken = |folder: &str| {
                    let prefix = format!("{folder}/");
                    self.files.keys().any(|path| path.starts_with(&prefix))
                };
                let mut folder = format!("{parent}/{name}");
                if taken(&folder) {
                    let stem = path
                        .rsplit('/')
                        .next()
                        .unwrap_or(&path)
                        .trim_end_matches(".tgz");
                    folder = format!("{parent}/{stem}");
                }
                for (inner, file) in files {
                    self.files.insert(format!("{folder}/{inner}"), file);
                }
                self.archives.insert(path, folder);
            }
        }
        Ok(())
    }

    /// Writes the files into a folder in which `there` stands; archives that are unpacked are left out, so that helm
    /// sees each chart once.
    pub(crate) fn write_unpacked(&self, folder: &Path, there: &Self) -> Result<(), ChartError> {
        let stands = |files: &Self, path: &str| !files.archives.contains_key(path);
        for path in there.files.keys().filter(|path| stands(there, path)) {
            if !self.files.contains_key(path) || !stands(self, path) {
                fs_err::remove_file(folder.join(path))?;
            }
        }
        let changed = self.files.iter().filter(|(path, file)| {
            stands(self, path) && (there.files.get(*path) != Some(file) || !stands(there, path))
        });
        write_files(folder, changed)
    }

    /// The archive that a file comes from.
    pub(crate) fn archive_of(&self, path: &str) -> Option<&str> {
        self.archives
            .iter()
            .find(|(_, folder)| {
                path.strip_prefix(folder.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
            })
            .map(|(archive, _)| archive.as_str())
    }

    /// The folders of the chart and all of its subcharts; the chart's own is the empty text.
    pub(crate) fn chart_folders(&self) -> BTreeSet<String> {
        self.files
            .keys()
            .filter_map(|path| match path.strip_suffix("Chart.yaml") {
                Some("") => Some(String::new()),
                Some(folder) => {
                    let folder = folder.strip_suffix('/')?;
                    let parent = folder.rsplit_once('/').map_or("", |(p, _)| p);
                    (parent == "charts" || parent.ends_with("/charts")).then(|| folder.to_owned())
                }
                None => None,
            })
            .collect()
    }

    /// What the `Chart.yaml` in a folder says; a Helm 2 chart names its dependencies in `requirements.yaml`.
    pub(crate) fn info(&self, folder: &str) -> ChartInfo {
        let mut info = self
            .text(&join(folder, "Chart.yaml"))
            .map(chart_info)
            .unwrap_or_default();
        if let Some(text) = self.text(&join(folder, "requirements.yaml")) {
            info.dependencies.extend(chart_info(text).dependencies);
        }
        info
    }

    /// The file that helm means by a source comment (`shop/charts/db/templates/x.yaml`).
    pub(crate) fn file_of_source(&self, source: &str) -> Option<String> {
        let rest = source.split_once('/')?.1;
        let mut folder = String::new();
        let mut rest = rest;
        loop {
            let Some(below) = rest.strip_prefix("charts/") else {
                let path = join(&folder, rest);
                return self.files.contains_key(&path).then_some(path);
            };
            let (name, further) = below.split_once('/')?;
            folder = self.subchart_folder(&folder, name)?;
            rest = further;
        }
    }

    /// The folder of the subchart that its parent knows by a name or an alias.
    pub(crate) fn subchart_folder(&self, parent: &str, name: &str) -> Option<String> {
        let charts = join(parent, "charts");
        let direct = format!("{charts}/{name}");
        let info = self.info(parent);
        let real = info
            .dependencies
            .iter()
            .find(|d| d.alias == name)
            .map(|d| d.name.as_str());
        let real = real.unwrap_or(name);
        let prefix = format!("{charts}/");
        self.chart_folders()
            .into_iter()
            .filter(|folder| {
                folder
                    .strip_prefix(&prefix)
                    .is_some_and(|rest| !rest.contains('/'))
            })
            .find(|folder| self.info(folder).name == real)
            .or_else(|| {
                self.files
                    .contains_key(&format!("{direct}/Chart.yaml"))
                    .then_some(direct)
            })
    }
}

/// A path below a folder, which may be the chart's own.
pub(crate) fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    }
}

fn is_archive(path: &str) -> bool {
    let Some((parent, name)) = path.rsplit_once('/') else {
        return false;
    };
    (parent == "charts" || parent.ends_with("/charts"))
        && (name.ends_with(".tgz") || name.ends_with(".tar.gz"))
}

/// Reads a `Chart.yaml`, or the dependencies of a `requirements.yaml`.
pub(crate) fn chart_info(text: &str) -> ChartInfo {
    let Ok(Some(tree)) = parse_tree(text) else {
        return ChartInfo::default();
    };
    let text_of = |tree: &super::super::yaml::Tree, key: &str| {
        tree.entry(key)
            .and_then(|e| e.value.text())
            .unwrap_or_default()
            .to_owned()
    };
    let dependencies = match tree.entry("dependencies").map(|e| &e.value.item) {
        Some(Item::Sequence { items, .. }) => items
            .iter()
            .map(|item| Dependency {
                name: text_of(item, "name"),
                version: text_of(item, "version"),
                repository: text_of(item, "repository"),
                alias: text_of(item, "alias"),
            })
            .collect(),
        _ => Vec::new(),
    };
    ChartInfo {
        name: text_of(&tree, "name"),
        dependencies,
    }
}

/// Writes files with their permissions into a folder, and the folders above them.
pub(crate) fn write_files<'f>(
    folder: &Path,
    files: impl Iterator<Item = (&'f String, &'f ChartFile)>,
) -> Result<(), ChartError> {
    let files: Vec<(PathBuf, &ChartFile)> = files
        .map(|(path, file)| (folder.join(path), file))
        .collect();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|(path, _)| path.parent()).collect();
    for folder in folders {
        fs_err::create_dir_all(folder)?;
    }
    // Most of the time goes to the system, for each file by itself.
    for written in parallel::parts(&files, |files| {
        files.iter().try_for_each(|(path, file)| write(path, file))
    }) {
        written?;
    }
    Ok(())
}

fn write(path: &Path, file: &ChartFile) -> std::io::Result<()> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    with_mode(&mut options, file.mode);
    let mut open = options.open(path)?;
    open.write_all(&file.bytes)?;
    // What was there keeps its mode, and the umask takes from a new one.
    if mode_of(&open.metadata()?) == file.mode {
        Ok(())
    } else {
        set_mode(&open, file.mode)
    }
}

#[cfg(unix)]
fn with_mode(options: &mut fs_err::OpenOptions, mode: u32) {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    options.mode(mode & 0o777);
}

#[cfg(not(unix))]
fn with_mode(_: &mut fs_err::OpenOptions, _: u32) {}

#[cfg(unix)]
fn set_mode(file: &fs_err::File, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn set_mode(_: &fs_err::File, _: u32) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> u32 {
    0o644
}

/// Finds the files below a folder: paths in the chart and on disk, and permission bits.
fn find(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<(String, PathBuf, u32)>,
    total: &mut u64,
) -> Result<(), ChartError> {
    if depth > DEPTH {
        return Err(ChartError::NotAChart(format!(
            "`{}` is nested more than {DEPTH} folders deep",
            folder.display()
        )));
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        entries.push(entry?.path());
    }
    entries.sort();
    for path in entries {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(ChartError::NotAChart(format!(
                "`{}` has a name that is not UTF-8",
                path.display()
            )));
        };
        // History of the sources is no part of the chart.
        if name == ".git" {
            continue;
        }
        // As helm does, links are followed.
        let metadata = fs_err::metadata(&path)?;
        let inner = join(prefix, name);
        if metadata.is_dir() {
            find(&path, &inner, depth + 1, files, total)?;
        } else if metadata.is_file() {
            *total += metadata.len();
            if *total > MOST_BYTES || files.len() >= MOST_FILES {
                return Err(ChartError::NotAChart(format!(
                    "the chart has more than {} MB or {MOST_FILES} files; is `{}` the folder that you meant?",
                    MOST_BYTES >> 20,
                    folder.display()
                )));
            }
            files.push((inner, path, mode_of(&metadata)));
        }
    }
    Ok(())
}
