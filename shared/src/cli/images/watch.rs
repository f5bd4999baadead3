//! `images watch`: the daemon of image pre-synchronisation.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;

use super::count;
use crate::cli::{Exit, Printer, block_on};
use crate::host::interrupt::cancellation;
use crate::images::presync::daemon::{self, DaemonError};
use crate::images::presync::install::{InstallOptions, LeaseError, LeaseName, hold, manifests};
use crate::images::presync::queue::OpenError;
use crate::images::presync::receiver::serve;
use crate::images::presync::rules::{Checked, Cluster, Rules, load, load_for_elsewhere};
use crate::images::presync::stores::Stores;
use crate::images::presync::trigger::{Difference, candidates, client, differences};
use crate::images::store::Name;
use crate::report::{summary, to_text};

/// Arguments of `images watch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  images watch --config rules.yaml             in the foreground; Ctrl-C stops, the next start goes on
  images watch --config rules.yaml --check     what the rules match now, and what the targets lack
  images watch --config rules.yaml --install --image registry.example/migrate:0.1 > presync.yaml
  kill -HUP PID                                read the rules again; a change of the file does the same")]
pub(super) struct WatchArgs {
    /// Rules: what is watched, what goes where
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Say what the rules match, and copy nothing
    #[arg(long, conflicts_with = "install")]
    check: bool,
    /// Format of the log on standard error [default: text on a terminal, else json]
    #[arg(long, value_enum)]
    log: Option<LogFormat>,
    /// Work only while this Lease is held: one of several replicas in a cluster
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with_all = ["check", "install"])]
    lease: Option<LeaseName>,
    /// Write manifests that run it in Kubernetes, to standard output
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    manifests: ManifestArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "With --install")]
struct ManifestArgs {
    /// Apply the manifests with kubectl as well
    #[arg(long, requires = "install")]
    apply: bool,
    /// Image that holds this program
    #[arg(
        long,
        value_name = "IMAGE",
        requires = "install",
        required_if_eq("install", "true")
    )]
    image: Option<String>,
    /// Name of all objects
    #[arg(
        long,
        value_name = "NAME",
        requires = "install",
        default_value = "image-presync"
    )]
    name: String,
    /// Namespace of all objects
    #[arg(
        long,
        short,
        value_name = "NAME",
        requires = "install",
        default_value = "default"
    )]
    namespace: String,
    /// Size of the volume for the queue
    #[arg(long, value_name = "SIZE", requires = "install", default_value = "1Gi")]
    storage_size: String,
    /// Storage class of that volume [default: that of the cluster]
    #[arg(long, value_name = "CLASS", requires = "install")]
    storage_class: Option<String>,
    /// Secret of type kubernetes.io/dockerconfigjson with the credentials of the registries
    #[arg(long, value_name = "NAME", requires = "install")]
    registry_secret: Option<String>,
    /// Secret that is mounted at /var/run/migrate/receiver, for the receiver's secret and TLS files
    #[arg(long, value_name = "NAME", requires = "install")]
    receiver_secret: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Runs the verb.
pub(super) fn watch(command: &str, args: &WatchArgs) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: args.check,
    };
    let checked = if args.install {
        load_for_elsewhere(&args.config)
    } else {
        load(&args.config)
    };
    let rules = match said(printer, checked) {
        Ok(rules) => rules,
        Err(exit) => return exit,
    };
    if args.install {
        return install(printer, args, &rules);
    }
    if args.check {
        return block_on(printer, check(printer, rules));
    }
    start_log(args.log);
    block_on(printer, run(printer, command, args, rules))
}

/// Says what was found in the rules file.
fn said(printer: Printer, checked: Checked) -> Result<Rules, Exit> {
    let style = printer.style();
    let text = to_text(&checked.findings, &checked.sources, style);
    if !text.is_empty() {
        printer.complain(text.trim_end());
    }
    match checked.rules {
        Some(rules) => Ok(rules),
        None => {
            if let Some(summary) = summary(&checked.findings, style) {
                printer.complain(&summary);
            }
            Err(Exit::Input)
        }
    }
}

fn start_log(format: Option<LogFormat>) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let text = format.map_or(terminal, |format| format == LogFormat::Text);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // Only fails if there is a log already.
    let _ = if text {
        builder.with_ansi(terminal).try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init()
    };
}

async fn run(printer: Printer, command: &str, args: &WatchArgs, rules: Rules) -> Exit {
    let stop = cancellation();
    let Some(lease) = &args.lease else {
        return ended(
            printer,
            command,
            daemon::run(rules, &args.config, stop).await,
        );
    };
    let standby = stop.child_token();
    let served = match rules.status {
        Some(address) => Some(serve(address, None, standby_router(), standby.clone()).await),
        None => None,
    };
    let identity = std::env::var("POD_NAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("process-{}", std::process::id()));
    let cluster = Cluster {
        kubeconfig: None,
        context: None,
        namespaces: Vec::new(),
    };
    let held = match client(&cluster).await {
        Ok(client) => hold(client, lease, &identity, &stop).await,
        Err(error) => Err(LeaseError::Cluster(error)),
    };
    standby.cancel();
    if let Some(Ok((_, task))) = served {
        // The port is needed again.
        let _ = task.await;
    }
    let held = match held {
        Ok(held) => held,
        Err(LeaseError::Stopped) => return Exit::Done,
        Err(error) => {
            printer.complain(&format!("error: {error}"));
            return Exit::Unreachable;
        }
    };
    let working = stop.child_token();
    let (lost, ending) = (held.lost.clone(), working.clone());
    tokio::spawn(async move {
        lost.cancelled().await;
        ending.cancel();
    });
    let result = daemon::run(rules, &args.config, working).await;
    let was_lost = held.lost.is_cancelled();
    held.release().await;
    if was_lost && result.is_ok() {
        printer.complain("error: another replica is active now; this one stops");
        return Exit::Resumable;
    }
    ended(printer, command, result)
}

/// Probes of a replica that stands by: alive, but not ready.
fn standby_router() -> Router {
    Router::new()
        .route("/healthz", get(|| async { "standing by\n" }))
        .route(
            "/readyz",
            get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "standing by\n") }),
        )
}

fn ended(printer: Printer, command: &str, result: Result<(), DaemonError>) -> Exit {
    let Err(error) = result else {
        return Exit::Done;
    };
    printer.complain(&format!("error: {error}"));
    match error {
        DaemonError::Queue(OpenError::InUse { .. }) => {
            printer.complain(&format!(
                "Only one process can have a queue. `{command} images queue list` asks the one that runs; another one needs another `state`."
            ));
            Exit::Refused
        }
        DaemonError::Queue(OpenError::Unusable { .. }) => {
            printer.complain(
                "Set `state` in the rules to a folder that this user can write, with free space.",
            );
            Exit::Failed
        }
        DaemonError::Serve(_) => {
            printer.complain("Set another address for `receiver.listen` or `status.listen` in the rules, or stop what has this one.");
            Exit::Failed
        }
        DaemonError::Engine(_) => Exit::Failed,
    }
}

/// Says what the rules match, with the real sources and targets where they can be reached.
async fn check(printer: Printer, rules: Rules) -> Exit {
    /// Questions to registries at the same time.
    const QUESTIONS: usize = 16;
    let stop = cancellation();
    let rules = Arc::new(rules);
    let stores = Stores::default();
    let mut exit = Exit::Done;
    for source in rules.sources.keys() {
        let found = tokio::select! {
            () = stop.cancelled() => return Exit::Interrupted,
            found = candidates(&rules, &stores, source) => found,
        };
        let (wanted, trouble) = match found {
            Ok(found) => found,
            Err(error) => {
                printer.complain(&format!("error: {source}: {error}"));
                exit = Exit::Unreachable;
                continue;
            }
        };
        if let Some(trouble) = trouble {
            printer.complain(&format!("error: {source}: {trouble}"));
            exit = Exit::Unreachable;
        }
        let mut tally = Tally::default();
        let mut looked = futures_util::stream::iter(wanted)
            .map(|candidate| {
                let (rules, stores) = (&rules, &stores);
                async move {
                    let found = differences(rules, stores, source, &candidate).await;
                    (candidate, found)
                }
            })
            .buffered(QUESTIONS);
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return Exit::Interrupted,
                next = looked.next() => next,
            };
            let Some((candidate, found)) = next else {
                break;
            };
            let separator = match candidate.name {
                Name::Tag(_) => ':',
                Name::Digest(_) => '@',
            };
            let image = format!(
                "{source}/{}{separator}{}",
                candidate.repository, candidate.name
            );
            let mut text = String::new();
            match found {
                Ok(found) => {
                    for difference in found {
                        let state = tally.count(&difference);
                        text.push_str(&format!(
                            "{image} to {} by {}: {state}\n",
                            difference.target, difference.rule
                        ));
                    }
                }
                Err(error) => {
                    exit = Exit::Unreachable;
                    for (target, rule) in &candidate.targets {
                        text.push_str(&format!("{image} to {target} by {rule}: unknown\n"));
                    }
                    tally.trouble(&error.to_string(), printer);
                }
            }
            if printer.data(&text).is_err() {
                return Exit::Failed;
            }
        }
        printer.say(&format!(
            "{source}: {} matched, {} up to date, {} missing, {} different, {} unknown",
            count(tally.all(), "image"),
            tally.same,
            tally.missing,
            tally.different,
            tally.unknown
        ));
    }
    exit
}

/// How many images are in which state.
#[derive(Debug, Default)]
struct Tally {
    same: usize,
    missing: usize,
    different: usize,
    unknown: usize,
    said: Vec<String>,
}

impl Tally {
    fn count(&mut self, difference: &Difference) -> &'static str {
        match (&difference.source_digest, &difference.target_digest) {
            (None, _) => {
                self.unknown += 1;
                "not at the source"
            }
            (Some(_), None) => {
                self.missing += 1;
                "missing"
            }
            (Some(source), Some(target)) if source == target => {
                self.same += 1;
                "up to date"
            }
            (Some(_), Some(_)) => {
                self.different += 1;
                "different"
            }
        }
    }

    /// Says each trouble once: a thousand images of a registry that is down are one.
    fn trouble(&mut self, error: &str, printer: Printer) {
        self.unknown += 1;
        if !self.said.iter().any(|said| said == error) {
            printer.complain(&format!("error: {error}"));
            self.said.push(error.to_owned());
        }
    }

    fn all(&self) -> usize {
        self.same + self.missing + self.different + self.unknown
    }
}

fn install(printer: Printer, args: &WatchArgs, rules: &Rules) -> Exit {
    let own = &args.manifests;
    let text = match fs_err::read_to_string(&args.config) {
        Ok(text) => text,
        Err(error) => {
            printer.complain(&format!("error: {error}"));
            return Exit::Input;
        }
    };
    let options = InstallOptions {
        name: own.name.clone(),
        namespace: own.namespace.clone(),
        image: own.image.clone().unwrap_or_default(),
        storage_size: own.storage_size.clone(),
        storage_class: own.storage_class.clone(),
        registry_secret: own.registry_secret.clone(),
        receiver_secret: own.receiver_secret.clone(),
    };
    let manifests = match manifests(&options, rules, &text) {
        Ok(manifests) => manifests,
        Err(reason) => {
            printer.complain(&format!("error: {}: {reason}", args.config.display()));
            return Exit::Input;
        }
    };
    if printer.data(&manifests).is_err() {
        return Exit::Failed;
    }
    if own.apply {
        return apply(printer, &manifests);
    }
    printer.say(
        "Nothing was applied: read the manifests, then pipe them into `kubectl apply -f -`, or add --apply.",
    );
    Exit::Done
}

fn apply(printer: Printer, manifests: &str) -> Exit {
    use std::io::Write as _;
    let failed = |reason: &str| {
        printer.complain(&format!("error: kubectl apply: {reason}"));
        Exit::NativeTool
    };
    let program = match crate::host::kubectl::program() {
        Ok(program) => program,
        Err(error) => return failed(&error.to_string()),
    };
    let child = std::process::Command::new(program)
        .args(["apply", "-f", "-"])
        .stdin(Stdio::piped())
        // Data went to standard output; what kubectl says is talk.
        .stdout(Stdio::from(std::io::stderr()))
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return failed(&error.to_string()),
    };
    if let Some(mut input) = child.stdin.take()
        && let Err(error) = input.write_all(manifests.as_bytes())
    {
        printer.complain(&format!("error: kubectl apply: {error}"));
    }
    match child.wait() {
        Ok(status) if status.success() => Exit::Done,
        Ok(status) => failed(&status.to_string()),
        Err(error) => failed(&error.to_string()),
    }
}
