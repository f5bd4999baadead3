//! Nothing is lost in silence between providers: deleting or changing any key of any object changes the output or the
//! findings.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use migrate::orchestration::provider::Provider;
use migrate::source::Node;
use serde_json::Value;

use super::inputs::{Input, everywhere};
use crate::deletion::{Place, Step, places, show, variants};

#[test]
fn every_key_counts_between_all_pairs() {
    let all = everywhere();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<(usize, BTreeSet<String>)> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                let mine: Vec<&Input> = all.iter().skip(part).step_by(threads).collect();
                scope.spawn(move || silent(&mine))
            })
            .collect();
        parts.into_iter().map(|p| p.join().unwrap()).collect()
    });
    let count: usize = results.iter().map(|(count, _)| count).sum();
    let silent: BTreeSet<String> = results.into_iter().flat_map(|(_, s)| s).collect();
    println!("{count} edits of {} inputs", all.len());
    let shown: Vec<&str> = silent.iter().map(String::as_str).take(2500).collect();
    assert!(
        silent.is_empty(),
        "{} silent edits:\n{}",
        silent.len(),
        shown.join("\n")
    );
}

fn silent(inputs: &[&Input]) -> (usize, BTreeSet<String>) {
    let mut count = 0;
    let mut silent = BTreeSet::new();
    for input in inputs {
        for to in Provider::all().iter().filter(|to| to.name() != input.from) {
            let before = outcome(input, to);
            let kept = input.convert(to).outcomes;
            for index in input.own.clone() {
                let after = kept[index].node.as_ref().map(|node| node.to_json());
                for place in places(&input.objects[index]) {
                    // What stands in the output as it stood in the input is not lost.
                    let now = after.as_ref().and_then(|object| at(object, &place));
                    if now.is_some() && now == at(&input.objects[index], &place) {
                        continue;
                    }
                    let mut quiet = Vec::new();
                    let edits = variants(&input.objects[index], &place);
                    let both = edits.len() > 1;
                    for (what, changed) in edits {
                        let mut edited = (*input).clone();
                        edited.objects[index] = changed;
                        count += 1;
                        if outcome(&edited, to) == before {
                            quiet.push(what);
                        }
                    }
                    // Where the key says what holds without it, its absence is the same, and any other value is not.
                    if quiet.contains(&"changed")
                        || (!both && !quiet.is_empty() && is_leaf(&input.objects[index], &place))
                    {
                        silent.insert(format!(
                            "{} to {}: [{index}] {} {}",
                            input.name,
                            to.name(),
                            show(&place),
                            quiet.join(", ")
                        ));
                    }
                }
            }
        }
    }
    (count, silent)
}

fn at<'v>(value: &'v Value, place: &Place) -> Option<&'v Value> {
    place.iter().try_fold(value, |at, step| match step {
        Step::Key(key) => at.get(key),
        Step::Index(index) => at.get(index),
    })
}

fn is_leaf(value: &Value, place: &Place) -> bool {
    at(value, place).is_some_and(|v| !v.is_object() && !v.is_array())
}

/// Output and findings, without places in the text.
fn outcome(input: &Input, to: &Provider) -> String {
    let converted = input.convert(to);
    let mut text = String::new();
    for object in converted.objects().map(Node::to_json) {
        let _ = writeln!(text, "{object}");
    }
    for finding in converted.findings.as_slice() {
        let _ = writeln!(
            text,
            "{} {} {}",
            finding.code.0, finding.path, finding.message
        );
    }
    text
}
