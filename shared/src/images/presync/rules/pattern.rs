//! Patterns for names of repositories and tags.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;
use semver::{Version, VersionReq};

/// One pattern: a glob (`shop/**`, `v1.*`), a regular expression between slashes (`/^v[0-9]+$/`), or a range of
/// versions (`semver:>=1.2, <3`).
#[derive(Clone)]
pub struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Glob(GlobMatcher),
    Regex(Regex),
    Semver(VersionReq),
}

/// Several patterns, of which one has to match.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Pattern>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let kind = if let Some(range) = text.strip_prefix("semver:") {
            Kind::Semver(VersionReq::parse(range.trim()).map_err(|error| {
                format!("`{range}` is no range of versions: {error}; an example: semver:>=1.2, <3")
            })?)
        } else if let Some(expression) = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|rest| !rest.is_empty())
        {
            // The crate's size limit keeps a pattern from taking the memory.
            Kind::Regex(Regex::new(expression).map_err(|error| {
                let last = error.to_string();
                let last = last.lines().last().unwrap_or_default().trim().to_owned();
                format!("`{expression}` is no regular expression: {last}")
            })?)
        } else {
            let glob = GlobBuilder::new(text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| format!("`{text}` is no glob: {}", error.kind()))?;
            Kind::Glob(glob.compile_matcher())
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// Whether a name matches. A tag that is no version never matches a range; a leading `v` and missing numbers (`v1`,
    /// `1.2`) do not matter.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Glob(glob) => glob.is_match(name),
            Kind::Regex(regex) => regex.is_match(name),
            Kind::Semver(range) => version(name).is_some_and(|version| range.matches(&version)),
        }
    }

    /// The name that it means, if it means one alone.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        let special = |c| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!');
        match &self.kind {
            Kind::Glob(_) if !self.text.contains(special) => Some(&self.text),
            _ => None,
        }
    }
}

/// A tag as a version.
fn version(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let (numbers, suffix) = match text.find(['-', '+']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let missing = 3_usize.checked_sub(numbers.split('.').count())?;
    Version::parse(&format!("{numbers}{}{suffix}", ".0".repeat(missing))).ok()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Patterns {
    /// These patterns.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Self(patterns)
    }

    /// Whether one matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether one matches, or there is none.
    #[must_use]
    pub fn matches_or_empty(&self, name: &str) -> bool {
        self.0.is_empty() || self.matches(name)
    }

    /// The names that they mean, if each means one alone and there is one.
    #[must_use]
    pub fn literals(&self) -> Option<Vec<&str>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.iter().map(Pattern::literal).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_stays_within_a_part_of_the_name() {
        assert!(matches("shop/*", "shop/web"));
        assert!(!matches("shop/*", "shop/web/cache"));
        assert!(matches("shop/**", "shop/web/cache"));
        assert!(matches("v1.{2,3}*", "v1.3.7"));
        assert!(!matches("shop", "shop/web"));
    }

    #[test]
    fn regular_expressions_stand_between_slashes() {
        assert!(matches("/^release-[0-9]+$/", "release-17"));
        assert!(!matches("/^release-[0-9]+$/", "release-x"));
        assert!(Pattern::new("/(/").is_err());
    }

    #[test]
    fn versions_may_have_a_v_and_miss_numbers() {
        assert!(matches("semver:>=1.2, <3", "v2.0.1"));
        assert!(matches("semver:>=1.2, <3", "2"));
        assert!(matches("semver:^1.2", "1.4"));
        assert!(!matches("semver:>=1.2, <3", "3.0.0"));
        assert!(!matches("semver:>=1.2, <3", "latest"));
        assert!(!matches("semver:>=1.2, <3", "1.2.3.4"));
        assert!(!matches("semver:>=1", "2.0.0-rc1"), "as Cargo and npm do");
    }

    #[test]
    fn names_that_are_no_patterns_are_known() {
        let patterns = |texts: &[&str]| {
            Patterns::new(texts.iter().map(|t| Pattern::new(t).unwrap()).collect())
        };
        assert_eq!(patterns(&["a/b", "c"]).literals(), Some(vec!["a/b", "c"]));
        assert_eq!(patterns(&["a/b", "c*"]).literals(), None);
        assert_eq!(patterns(&[]).literals(), None);
    }
}
