//! Nothing is lost in silence between providers: deleting or changing any key of any object changes the output or the
//! findings.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use migrate::orchestration::provider::Provider;
use migrate::source::Node;

use super::inputs::{Input, everywhere};
use crate::deletion::{places, show, variants};

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
    let shown: Vec<&str> = silent.iter().map(String::as_str).take(200).collect();
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
        let others: Vec<&Provider> = Provider::all()
            .iter()
            .filter(|to| to.name() != input.from)
            .collect();
        let before: Vec<String> = others.iter().map(|to| outcome(input, to)).collect();
        for index in 0..input.objects.len() {
            for place in places(&input.objects[index]) {
                for (what, changed) in variants(&input.objects[index], &place) {
                    let mut edited = (*input).clone();
                    edited.objects[index] = changed;
                    for (to, before) in others.iter().zip(&before) {
                        count += 1;
                        if outcome(&edited, to) == *before {
                            silent.insert(format!(
                                "{} to {}: [{index}] {} {what}",
                                input.name,
                                to.name(),
                                show(&place)
                            ));
                        }
                    }
                }
            }
        }
    }
    (count, silent)
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
