//! A registry as a target.

use futures_util::FutureExt as _;
use reqwest::Method;

use super::http::Request;
use super::token::Scopes;
use super::{Registry, describe, header, upload};
use crate::images::store::{BeginBlob, Name, Step, Target, Upload};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

impl Target for Registry {
    fn has_blob<'a>(&'a self, repository: &'a str, blob: &'a Descriptor) -> Step<'a, bool> {
        async move {
            let url = self
                .http
                .url(&format!("{repository}/blobs/{}", blob.digest))
                .await?;
            let what = format!("blob {} of {repository}", blob.digest);
            let request = Request::new(Method::HEAD, url, self.scopes(repository), what);
            let response = self.http.send(&request, &[200, 404]).await?;
            Ok(response.status().as_u16() == 200)
        }
        .boxed()
    }

    fn begin_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        mount_from: Option<&'a str>,
    ) -> Step<'a, BeginBlob> {
        upload::begin(&self.http, &self.profile, repository, blob, mount_from).boxed()
    }

    fn resume_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        token: &'a str,
    ) -> Step<'a, Option<Box<dyn Upload>>> {
        upload::resume(&self.http, &self.profile, repository, blob, token).boxed()
    }

    fn put_manifest<'a>(
        &'a self,
        repository: &'a str,
        name: &'a Name,
        manifest: &'a Manifest,
    ) -> Step<'a, ()> {
        async move {
            let url = self
                .http
                .url(&format!("{repository}/manifests/{name}"))
                .await?;
            let what = describe(repository, name);
            let request = Request::new(Method::PUT, url, Scopes::push(repository), what)
                .body(&manifest.media_type, manifest.bytes.clone());
            let response = self.http.send(&request, &[200, 201, 202, 204]).await?;
            let stored =
                header(&response, "docker-content-digest").and_then(|text| text.parse().ok());
            if let Some(found) = stored.filter(|found: &Digest| {
                found.algorithm() == manifest.digest.algorithm() && *found != manifest.digest
            }) {
                return Err(ImageError::WrongBytes {
                    place: self.http.place.clone(),
                    expected: manifest.digest.clone(),
                    found,
                });
            }
            if header(&response, "oci-subject").is_none() {
                self.keep_referrer(repository, manifest).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn delete_manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, ()> {
        async move {
            let url = self
                .http
                .url(&format!("{repository}/manifests/{name}"))
                .await?;
            let what = describe(repository, name);
            let request = Request::new(Method::DELETE, url, Scopes::delete(repository), what);
            self.http
                .send(&request, &[200, 202, 204, 404])
                .await
                .map(drop)
        }
        .boxed()
    }

    fn mounts(&self) -> bool {
        self.profile.mounts()
    }

    fn saw_mount(&self, taken: bool) {
        self.profile.saw_mount(taken);
    }
}
