//! The output layer with a conversion of its own, which has every kind of change that a provider can ask for.

mod archives;
mod charts;
mod conversion;
mod edges;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::input::{ChartFile, ChartFiles};
use super::output::solve::{self, Job, Solution, Surroundings};
use super::target::{FileTable, target};
use super::variants;
use super::work::{Rendering, UserFile, Variant, Work};
use super::{ChartError, Helm};

/// The helm of the lab, else the one on `PATH`; nothing where there is none.
fn helm() -> Option<Helm> {
    let cached = std::env::var_os("HOME")
        .map(|home| PathBuf::from(home).join(".cache/migrate-lab/bin/helm3"))
        .filter(|path| path.exists());
    let found = std::env::var_os("MIGRATE_LAB_HELM3")
        .map(PathBuf::from)
        .or(cached)
        .or_else(|| which::which("helm").ok());
    if found.is_none() {
        assert!(
            std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
            "helm is not on this machine; run `tests/lab/components helm3`"
        );
        println!("not tested: helm is not on this machine; run `tests/lab/components helm3`");
    }
    found.map(Helm::at)
}

/// A chart of these files, on top of a plain `Chart.yaml`.
fn chart(files: &[(&str, &str)]) -> ChartFiles {
    let mut all = BTreeMap::from([("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n")]);
    all.extend(files.iter().copied());
    ChartFiles {
        files: all
            .into_iter()
            .map(|(path, text)| {
                (
                    path.to_owned(),
                    ChartFile {
                        bytes: text.as_bytes().into(),
                        mode: 0o644,
                    },
                )
            })
            .collect(),
        ..ChartFiles::default()
    }
}

/// Converts a chart with values files; `None` without helm.
fn convert(files: &[(&str, &str)], user: &[(&str, &str)]) -> Option<Result<Solution, ChartError>> {
    let helm = helm()?;
    let work = Work {
        chart: chart(files),
        user: user
            .iter()
            .map(|(name, text)| UserFile {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
                origin: super::work::Origin::Given,
            })
            .collect(),
    };
    let job = Job {
        helm: &helm,
        capabilities: &[],
        desks: super::desk::Desks::default(),
        target: "dst",
        chart_name: "shop",
    };
    let mut table = FileTable::default();
    let required = variants::required(&work.user);
    let around = Surroundings::new(&job, &work);
    let mut rendered = |variants: &[Variant]| {
        let read = |text| Rendering::read(text, job.desks.known());
        let takes = solve::take(&around, variants, read)?;
        solve::bases(&around, variants, takes, &mut table)
    };
    let mut bases = match rendered(&required) {
        Ok((bases, _)) => bases,
        Err(error) => return Some(Err(error)),
    };
    let mut optional = variants::optional(&bases[0].rendering.values);
    for variant in &mut optional {
        variant.files.clone_from(&bases[0].variant.files);
    }
    match rendered(&optional) {
        Ok((more, _)) => bases.extend(more),
        Err(error) => return Some(Err(error)),
    }
    let targets: Vec<_> = bases
        .iter()
        .map(|base| target(&base.rendering.documents, conversion::convert(&base.nodes)))
        .collect();
    let early = solve::Answers::default();
    Some(solve::solve(&around, &bases, &targets, &early))
}

/// The text of a file of a converted chart, which must have kept all of its templates.
fn live(solution: Result<Solution, ChartError>, path: &str) -> String {
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    assert!(solution.open.is_empty(), "{:#?}", solution.open);
    solution
        .work
        .chart
        .text(path)
        .unwrap_or_default()
        .to_owned()
}
