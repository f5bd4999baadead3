//! Whether a chart can render something else each time.

use super::input::ChartFiles;
use super::work::UserFile;

/// Functions of templates whose results differ from call to call, or their beginnings. Sprig's documentation, "Cryptographic
/// and Security Functions", "Date Functions", "String Functions", "UUID Functions".
const FUNCTIONS: [&str; 14] = [
    "ago",
    "bcrypt",
    "date",
    "encryptAES",
    "gen",
    "getHostByName",
    "htpasswd",
    "lookup",
    "now",
    "osBase",
    "rand",
    "shuffle",
    "unixEpoch",
    "uuid",
];

/// Whether any action of any file, of which values can be templates as well, calls such a function.
pub(crate) fn is_possible(chart: &ChartFiles, user: &[UserFile]) -> bool {
    let files = chart.files.keys().filter_map(|path| chart.text(path));
    let given = user.iter().map(|file| file.text.as_str());
    files.chain(given).any(calls_any)
}

fn calls_any(text: &str) -> bool {
    let actions = text.split("{{").skip(1);
    actions
        .map(|action| action.split("}}").next().unwrap_or(action))
        .any(|action| {
            action
                .split(|letter: char| !letter.is_ascii_alphanumeric())
                .any(|word| FUNCTIONS.iter().any(|name| word.starts_with(name)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_within_actions_count() {
        assert!(calls_any("a: {{ randAlphaNum 5 }}"));
        assert!(calls_any("a: {{ (now | date \"2006\") }}"));
        assert!(calls_any("{{- $ca := genCA \"x\" 5 }}"));
        assert!(!calls_any("# random, by now\na: {{ .Values.known }} # now"));
    }
}
