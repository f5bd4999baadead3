//! `.helmignore`: which files of a folder helm does not see (helm, `pkg/ignore`).

use globset::{GlobBuilder, GlobMatcher};

/// What helm leaves out wherever it reads a folder.
const ALWAYS: &str = "templates/.?*";

/// The rules of one chart.
#[derive(Debug)]
pub(crate) struct Ignored(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: GlobMatcher,
    /// Only folders: `name/`.
    folder: bool,
    /// Against the whole path, not only its last name.
    whole: bool,
}

impl Ignored {
    /// Reads the rules. `None` for those with more than `*` and `?` in them, which helm alone understands.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let lines = text.lines().map(str::trim);
        let written = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut rules = Vec::new();
        for line in written.chain([ALWAYS]) {
            let only_helm = |c| matches!(c, '!' | '[' | '{' | '}' | '\\' | '\u{feff}');
            if line.contains("**") || line.contains(only_helm) {
                return None;
            }
            let name = line.strip_suffix('/').unwrap_or(line);
            // Go's `filepath.Match`: neither `*` nor `?` stands for a `/`.
            let glob = GlobBuilder::new(name.strip_prefix('/').unwrap_or(name))
                .literal_separator(true)
                .build()
                .ok()?;
            rules.push(Rule {
                pattern: glob.compile_matcher(),
                folder: name.len() < line.len(),
                whole: name.contains('/'),
            });
        }
        Some(Self(rules))
    }

    /// Whether helm passes a file over, by its path in the chart: for itself, or for a folder that it is in.
    pub(crate) fn has(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end);
        ends.chain([path.len()]).any(|end| {
            let (above, is_folder) = (&path[..end], end < path.len());
            let name = above.rsplit('/').next().unwrap_or(above);
            self.0.iter().any(|rule| {
                (is_folder || !rule.folder)
                    && rule.pattern.is_match(if rule.whole { above } else { name })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(rules: &str, path: &str) -> bool {
        Ignored::read(rules).unwrap().has(path)
    }

    #[test]
    fn names_count_at_every_depth_and_paths_from_the_root() {
        for path in ["a.bak", "templates/b.bak", "x.bak/file"] {
            assert!(ignored("# old\n *.bak \n", path), "{path}");
        }
        assert!(!ignored("*.bak", "a.bak.yaml"));
        assert!(ignored("docs/*.md", "docs/a.md"));
        assert!(!ignored("docs/*.md", "docs/more/a.md"));
        assert!(!ignored("docs/*.md", "charts/x/docs/a.md"));
        assert!(ignored("/top", "top"));
        assert!(!ignored("/top", "charts/top"));
    }

    #[test]
    fn folders_take_all_below_along() {
        assert!(ignored(".idea/", ".idea/a/b.xml"));
        assert!(ignored(".idea/", "charts/x/.idea/a"));
        assert!(!ignored(
            ".idea/",
            "templates/.idea.yaml.txt".trim_start_matches("templates/")
        ));
        assert!(!ignored("ci/", "ci"));
    }

    #[test]
    fn hidden_templates_are_never_seen() {
        assert!(ignored("", "templates/.a.yaml.swp"));
        assert!(!ignored("", "templates/a.yaml"));
        assert!(!ignored("", "charts/x/templates/.a"));
    }

    #[test]
    fn what_only_helm_understands_is_left_to_it() {
        for rule in ["!keep", "[ab]", "{a,b}", "a\\*", "**/x"] {
            assert!(Ignored::read(rule).is_none(), "{rule}");
        }
    }
}
