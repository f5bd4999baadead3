//! Options that the verbs share: providers, what only a person knows, and choices of the conversion.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use migrate::cli::{Exit, Printer};
use migrate::finding::Findings;
use migrate::orchestration::chart::{ChartError, Choice};
use migrate::orchestration::provider::{Exposure, IngressChoice, Mapping, Options, Provider};
use migrate::report;
use migrate::source::{Limits, Sources};

#[derive(Debug, Args)]
pub(crate) struct ProviderArgs {
    /// Provider that it was made for; `auto` looks at it
    #[arg(
        id = "from_provider",
        long = "from",
        value_name = "PROVIDER",
        default_value = "auto"
    )]
    pub from: String,
    /// Provider that it shall be made for: huawei, ali, aws, google, azure, tencent, onprem
    #[arg(id = "to_provider", long = "to", value_name = "PROVIDER")]
    pub to: String,
    /// File of a provider of your own; its name can be given to --from and --to
    #[arg(long, value_name = "FILE")]
    pub provider_file: Vec<PathBuf>,
    /// File that says which ids of the target stand for ids of the source
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// Write placeholders where an id is missing, instead of nothing
    #[arg(long)]
    pub allow_missing: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Choices")]
pub(crate) struct ChoiceArgs {
    /// What a load balancer becomes whose exposure cannot be seen
    #[arg(long, value_enum, default_value_t = ExposureArg::Internal)]
    unknown_exposure: ExposureArg,
    /// Mbit/s of a public load balancer where the target needs a figure and the source has none
    #[arg(long, value_name = "MBIT", default_value_t = 5)]
    bandwidth: u32,
    /// Ingress controller of the target
    #[arg(long, value_enum, default_value_t = IngressArg::Counterpart)]
    ingress: IngressArg,
    /// Leave Services behind an Ingress as they are where the target's controller needs NodePort
    #[arg(long)]
    keep_service_types: bool,
    /// A disk may have less throughput than asked for, if its IOPS suffice
    #[arg(long)]
    less_throughput: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExposureArg {
    /// Reachable from the private network alone
    Internal,
    /// Reachable from the internet
    Public,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IngressArg {
    /// The provider's own for the source's own; ingress-nginx stays
    Counterpart,
    /// The provider's own, for ingress-nginx as well
    Native,
    /// ingress-nginx, which each provider has
    Nginx,
}

/// Whether a chart may stay with its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SameProvider {
    /// There would be nothing to convert.
    Refused,
    /// It may go to another cluster of its provider.
    Allowed,
}

/// What the options come to.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) from: Choice,
    pub(crate) to: Provider,
    pub(crate) map: Mapping,
    pub(crate) options: Options,
}

/// Reads the files that the options name.
pub(crate) fn resolve(
    providers: &ProviderArgs,
    choices: &ChoiceArgs,
    printer: Printer,
    same: SameProvider,
) -> Result<Choices, Exit> {
    let mut sources = Sources::default();
    let mut own = Vec::new();
    for path in &providers.provider_file {
        let text = read(path, printer)?;
        let file = sources.add(path.display().to_string(), text.clone());
        match Provider::from_text(file, &text, &Limits::default()) {
            Ok(provider) => own.push(provider),
            Err(findings) => return Err(refuse(&findings, &sources, printer)),
        }
    }
    let find = |name: &str| {
        own.iter()
            .find(|provider| {
                provider.name().eq_ignore_ascii_case(name)
                    || provider
                        .aliases()
                        .iter()
                        .any(|a| a.eq_ignore_ascii_case(name))
            })
            .cloned()
            .or_else(|| Provider::named(name))
    };
    let known = || {
        let mut names: Vec<String> = Provider::all()
            .iter()
            .chain(&own)
            .map(|provider| provider.name().to_owned())
            .collect();
        names.dedup();
        names.join(", ")
    };
    let named = |name: &str, flag: &str| {
        find(name).ok_or_else(|| {
            printer.complain(&format!(
                "error: `{name}` is no provider that {flag} could mean; there are: {}",
                known()
            ));
            Exit::Usage
        })
    };
    let from = if providers.from.eq_ignore_ascii_case("auto") {
        Choice::Auto
    } else {
        Choice::Provider(named(&providers.from, "--from")?)
    };
    let to = named(&providers.to, "--to")?;
    if same == SameProvider::Refused
        && let Choice::Provider(from) = &from
        && *from == to
    {
        printer.complain(&format!(
            "error: --from and --to both are {}; there is nothing to convert",
            to.name()
        ));
        return Err(Exit::Usage);
    }
    let map = match &providers.map {
        None => Mapping::default(),
        Some(path) => {
            let text = read(path, printer)?;
            let file = sources.add(path.display().to_string(), text.clone());
            Mapping::parse(file, &text, &Limits::default())
                .map_err(|findings| refuse(&findings, &sources, printer))?
        }
    };
    Ok(Choices {
        from,
        to,
        map,
        options: Options {
            allow_missing: providers.allow_missing,
            unknown_exposure: match choices.unknown_exposure {
                ExposureArg::Internal => Exposure::Internal,
                ExposureArg::Public => Exposure::Public,
            },
            bandwidth: choices.bandwidth,
            namespace: None,
            ingress: match choices.ingress {
                IngressArg::Counterpart => IngressChoice::Counterpart,
                IngressArg::Native => IngressChoice::Native,
                IngressArg::Nginx => IngressChoice::Nginx,
            },
            node_port_backends: !choices.keep_service_types,
            less_throughput: choices.less_throughput,
        },
    })
}

fn read(path: &std::path::Path, printer: Printer) -> Result<String, Exit> {
    migrate::cli::read_file(path).map_err(|error| {
        printer.complain(&format!("error: {error}"));
        Exit::Input
    })
}

fn refuse(findings: &Findings, sources: &Sources, printer: Printer) -> Exit {
    printer.complain(&report::to_text(findings, sources, printer.style()));
    Exit::Input
}

/// Says why there is no output, and with which exit code that ends.
pub(crate) fn fail(error: &ChartError, printer: Printer) -> Exit {
    printer.complain(&format!("error: {error}"));
    match error {
        ChartError::HelmMissing | ChartError::HelmStart { .. } => Exit::Unreachable,
        ChartError::Helm { .. } | ChartError::TooMuchOutput { .. } | ChartError::Late { .. } => {
            Exit::NativeTool
        }
        ChartError::NotAChart(_)
        | ChartError::Archive { .. }
        | ChartError::Input(_)
        | ChartError::Missing(_) => Exit::Input,
        ChartError::Usage(_) => Exit::Usage,
        ChartError::Exists(_) => Exit::Refused,
        ChartError::Law(_) | ChartError::Io(_) => Exit::Failed,
    }
}
