//! Manifests about other manifests: signatures, attestations, bills of materials (OCI distribution specification,
//! "Listing Referrers" and "Referrers Tag Schema"; cosign's tags).

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Registry;
use super::http::Request;
use super::pages::next_page;
use super::token::Scopes;
use crate::images::descriptor::media_type;
use crate::images::store::{Name, Referrer, Source as _, Target as _};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// What cosign appends to `sha256-HEX` for its tags.
const COSIGN_SUFFIXES: [&str; 3] = [".sig", ".att", ".sbom"];

/// Only one at a time may change an index of referrers: it is read, changed and written.
pub(super) type Lock = Mutex<()>;

impl Registry {
    pub(super) async fn find_referrers(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<Vec<Referrer>, ImageError> {
        let mut found = match self.from_api(repository, digest).await? {
            Some(descriptors) => descriptors,
            None => self.from_tag(repository, digest).await?.0,
        }
        .into_iter()
        .map(|descriptor| Referrer {
            descriptor,
            tag: None,
        })
        .collect::<Vec<_>>();
        for suffix in COSIGN_SUFFIXES {
            let tag = format!("{}{suffix}", fallback_tag(digest));
            if let Some(descriptor) = self.resolve(repository, &Name::Tag(tag.clone())).await? {
                found.push(Referrer {
                    descriptor,
                    tag: Some(tag),
                });
            }
        }
        Ok(found)
    }

    /// The referrers API; `None` if the registry has none.
    async fn from_api(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, ImageError> {
        let mut next = Some(
            self.http
                .url(&format!("{repository}/referrers/{digest}"))
                .await?,
        );
        let mut found = Vec::new();
        while let Some(url) = next.take() {
            let what = format!("referrers of {repository}@{digest}");
            let request = Request::new(Method::GET, url, Scopes::pull(repository), what)
                .accept(media_type::OCI_INDEX);
            let response = self.http.send(&request, &[200, 400, 404, 405]).await?;
            if response.status().as_u16() != 200 {
                return Ok(None);
            }
            next = next_page(&request.url, response.headers().get("link"));
            let index = Manifest::new(media_type::OCI_INDEX, self.body(response).await?);
            match index.content() {
                Ok(content) => found.extend(content.manifests),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// The index under the fallback tag, and its annotations.
    async fn from_tag(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<(Vec<Descriptor>, Option<Value>), ImageError> {
        let tag = Name::Tag(fallback_tag(digest));
        let Some(index) = self.manifest(repository, &tag).await? else {
            return Ok((Vec::new(), None));
        };
        let manifests = index
            .content()
            .map_err(|reason| self.protocol(reason))?
            .manifests;
        let annotations = serde_json::from_slice::<Value>(&index.bytes)
            .ok()
            .and_then(|mut value| Some(value.get_mut("annotations")?.take()));
        Ok((manifests, annotations))
    }

    /// A registry that did not say `OCI-Subject` does not keep referrers: the client has to keep them in an index under
    /// the fallback tag.
    pub(super) async fn keep_referrer(
        &self,
        repository: &str,
        manifest: &Manifest,
    ) -> Result<(), ImageError> {
        let Ok(content) = manifest.content() else {
            return Ok(());
        };
        let Some(subject) = content.subject else {
            return Ok(());
        };
        let _guard = self.referrers.lock().await;
        let (mut manifests, annotations) = self.from_tag(repository, &subject.digest).await?;
        if manifests
            .iter()
            .any(|other| other.digest == manifest.digest)
        {
            return Ok(());
        }
        let mut own = manifest.descriptor();
        own.artifact_type = content.artifact_type;
        own.annotations = content.annotations;
        manifests.push(own);
        let mut index = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_INDEX,
            "manifests": manifests,
        });
        if let Some(annotations) = annotations {
            index["annotations"] = annotations;
        }
        let index = Manifest::new(media_type::OCI_INDEX, index.to_string().into());
        // The index itself has no subject, so this does not go round in circles.
        Box::pin(self.put_manifest(
            repository,
            &Name::Tag(fallback_tag(&subject.digest)),
            &index,
        ))
        .await
    }
}

/// `sha256-HEX`, at most 32 and 64 characters.
fn fallback_tag(digest: &Digest) -> String {
    let hex = digest.hex();
    format!(
        "{}-{}",
        digest.algorithm().name(),
        hex.get(..64).unwrap_or(hex)
    )
}
