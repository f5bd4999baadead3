//! The files beside the document.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use crate::orchestration::output::SideFile;
use crate::source::normalize;

/// Files by path; the same path is written once.
#[derive(Debug, Default)]
pub(super) struct SideFiles(BTreeMap<String, SideFile>);

impl SideFiles {
    /// Adds a file. The same path with the same content is fine; with another content the path gets a number. Returns
    /// the path that it has.
    pub(super) fn add(&mut self, path: &str, bytes: &[u8], secret: bool) -> String {
        let mut name = path.to_owned();
        let mut number = 2_u32;
        while let Some(file) = self.0.get(&name) {
            if file.bytes == bytes {
                break;
            }
            name = format!("{path}.{number}");
            number = number.saturating_add(1);
        }
        self.0
            .entry(name.clone())
            .and_modify(|file| file.secret |= secret)
            .or_insert_with(|| SideFile {
                path: name.clone(),
                bytes: bytes.to_vec(),
                secret,
            });
        name
    }

    /// All files by path, with a guard against checking secrets in.
    pub(super) fn finish(mut self) -> Vec<SideFile> {
        if self
            .0
            .values()
            .any(|file| file.secret && file.path.starts_with("secrets/"))
        {
            self.add("secrets/.gitignore", b"*\n", false);
        }
        self.0.into_values().collect()
    }
}

/// The path inside of the output folder that a written path means, if it stays there.
pub(super) fn inside(path: &str) -> Option<String> {
    let path = normalize(Path::new(path));
    let mut out = String::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => {
                if !out.is_empty() {
                    out.push('/');
                }
                out.push_str(part.to_str()?);
            }
            _ => return None,
        }
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for (path, inner) in [
            ("./a/b", Some("a/b")),
            ("a/../b", Some("b")),
            ("../a", None),
            ("/etc/x", None),
            (".", None),
        ] {
            assert_eq!(inside(path).as_deref(), inner, "{path}");
        }
    }

    #[test]
    fn same_path_different_content() {
        let mut files = SideFiles::default();
        assert_eq!(files.add("secrets/a", b"1", true), "secrets/a");
        assert_eq!(files.add("secrets/a", b"1", false), "secrets/a");
        assert_eq!(files.add("secrets/a", b"2", true), "secrets/a.2");
        let paths: Vec<_> = files
            .finish()
            .into_iter()
            .map(|f| (f.path, f.secret))
            .collect();
        assert_eq!(
            paths,
            [
                ("secrets/.gitignore".to_owned(), false),
                ("secrets/a".to_owned(), true),
                ("secrets/a.2".to_owned(), true)
            ]
        );
    }
}
