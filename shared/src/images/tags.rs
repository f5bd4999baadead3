//! Which tags of a repository are meant.

use std::str::FromStr;

use globset::{Glob, GlobMatcher};
use regex::Regex;
use semver::{Version, VersionReq};

/// A pattern for tags: a glob (`1.*`), a regular expression between slashes (`/^v\d+$/`), a range of versions
/// (`semver:>=1.2, <2`), or the highest released versions (`newest:5`).
#[derive(Debug, Clone)]
pub enum TagPattern {
    /// A glob.
    Glob(GlobMatcher),
    /// A regular expression.
    Regex(Regex),
    /// A range of versions; tags that are no versions are left out.
    Versions(VersionReq),
    /// So many of the highest versions, without those that are no releases (`2.0-rc.1`).
    Newest(usize),
}

impl FromStr for TagPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(expression) = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
        {
            return Regex::new(expression)
                .map(Self::Regex)
                .map_err(|error| format!("`{text}` is no regular expression: {error}"));
        }
        if let Some(range) = text.strip_prefix("semver:") {
            return VersionReq::parse(range)
                .map(Self::Versions)
                .map_err(|error| format!("`{range}` is no range of versions: {error}"));
        }
        if let Some(count) = text.strip_prefix("newest:") {
            return count
                .parse()
                .map(Self::Newest)
                .map_err(|_| format!("`{count}` is no number of versions"));
        }
        Glob::new(text)
            .map(|glob| Self::Glob(glob.compile_matcher()))
            .map_err(|error| format!("`{text}` is no pattern: {error}"))
    }
}

impl TagPattern {
    /// The tags that are meant, in their order.
    #[must_use]
    pub fn select(&self, tags: Vec<String>) -> Vec<String> {
        match self {
            Self::Glob(glob) => tags.into_iter().filter(|tag| glob.is_match(tag)).collect(),
            Self::Regex(regex) => tags.into_iter().filter(|tag| regex.is_match(tag)).collect(),
            Self::Versions(range) => tags
                .into_iter()
                .filter(|tag| version(tag).is_some_and(|version| range.matches(&version)))
                .collect(),
            Self::Newest(count) => {
                let mut versions: Vec<(Version, String)> = tags
                    .into_iter()
                    .filter_map(|tag| {
                        Some((version(&tag).filter(|version| version.pre.is_empty())?, tag))
                    })
                    .collect();
                versions.sort_by(|a, b| b.cmp(a));
                versions
                    .into_iter()
                    .take(*count)
                    .map(|(_, tag)| tag)
                    .collect()
            }
        }
    }
}

/// `v1.2.3`, `1.2.3-rc.1`, and with zeros for what is missing `1.2` and `1`.
fn version(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let (core, rest) = match text.find(['-', '+']) {
        Some(index) => text.split_at(index),
        None => (text, ""),
    };
    let core = match core.split('.').count() {
        1 => format!("{core}.0.0"),
        2 => format!("{core}.0"),
        _ => core.to_owned(),
    };
    Version::parse(&format!("{core}{rest}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_kinds_of_patterns() {
        let select = |pattern: &str| {
            let tags = ["1.0", "1.9.2", "v2.0.0", "2.1-rc.1", "latest", "10.0"];
            pattern
                .parse::<TagPattern>()
                .unwrap()
                .select(tags.map(str::to_owned).to_vec())
        };
        assert_eq!(select("1.*"), ["1.0", "1.9.2"]);
        assert_eq!(
            select("/^v?[12]/"),
            ["1.0", "1.9.2", "v2.0.0", "2.1-rc.1", "10.0"]
        );
        assert_eq!(select("semver:>=1.5, <3"), ["1.9.2", "v2.0.0"]);
        assert_eq!(select("newest:2"), ["10.0", "v2.0.0"]);
        for wrong in ["/(/", "semver:>>1", "newest:x", "["] {
            assert!(wrong.parse::<TagPattern>().is_err(), "{wrong}");
        }
    }
}
