//! Programs on `PATH`: which one is found, and which ones stand in its shadow.

use std::path::{Path, PathBuf};

/// All programs of that name on `PATH`, the one that is found first. Links to the same file count once.
pub(super) fn all(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for program in which::which_all(name).into_iter().flatten() {
        if !found.iter().any(|other| is_same(other, &program)) {
            found.push(program);
        }
    }
    found
}

/// Programs on `PATH` whose names begin with `prefix`, one for each name, sorted.
pub(super) fn beginning_with(prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        let Ok(entries) = fs_err::read_dir(&folder) else {
            continue;
        };
        let mut names: Vec<_> = entries
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| name.to_str().is_some_and(|name| name.starts_with(prefix)))
            .collect();
        names.sort();
        for name in names {
            let path = folder.join(&name);
            if is_executable(&path) && !found.iter().any(|f| f.file_name() == Some(&name)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(unix)]
pub(super) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// Paths for a message: `a, b`.
pub(super) fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
