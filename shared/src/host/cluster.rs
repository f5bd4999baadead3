//! A client for a cluster, by the same kubeconfig that kubectl uses.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A client for a cluster: by a kubeconfig and a context in it, by those that kubectl would use, or as the Pod's own
/// account.
///
/// # Errors
/// There is no configuration, or it cannot be used.
pub async fn client(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Client, String> {
    let config = config(kubeconfig, context).await?;
    Client::try_from(config).map_err(|error| error.to_string())
}

/// How a cluster is reached, for [`client`].
///
/// # Errors
/// There is no configuration.
pub(crate) async fn config(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<Config, String> {
    // A process has one; it does not matter who was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(|error| error.to_string())
        }
        None if context.is_some() => Config::from_kubeconfig(&options)
            .await
            .map_err(|error| error.to_string()),
        None => Config::infer().await.map_err(|error| error.to_string()),
    }
}

/// The context that a client without one would use.
#[must_use]
pub fn current_context(kubeconfig: Option<&Path>) -> Option<String> {
    let config = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    config.ok()?.current_context
}
