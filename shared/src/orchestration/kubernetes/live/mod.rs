//! Running workloads of a cluster, and what they depend on, as if they lay in files.
//!
//! Only namespaces are asked, and of ConfigMaps, Secrets and claims only those that a workload names, so that the rights
//! of a namespace's administrator are enough. Secrets stay in memory.
//!
//! | module | what it does |
//! |---|---|
//! | [`select`] | which objects the user means |
//! | [`reader`] | asks the API server |
//! | [`closure`] | finds what workloads depend on |
//! | [`strip`], [`pod`] | take out what the cluster has added |

mod closure;
mod kinds;
mod labels;
mod pod;
mod reader;
mod select;
mod strip;

use std::path::PathBuf;

use serde_json::Value;

use crate::finding::Findings;
use crate::host::cluster;
use crate::source::emit;

use crate::orchestration::live::LiveError;

pub use select::Selection;

/// Which cluster.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// Context of the kubeconfig; `None` is the current one.
    pub context: Option<String>,
    /// The kubeconfig; `None` is kubectl's own choice.
    pub kubeconfig: Option<PathBuf>,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Each object as YAML, with what it is called in messages: `dc1:shop/deployment/web`.
    pub texts: Vec<(String, String)>,
    /// What could not be read, and what was read differently.
    pub findings: Findings,
    /// The workloads, without what they depend on.
    pub workloads: Vec<Value>,
    /// Their namespace.
    pub namespace: String,
}

/// Reads workloads and what they depend on.
///
/// # Errors
/// The cluster does not answer, or what was asked for is not there or may not be read.
pub async fn read(cluster: &Cluster, selection: &Selection) -> Result<Live, LiveError> {
    let wanted = selection.wanted().map_err(LiveError::Usage)?;
    let kubeconfig = cluster.kubeconfig.as_deref();
    let client = cluster::client(kubeconfig, cluster.context.as_deref())
        .await
        .map_err(LiveError::Unreachable)?;
    let namespace = selection
        .namespace
        .clone()
        .unwrap_or_else(|| client.default_namespace().to_owned());
    let context = cluster
        .context
        .clone()
        .or_else(|| cluster::current_context(kubeconfig))
        .unwrap_or_else(|| "cluster".to_owned());
    let mut reader = reader::Reader::new(client, &namespace);
    let roots = reader.roots(selection, wanted).await?;
    if roots.is_empty() {
        return Err(LiveError::Missing(format!(
            "nothing in namespace {namespace} of {context} is selected"
        )));
    }
    let mut objects = closure::complete(&mut reader, roots, selection.is_whole()).await?;
    let mut live = Live {
        namespace,
        ..Live::default()
    };
    for object in &mut objects {
        strip::strip(object);
        let name = reader::short(object);
        live.texts
            .push((format!("{context}:{}/{name}", live.namespace), emit(object)));
    }
    live.workloads = objects
        .into_iter()
        .filter(|object| reader::kind(object).is_some_and(|kind| kind.is_workload))
        .collect();
    live.findings = reader.findings;
    Ok(live)
}
