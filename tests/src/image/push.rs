//! Pushing with plain requests.

use bytes::Bytes;
use reqwest::{Client, Response};

use super::{Image, sha256};

/// A registry without TLS, and what is shown to it.
#[derive(Debug, Clone)]
pub struct Place {
    /// `127.0.0.1:5000`
    pub address: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    client: Client,
}

impl Place {
    /// A registry that wants no credentials.
    ///
    /// # Panics
    /// The HTTP client cannot be made.
    #[must_use]
    pub fn new(address: &str) -> Self {
        // A process has one; it does not matter who was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            address: address.to_owned(),
            authorization: None,
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// With an `Authorization` header.
    #[must_use]
    pub fn with(mut self, authorization: &str) -> Self {
        self.authorization = Some(authorization.to_owned());
        self
    }

    /// Sends a request to a path below `/v2/`, or to a whole URL.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("http://{}/v2/{path}", self.address)
        };
        let mut request = self.client.request(method.parse().unwrap(), url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        request.send().await.unwrap()
    }

    /// Puts a blob into a repository.
    ///
    /// # Panics
    /// The registry does not take it.
    pub async fn push_blob(&self, repository: &str, blob: &Bytes) {
        let path = format!("{repository}/blobs/uploads/");
        let opened = self.send("POST", &path, &[], Bytes::new()).await;
        assert_eq!(opened.status(), 202, "{repository}");
        let location = opened.headers()["location"].to_str().unwrap().to_owned();
        let joint = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{joint}digest={}", sha256(blob));
        let put = self
            .send(
                "PUT",
                &url,
                &[("content-type", "application/octet-stream")],
                blob.clone(),
            )
            .await;
        assert_eq!(put.status(), 201, "{repository}: {:?}", put.text().await);
    }

    /// Puts a manifest into a repository.
    ///
    /// # Panics
    /// The registry does not take it.
    pub async fn push_manifest(&self, repository: &str, name: &str, kind: &str, bytes: &Bytes) {
        let path = format!("{repository}/manifests/{name}");
        let put = self
            .send("PUT", &path, &[("content-type", kind)], bytes.clone())
            .await;
        assert_eq!(put.status(), 201, "{repository}: {:?}", put.text().await);
    }
}

/// Pushes an image.
///
/// # Panics
/// The registry does not take it.
pub async fn push(place: &Place, repository: &str, tag: &str, image: &Image) {
    let mut seen = std::collections::BTreeSet::new();
    for blob in &image.blobs {
        if seen.insert(sha256(blob)) {
            place.push_blob(repository, blob).await;
        }
    }
    let (last, children) = image.manifests.split_last().unwrap();
    for (kind, bytes) in children {
        place
            .push_manifest(repository, &sha256(bytes), kind, bytes)
            .await;
    }
    place.push_manifest(repository, tag, last.0, &last.1).await;
}
