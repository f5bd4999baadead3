//! Texts with gaps: `kubernetes.io/elb.*` to compare, `{server}:{path}` to take apart and to fill.

/// Whether a text is of a pattern in which `*` is any text.
#[must_use]
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// One part of a pattern: text, or the name of a gap.
enum Part<'p> {
    Text(&'p str),
    Gap(&'p str),
}

fn parts(pattern: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else {
            break;
        };
        if open > 0 {
            parts.push(Part::Text(&rest[..open]));
        }
        parts.push(Part::Gap(&rest[open + 1..open + close]));
        rest = &rest[open + close + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// The names of the gaps.
pub(super) fn gaps(pattern: &str) -> impl Iterator<Item = &str> {
    parts(pattern).into_iter().filter_map(|part| match part {
        Part::Gap(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// What fills the gaps of a text that is of the pattern. A gap ends where the text behind it first stands; a gap of
/// the name `_` is skipped, and the last one may be empty with the text before it missing (`{id}[:{path}]` is written
/// `{id}:{path}`).
pub(super) fn take<'t, 'p>(pattern: &'p str, text: &'t str) -> Option<Vec<(&'p str, &'t str)>> {
    let parts = parts(pattern);
    let mut found = Vec::new();
    let mut rest = text;
    let mut index = 0;
    while index < parts.len() {
        match &parts[index] {
            Part::Text(literal) => rest = rest.strip_prefix(literal)?,
            Part::Gap(name) => {
                let end = match parts.get(index + 1) {
                    Some(Part::Text(next)) => match rest.find(next) {
                        Some(at) => at,
                        // The last optional part is missing.
                        None if index + 3 == parts.len() && !found.is_empty()
                            || index == 0 && parts.len() == 3 =>
                        {
                            found.push((*name, rest));
                            return Some(found);
                        }
                        None => return None,
                    },
                    _ => rest.len(),
                };
                found.push((*name, &rest[..end]));
                rest = &rest[end..];
            }
        }
        index += 1;
    }
    rest.is_empty().then_some(found)
}

/// The pattern with its gaps filled; `None` if one cannot be.
pub(super) fn fill(pattern: &str, mut value: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    for part in parts(pattern) {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Gap(name) => text.push_str(&value(name)?),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text() {
        for (pattern, text, fits) in [
            ("a.*", "a.b", true),
            ("*.csi.x", "disk.csi.x", true),
            ("*.csi.x", "csi.x", false),
            ("swr.*.my.com/*", "swr.cn.my.com/a/b", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn apart_and_together() {
        let found = take("{server}:{path}", "host:/a:b");
        assert_eq!(found, Some(vec![("server", "host"), ("path", "/a:b")]));
        assert_eq!(take("{id}:{path}", "fs-1"), Some(vec![("id", "fs-1")]));
        assert_eq!(take("modeInstance/{zone}/{id}", "x/y/z"), None);
        let text = fill("{a}/{b}", |name| Some(name.to_uppercase()));
        assert_eq!(text.as_deref(), Some("A/B"));
        assert_eq!(gaps("{a}x{b}").collect::<Vec<_>>(), ["a", "b"]);
    }
}
