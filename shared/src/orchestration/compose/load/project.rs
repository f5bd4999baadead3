//! Which files make the project, its folder, its variables and its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{LoadOptions, dotenv};
use crate::finding::{Code, Finding, Findings};
use crate::source::{
    Files, KeyPath, Mapping, Node, Origin, PathKind, Position, Sources, normalize,
};

/// Names of the main file, the preferred one first (compose-go `cli/options.go`).
const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];
/// Names of the file that is merged on top.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// The files of a project.
pub(super) struct Found {
    /// In merge order; absolute, or `-`.
    pub(super) files: Vec<PathBuf>,
    /// Project folder, absolute.
    pub(super) directory: PathBuf,
}

/// The files that the user names, those of `COMPOSE_FILE`, or those that lie in this folder or above it.
pub(super) fn find(
    options: &LoadOptions,
    files: &dyn Files,
    findings: &mut Findings,
) -> Option<Found> {
    let own = if options.files.is_empty() {
        own_variables(options, files)
    } else {
        BTreeMap::new()
    };
    let variable = |name: &str| options.environment.get(name).or_else(|| own.get(name));
    let absolute = |path: &Path| {
        if path.as_os_str() == "-" {
            path.to_owned()
        } else {
            normalize(&options.working_dir.join(path))
        }
    };
    let mut list: Vec<PathBuf> = options.files.iter().map(|f| absolute(f)).collect();
    if list.is_empty()
        && let Some(value) = variable("COMPOSE_FILE").filter(|v| !v.is_empty())
    {
        let separator = variable("COMPOSE_PATH_SEPARATOR")
            .filter(|s| !s.is_empty())
            .map_or(":", String::as_str);
        list = value
            .split(separator)
            .map(|f| absolute(Path::new(f)))
            .collect();
    }
    if list.is_empty() {
        list = discover(&options.working_dir, files, findings)?;
    }
    let directory = match &options.project_directory {
        Some(directory) => normalize(&options.working_dir.join(directory)),
        None => match list
            .first()
            .filter(|f| f.as_os_str() != "-")
            .and_then(|f| f.parent())
        {
            Some(parent) => parent.to_owned(),
            None => options.working_dir.clone(),
        },
    };
    Some(Found {
        files: list,
        directory,
    })
}

/// Where `.env` is read before it is known which files there are.
fn first_folder(options: &LoadOptions) -> PathBuf {
    match &options.project_directory {
        Some(directory) => normalize(&options.working_dir.join(directory)),
        None => options.working_dir.clone(),
    }
}

/// The variables that can name the project's files. What is wrong with them is said when all are read.
fn own_variables(options: &LoadOptions, files: &dyn Files) -> BTreeMap<String, String> {
    let mut list: Vec<_> = options
        .env_files
        .iter()
        .map(|f| options.working_dir.join(f))
        .collect();
    if list.is_empty() {
        list.push(first_folder(options).join(".env"));
    }
    let (mut sources, mut unsaid) = (Sources::default(), Findings::default());
    let mut variables = BTreeMap::new();
    for path in list {
        if matches!(files.kind(&path), PathKind::File(_)) {
            read_env_file(
                &path,
                &mut variables,
                &options.environment,
                files,
                &mut sources,
                &mut unsaid,
            );
        }
    }
    variables
}

fn discover(from: &Path, files: &dyn Files, findings: &mut Findings) -> Option<Vec<PathBuf>> {
    let there = |path: &PathBuf| matches!(files.kind(path), PathKind::File(_));
    for folder in from.ancestors() {
        let mains: Vec<_> = NAMES
            .iter()
            .map(|n| folder.join(n))
            .filter(|p| there(p))
            .collect();
        let Some(main) = mains.first() else { continue };
        if mains.len() > 1 {
            let message = format!(
                "there are several Compose files; `{}` is used",
                main.display()
            );
            findings.push(Finding::new(Code("several-files"), message));
        }
        let mut found = vec![main.clone()];
        found.extend(OVERRIDES.iter().map(|n| folder.join(n)).find(|p| there(p)));
        return Some(found);
    }
    let message = format!(
        "there is no {} in `{}` or above it",
        NAMES.join(", "),
        from.display()
    );
    findings.push(Finding::new(Code("no-compose-file"), message));
    None
}

/// The caller's environment with the variables of `.env` or `--env-file` beneath.
pub(super) fn environment(
    options: &LoadOptions,
    directory: &Path,
    files: &dyn Files,
    sources: &mut Sources,
    findings: &mut Findings,
) -> BTreeMap<String, String> {
    let explicit = !options.env_files.is_empty();
    let list = if explicit {
        options
            .env_files
            .iter()
            .map(|f| options.working_dir.join(f))
            .collect()
    } else {
        let mut list = vec![directory.join(".env")];
        // `docker compose` has read the one of this folder already where no file was named, and it wins.
        let first = first_folder(options);
        if options.files.is_empty() && first != directory {
            list.push(first.join(".env"));
        }
        list
    };
    let mut below = BTreeMap::new();
    for path in list {
        if !explicit && !matches!(files.kind(&path), PathKind::File(_)) {
            continue;
        }
        read_env_file(
            &path,
            &mut below,
            &options.environment,
            files,
            sources,
            findings,
        );
    }
    below.extend(options.environment.clone());
    below
}

/// `docker stack deploy` takes its variables from the shell alone.
pub(super) fn of_stack(
    options: &LoadOptions,
    directory: &Path,
    files: &dyn Files,
    at: Position,
    findings: &mut Findings,
) {
    if options.env_files.is_empty()
        && matches!(files.kind(&directory.join(".env")), PathKind::File(1..))
    {
        let message =
            "variables are taken from `.env` here, which `docker stack deploy` does not read";
        let origin = Origin::new(at, KeyPath::root());
        findings.add(Code("dotenv-of-stack"), &origin, message);
    }
}

/// Adds the variables of one `.env` file; later files win.
pub(super) fn read_env_file(
    path: &Path,
    into: &mut BTreeMap<String, String>,
    outer: &BTreeMap<String, String>,
    files: &dyn Files,
    sources: &mut Sources,
    findings: &mut Findings,
) {
    let name = path.display().to_string();
    let content = files.read(path, 1 << 20).map_err(|e| e.to_string());
    let content =
        content.and_then(|b| String::from_utf8(b).map_err(|_| "it is not UTF-8".to_owned()));
    let content = match content {
        Ok(content) => content,
        Err(error) => {
            findings.push(Finding::new(
                Code("unreadable-file"),
                format!("`{name}`: {error}"),
            ));
            return;
        }
    };
    let mut known = into.clone();
    known.extend(outer.clone());
    match dotenv::parse(&content, &known) {
        Ok(variables) => into.extend(variables.into_iter().filter_map(|(k, v)| Some((k, v?)))),
        Err(bad) => {
            let file = sources.add(name.clone(), "");
            let at = Position {
                line: u32::try_from(bad.line).unwrap_or(u32::MAX),
                ..Position::start_of(file)
            };
            findings.push(Finding::new(Code("bad-env-file"), bad.message).at_position(at));
        }
    }
}

/// The project's name: `--project-name`, `COMPOSE_PROJECT_NAME`, `name:`, the name of the folder.
pub(super) fn name(
    options: &LoadOptions,
    root: &Mapping,
    directory: &Path,
    environment: &BTreeMap<String, String>,
    findings: &mut Findings,
) -> (String, Option<Origin>) {
    let written = root.0.get("name").and_then(|entry| {
        let origin = Origin::new(entry.node.at, KeyPath::root().key("name"));
        Some((entry.node.as_text()?.to_owned(), origin))
    });
    let outer = options.project_name.clone().or_else(|| {
        environment
            .get("COMPOSE_PROJECT_NAME")
            .filter(|n| !n.is_empty())
            .cloned()
    });
    if let Some(outer) = outer {
        if let Some((_, origin)) = &written {
            let message = format!(
                "the project is called `{outer}` instead, as the command line or the environment says"
            );
            findings.add(Code("overridden-by-merge"), origin, message);
        }
        return (normalized(&outer), None);
    }
    match written {
        Some((name, origin)) => {
            let clean = normalized(&name);
            if clean != name {
                let message = format!("`{name}` is no legal project name; write `{clean}`");
                findings.add(Code("bad-project-name"), &origin, message);
            }
            (clean, Some(origin))
        }
        None => (
            normalized(&directory.file_name().unwrap_or_default().to_string_lossy()),
            None,
        ),
    }
}

/// Lower case, without what a project name may not hold; `default` if nothing is left.
fn normalized(name: &str) -> String {
    let kept: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
        .collect();
    let kept = kept.trim_start_matches(['_', '-']);
    if kept.is_empty() {
        "default".to_owned()
    } else {
        kept.to_owned()
    }
}

/// The name of a node's text for messages.
pub(super) fn text_of(node: Option<&Node>) -> Option<String> {
    node.and_then(Node::as_text).map(str::to_owned)
}
