//! Files with one variable a line.

/// A rendered file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EnvFile {
    /// Its text.
    pub(super) text: String,
    /// Everything behind the first `=` is the value: the only form that Swarm knows, `format: raw` in Compose.
    pub(super) raw: bool,
    /// Variables that no form can hold.
    pub(super) rejected: Vec<String>,
}

/// Longest line that docker/cli reads (`bufio.Scanner`), with some room.
const LINE_MAX: usize = 60_000;

/// Renders variables. `raw_only` is for Swarm.
pub(super) fn render(variables: &[(String, String)], raw_only: bool) -> EnvFile {
    let raw = raw_only || variables.iter().all(|(name, value)| fits_raw(name, value));
    let mut text = String::new();
    let mut rejected = Vec::new();
    for (name, value) in variables {
        let fits = if raw {
            fits_raw(name, value)
        } else {
            fits_quoted(name)
        };
        if !fits {
            rejected.push(name.clone());
            continue;
        }
        text.push_str(name);
        text.push('=');
        if raw {
            text.push_str(value);
        } else {
            quote(value, &mut text);
        }
        text.push('\n');
    }
    EnvFile {
        text,
        raw,
        rejected,
    }
}

/// Whether docker/cli reads a literal line back (docker/cli `pkg/kvfile`).
fn fits_raw(name: &str, value: &str) -> bool {
    !name.contains(char::is_whitespace)
        && !name.starts_with(['#', '\u{feff}'])
        && !value.contains('\n')
        && !value.ends_with('\r')
        && name.len() + value.len() < LINE_MAX
}

/// Whether compose-go takes the name (compose-go `dotenv/parser.go`).
fn fits_quoted(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']'))
}

/// A value in double quotes: escapes are undone, and `\$` is no reference (compose-go `dotenv/parser.go`).
fn quote(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(items: &[(&str, &str)]) -> Vec<(String, String)> {
        items
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn literal_where_it_can_be() {
        let file = render(&pairs(&[("A", "x # 'y' $z"), ("B", "")]), false);
        assert_eq!(file.text, "A=x # 'y' $z\nB=\n");
        assert!(file.raw);
    }

    #[test]
    fn quoted_for_several_lines() {
        let file = render(&pairs(&[("A", "1\n2\\\"$x"), ("B", "c")]), false);
        assert_eq!(file.text, "A=\"1\n2\\\\\\\"\\$x\"\nB=\"c\"\n");
        assert!(!file.raw);
    }

    #[test]
    fn swarm_cannot_hold_lines() {
        let file = render(&pairs(&[("A", "1\n2"), ("B", "c")]), true);
        assert_eq!(file.text, "B=c\n");
        assert_eq!(file.rejected, ["A"]);
    }
}
