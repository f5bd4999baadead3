//! Which tags of a repository are meant.

use std::cmp::Ordering;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;
use semver::{Version, VersionReq};

/// A pattern for tags: a glob (`1.2*`), a regular expression between slashes (`/^v\d+$/`), or a range of versions
/// (`>=1.2, <2`, `^1.2`, `~1.2`).
#[derive(Debug, Clone)]
pub enum TagPattern {
    /// `*` and `?`, `[a-z]`, `{a,b}`.
    Glob(GlobMatcher),
    /// Found anywhere in the tag unless anchored.
    Regex(Regex),
    /// Versions in a range; tags that are no version are not in it.
    Range(VersionReq),
}

impl FromStr for TagPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(inner) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return Regex::new(inner).map(Self::Regex).map_err(|error| {
                format!("`{text}` is no regular expression: {error}")
            });
        }
        if text.starts_with(['<', '>', '=', '^', '~']) {
            return VersionReq::parse(text)
                .map(Self::Range)
                .map_err(|error| format!("`{text}` is no range of versions: {error}"));
        }
        if text.is_empty() {
            return Err("a pattern is missing; `*` is every tag".into());
        }
        GlobBuilder::new(text)
            .literal_separator(false)
            .build()
            .map(|glob| Self::Glob(glob.compile_matcher()))
            .map_err(|error| format!("`{text}` is no pattern: {error}"))
    }
}

impl TagPattern {
    /// Whether a tag is meant.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.is_match(tag),
            Self::Regex(regex) => regex.is_match(tag),
            Self::Range(range) => version(tag).is_some_and(|version| range.matches(&version)),
        }
    }
}

/// The tags that any pattern means, in the registry's order; with `newest`, only so many, those of the highest version
/// first. No pattern means all.
#[must_use]
pub fn select(mut tags: Vec<String>, patterns: &[TagPattern], newest: Option<usize>) -> Vec<String> {
    tags.retain(|tag| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(tag)));
    if let Some(count) = newest {
        tags.sort_by(|a, b| compare(b, a));
        tags.truncate(count);
    }
    tags
}

/// A tag as a version: a `v` before it and missing parts are forgiven.
fn version(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let numbers: Vec<u64> = numbers
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let full = match numbers.as_slice() {
        [major] => format!("{major}.0.0{rest}"),
        [major, minor] => format!("{major}.{minor}.0{rest}"),
        [major, minor, patch] => format!("{major}.{minor}.{patch}{rest}"),
        _ => return None,
    };
    Version::parse(&full).ok()
}

/// Versions by their rules, above all tags that are none; those by text, numbers in them by value.
fn compare(a: &str, b: &str) -> Ordering {
    match (version(a), version(b)) {
        (Some(left), Some(right)) => left.cmp(&right).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => natural(a, b),
    }
}

fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (l, r) = (digits(left), digits(right));
        if l > 0 && r > 0 {
            let value = |text: &str| text.trim_start_matches('0').to_owned();
            let (x, y) = (value(&left[..l]), value(&right[..r]));
            match x.len().cmp(&y.len()).then_with(|| x.cmp(&y)) {
                Ordering::Equal => {}
                other => return other,
            }
            (left, right) = (&left[l..], &right[r..]);
            continue;
        }
        let (mut l, mut r) = (left.chars(), right.chars());
        match (l.next(), r.next()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x != y => return x.cmp(&y),
            _ => (left, right) = (l.as_str(), r.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(tags: &[&str], patterns: &[&str], newest: Option<usize>) -> Vec<String> {
        let patterns: Vec<_> = patterns.iter().map(|p| p.parse().unwrap()).collect();
        select(tags.iter().map(|t| (*t).to_owned()).collect(), &patterns, newest)
    }

    const TAGS: [&str; 8] = ["1.2", "1.10.3", "1.9.0", "2.0.0-rc.1", "v2.0.0", "latest", "1.9.0-alpine", "b9"];

    #[test]
    fn globs_expressions_and_ranges() {
        assert_eq!(picked(&TAGS, &["1.*"], None), ["1.2", "1.10.3", "1.9.0", "1.9.0-alpine"]);
        assert_eq!(picked(&TAGS, &["/^v/", "latest"], None), ["v2.0.0", "latest"]);
        assert_eq!(picked(&TAGS, &[">=1.5, <2"], None), ["1.10.3", "1.9.0"]);
        assert_eq!(picked(&TAGS, &["^1"], None), ["1.2", "1.10.3", "1.9.0"]);
        assert_eq!(picked(&TAGS, &[], None).len(), TAGS.len());
        assert_eq!(picked(&TAGS, &["{latest,b?}"], None), ["latest", "b9"]);
    }

    #[test]
    fn the_newest_are_the_highest_versions() {
        assert_eq!(picked(&TAGS, &[], Some(3)), ["v2.0.0", "2.0.0-rc.1", "1.10.3"]);
        assert_eq!(picked(&["b9", "b10", "a"], &[], Some(2)), ["b10", "b9"]);
        assert_eq!(picked(&["x"], &[], Some(5)), ["x"]);
    }

    #[test]
    fn wrong_patterns_are_told() {
        for text in ["/(/", ">=x", "", "[a"] {
            assert!(text.parse::<TagPattern>().is_err(), "{text}");
        }
    }
}
