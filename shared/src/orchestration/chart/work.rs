//! The chart while it is being converted: its files, the values files given, and the ways in which it is rendered.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::helm::{Render, Running};
use super::identify::TextRef;
use super::input::ChartFiles;
use super::render::{Document, Known, split};
use super::yaml::{Step, Tree, parse_tree};
use super::{ChartError, Helm};
use crate::host::private::PrivateFolder;

/// A values file of the user's.
#[derive(Debug, Clone)]
pub(crate) struct UserFile {
    /// As the user named it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whose it is.
    pub origin: Origin,
}

/// Where a values file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The user gave it.
    Given,
    /// Made of `--set` and the like.
    Options,
    /// What all of them together need besides; empty as a rule.
    Together,
}

/// The chart and the values files, as they are now.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// The chart.
    pub chart: ChartFiles,
    /// The values files.
    pub user: Vec<UserFile>,
}

/// One way of rendering the chart.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// For messages: `the default values`, `prod.yaml`.
    pub name: String,
    /// The values files, by index, in order.
    pub files: Vec<usize>,
    /// Values that no file has, on top of all others.
    pub overlay: Json,
    /// Name of the release.
    pub release: String,
    /// Whether the law must hold. Others are tried for the parts that are switched off by default.
    pub required: bool,
}

impl Variant {
    /// Whether a value is one that no file has.
    fn sets(&self, leaf: &[Step]) -> bool {
        let mut steps = leaf.iter();
        let found = steps.try_fold(&self.overlay, |at, step| match step {
            Step::Key(key) => at.get(key),
            Step::Index(index) => at.get(index),
        });
        found.is_some_and(|value| !value.is_object() && !value.is_null())
    }

    /// The values file that no other variant reads last: its own, if it has one. What is only tried writes into none.
    pub(crate) fn own_file(&self) -> Option<usize> {
        self.files.last().copied().filter(|_| self.required)
    }
}

/// A file with values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ValuesRef {
    /// Of the chart.
    Chart(String),
    /// Of the user.
    User(usize),
}

/// What came out of one rendering.
#[derive(Debug, Clone)]
pub(crate) struct Rendering {
    /// The documents, without the one that tells the values.
    pub documents: Arc<Vec<Document>>,
    /// All of the text.
    pub text: String,
    /// The values of the root chart as helm put them together; null if they were not asked for.
    pub values: Json,
}

/// The template that tells the values, and the object that it renders.
const VALUES_TEMPLATE: &str = "templates/zz-helm-convert-values.yaml";
const VALUES_NAME: &str = "helm-convert-values";

/// A chart on disk, ready to be rendered many times: as an archive, or else as a folder.
#[derive(Debug)]
pub(crate) struct OnDisk {
    folder: PrivateFolder,
    chart: PathBuf,
    values: Vec<PathBuf>,
    known: Known,
    /// The chart as it was written last: helm may still be reading it.
    written: ChartFiles,
    /// What stands in the folder of the chart.
    loose: ChartFiles,
    /// The texts of the values files.
    texts: Vec<String>,
}

impl OnDisk {
    /// Writes chart and values files into a folder of their own. With `telling`, the chart gets the template that
    /// tells its values; without `schema`, it loses its schemas, for values that are marks.
    pub(crate) fn write(
        chart: &ChartFiles,
        user: &[UserFile],
        telling: bool,
        schema: bool,
    ) -> Result<Self, ChartError> {
        let folder = PrivateFolder::for_much()?;
        let mut disk = Self {
            folder,
            chart: PathBuf::new(),
            values: Vec::new(),
            known: Known::default(),
            written: ChartFiles::default(),
            loose: ChartFiles::default(),
            texts: Vec::new(),
        };
        disk.update(chart, user, telling, schema)?;
        Ok(disk)
    }

    /// Writes what has become different.
    pub(crate) fn update(
        &mut self,
        chart: &ChartFiles,
        user: &[UserFile],
        telling: bool,
        schema: bool,
    ) -> Result<(), ChartError> {
        let mut chart = chart.clone();
        if telling {
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {VALUES_NAME}\ndata:\n  values: {{{{ toJson $.Values | quote }}}}\n"
            );
            chart.set_text(VALUES_TEMPLATE, text);
        }
        if !schema {
            chart
                .files
                .retain(|path, _| !path.ends_with("values.schema.json"));
        }
        if self.written != chart {
            if let Some(archive) = chart.packed() {
                self.chart = self.folder.path().join("chart.tgz");
                fs_err::write(&self.chart, archive)?;
            } else {
                self.chart = self.folder.path().join("chart");
                chart.write_unpacked(&self.chart, &self.loose)?;
                self.loose = chart.clone();
            }
            self.written = chart;
        }
        let texts: Vec<String> = user.iter().map(|file| file.text.clone()).collect();
        self.values.clear();
        for (index, text) in texts.iter().enumerate() {
            let path = self.folder.path().join(format!("values-{index}.yaml"));
            if self.texts.get(index) != Some(text) {
                fs_err::write(&path, text)?;
            }
            self.values.push(path);
        }
        self.texts = texts;
        Ok(())
    }

    /// Documents that `known` has seen are not read again, and it learns the others.
    pub(crate) fn knowing(self, known: &Known) -> Self {
        Self {
            known: known.clone(),
            ..self
        }
    }

    /// Renders a variant.
    pub(crate) fn render(
        &self,
        helm: &Helm,
        variant: &Variant,
        capabilities: &[OsString],
    ) -> Result<Rendering, ChartError> {
        let text = self.print(helm, variant, capabilities)?;
        Ok(Rendering::read(text, &self.known))
    }

    /// What helm prints for a variant.
    pub(crate) fn print(
        &self,
        helm: &Helm,
        variant: &Variant,
        capabilities: &[OsString],
    ) -> Result<String, ChartError> {
        self.begin(helm, variant, capabilities)?.end()
    }

    /// Begins to render a variant.
    pub(crate) fn begin(
        &self,
        helm: &Helm,
        variant: &Variant,
        capabilities: &[OsString],
    ) -> Result<Running, ChartError> {
        let mut values: Vec<OsString> = Vec::new();
        for index in &variant.files {
            values.push("--values".into());
            values.push(self.values[*index].clone().into());
        }
        self.begin_with(helm, variant, capabilities, values, &variant.overlay)
    }

    /// Renders with exactly these values of the root chart.
    pub(crate) fn render_values(
        &self,
        helm: &Helm,
        variant: &Variant,
        capabilities: &[OsString],
        all: &Json,
    ) -> Result<Rendering, ChartError> {
        let running = self.begin_with(helm, variant, capabilities, Vec::new(), all)?;
        Ok(Rendering::read(running.end()?, &self.known))
    }

    fn begin_with(
        &self,
        helm: &Helm,
        variant: &Variant,
        capabilities: &[OsString],
        mut values: Vec<OsString>,
        overlay: &Json,
    ) -> Result<Running, ChartError> {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        if overlay.as_object().is_some_and(|map| !map.is_empty()) {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.path().join(format!("overlay-{number}.json"));
            fs_err::write(&path, overlay.to_string())?;
            values.push("--values".into());
            values.push(path.into());
        }
        helm.template(&Render {
            chart: &self.chart,
            release: &variant.release,
            namespace: super::helm::NAMESPACE,
            values: &values,
            capabilities,
        })
    }

    /// The chart, for helm and for its messages that name it.
    pub(crate) fn chart(&self) -> &std::path::Path {
        &self.chart
    }

    /// The values files on disk.
    pub(crate) fn values_files(&self) -> &[PathBuf] {
        &self.values
    }
}

impl Rendering {
    /// Takes apart what helm printed.
    pub(crate) fn read(text: String, known: &Known) -> Self {
        let mut documents = split(&text, known);
        let mut values = Json::Null;
        documents.retain(|document| match told_values(&document.value) {
            Some(told) => {
                values = told;
                false
            }
            None => true,
        });
        Self {
            documents: Arc::new(documents),
            text,
            values,
        }
    }
}

/// The values that a rendering tells, read before all else of it.
pub(crate) fn values_of(text: &str) -> Json {
    let name = format!("name: {VALUES_NAME}");
    let mut documents = text
        .split("\n---\n")
        .filter(|document| document.contains(&name));
    documents
        .find_map(|document| told_values(&parse_tree(document).ok()??.to_json()))
        .unwrap_or_default()
}

/// The values, if this is the object that tells them.
fn told_values(object: &Json) -> Option<Json> {
    let text = |pointer| object.pointer(pointer).and_then(Json::as_str);
    let is_ours = text("/metadata/name") == Some(VALUES_NAME);
    is_ours.then(|| {
        text("/data/values")
            .and_then(|values| serde_json::from_str(values).ok())
            .unwrap_or_default()
    })
}

impl Work {
    /// The text behind a reference.
    pub(crate) fn text(&self, text: &TextRef, variant: &Variant) -> Option<String> {
        match text {
            TextRef::File(path) => self.chart.text(path).map(str::to_owned),
            TextRef::Value(leaf) => {
                let (file, path) = self.definer(variant, leaf)?;
                with_tree(&self.values_text(&file)?, |tree| {
                    tree?.get(&path)?.text().map(str::to_owned)
                })
            }
        }
    }

    /// The text of a file with values.
    pub(crate) fn values_text(&self, file: &ValuesRef) -> Option<String> {
        match file {
            ValuesRef::Chart(path) => Some(self.chart.text(path).unwrap_or_default().to_owned()),
            ValuesRef::User(index) => Some(self.user.get(*index)?.text.clone()),
        }
    }

    /// Puts the text of a file with values in its place.
    pub(crate) fn set_values_text(&mut self, file: &ValuesRef, text: String) {
        match file {
            ValuesRef::Chart(path) => self.chart.set_text(path, text),
            ValuesRef::User(index) => {
                if let Some(file) = self.user.get_mut(*index) {
                    file.text = text;
                }
            }
        }
    }

    /// The file that gives a value of the root chart its content in a variant, and the path in that file. Values of a
    /// subchart that is an archive are overridden from the root chart.
    pub(crate) fn definer(
        &self,
        variant: &Variant,
        leaf: &[Step],
    ) -> Option<(ValuesRef, Vec<Step>)> {
        if variant.sets(leaf) {
            return None;
        }
        for index in variant.files.iter().rev() {
            if defines(&self.user.get(*index)?.text, leaf) {
                return Some((ValuesRef::User(*index), leaf.to_vec()));
            }
        }
        let mut folder = String::new();
        let mut path = leaf;
        loop {
            let file = if folder.is_empty() {
                "values.yaml".to_owned()
            } else {
                format!("{folder}/values.yaml")
            };
            if self
                .chart
                .text(&file)
                .is_some_and(|text| defines(text, path))
            {
                if self.chart.archive_of(&file).is_some() {
                    return Some((ValuesRef::Chart("values.yaml".into()), leaf.to_vec()));
                }
                return Some((ValuesRef::Chart(file), path.to_vec()));
            }
            let (Step::Key(name), below) = path.split_first()? else {
                return None;
            };
            folder = self.chart.subchart_folder(&folder, name)?;
            path = below;
        }
    }
}

/// Whether a file with values has something at a path.
pub(crate) fn defines(text: &str, path: &[Step]) -> bool {
    with_tree(text, |tree| {
        tree.is_some_and(|tree| tree.get(path).is_some())
    })
}

/// Looks into a file with values. The same few files are asked about each value of a chart.
pub(crate) fn with_tree<T>(text: &str, look: impl FnOnce(Option<&Tree>) -> T) -> T {
    /// As many as are asked in turn; more would only take memory.
    const KEPT: usize = 8;
    type Parsed = (String, Option<Tree>);
    thread_local! {
        static PARSED: RefCell<VecDeque<Parsed>> = const { RefCell::new(VecDeque::new()) };
    }
    PARSED.with_borrow_mut(|parsed| {
        let index = parsed
            .iter()
            .position(|(known, _)| known == text)
            .unwrap_or_else(|| {
                if parsed.len() == KEPT {
                    parsed.pop_front();
                }
                parsed.push_back((text.to_owned(), parse_tree(text).ok().flatten()));
                parsed.len() - 1
            });
        let (_, tree) = &parsed[index];
        look(tree.as_ref())
    })
}

/// Values with null for each key of `all` that is not there, so that they replace the chart's own values whole.
pub(crate) fn complete_values(values: &Json, all: &Json) -> Json {
    match (values, all) {
        (Json::Object(map), Json::Object(defaults)) => {
            let mut out: Map<String, Json> = map
                .iter()
                .map(|(key, value)| {
                    let value = match defaults.get(key) {
                        Some(default) => complete_values(value, default),
                        None => value.clone(),
                    };
                    (key.clone(), value)
                })
                .collect();
            for key in defaults.keys() {
                out.entry(key.clone()).or_insert(Json::Null);
            }
            Json::Object(out)
        }
        _ => values.clone(),
    }
}
