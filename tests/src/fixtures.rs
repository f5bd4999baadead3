//! The fixtures, and how each of them is converted.

use std::path::{Path, PathBuf};

/// The folder of all fixtures.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// One Compose project.
#[derive(Debug, Clone)]
pub struct ComposeFixture {
    /// Path below the fixtures' folder, for messages and snapshots.
    pub name: String,
    /// Folder in which it is converted.
    pub folder: PathBuf,
    /// Files of the project, relative to the folder; empty lets Compose find them.
    pub files: Vec<PathBuf>,
    /// `--project-directory`
    pub project_directory: Option<PathBuf>,
    /// Profiles that are asked for.
    pub profiles: Vec<String>,
    /// `--env-file`
    pub env_files: Vec<PathBuf>,
    /// `--dialect swarm`
    pub swarm: Option<bool>,
}

/// All Compose projects.
///
/// # Panics
/// A folder of fixtures cannot be read.
#[must_use]
pub fn compose() -> Vec<ComposeFixture> {
    let mut all = Vec::new();
    for folder in folders(&folder().join("applications")) {
        for file in files(&folder) {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if (name.starts_with("docker-compose") || name.starts_with("docker-stack"))
                && name.ends_with(".yml")
            {
                all.push(ComposeFixture {
                    name: format!("{}-{}", base(&folder), name.trim_end_matches(".yml")),
                    folder: folder.clone(),
                    files: vec![PathBuf::from(name)],
                    project_directory: None,
                    profiles: Vec::new(),
                    env_files: Vec::new(),
                    swarm: None,
                });
            }
        }
    }
    for folder in folders(&folder().join("features/compose")) {
        all.push(with_arguments(&folder));
    }
    all
}

/// A project with the command line of its `args.txt`, one word a line.
fn with_arguments(folder: &Path) -> ComposeFixture {
    let mut fixture = ComposeFixture {
        name: base(folder),
        folder: folder.to_owned(),
        files: Vec::new(),
        project_directory: None,
        profiles: Vec::new(),
        env_files: Vec::new(),
        swarm: None,
    };
    let arguments = read(&folder.join("args.txt")).unwrap_or_default();
    let mut words = arguments.split_whitespace();
    while let Some(flag) = words.next() {
        let value = words.next().unwrap_or_default().to_owned();
        match flag {
            "-f" | "--file" => fixture.files.push(value.into()),
            "--project-directory" => fixture.project_directory = Some(value.into()),
            "--profile" => fixture.profiles.push(value),
            "--env-file" => fixture.env_files.push(value.into()),
            "--dialect" => fixture.swarm = Some(value == "swarm"),
            _ => {}
        }
    }
    fixture
}

/// One set of Kubernetes manifests.
#[derive(Debug, Clone)]
pub struct KubernetesFixture {
    /// Path below the fixtures' folder, for messages and snapshots.
    pub name: String,
    /// A file or a folder.
    pub path: PathBuf,
}

/// All sets of Kubernetes manifests.
#[must_use]
pub fn kubernetes() -> Vec<KubernetesFixture> {
    let mut all = Vec::new();
    for folder in folders(&folder().join("applications")) {
        let path = folder.join("kubernetes");
        if path.is_dir() {
            all.push(KubernetesFixture {
                name: format!("{}-kubernetes", base(&folder)),
                path,
            });
        }
    }
    for path in files(&folder().join("features/kubernetes")) {
        all.push(KubernetesFixture {
            name: base(&path),
            path,
        });
    }
    all
}

/// Folders below a folder, sorted.
#[must_use]
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|p| p.is_dir()).collect()
}

/// Files in a folder, sorted.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder)
        .into_iter()
        .filter(|p| p.is_file())
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(read) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn base(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn read(path: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(path).ok()?).ok()
}

/// The rows of a table of cases: cells separated by tabs, `#` begins a comment.
///
/// # Panics
/// The table cannot be read.
#[must_use]
pub fn table(name: &str) -> Vec<Vec<String>> {
    let path = folder().join("cases").join(name);
    let text = read(&path).unwrap_or_else(|| panic!("{} cannot be read", path.display()));
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}
