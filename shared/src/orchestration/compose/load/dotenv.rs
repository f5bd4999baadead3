//! The grammar of `.env` files and of `env_file` (Compose specification, 05-services `env_file`).

use std::collections::{BTreeMap, BTreeSet};

use super::interpolate::expand;

/// Bytes that the values of one file may have together.
const MAX_VALUES: usize = 16 << 20;

/// A line that cannot be understood: its number, counted from 1, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Number of the line.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// The variables of a file, in order; `None` for a name without `=`, whose value comes from the caller's environment.
///
/// Values may refer to `outer` variables and to those above them.
///
/// # Errors
/// The first line that cannot be understood.
pub fn parse(
    text: &str,
    outer: &BTreeMap<String, String>,
) -> Result<Vec<(String, Option<String>)>, BadLine> {
    let mut seen = outer.clone();
    let mut variables = Vec::new();
    let mut room = MAX_VALUES;
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n");
    let mut rest = text.as_str();
    let mut line = 1;
    while !rest.is_empty() {
        let (current, _) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = current.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = rest.get(current.len() + 1..).unwrap_or("");
            line += 1;
            continue;
        }
        let start = rest.len() - rest.trim_start().len();
        let mut body = &rest[start..];
        if let Some(after) = body.strip_prefix("export ") {
            body = after.trim_start();
        }
        let name_end = body.find(['=', ':', '\n']).unwrap_or(body.len());
        let name = body[..name_end].trim();
        let bad = |message: String| BadLine { line, message };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(bad(format!(
                "`{}` is not the name of a variable",
                body[..name_end].trim()
            )));
        }
        let after_name = &body[name_end..];
        if !after_name.starts_with(['=', ':']) {
            variables.push((name.to_owned(), None));
            rest = after_name.strip_prefix('\n').unwrap_or("");
            line += 1;
            continue;
        }
        let value_text = after_name[1..].trim_start_matches([' ', '\t']);
        let (value, consumed) = value(value_text, &seen).map_err(bad)?;
        room = room
            .checked_sub(value.len())
            .ok_or_else(|| bad("the variables expand to too much text".to_owned()))?;
        line += value_text[..consumed].matches('\n').count();
        rest = &value_text[consumed..];
        seen.insert(name.to_owned(), value.clone());
        variables.push((name.to_owned(), Some(value)));
    }
    Ok(variables)
}

/// The variables of a file in the format `raw`: everything after the first `=` is the value, verbatim.
#[must_use]
pub fn parse_raw(text: &str) -> Vec<(String, Option<String>)> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|line| match line.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), Some(value.to_owned())),
            None => (line.trim().to_owned(), None),
        })
        .collect()
}

/// The variables of a file as `docker stack deploy` reads it (docker/cli `kvfile`): all behind the first `=` is the
/// value, quotes and `#` included.
///
/// # Errors
/// The first line whose name is none.
pub fn parse_stack(text: &str) -> Result<Vec<(String, Option<String>)>, BadLine> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line, None),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(BadLine {
                line: index + 1,
                message: format!(
                    "`{name}` is not the name of a variable; a stack knows no `export` and no blanks around `=`"
                ),
            });
        }
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// A value and how many bytes of the text it takes, its line's end included.
fn value(text: &str, variables: &BTreeMap<String, String>) -> Result<(String, usize), String> {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let end = closing_quote(&text[1..], quote)
                .ok_or_else(|| format!("the quote {quote} is not closed"))?;
            let inner = &text[1..=end];
            let after = &text[end + 2..];
            let line_end = after.find('\n').map_or(after.len(), |i| i + 1);
            let tail = after[..line_end].trim();
            if !tail.is_empty() && !tail.starts_with('#') {
                return Err(format!("`{tail}` stands behind the closing quote"));
            }
            let value = if quote == '\'' {
                inner.to_owned()
            } else {
                expand(&unescape(inner), variables, &mut BTreeSet::new())?
            };
            Ok((value, end + 2 + line_end))
        }
        _ => {
            let line_end = text.find('\n').map_or(text.len(), |i| i + 1);
            let line = text[..line_end].trim_end_matches('\n');
            let value = match line.find(" #").or_else(|| line.find("\t#")) {
                _ if line.starts_with('#') => "",
                Some(comment) => &line[..comment],
                None => line,
            };
            Ok((
                expand(value.trim(), variables, &mut BTreeSet::new())?,
                line_end,
            ))
        }
    }
}

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return Some(index),
            _ => {}
        }
    }
    None
}

/// `\n`, `\r`, `\t`, `\"` and `\\` in double quotes; `\$` is a dollar sign that means itself.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\')) => out.push(c),
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Vec<(String, Option<String>)> {
        parse(text, &[("HOME".to_owned(), "/h".to_owned())].into()).unwrap()
    }

    #[test]
    fn every_form() {
        let text = "# comment\n\nA=1\nexport B = two words # tail\nC='single $A'\nD=\"double ${A}\\n\\\"q\\\" \\$A\"\n\
                    E=\nF\nG=\"two\nlines\" # x\nH=a#b\nI=$HOME/x\nJ: yaml\r\nK=\"\"\n";
        let expected = [
            ("A", Some("1")),
            ("B", Some("two words")),
            ("C", Some("single $A")),
            ("D", Some("double 1\n\"q\" $A")),
            ("E", Some("")),
            ("F", None),
            ("G", Some("two\nlines")),
            ("H", Some("a#b")),
            ("I", Some("/h/x")),
            ("J", Some("yaml")),
            ("K", Some("")),
        ]
        .map(|(k, v)| (k.to_owned(), v.map(str::to_owned)));
        assert_eq!(run(text), expected);
    }

    #[test]
    fn bad_lines_have_a_number() {
        let bad = |text| parse(text, &BTreeMap::new()).unwrap_err().line;
        assert_eq!(bad("A=1\nB='x\n"), 2);
        assert_eq!(bad("A=1\nB=\"x\ny\"\nC D=1\n"), 4);
        assert_eq!(bad("=1\n"), 1);
    }

    #[test]
    fn doubling_comes_to_an_end() {
        let text = format!("A=xxxxxxxxxx\n{}", "A=$A$A$A$A\n".repeat(60));
        let bad = parse(&text, &BTreeMap::new()).unwrap_err();
        assert!(bad.message.contains("too much"), "{}", bad.message);
    }

    #[test]
    fn files_of_a_stack() {
        assert_eq!(
            parse_stack("\u{feff}A='x' # y\r\n  #c\n B=$A \nC\nD=\n").unwrap(),
            [
                ("A".into(), Some("'x' # y".into())),
                ("B".into(), Some("$A ".into())),
                ("C".into(), None),
                ("D".into(), Some(String::new())),
            ]
        );
        for (text, line) in [("A=1\nexport B=1", 2), ("=1", 1), ("A =1", 1)] {
            assert_eq!(parse_stack(text).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn raw_is_verbatim() {
        assert_eq!(
            parse_raw("A='x' # y\n#c\nB=$A"),
            [
                ("A".into(), Some("'x' # y".into())),
                ("B".into(), Some("$A".into()))
            ]
        );
    }
}
