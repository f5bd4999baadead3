//! What `images watch --install` writes.

use std::sync::LazyLock;

use tera::{Context, Tera};

use crate::images::presync::rules::{Nodes, OriginKind, Rules};

static TEMPLATE: LazyLock<Result<Tera, String>> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_template("manifests.yaml", include_str!("manifests.yaml"))
        .map_err(|error| error.to_string())?;
    Ok(tera)
});

/// Choices for the manifests.
#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// Name of all objects.
    pub name: String,
    /// Their namespace.
    pub namespace: String,
    /// Image of the program.
    pub image: String,
    /// Size of the volume of the queue.
    pub storage_size: String,
    /// Its storage class; `None` is the cluster's default.
    pub storage_class: Option<String>,
    /// Secret of type `kubernetes.io/dockerconfigjson` with the credentials of the registries.
    pub registry_secret: Option<String>,
    /// Secret with what the receiver's senders have to know: the key `secret`.
    pub receiver_secret: Option<String>,
}

/// The manifests as YAML. `rules_text` is the rules file, which becomes a ConfigMap; the state folder and the addresses
/// in it have to fit a Pod, and are checked.
///
/// # Errors
/// The rules cannot work in a Pod, and why.
pub fn manifests(
    options: &InstallOptions,
    rules: &Rules,
    rules_text: &str,
) -> Result<String, String> {
    if rules.state != std::path::Path::new("/var/lib/migrate/presync") {
        return Err(
            "`state` has to be /var/lib/migrate/presync, where the volume is, or be left out"
                .to_owned(),
        );
    }
    let status = rules
        .status
        .filter(|address| address.ip().is_unspecified())
        .ok_or("`status.listen` has to be 0.0.0.0:8481, so that the kubelet reaches the probes")?;
    let receiver = rules.receiver.as_ref();
    if let Some(receiver) = receiver.filter(|receiver| !receiver.listen.ip().is_unspecified()) {
        return Err(format!(
            "`receiver.listen` is {}; in a Pod it has to be 0.0.0.0:{}",
            receiver.listen,
            receiver.listen.port()
        ));
    }
    let clusters: Vec<_> = rules
        .sources
        .values()
        .filter_map(|origin| match &origin.kind {
            OriginKind::Kubernetes(cluster) if cluster.kubeconfig.is_none() => Some(cluster),
            _ => None,
        })
        .collect();
    let all_namespaces = clusters.iter().any(|cluster| cluster.namespaces.is_empty());
    let mut namespaces: Vec<&str> = clusters
        .iter()
        .flat_map(|cluster| &cluster.namespaces)
        .map(String::as_str)
        .collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    // Where Pods stand that let the nodes of this very cluster pull.
    let mut pulls: Vec<&str> = rules
        .targets
        .values()
        .filter_map(|target| match &target.nodes {
            Some(Nodes::Cluster(cluster)) if cluster.kubeconfig.is_none() => {
                Some(cluster.pulls_in())
            }
            _ => None,
        })
        .collect();
    pulls.sort_unstable();
    pulls.dedup();
    let mut context = Context::new();
    context.insert("pulling_namespaces", &pulls);
    context.insert("name", &options.name);
    context.insert("namespace", &options.namespace);
    context.insert("image", &options.image);
    context.insert("storage_size", &options.storage_size);
    context.insert("storage_class", &options.storage_class);
    context.insert("registry_secret", &options.registry_secret);
    context.insert("receiver_secret", &options.receiver_secret);
    context.insert(
        "receiver_port",
        &receiver.map(|receiver| receiver.listen.port()),
    );
    context.insert("status_port", &status.port());
    context.insert("watches_cluster", &all_namespaces);
    context.insert("watched_namespaces", &namespaces);
    context.insert("has_clusters", &!clusters.is_empty());
    let indented: String = rules_text
        .lines()
        .map(|line| {
            if line.is_empty() {
                "\n".to_owned()
            } else {
                format!("    {line}\n")
            }
        })
        .collect();
    context.insert("rules", &indented);
    TEMPLATE
        .as_ref()
        .map_err(Clone::clone)?
        .render("manifests.yaml", &context)
        .map_err(|error| format!("{error:?}"))
}
