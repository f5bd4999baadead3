//! What `helm convert` migrates: a chart, to a cluster of another provider.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use migrate::application::target::helm::{CHART, Helm as Release, kept_objects};
use migrate::application::target::kubernetes::Kubernetes;
use migrate::application::{Origin, Target};
use migrate::cli::migration::{Goal, Migration};
use migrate::cli::{Exit, Printer};
use migrate::images::rewrite::Rules;
use migrate::orchestration::chart::{
    self, ChartConversion, ChartOptions, Helm, convert_chart_with_images,
};
use migrate::orchestration::convert::Conversion;
use migrate::orchestration::output::{Document, Output, SideFile};
use migrate::report;

use crate::commands::choices::{ChoiceArgs, ProviderArgs, SameProvider, fail, resolve};
use crate::commands::values::ValuesArgs;
use crate::record;

/// A chart, and the cluster that it goes to.
#[derive(Debug, Args)]
pub(crate) struct ChartMigration {
    /// Chart: a folder, an archive, `repo/name`, a URL, or `oci://...`
    #[arg(value_name = "CHART")]
    chart: String,
    #[command(flatten)]
    providers: ProviderArgs,
    #[command(flatten)]
    values: ValuesArgs,
    #[command(flatten)]
    choices: ChoiceArgs,
    /// Name of the release [default: that of the chart]
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    release: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Options whose values were not kept in the record of the run.
    #[arg(long, value_name = "OPTION", hide = true)]
    withheld: Vec<String>,
    /// The converted chart.
    #[arg(skip)]
    converted: OnceCell<Converted>,
}

/// The cluster. Helm takes these options itself and hands them down.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct ClusterArgs {
    /// Context of the target's cluster [default: helm's own choice]
    #[arg(long, value_name = "NAME")]
    kube_context: Option<String>,
    /// Kubeconfig of the target's cluster [default: helm's own choice]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<String>,
    /// Namespace of the release [default: helm's own choice]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// What the target needs to know of the converted chart.
#[derive(Debug)]
struct Converted {
    chart: String,
    values: Vec<String>,
}

/// A variable of helm's that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl ClusterArgs {
    /// With what helm hands down for options that are not there.
    pub(crate) fn complete(&self) -> Self {
        let one_file = || {
            let file = variable("KUBECONFIG")?;
            // Several are helm's and kubectl's business, as they are when a record is read.
            let path = std::path::absolute(&file).ok()?;
            path.is_file().then(|| path.display().to_string())
        };
        Self {
            kube_context: self
                .kube_context
                .clone()
                .or_else(|| variable("HELM_KUBECONTEXT")),
            kubeconfig: self.kubeconfig.clone().or_else(one_file),
            namespace: self
                .namespace
                .clone()
                .or_else(|| variable("HELM_NAMESPACE")),
        }
    }

    /// As options.
    pub(crate) fn words(&self) -> Vec<String> {
        [
            ("kube-context", &self.kube_context),
            ("kubeconfig", &self.kubeconfig),
            ("namespace", &self.namespace),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)))
        .collect()
    }
}

/// Access to a cluster that is in no kubeconfig: another process could not find it again, to go on with a run or to undo
/// it, and a token must not be written down for it.
fn refuse_bare_access(printer: Printer) -> Result<(), Exit> {
    const BARE: [(&str, &str); 6] = [
        ("HELM_KUBEAPISERVER", "--kube-apiserver"),
        ("HELM_KUBETOKEN", "--kube-token"),
        ("HELM_KUBECAFILE", "--kube-ca-file"),
        ("HELM_KUBEASUSER", "--kube-as-user"),
        ("HELM_KUBEASGROUPS", "--kube-as-group"),
        ("HELM_KUBETLS_SERVER_NAME", "--kube-tls-server-name"),
    ];
    let named = BARE.iter().find(|(name, _)| variable(name).is_some());
    let Some((name, option)) = named else {
        return Ok(());
    };
    printer.complain(&format!(
        "error: {option} (or {name}) says where the cluster is for this call alone; a run has to find it again, to go on or to be undone. Write it into a kubeconfig, and name that with --kubeconfig or --kube-context"
    ));
    Err(Exit::Usage)
}

impl ChartMigration {
    fn options(&self, printer: Printer) -> Result<ChartOptions, Exit> {
        let choices = resolve(
            &self.providers,
            &self.choices,
            printer,
            SameProvider::Allowed,
        )?;
        Ok(ChartOptions {
            source: self.values.source(&self.chart),
            values: self.values.files().to_vec(),
            set: self.values.options(),
            capabilities: self.values.capabilities(),
            from: choices.from,
            to: choices.to,
            map: choices.map,
            options: choices.options,
            flat: false,
        })
    }

    /// The objects that the release will have, as far as helm keeps them.
    fn objects(&self, helm: &Helm, converted: &ChartConversion) -> Result<Output, Exit> {
        let printer = Printer {
            quiet: false,
            verbose: false,
        };
        let cluster = self.cluster.complete();
        let access: Vec<OsString> = cluster
            .words()
            .into_iter()
            .filter(|word| !word.starts_with("--namespace"))
            .map(OsString::from)
            .collect();
        let objects = helm
            .objects_of_release(
                &converted.output,
                &chart::Release {
                    name: self.release(&converted.name),
                    namespace: cluster.namespace.as_deref().unwrap_or("default"),
                    access: &access,
                    capabilities: &self.values.capabilities(),
                },
            )
            .map_err(|error| fail(&error, printer))?;
        let documents = kept_objects(objects).into_iter().map(|value| Document {
            name: value["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            value,
            subjects: Vec::new(),
        });
        let files = converted.output.files().map(|(path, bytes)| SideFile {
            path: format!("{CHART}/{path}"),
            bytes: bytes.to_vec(),
            secret: true,
        });
        Ok(Output {
            documents: documents.collect(),
            files: files.collect(),
        })
    }

    fn release<'r>(&'r self, chart: &'r str) -> &'r str {
        self.release.as_deref().unwrap_or(chart)
    }
}

impl Migration for ChartMigration {
    fn convert(&self, printer: Printer, images: &Rules) -> Result<Conversion, Exit> {
        refuse_bare_access(printer)?;
        record::refuse_withheld(&self.withheld, &self.values.options(), printer)?;
        let options = self.options(printer)?;
        let helm = Helm::find().map_err(|error| fail(&error, printer))?;
        let converted = convert_chart_with_images(&options, images, &helm)
            .map_err(|error| fail(&error, printer))?;
        for line in &converted.summary.seen {
            printer.say(&format!("saw {line}"));
        }
        if converted.findings.has_errors() {
            printer.complain(&report::to_text(
                &converted.findings,
                &converted.sources,
                printer.style(),
            ));
            printer.complain(
                "Nothing was changed. A list of ids to fill in: helm convert chart CHART --to PROVIDER --write-map FILE; then --map FILE",
            );
            return Err(Exit::Input);
        }
        let output = self.objects(&helm, &converted)?;
        let values = converted.output.twins.iter().map(|(_, new)| new.clone());
        let values: Vec<String> = values.collect();
        let name = self.release(&converted.name).to_owned();
        // Read once; a second conversion would come to the same.
        let _ = self.converted.set(Converted {
            chart: converted.name.clone(),
            values,
        });
        Ok(Conversion {
            output,
            findings: converted.findings,
            sources: converted.sources,
            name,
            images: converted.images,
            pull_secrets: converted.pull_secrets,
        })
    }

    fn goal(&self, _: Printer, application: &str) -> Result<Goal, Exit> {
        let cluster = self.cluster.complete();
        let place = Kubernetes::new(
            application,
            cluster.kube_context,
            cluster.kubeconfig,
            cluster.namespace,
        );
        let (chart, values) = self.converted.get().map_or_else(
            || (application.to_owned(), Vec::new()),
            |converted| (converted.chart.clone(), converted.values.clone()),
        );
        Ok(Goal::Target(Box::new(Release::new(place, &chart, values))))
    }

    fn bundle(&self) -> Option<PathBuf> {
        None
    }

    fn origin(&self, _: &str) -> Option<Origin> {
        None
    }

    fn bundle_target(
        &self,
        printer: Printer,
        _: &str,
        format: &str,
    ) -> Result<Box<dyn Target>, Exit> {
        printer.complain(&format!(
            "error: a bundle for {format} is deployed with `docker migrate run` or `kubectl migrate run`"
        ));
        Err(Exit::Usage)
    }
}

impl record::Kept for ChartMigration {
    fn cluster(&self) -> ClusterArgs {
        self.cluster.complete()
    }
}
