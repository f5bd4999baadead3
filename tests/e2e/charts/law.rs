//! The law, for each fixture and each provider.

use std::path::{Path, PathBuf};

use migrate::orchestration::provider::Provider;

use super::fixtures::{ChartFixture, STYLES, all};
use super::{convert, helms, law, run};

/// Converts a fixture into a folder, and gives the folder and the converted values files.
fn converted(
    helm: &Path,
    fixture: &ChartFixture,
    to: &str,
    folder: &Path,
) -> (migrate::orchestration::chart::ChartConversion, Vec<PathBuf>) {
    let conversion = convert(
        helm,
        &fixture.path(),
        fixture.from,
        to,
        &fixture.values_files(),
    )
    .unwrap_or_else(|error| panic!("{} to {to}: {error}", fixture.name));
    conversion.output.write(folder, false).unwrap();
    let twins = conversion
        .output
        .twins
        .iter()
        .map(|(_, path)| folder.join(path))
        .collect();
    (conversion, twins)
}

/// The default values, each values file, and all together.
fn sets(values: &[PathBuf]) -> Vec<Vec<PathBuf>> {
    let mut sets = vec![Vec::new()];
    sets.extend(values.iter().map(|file| vec![file.clone()]));
    if values.len() > 1 {
        sets.push(values.to_vec());
    }
    sets
}

#[test]
fn it_holds_and_charts_stay_charts() {
    let helms = helms();
    let Some((_, first)) = helms.first() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let (mut templates, mut live, mut values, mut live_values) = (0, 0, 0, 0);
    for fixture in all() {
        let out = folder.path().join(fixture.name);
        let (conversion, twins) = converted(first, &fixture, fixture.to(), &out);
        let summary = &conversion.summary;
        println!(
            "{} to {}: {} of {} templates and {} of {} values are live; helm ran {} times; changed: {}",
            fixture.name,
            fixture.to(),
            summary.live_templates,
            summary.templates,
            summary.live_values,
            summary.values,
            summary.helm_runs,
            summary.changed_files.join(", ")
        );
        templates += summary.templates;
        live += summary.live_templates;
        values += summary.values;
        live_values += summary.live_values;
        for (name, helm) in &helms {
            let originals = sets(&fixture.values_files());
            for (before, after) in originals.iter().zip(sets(&twins)) {
                if let Err(error) = law(
                    helm,
                    (&fixture.path(), before),
                    (&out, &after),
                    fixture.from,
                    fixture.to(),
                ) {
                    wrong.push(format!("{} {name} {before:?}: {error}", fixture.name));
                }
            }
            if let Err(error) = run(helm, &["lint".as_ref(), out.as_os_str()]) {
                wrong.push(format!("{} {name} lint: {error}", fixture.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    println!("{live} of {templates} templates and {live_values} of {values} values are live");
    assert!(
        live * 100 >= templates * 95,
        "{live} of {templates} templates are live"
    );
    assert_eq!(live_values, values, "values lost their effect");
}

#[test]
fn it_holds_for_all_pairs_of_providers() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut pairs = 0;
    for fixture in STYLES {
        // To each provider, and from there to the next: all of them are sources as well.
        for (index, to) in Provider::all().iter().enumerate() {
            if to.name() == fixture.from {
                continue;
            }
            let out = folder
                .path()
                .join(format!("{}-{}", fixture.name, to.name()));
            let conversion = match convert(&helm, &fixture.path(), fixture.from, to.name(), &[]) {
                Ok(conversion) => conversion,
                Err(error) => {
                    wrong.push(format!("{} to {}: {error}", fixture.name, to.name()));
                    continue;
                }
            };
            conversion.output.write(&out, false).unwrap();
            pairs += 1;
            if let Err(error) = law(
                &helm,
                (&fixture.path(), &[]),
                (&out, &[]),
                fixture.from,
                to.name(),
            ) {
                wrong.push(format!("{} to {}: {error}", fixture.name, to.name()));
            }
            let next = &Provider::all()[(index + 1) % Provider::all().len()];
            if let Err(error) = convert(&helm, &out, to.name(), next.name(), &[]) {
                wrong.push(format!(
                    "{} to {} to {}: {error}",
                    fixture.name,
                    to.name(),
                    next.name()
                ));
            }
        }
    }
    println!("{pairs} conversions hold");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_not_touched_stays_byte_for_byte() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for fixture in all() {
        let out = folder.path().join(fixture.name);
        let (conversion, _) = converted(&helm, &fixture, fixture.to(), &out);
        let mut untouched = 0;
        for (path, bytes) in conversion.output.files() {
            let original = fixture.path().join(path);
            let changed = conversion.summary.changed_files.iter().any(|f| f == path);
            if !changed && original.exists() {
                assert_eq!(
                    std::fs::read(&original).unwrap(),
                    bytes,
                    "{} {path}",
                    fixture.name
                );
                untouched += 1;
            }
        }
        assert!(untouched > 0, "{}", fixture.name);
        for kept in [
            "templates/NOTES.txt",
            "README.md",
            ".helmignore",
            "Chart.yaml",
        ] {
            assert_eq!(
                fixture.path().join(kept).exists(),
                out.join(kept).exists(),
                "{} {kept}",
                fixture.name
            );
        }
    }
}
