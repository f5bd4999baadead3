//! `helm convert chart`

use std::path::PathBuf;

use clap::Args;
use migrate::cli::{Exit, Printer, ReportOptions};
use migrate::orchestration::chart::{
    ChartConversion, ChartOptions, ChartSource, Helm, Summary, ValuesOption, convert_chart,
};
use migrate::report;

use super::choices::{ChoiceArgs, Choices, ProviderArgs, fail, resolve};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  helm convert chart ./shop --from huawei --to ali -d shop-ali       a folder becomes a folder
  helm convert chart ./shop --to ali -d shop-ali --write-map ids.yaml  the ids that are missing, to be filled in
  helm convert chart ./shop --to ali -d shop-ali --map ids.yaml -f prod.yaml
  helm convert chart repo/shop --version 1.2.3 --to aws -d shop-aws  what helm pulls
  helm convert chart ./shop --to ali --dry-run                       nothing is written")]
pub(crate) struct ChartArgs {
    /// Chart: a folder, an archive, `repo/name`, a URL, or `oci://...`
    #[arg(value_name = "CHART")]
    chart: String,
    #[command(flatten)]
    providers: ProviderArgs,
    /// Folder for the converted chart
    #[arg(long, short = 'd', value_name = "DIR", required_unless_present_any = ["dry_run", "write_map"])]
    out_dir: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Say what would happen, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write a mapping file with a line for each id that is missing
    #[arg(long, value_name = "FILE")]
    write_map: Option<PathBuf>,
    /// A chart of rendered manifests instead of templates
    #[arg(long)]
    flat: bool,
    #[command(flatten)]
    values: ValuesArgs,
    #[command(flatten)]
    choices: ChoiceArgs,
    #[command(flatten)]
    report: ReportOptions,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Rendering, as helm takes it")]
struct ValuesArgs {
    /// Values file; each is converted, and gets a twin beside the chart's values.yaml
    #[arg(long, short = 'f', value_name = "FILE")]
    values: Vec<PathBuf>,
    /// Set values
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Set text values
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// Set values from files
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
    /// Set JSON values
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// Set literal text values
    #[arg(long, value_name = "KEY=VALUE")]
    set_literal: Vec<String>,
    /// Repository of the chart
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// Version of the chart
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Version of Kubernetes that templates see
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// API versions that templates see
    #[arg(long, short = 'a', value_name = "VERSION")]
    api_versions: Vec<String>,
}

impl ValuesArgs {
    fn options(&self) -> Vec<ValuesOption> {
        [
            ("--set-json", &self.set_json),
            ("--set", &self.set),
            ("--set-string", &self.set_string),
            ("--set-file", &self.set_file),
            ("--set-literal", &self.set_literal),
        ]
        .into_iter()
        .flat_map(|(flag, values)| {
            values.iter().map(move |value| ValuesOption {
                flag,
                value: value.clone(),
            })
        })
        .collect()
    }

    fn capabilities(&self) -> Vec<std::ffi::OsString> {
        let mut out = Vec::new();
        if let Some(version) = &self.kube_version {
            out.extend(["--kube-version".into(), version.into()]);
        }
        for version in &self.api_versions {
            out.extend(["--api-versions".into(), version.into()]);
        }
        out
    }
}

/// Runs the verb.
pub(crate) fn chart(args: &ChartArgs) -> Exit {
    let printer = args.report.printer();
    let choices = match resolve(&args.providers, &args.choices, printer) {
        Ok(choices) => choices,
        Err(exit) => return exit,
    };
    match run(args, &choices, printer) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn run(args: &ChartArgs, choices: &Choices, printer: Printer) -> Result<Exit, Exit> {
    let refuse = |error| fail(&error, printer);
    let options = ChartOptions {
        source: ChartSource {
            chart: args.chart.clone(),
            repository: args.values.repo.clone(),
            version: args.values.version.clone(),
        },
        values: args.values.values.clone(),
        set: args.values.options(),
        capabilities: args.values.capabilities(),
        from: choices.from.clone(),
        to: choices.to.clone(),
        map: choices.map.clone(),
        options: choices.options.clone(),
        flat: args.flat,
    };
    let helm = Helm::find().map_err(refuse)?;
    let conversion = convert_chart(&options, &helm).map_err(refuse)?;
    let style = printer.style();
    for line in &conversion.summary.seen {
        printer.say(&format!("saw {line}"));
    }
    printer.say(&report::to_text(
        &conversion.findings,
        &conversion.sources,
        style,
    ));
    migrate::cli::write_timed_report(
        &args.report,
        &conversion.findings,
        &conversion.sources,
        &conversion.timings.named(),
        printer,
    )?;
    if let Some(path) = &args.write_map {
        let from = conversion.from.as_ref().map_or("auto", |p| p.name());
        let text = choices
            .map
            .template(from, choices.to.name(), &conversion.missing);
        migrate::cli::write_text(path, &text).map_err(|error| {
            printer.complain(&format!("error: {error}"));
            Exit::Failed
        })?;
        printer.say(&format!(
            "{}: {}; fill it in and give it with --map",
            path.display(),
            count(conversion.missing.len(), "id is missing", "ids are missing")
        ));
    }
    if conversion.findings.has_errors() {
        say_missing(&conversion, printer);
        return Ok(Exit::Input);
    }
    let place = match &args.out_dir {
        Some(folder) if !args.dry_run => {
            conversion
                .output
                .write(folder, args.force)
                .map_err(refuse)?;
            format!("written to {}", folder.display())
        }
        _ => "nothing was written".to_owned(),
    };
    printer.say(&summary(&conversion, &place));
    if let Some(line) = report::summary(&conversion.findings, style) {
        printer.say(&line);
    }
    if args.report.strict
        && conversion.findings.worst() >= Some(migrate::finding::Severity::Warning)
    {
        return Ok(Exit::Findings);
    }
    Ok(Exit::Done)
}

fn say_missing(conversion: &ChartConversion, printer: Printer) {
    if conversion.missing.is_empty() {
        printer.complain("Nothing was written.");
        return;
    }
    printer.complain(&format!(
        "Nothing was written: {}. Get a list to fill in with --write-map FILE and give it with --map FILE, or take \
         placeholders with --allow-missing.",
        count(
            conversion.missing.len(),
            "id of the target is missing",
            "ids of the target are missing"
        )
    ));
}

/// What became of the chart, in one or two lines.
fn summary(conversion: &ChartConversion, place: &str) -> String {
    let Summary {
        from,
        to,
        templates,
        live_templates,
        changed_files,
        values,
        kept_values,
        idle_values: _,
        objects,
        helm_runs: _,
        seen: _,
    } = &conversion.summary;
    let from = if from.is_empty() { "no provider" } else { from };
    let mut text = format!(
        "{from} -> {to}: {}, {live_templates} of {templates} templates are live, {kept_values} of {values} values kept, \
         {} changed; {place}",
        count(*objects, "object", "objects"),
        count(changed_files.len(), "file", "files"),
    );
    for (old, new) in &conversion.output.twins {
        text.push_str(&format!("\n{old} is now {new}"));
    }
    if !conversion.missing.is_empty() {
        text.push_str(&format!(
            "\n{} placeholders stand for ids that are missing; see --write-map",
            conversion.missing.len()
        ));
    }
    text
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
