//! Words that Kubernetes expands, and words of a shell.

/// A literal text in `command`, `args` or a variable's value, where Kubernetes replaces `$(NAME)` and makes one `$`
/// of `$$` (kubernetes, `third_party/forked/golang/expansion`).
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        if c == '$' && matches!(rest.peek(), Some('$' | '(')) {
            out.push('$');
        }
    }
    out
}

pub(super) fn literals(words: &[String]) -> Vec<String> {
    words.iter().map(|word| literal(word)).collect()
}

/// One word of a POSIX shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '/' | '.' | '-' | '_' | ':' | '=' | '@' | ',' | '+')
    };
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub(super) fn shell(line: impl Into<String>) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), line.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kubernetes makes of a text, as its expansion package does with no variable set.
    fn expanded(text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let (mut out, mut i) = (String::new(), 0);
        while i < chars.len() {
            if chars[i] == '$' && chars.get(i + 1) == Some(&'$') {
                out.push('$');
                i += 2;
                continue;
            }
            assert!(
                !(chars[i] == '$' && chars.get(i + 1) == Some(&'(')),
                "a reference in {text}"
            );
            out.push(chars[i]);
            i += 1;
        }
        out
    }

    #[test]
    fn literals_survive_expansion() {
        for text in [
            "",
            "$",
            "$$",
            "$$$",
            "$(X)",
            "$$(X)",
            "a$b",
            "echo $$ $(date) ${X} $((1+1))",
            "$$a$",
        ] {
            assert_eq!(expanded(&literal(text)), text);
        }
        assert_eq!(literal("$HOME ${X}"), "$HOME ${X}");
    }

    #[test]
    fn words() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("-x=/y"), "-x=/y");
        assert_eq!(quoted(""), "''");
    }
}
