//! Any text as a template with variables, and as a file of variables.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use migrate::orchestration::compose::load::{dotenv, interpolate};

fuzz_target!(|text: &str| {
    let variables: BTreeMap<String, String> =
        [("A", "a"), ("EMPTY", ""), ("NESTED", "${A}")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let mut unset = BTreeSet::new();
    if let Ok(out) = interpolate::expand(text, &variables, &mut unset) {
        // Without a dollar sign nothing changes.
        assert!(text.contains('$') || out == text);
    }
    if let Err(bad) = dotenv::parse(text, &variables) {
        assert!(bad.line >= 1 && bad.line <= text.matches('\n').count() + 1);
    }
    let _ = dotenv::parse_raw(text);
});
