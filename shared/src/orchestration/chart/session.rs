//! One conversion of a chart, from its source to the files of the new chart.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::conditions;
use super::converter::Converter;
use super::decisive;
use super::desk::{Desks, Form};
use super::given::{file_of_options, user_files};
use super::helm::{RELEASE, Running};
use super::input::{self, ChartFiles};
use super::leftover;
use super::optional::{add_optional, without_odd_releases};
use super::options::{ChartConversion, ChartOptions, ChartTimings};
use super::originals::{Asked, Early, Originals, needed, originals, try_late};
use super::output::flat;
use super::output::solve::{self, Answers, Base, Job, Surroundings};
use super::output::write::{self, ChartOutput};
use super::said;
use super::seen::source_provider;
use super::summary::{Summary, count_values};
use super::target::{FileTable, Target};
use super::variants;
use super::work::{OnDisk, Origin, Rendering, UserFile, Variant, Work};
use super::{ChartError, Helm};
use crate::finding::{Code, Finding, Findings};
use crate::images::rewrite::Rules;
use crate::orchestration::provider::{Missing, Provider};
use crate::parallel;
use crate::source::{Node, emit};

/// Converts a chart.
///
/// # Errors
/// See [`ChartError`].
pub fn convert_chart(options: &ChartOptions, helm: &Helm) -> Result<ChartConversion, ChartError> {
    convert_chart_with_images(options, &Rules::default(), helm)
}

/// As [`convert_chart`], and the chart asks for the images by the names that `rules` give them.
///
/// # Errors
/// See [`ChartError`].
pub fn convert_chart_with_images(
    options: &ChartOptions,
    rules: &Rules,
    helm: &Helm,
) -> Result<ChartConversion, ChartError> {
    let (begun, before) = (Instant::now(), helm.busy());
    let mut conversion = converted(options, rules, helm)?;
    said::in_plain_names(&mut conversion);
    conversion.timings = ChartTimings {
        total: begun.elapsed(),
        helm: helm.busy().saturating_sub(before),
    };
    Ok(conversion)
}

fn converted(
    options: &ChartOptions,
    rules: &Rules,
    helm: &Helm,
) -> Result<ChartConversion, ChartError> {
    let mut findings = Findings::default();
    let mut chart = input::load(&options.source, helm)?;
    let folder = Path::new(&options.source.chart);
    for name in input::complete(&mut chart, folder.is_dir().then_some(folder), helm)? {
        findings.push(Finding::new(
            Code("chart-dependency-fetched"),
            format!("`{name}` was not in charts/ and was fetched"),
        ));
    }
    let mut original = Work {
        chart,
        user: user_files(&options.values)?,
    };
    let job = Job {
        helm,
        capabilities: &options.capabilities,
        desks: Desks::default(),
        target: options.to.name(),
        chart_name: &options.source.chart,
    };
    file_of_options(&mut original, options, &job, &mut findings)?;

    if original.user.len() > 1 {
        original.user.push(UserFile {
            name: "together.yaml".into(),
            text: String::new(),
            origin: Origin::Together,
        });
    }
    let mut files = FileTable::default();
    let around = Surroundings::new(&job, &original);
    let converter = Converter::new(options, rules);
    let Originals {
        mut bases,
        refused,
        early,
    } = originals(&around, options, &converter, &mut files)?;
    for (variant, message) in &refused {
        findings.push(said::unrendered(variant, message));
    }
    let nodes: Vec<Arc<Node>> = bases.iter().flat_map(|base| base.nodes.clone()).collect();
    let (from, seen) = source_provider(&options.from, &nodes)?;
    for finding in said::unread(&bases)
        .into_iter()
        .chain(said::doubled(&bases))
    {
        findings.push(finding);
    }
    let from = match from {
        Some(from) => from,
        None if rules.is_empty() => {
            let (images, pull_secrets) = needed(&bases);
            return Ok(ChartConversion {
                name: original.chart.info("").name,
                images,
                pull_secrets,
                ..nothing_to_do(original, options, findings, files, helm, &bases)
            });
        }
        // Nothing but the names of images changes.
        None => {
            findings.push(said::neutral());
            options.to.clone()
        }
    };
    let early = match early {
        None if !options.flat => try_late(&around, &bases, &from, &converter, &mut files)?,
        early => early,
    };
    let Asked {
        mut conversions,
        answers,
        needed: (needed, pull_secrets),
    } = match early {
        None => Asked::of(&bases, &from, &converter),
        Some(Early { tried, mut asked }) => {
            add_optional(tried, &mut bases, &mut asked.conversions);
            asked
        }
    };
    for (base, conversion) in bases.iter().zip(&mut conversions) {
        // What is missing is an error for them, if the user did not allow it.
        let missing = &conversion.target.converted.missing;
        if base.variant.required && !missing.is_empty() && converter.is_strict() {
            *conversion = converter.strict(base, &from);
        }
    }
    let mut targets = conversions.into_iter().map(|c| c.target).collect();
    without_odd_releases(&mut bases, &mut targets);
    let mut missing: Vec<Missing> = Vec::new();
    for (base, target) in bases.iter().zip(&targets) {
        if base.variant.release == RELEASE {
            for finding in target.converted.findings.as_slice() {
                findings.push(finding.clone());
            }
        }
        if base.variant.required {
            for one in &target.converted.missing {
                if !missing.contains(one) {
                    missing.push(one.clone());
                }
            }
        }
    }
    let mut summary = Summary {
        from: from.name().to_owned(),
        to: options.to.name().to_owned(),
        objects: bases.first().map_or(0, |b| b.rendering.documents.len()),
        templates: live_sources(&bases).len(),
        seen,
        ..Summary::default()
    };
    if findings.has_errors() && !options.options.allow_missing {
        // Nothing is written; what was found is said.
        findings.sort();
        return Ok(ChartConversion {
            output: ChartOutput::default(),
            findings,
            sources: files.into_sources(),
            missing,
            summary,
            from: Some(from),
            name: original.chart.info("").name,
            images: needed,
            pull_secrets,
            timings: ChartTimings::default(),
        });
    }
    let sources;
    let output = if options.flat {
        let written = flat_output(&job, &original, &bases, &targets, &mut summary)?;
        job.desks.known().forget();
        for wanted in targets
            .last()
            .iter()
            .flat_map(|target| target.wanted.iter())
        {
            if let Some(name) = flat::secret(&wanted.value) {
                findings.push(said::secret_written(&name, &wanted.source));
            }
        }
        parallel::free((bases, targets));
        sources = files.into_sources();
        written
    } else {
        let live = live_output(
            &around,
            &bases,
            &targets,
            &answers,
            &from,
            &mut findings,
            &mut summary,
        )?;
        // What is not needed any more is freed while helm has work.
        parallel::free((bases, targets, answers));
        around.free();
        sources = files.into_sources();
        live.linted(&job, &original)?
    };
    summary.helm_runs = helm.runs();
    findings.sort();
    Ok(ChartConversion {
        output,
        findings,
        sources,
        missing,
        summary,
        from: Some(from),
        name: original.chart.info("").name,
        images: needed,
        pull_secrets,
        timings: ChartTimings::default(),
    })
}

/// A converted chart that helm lints.
struct Live {
    work: Work,
    output: ChartOutput,
    lint: Running,
}

impl Live {
    /// The chart, if helm has nothing against it but what it had against the original already, which is no fault of the
    /// conversion.
    fn linted(self, job: &Job<'_>, original: &Work) -> Result<ChartOutput, ChartError> {
        if let Some(message) = solve::end_lint(job, &self.work, self.lint)?
            && let lint = solve::begin_lint(job, original)?
            && solve::end_lint(job, original, lint)?.is_none()
        {
            return Err(ChartError::Law(format!(
                "helm lint refuses the converted chart, so it was not written:\n{message}"
            )));
        }
        Ok(self.output)
    }
}

/// The converted chart with its templates.
fn live_output(
    around: &Surroundings<'_>,
    bases: &[Base],
    targets: &[Target],
    answers: &Answers,
    from: &Provider,
    findings: &mut Findings,
    summary: &mut Summary,
) -> Result<Live, ChartError> {
    let (job, original) = (around.job, around.original);
    let mut solution = solve::solve(around, bases, targets, answers)?;
    // No object becomes text for the sake of words that nobody has given.
    let tail = bases.iter().position(|b| variants::is_exposure(&b.variant));
    if let Some(tail) = tail.filter(|_| !solution.flattened.is_empty()) {
        let (own, exposed) = bases.split_at(tail);
        let (wanted, others) = targets.split_at(tail);
        let without = solve::solve(around, own, wanted, answers)?;
        if without.flattened.len() < solution.flattened.len() {
            let open = solve::open_in(job, &without.work, exposed, others)?;
            solution = without;
            solution.open.extend(open);
        }
    }
    let lint = match solution.lint.take() {
        Some(lint) => lint,
        None => solve::begin_lint(job, &solution.work)?,
    };
    for one in &solution.flattened {
        for finding in said::flattened(one) {
            findings.push(finding);
        }
    }
    let mut said = BTreeSet::new();
    for (variant, path) in &solution.open {
        if said.insert(path.clone()) && said.len() <= 20 {
            findings.push(Finding::new(
                Code("chart-variant-not-converted"),
                format!("with {variant}, {path}"),
            ));
        }
    }
    for at in &solution.doubled {
        findings.push(said::still_doubled(at));
    }
    for path in &solution.schemas {
        findings.push(Finding::new(
            Code("chart-schema-widened"),
            format!("`{path}` did not allow a converted value, and does now"),
        ));
    }
    let output = write::output(original, &solution.work, job.target, from.name());
    for archive in &output.unpacked {
        findings.push(Finding::new(
            Code("chart-subchart-unpacked"),
            format!("`{archive}` had to be changed and is a folder now"),
        ));
    }
    summary.live_templates = summary.templates.saturating_sub(
        solution
            .flattened
            .iter()
            .map(|one| &one.file)
            .collect::<BTreeSet<_>>()
            .len(),
    );
    (summary.values, summary.kept_values, summary.idle_values) =
        count_values(original, &solution.work);
    let keys = decisive::keys(from);
    for value in &summary.idle_values {
        let finding = match decisive::decided(&original.chart, &keys, value) {
            Some(key) => Finding::new(
                Code("chart-exposure-fixed"),
                format!(
                    "no template asks for the value `{value}` any more, which decided `{key}`: what it was when the chart was converted is fixed in the templates"
                ),
            ),
            None => Finding::new(
                Code("chart-value-idle"),
                format!("no template asks for the value `{value}` any more"),
            ),
        };
        findings.push(finding);
    }
    for kept in conditions::kept(&original.chart, &solution.work.chart) {
        findings.push(Finding::new(Code("chart-condition-kept"), kept));
    }
    summary.changed_files = changed_files(&original.chart, &solution.work.chart);
    job.desks.keep(Form::Plain);
    let left = Provider::named(job.target)
        .map(|to| leftover::words(&solution.work.chart, from, &to))
        .unwrap_or_default();
    for left in left {
        findings.push(Finding::new(Code("chart-text-left"), left));
    }
    Ok(Live {
        work: solution.work,
        output,
        lint,
    })
}

/// The paper's plain form.
fn flat_output(
    job: &Job<'_>,
    original: &Work,
    bases: &[Base],
    targets: &[Target],
    summary: &mut Summary,
) -> Result<ChartOutput, ChartError> {
    // All values files together, as helm would be given them.
    let last = bases.len().saturating_sub(1);
    let (Some(base), Some(target)) = (bases.get(last), targets.get(last)) else {
        return Ok(ChartOutput::default());
    };
    let chart = flat::flat_chart(&original.chart, &target.wanted);
    let disk = OnDisk::write(&chart, &[], false, true)?;
    let variant = Variant {
        files: Vec::new(),
        ..base.variant.clone()
    };
    let running = disk.begin(job.helm, &variant, job.capabilities)?;
    // Helm is going to print these very texts: they are read while it works.
    let known = job.desks.known();
    parallel::each(&target.wanted, |wanted| known.learn(&emit(&wanted.value)));
    let text = running
        .end()
        .map_err(|error| solve::renamed(error, &disk, original, job.chart_name))?;
    let rendering = Rendering::read(text, known);
    solve::check_flat(&rendering, base, target)?;
    parallel::free(rendering);
    summary.live_templates = 0;
    summary.changed_files = chart.files.keys().cloned().collect();
    Ok(write::plain_output(chart))
}

/// A chart without anything of a provider is for every provider.
fn nothing_to_do(
    original: Work,
    options: &ChartOptions,
    mut findings: Findings,
    files: FileTable,
    helm: &Helm,
    bases: &[Base],
) -> ChartConversion {
    findings.push(said::neutral());
    let templates = live_sources(bases).len();
    let (values, kept_values, _) = count_values(&original, &original);
    ChartConversion {
        output: write::output(&original, &original, options.to.name(), "its source"),
        findings,
        sources: files.into_sources(),
        missing: Vec::new(),
        summary: Summary {
            to: options.to.name().to_owned(),
            templates,
            live_templates: templates,
            values,
            kept_values,
            objects: bases.first().map_or(0, |b| b.rendering.documents.len()),
            helm_runs: helm.runs(),
            ..Summary::default()
        },
        from: None,
        name: String::new(),
        images: Vec::new(),
        pull_secrets: Vec::new(),
        timings: ChartTimings::default(),
    }
}

/// The templates that render objects.
fn live_sources(bases: &[Base]) -> BTreeSet<String> {
    bases
        .iter()
        .flat_map(|base| base.rendering.documents.iter())
        .map(|document| document.source.clone())
        .collect()
}

fn changed_files(before: &ChartFiles, after: &ChartFiles) -> Vec<String> {
    let mut changed: BTreeSet<String> = BTreeSet::new();
    for (path, file) in &before.files {
        if after.files.get(path) != Some(file) {
            changed.insert(path.clone());
        }
    }
    for path in after.files.keys() {
        if !before.files.contains_key(path) {
            changed.insert(path.clone());
        }
    }
    changed.into_iter().collect()
}
