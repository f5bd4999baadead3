//! `helm convert post-render`

use clap::Args;
use migrate::cli::{Exit, ReportOptions, read_stdin};
use migrate::orchestration::chart::convert_manifests;
use migrate::report;

use super::choices::{ChoiceArgs, ProviderArgs, SameProvider, fail, resolve};

#[derive(Debug, Args)]
#[command(after_help = "Helm 3 runs a program:
  helm install shop ./shop --post-renderer \"$(helm env HELM_PLUGINS)/helm-convert/bin/helm-convert\" \\
    --post-renderer-args post-render --post-renderer-args --from=huawei --post-renderer-args --to=ali

Helm 4 runs a plugin of its own kind:
  helm convert install-post-render
  helm install shop ./shop --post-renderer convert-post-render \\
    --post-renderer-args --from=huawei --post-renderer-args --to=ali

Helm 3 gives hooks and CRDs to no post-renderer: they stay as they are. `helm convert chart` converts them.")]
pub(crate) struct PostRenderArgs {
    #[command(flatten)]
    providers: ProviderArgs,
    #[command(flatten)]
    choices: ChoiceArgs,
    #[command(flatten)]
    report: ReportOptions,
}

/// Runs the verb: manifests from standard input, converted ones to standard output.
pub(crate) fn post_render(args: &PostRenderArgs) -> Exit {
    let printer = args.report.printer();
    let mut choices = match resolve(
        &args.providers,
        &args.choices,
        printer,
        SameProvider::Refused,
    ) {
        Ok(choices) => choices,
        Err(exit) => return exit,
    };
    // Helm says so to its plugins; a program that is no plugin is not told.
    choices.options.namespace = std::env::var("HELM_NAMESPACE")
        .ok()
        .filter(|name| !name.is_empty());
    let text = match read_stdin() {
        Ok(text) => text,
        Err(error) => {
            printer.complain(&format!("error: standard input: {error}"));
            return Exit::Input;
        }
    };
    let result = convert_manifests(
        &text,
        &choices.from,
        &choices.to,
        &choices.map,
        &choices.options,
    );
    let conversion = match result {
        Ok(conversion) => conversion,
        Err(error) => return fail(&error, printer),
    };
    let findings = &conversion.converted.findings;
    printer.say(&report::to_text(
        findings,
        &conversion.sources,
        printer.style(),
    ));
    if let Err(exit) =
        migrate::cli::write_report(&args.report, findings, &conversion.sources, printer)
    {
        return exit;
    }
    if findings.has_errors() {
        printer.complain("Nothing was installed: helm gets no manifests.");
        return Exit::Input;
    }
    if args.report.strict && findings.worst() >= Some(migrate::finding::Severity::Warning) {
        return Exit::Findings;
    }
    match printer.data(&conversion.text) {
        Ok(()) => Exit::Done,
        Err(error) => {
            printer.complain(&format!("error: standard output: {error}"));
            Exit::Failed
        }
    }
}
