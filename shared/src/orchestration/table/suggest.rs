//! "Did you mean": the name that is nearest to a misspelt one.

/// Names longer than this are nobody's typing error.
const LONGEST: usize = 64;

/// The nearest of `names`, if it is near enough to be meant. Upper and lower case count as half a difference.
pub(super) fn nearest<'n>(
    wrong: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    if wrong.len() > LONGEST {
        return None;
    }
    let wanted = fold(wrong);
    let allowed = match wanted.len() {
        0..=2 => 0,
        3..=5 => 1,
        6..=11 => 2,
        _ => 3,
    };
    names
        .into_iter()
        .filter(|name| name.len() <= LONGEST && name.chars().any(char::is_alphanumeric))
        .filter_map(|name| Some((distance(&wanted, &fold(name), allowed)?, name)))
        .min()
        .map(|(_, name)| name)
}

/// Lower case, and `_` and `-` are the same: both are common slips.
fn fold(name: &str) -> Vec<char> {
    let same = |c: char| {
        if c == '-' {
            '_'
        } else {
            c.to_ascii_lowercase()
        }
    };
    name.chars().map(same).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`; `None` if more than `limit`.
fn distance(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|d| *d <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_are_recognised() {
        let names = [
            "ports",
            "expose",
            "environment",
            "env_file",
            "depends_on",
            "dns",
        ];
        for (wrong, right) in [
            ("port", Some("ports")),
            ("prots", Some("ports")),
            ("Ports", Some("ports")),
            ("enviroment", Some("environment")),
            ("env-file", Some("env_file")),
            ("dependson", Some("depends_on")),
            ("dn", None),
            ("something", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, names), right, "{wrong}");
        }
        assert_eq!(nearest(&"e".repeat(100_000), names), None);
    }
}
