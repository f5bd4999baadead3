//! Docker engines pull images.

use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt as _;

use super::NotPulled;
use crate::images::credential::{Credential, CredentialFiles, CredentialSource as _};
use crate::images::presync::rules::Engine;
use crate::images::presync::trigger;

/// Lets an engine pull images, one after another: each is pulled in several streams by itself.
///
/// # Errors
/// The engine does not answer.
pub(super) async fn pull(engine: &Engine, images: &[String]) -> Result<Vec<NotPulled>, String> {
    let docker = trigger::connect(engine).await?;
    let mut failed = Vec::new();
    for image in images {
        let options = CreateImageOptions {
            from_image: Some(image.clone()),
            ..CreateImageOptions::default()
        };
        let credentials = credentials(image).await;
        let mut steps = std::pin::pin!(docker.create_image(Some(options), None, credentials));
        let mut reason = None;
        while let Some(step) = steps.next().await {
            reason = match step {
                Ok(step) => step.error_detail.and_then(|detail| detail.message),
                Err(error) => Some(error.to_string()),
            };
            if reason.is_some() {
                break;
            }
        }
        if let Some(reason) = reason {
            failed.push((image.clone(), format!("{}: {reason}", engine.address)));
        }
    }
    Ok(failed)
}

/// What docker's own client would send along.
async fn credentials(image: &str) -> Option<DockerCredentials> {
    let (host, repository) = image.split_once('/')?;
    let repository = repository
        .rsplit_once(':')
        .map_or(repository, |(name, _)| name);
    let (server, repository) = (host.to_owned(), repository.to_owned());
    // A helper may be run, which blocks.
    let found = tokio::task::spawn_blocking(move || {
        let found = CredentialFiles::from_environment().credential(&server, &repository);
        (server, found)
    });
    let (server, found) = found.await.ok()?;
    let base = DockerCredentials {
        serveraddress: Some(server),
        ..DockerCredentials::default()
    };
    match found.ok()? {
        Credential::Anonymous => None,
        Credential::Basic { user, password } => Some(DockerCredentials {
            username: Some(user),
            password: Some(password),
            ..base
        }),
        Credential::Identity(token) => Some(DockerCredentials {
            identitytoken: Some(token),
            ..base
        }),
        Credential::Bearer(token) => Some(DockerCredentials {
            registrytoken: Some(token),
            ..base
        }),
    }
}
