//! What a registry really holds: every manifest and every byte is read and hashed.

use bytes::Bytes;
use serde_json::Value;

use super::{ACCEPT, Place, sha256};

/// What is under a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// The image with this digest, whole.
    Whole(String),
    /// An image that lacks something, or has wrong bytes.
    Broken(String),
}

/// Reads all of an image.
///
/// # Panics
/// There is no answer.
pub async fn held(place: &Place, repository: &str, tag: &str) -> Held {
    let path = format!("{repository}/manifests/{tag}");
    let answer = get(place, &path).await;
    let Some(bytes) = answer else {
        return Held::Nothing;
    };
    let digest = sha256(&bytes);
    match whole(place, repository, &bytes).await {
        Ok(()) => Held::Whole(digest),
        Err(reason) => Held::Broken(reason),
    }
}

async fn get(place: &Place, path: &str) -> Option<Bytes> {
    let answer = place
        .send("GET", path, &[("accept", ACCEPT)], Bytes::new())
        .await;
    if answer.status() == 404 {
        return None;
    }
    assert_eq!(answer.status(), 200, "{path}");
    Some(answer.bytes().await.unwrap())
}

async fn whole(place: &Place, repository: &str, manifest: &Bytes) -> Result<(), String> {
    let content: Value = serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
    let list = |key: &str| content[key].as_array().cloned().unwrap_or_default();
    for child in list("manifests") {
        let digest = child["digest"].as_str().unwrap_or_default();
        let path = format!("{repository}/manifests/{digest}");
        let bytes = get(place, &path)
            .await
            .ok_or_else(|| format!("manifest {digest} is missing"))?;
        if sha256(&bytes) != digest {
            return Err(format!("manifest {digest} has other bytes"));
        }
        Box::pin(whole(place, repository, &bytes)).await?;
    }
    let config = content.get("config").cloned();
    for blob in config.into_iter().chain(list("layers")) {
        if blob.get("urls").is_some() {
            continue;
        }
        let digest = blob["digest"].as_str().unwrap_or_default();
        let bytes = get(place, &format!("{repository}/blobs/{digest}"))
            .await
            .ok_or_else(|| format!("blob {digest} is missing"))?;
        if sha256(&bytes) != digest {
            return Err(format!("blob {digest} has other bytes"));
        }
    }
    Ok(())
}
