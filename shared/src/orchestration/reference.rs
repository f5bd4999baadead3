//! References `$(NAME)` to variables, as the kubelet fills them in (Kubernetes API, `EnvVar.value`).

/// Whether a variable can have this name. What else stands in `$(...)` is left alone by the kubelet, since no variable
/// can be meant: `$(date +%s)`, `$((1 + 2))`.
fn is_variable(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.chars().all(word) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// `$(NAME)` replaced by known values, `$$` by `$`; the names that can be variables and are not known come back.
pub(in crate::orchestration) fn expand<V: AsRef<str>>(
    text: &str,
    mut known: impl FnMut(&str) -> Option<V>,
) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut open = Vec::new();
    let mut rest = text;
    while let Some(index) = rest.find('$') {
        out.push_str(&rest[..index]);
        let after = &rest[index + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|t| t.split_once(')')) {
            match known(name) {
                Some(value) => out.push_str(value.as_ref()),
                None => {
                    out.push_str(&format!("$({name})"));
                    if is_variable(name) {
                        open.push(name.to_owned());
                    }
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    (out, open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let known = |name: &str| (name == "A").then_some("1");
        for (text, expected, open) in [
            ("$(A)-$(B)", "1-$(B)", &["B"][..]),
            ("$$(A) $$ $x $(", "$(A) $ $x $(", &[]),
            ("plain", "plain", &[]),
            // What the kubelet leaves alone: no name, and the `)` of the arithmetic is not its own.
            (
                "$(date +%s) $((100 + $x)) $(1) $()",
                "$(date +%s) $((100 + $x)) $(1) $()",
                &[],
            ),
        ] {
            let open: Vec<_> = open.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(expand(text, known), (expected.to_owned(), open), "{text}");
        }
    }
}
