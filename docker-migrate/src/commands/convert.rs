//! `docker migrate convert`

use clap::{Args, ValueEnum};
use migrate::cli::{Exit, ImageOptions, OutputOptions, PinOptions, ReportOptions, finish};
use migrate::orchestration::convert::to_kubernetes;
use migrate::orchestration::kubernetes::{
    BindPolicy, ControllerChoice, KubernetesOptions, ProbePolicy, Publish, StartOrder,
};
use migrate::orchestration::model::Controller;
use migrate::orchestration::quantity::bytes_from_kubernetes;

use crate::source::ComposeArgs;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  docker migrate convert > app.yaml                     the Compose file of this folder
  docker migrate convert -f stack.yml -d k8s            one file for each object, in the folder k8s
  docker migrate convert -f a.yml -f b.yml --strict     merged; exit code 2 if anything was lost
  docker migrate convert --stack vote -d k8s            a stack that runs, read from the engine
  docker migrate convert --project shop -d k8s          a project of docker compose that runs
  docker migrate explain ulimits                        what happens to a key")]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    source: ComposeArgs,
    /// What to convert to
    #[arg(long, value_enum, default_value_t = Goal::Kubernetes)]
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
    /// Kubernetes objects
    Kubernetes,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Choices for Kubernetes")]
pub(crate) struct TargetArgs {
    /// Controller of long-running services [default: deployment, or what the file asks for]
    #[arg(long, value_enum)]
    controller: Option<ControllerArg>,
    /// Namespace of all objects [default: that of kubectl's context]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// What a published port becomes
    #[arg(long, value_enum, default_value_t = PublishArg::Loadbalancer)]
    publish: PublishArg,
    /// Class of the Ingress of `--publish ingress`
    #[arg(long, value_name = "NAME")]
    ingress_class: Option<String>,
    /// What a bind mount becomes
    #[arg(long, value_enum, default_value_t = BindsArg::Auto)]
    binds: BindsArg,
    #[command(flatten)]
    waiting: WaitingArgs,
    /// What a health check becomes
    #[arg(long, value_enum, default_value_t = ProbesArg::Auto)]
    probes: ProbesArg,
    /// Size of a volume that has none
    #[arg(long, value_name = "SIZE", default_value = "1Gi", value_parser = size)]
    storage_size: u64,
    /// Storage class of all volumes [default: that of the cluster]
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// Storage class for the volumes of a Docker driver
    #[arg(long, value_name = "DRIVER=CLASS", value_parser = pair)]
    storage_class_for: Vec<(String, String)>,
    /// Write `NetworkPolicies` that keep Compose networks apart
    #[arg(long)]
    network_policies: bool,
    /// Fill fresh volumes with what the image has at their place, as Docker does
    #[arg(long)]
    copy_up: bool,
    /// Numeric ids of a user that the file names
    #[arg(long, value_name = "NAME=UID[:GID]", value_parser = user)]
    uid: Vec<(String, (i64, Option<i64>))>,
    /// Key of the content in external secrets and configs
    #[arg(long, value_name = "KEY", default_value = "file")]
    external_key: String,
    /// Secret for pulling images
    #[arg(long, value_name = "NAME")]
    image_pull_secret: Vec<String>,
}

/// How services wait for others, which can need an image of its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choices for Kubernetes")]
pub(crate) struct WaitingArgs {
    /// What `depends_on` becomes
    #[arg(long, value_enum, default_value_t = StartOrderArg::None)]
    start_order: StartOrderArg,
    /// Image of the containers that wait for others
    #[arg(
        long,
        value_name = "IMAGE",
        default_value = "docker.io/library/busybox:1.37"
    )]
    wait_image: String,
}

impl WaitingArgs {
    /// The choices, for the writer; all others have their defaults.
    pub(crate) fn options(&self) -> KubernetesOptions {
        KubernetesOptions {
            start_order: match self.start_order {
                StartOrderArg::None => StartOrder::None,
                StartOrderArg::Wait => StartOrder::Wait,
            },
            wait_image: self.wait_image.clone(),
            ..KubernetesOptions::default()
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ControllerArg {
    Deployment,
    Daemonset,
    #[value(alias = "rc")]
    Replicationcontroller,
    #[value(alias = "rs")]
    Replicaset,
    Statefulset,
    Pod,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PublishArg {
    /// A Service of type LoadBalancer on the published port
    Loadbalancer,
    /// A Service of type NodePort
    Nodeport,
    /// A Service that is reached inside of the cluster only
    Clusterip,
    /// An Ingress for TCP ports, a LoadBalancer for the others
    Ingress,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BindsArg {
    /// Small files of the project: ConfigMap; other project paths: claim; absolute paths: path of the node
    Auto,
    /// A ConfigMap with the content
    Configmap,
    /// The same path on the node
    Hostpath,
    /// A claim that has to be filled by hand
    Claim,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StartOrderArg {
    /// Nothing: all start at once, and what fails is restarted
    None,
    /// Init containers that wait for the dependencies
    Wait,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProbesArg {
    /// As the source's engine acts: readiness for Compose; readiness and liveness for Swarm
    Auto,
    /// Readiness only
    Ready,
    /// Readiness and liveness
    ReadyAndLive,
}

/// Runs the verb.
pub(crate) fn convert(args: &ConvertArgs) -> Exit {
    let Goal::Kubernetes = args.to;
    let printer = args.report.printer();
    let options = match args.source.load_options(printer) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let rules = args.pin.rules(
        args.images.rules(),
        || {
            let waiting = args.target.waiting.options();
            ComposeArgs::images_of(&options, args.source.files(), waiting, printer)
        },
        printer,
    );
    let rules = match rules {
        Ok(rules) => rules,
        Err(exit) => return exit,
    };
    let target = KubernetesOptions {
        images: rules,
        ..args.target.options()
    };
    let result = to_kubernetes(
        &options,
        &target,
        !args.output.no_carry,
        args.source.files(),
    );
    finish(result, &args.output, &args.report, "Kubernetes objects")
}

impl TargetArgs {
    /// The choices, for the writer.
    pub(crate) fn options(&self) -> KubernetesOptions {
        KubernetesOptions {
            controller: self.controller.map_or(ControllerChoice::Auto, |c| match c {
                ControllerArg::Deployment => ControllerChoice::Replicas(Controller::Deployment),
                ControllerArg::Replicationcontroller => {
                    ControllerChoice::Replicas(Controller::ReplicationController)
                }
                ControllerArg::Replicaset => ControllerChoice::Replicas(Controller::ReplicaSet),
                ControllerArg::Daemonset => ControllerChoice::DaemonSet,
                ControllerArg::Statefulset => ControllerChoice::StatefulSet,
                ControllerArg::Pod => ControllerChoice::Pod,
            }),
            namespace: self.namespace.clone(),
            publish: match self.publish {
                PublishArg::Loadbalancer => Publish::LoadBalancer,
                PublishArg::Nodeport => Publish::NodePort,
                PublishArg::Clusterip => Publish::ClusterIp,
                PublishArg::Ingress => Publish::Ingress,
            },
            binds: match self.binds {
                BindsArg::Auto => BindPolicy::Auto,
                BindsArg::Configmap => BindPolicy::ConfigMap,
                BindsArg::Hostpath => BindPolicy::HostPath,
                BindsArg::Claim => BindPolicy::Claim,
            },
            probes: match self.probes {
                ProbesArg::Auto => ProbePolicy::Auto,
                ProbesArg::Ready => ProbePolicy::Ready,
                ProbesArg::ReadyAndLive => ProbePolicy::ReadyAndLive,
            },
            storage_size: self.storage_size,
            storage_class: self.storage_class.clone(),
            driver_classes: self.storage_class_for.iter().cloned().collect(),
            network_policies: self.network_policies,
            copy_up: self.copy_up,
            users: self.uid.iter().cloned().collect(),
            external_key: self.external_key.clone(),
            pull_secrets: self.image_pull_secret.clone(),
            ingress_class: self.ingress_class.clone(),
            ..self.waiting.options()
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    bytes_from_kubernetes(text)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "a Kubernetes quantity such as 500Mi or 10Gi is expected".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("DRIVER=CLASS is expected".to_owned()),
    }
}

fn user(text: &str) -> Result<(String, (i64, Option<i64>)), String> {
    let expected = || "NAME=UID or NAME=UID:GID with numbers is expected".to_owned();
    let (name, ids) = text.split_once('=').ok_or_else(expected)?;
    let (uid, gid) = match ids.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid.parse().map_err(|_| expected())?)),
        None => (ids, None),
    };
    Ok((name.to_owned(), (uid.parse().map_err(|_| expected())?, gid)))
}
