//! `kubectl migrate convert`

use clap::{Args, ValueEnum};
use migrate::cli::{Exit, ImageOptions, OutputOptions, PinOptions, ReportOptions, finish};
use migrate::images::rewrite::Rules;
use migrate::orchestration::compose::{
    ComposeOptions, ComposeTarget, CronRunner, HttpProbe, IngressProxy,
};
use migrate::orchestration::convert::to_compose;
use migrate::source::Disk;

use crate::source::{ManifestArgs, ObjectArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kubectl migrate convert -f app.yaml -d compose           a Compose file and what it refers to
  kubectl migrate convert -f manifests/ --to swarm -d out  a stack file for `docker stack deploy`
  kubectl migrate convert -k overlays/prod -d compose      a kustomization, rendered by kubectl
  kubectl migrate convert deploy/web -n shop -d compose    what runs in a cluster, with what it depends on
  kubectl migrate explain PodSpec.hostNetwork              what happens to a field")]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    source: ObjectArgs,
    /// What to convert to
    #[arg(long, value_enum, default_value_t = Goal::Compose)]
    to: Goal,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    images: ImageOptions,
    #[command(flatten)]
    pin: PinOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    report: ReportOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Goal {
    /// A file for `docker compose`
    Compose,
    /// A file for `docker stack deploy`
    Swarm,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Choices for Compose and Swarm")]
pub(crate) struct TargetArgs {
    /// How an HTTP probe is asked from inside of the container
    #[arg(long, value_enum, default_value_t = HttpProbeArg::Either)]
    http_probe: HttpProbeArg,
    /// Make one service for each replica of a StatefulSet
    #[arg(long)]
    unroll_stateful: bool,
    /// What a CronJob becomes
    #[arg(long, value_enum, default_value_t = CronArg::None)]
    cron: CronArg,
    /// What an Ingress becomes
    #[arg(long, value_enum, default_value_t = IngressArg::None)]
    ingress: IngressArg,
    /// Write secret values into the Compose file instead of files beside it
    #[arg(long)]
    inline_secrets: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HttpProbeArg {
    /// wget, else curl, whichever the image has
    Either,
    Wget,
    Curl,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CronArg {
    /// A service that is not started, for the scheduler of the host
    None,
    /// Labels for ofelia (Compose) or swarm-cronjob (Swarm)
    Labels,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IngressArg {
    /// Nothing but a list of the routes
    None,
    /// Labels for Traefik
    Traefik,
}

/// Runs the verb.
pub(crate) fn convert(args: &ConvertArgs) -> Exit {
    let printer = args.report.printer();
    let options = match args.source.load_options(printer) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let target = match args.to {
        Goal::Compose => ComposeTarget::Compose,
        Goal::Swarm => ComposeTarget::Swarm,
    };
    let rules = args.pin.rules(
        args.images.rules(),
        || ManifestArgs::images_of(&options, printer),
        printer,
    );
    let rules = match rules {
        Ok(rules) => rules,
        Err(exit) => return exit,
    };
    let target = args.target.options(target, rules);
    let result = to_compose(&options, &target, !args.output.no_carry, &Disk);
    let what = match args.to {
        Goal::Compose => "Compose file",
        Goal::Swarm => "stack file",
    };
    finish(result, &args.output, &args.report, what)
}

impl TargetArgs {
    /// The choices, for the writer.
    pub(crate) fn options(&self, target: ComposeTarget, images: Rules) -> ComposeOptions {
        ComposeOptions {
            target,
            http_probe: match self.http_probe {
                HttpProbeArg::Either => HttpProbe::Either,
                HttpProbeArg::Wget => HttpProbe::Wget,
                HttpProbeArg::Curl => HttpProbe::Curl,
            },
            unroll_stateful: self.unroll_stateful,
            cron: match self.cron {
                CronArg::None => CronRunner::None,
                CronArg::Labels => CronRunner::Labels,
            },
            ingress: match self.ingress {
                IngressArg::None => IngressProxy::None,
                IngressArg::Traefik => IngressProxy::Traefik,
            },
            inline_secrets: self.inline_secrets,
            images,
        }
    }
}
