//! Every path of the Compose schemas, and exactly one verdict for each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use migrate::finding::Severity;
use migrate::orchestration::compose::load::LoadOptions;
use migrate::orchestration::convert::{Conversion, Failure, to_kubernetes};
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::orchestration::table::{Verdict, compose_key};
use migrate::source::Files as _;
use tests::fixtures;
use tests::run::{Overlay, environment, outcome};

/// Converts one file of the table.
fn convert(text: &str) -> Result<Conversion, Box<Failure>> {
    let folder = fixtures::folder().join("cases");
    let mut files = Overlay::default();
    files.changed.add(folder.join("case.yaml"), text);
    assert!(matches!(
        files.kind(&folder.join("files/config.txt")),
        migrate::source::PathKind::File(_)
    ));
    let options = LoadOptions {
        files: vec![PathBuf::from("case.yaml")],
        working_dir: folder,
        profiles: vec!["*".into()],
        environment: environment(),
        allow_outside: true,
        ..LoadOptions::default()
    };
    to_kubernetes(&options, &KubernetesOptions::default(), true, &files)
}

#[test]
fn one_case_for_each_path() {
    let rows = fixtures::table("compose-paths.tsv");
    let rows = &rows[1..];
    assert_eq!(rows.len(), 515);
    let mut wrong = Vec::new();
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        // The list writes `S` for a service.
        let path = match row[0].strip_prefix('S') {
            Some(rest) if rest.is_empty() || rest.starts_with(['.', '[']) => {
                format!("services.*{rest}")
            }
            _ => row[0].clone(),
        };
        let (path, text) = (path.as_str(), row[2].as_str());
        let Some(key) = compose_key(path) else {
            wrong.push(format!("{path}: no row in the mapping table"));
            continue;
        };
        let result = convert(text);
        let conversion = match &result {
            Ok(conversion) => conversion,
            Err(failure) => {
                wrong.push(format!(
                    "{path}: refused: {:?}",
                    failure
                        .findings
                        .as_slice()
                        .iter()
                        .filter(|f| f.severity() == Severity::Error)
                        .map(|f| (&f.code, &f.message))
                        .collect::<Vec<_>>()
                ));
                continue;
            }
        };
        // What is said about this very path, or about what stands below it.
        let about: Vec<_> = conversion
            .findings
            .as_slice()
            .iter()
            .filter(|f| matches_path(&f.path, path))
            .map(|f| (f.severity(), f.code.0))
            .collect();
        let worst = about.iter().map(|(severity, _)| *severity).max();
        // What an exact key says can be lost with a value that stands below it.
        let own = conversion
            .findings
            .as_slice()
            .iter()
            .filter(|f| depth(&f.path) == depth(path) && matches_path(&f.path, path));
        let worst_own = own.map(migrate::finding::Finding::severity).max();
        *verdicts
            .entry(verdict_name(key.kubernetes.verdict))
            .or_default() += 1;
        let fits = match key.kubernetes.verdict {
            Verdict::Exact => worst_own.is_none_or(|w| w <= Severity::Warning),
            Verdict::Approximate => worst.is_none_or(|w| w <= Severity::Loss),
            // Some values of a list are exact although others are not: `security_opt`.
            Verdict::Unsupported => {
                worst >= Some(Severity::Info) || path == "services.*.security_opt[]"
            }
            Verdict::NoEffect | Verdict::Loader | Verdict::Build => {
                worst.is_none_or(|w| w <= Severity::Loss)
            }
        };
        if !fits {
            wrong.push(format!(
                "{path}: {:?}, but the findings say {about:?}",
                key.kubernetes.verdict
            ));
        }
        // Without the key the outcome is another one: it was not lost in silence.
        if let Some(without) = without(text, path)
            && outcome(&convert(&without)) == outcome(&result)
        {
            wrong.push(format!("{path}: nothing changes without it"));
        }
    }
    println!("verdicts: {verdicts:?}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn depth(path: &str) -> usize {
    path.replace('[', ".[")
        .split('.')
        .filter(|s| !s.is_empty())
        .count()
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Exact => "exact",
        Verdict::Approximate => "approximate",
        Verdict::Unsupported => "unsupported",
        Verdict::NoEffect => "no effect",
        Verdict::Loader => "loader",
        Verdict::Build => "build",
    }
}

/// Whether `services.web.ports[0].target` is an example of `services.*.ports[].target`, or stands above or below it.
fn matches_path(real: &str, pattern: &str) -> bool {
    let steps = |text: &str| -> Vec<String> {
        text.replace('[', ".[")
            .split('.')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (real, pattern) = (steps(real), steps(pattern));
    // What is said of a whole section says nothing of a key in it.
    real.len()
        >= pattern
            .len()
            .min(if pattern.first().is_some_and(|p| p == "services") {
                3
            } else {
                1
            })
        && pattern.iter().zip(&real).all(|(p, r)| {
            p == r || (p == "*" && !r.starts_with('[')) || (p == "[]" && r.starts_with('['))
        })
}

/// The file without what stands at the path.
fn without(text: &str, path: &str) -> Option<String> {
    let mut value: serde_json::Value = serde_yaml::from_str(text).ok()?;
    let steps: Vec<String> = path
        .replace("[]", ".[]")
        .split('.')
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
        .collect();
    let steps = if value.get("services").is_none() && steps.first().is_some_and(|s| s == "services")
    {
        // A file of the first version.
        steps[1..].to_vec()
    } else {
        steps
    };
    let (last, parents) = steps.split_last()?;
    let mut at = &mut value;
    for step in parents {
        at = match step.as_str() {
            "*" => at.as_object_mut()?.values_mut().next()?,
            "[]" => at.as_array_mut()?.first_mut()?,
            key => at.get_mut(key)?,
        };
    }
    match last.as_str() {
        "*" => {
            let map = at.as_object_mut()?;
            let key = map.keys().next()?.clone();
            map.shift_remove(&key);
        }
        "[]" => {
            let items = at.as_array_mut()?;
            if items.is_empty() {
                return None;
            }
            items.remove(0);
        }
        key => {
            at.as_object_mut()?.shift_remove(key)?;
        }
    }
    Some(value.to_string())
}
