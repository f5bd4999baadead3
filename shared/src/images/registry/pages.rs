//! Lists that come page by page, each with a link to the next one.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::Method;
use reqwest::header::{HeaderValue, LINK};
use serde_json::Value;
use url::Url;

use super::Registry;
use super::http::Request;
use super::token::Scopes;
use crate::images::ImageError;

impl Registry {
    /// The pages of a list: each has the names under `key`, and links to the next one.
    pub(super) fn pages<'a>(
        &'a self,
        first: String,
        scopes: Scopes,
        key: &'static str,
        what: String,
    ) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        futures_util::stream::try_unfold(
            Some(Err(first)),
            move |place: Option<Result<Url, String>>| {
                let (scopes, what) = (scopes.clone(), what.clone());
                async move {
                    let url = match place {
                        None => return Ok(None),
                        Some(Ok(url)) => url,
                        Some(Err(path)) => self.http.url(&path).await?,
                    };
                    let request = Request::new(Method::GET, url, scopes, what);
                    let response = self.http.send(&request, &[200]).await?;
                    let next = next_page(&request.url, response.headers().get(LINK));
                    let body: Value = serde_json::from_slice(&self.body(response).await?)
                        .map_err(|_| self.protocol("its list is no JSON"))?;
                    let names = body[key]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|name| name.as_str().map(str::to_owned))
                        .collect();
                    Ok(Some((names, next.map(Ok))))
                }
            },
        )
        .boxed()
    }
}

/// `<URL>; rel="next"` (RFC 8288); the URL can be relative.
pub(super) fn next_page(asked: &Url, link: Option<&HeaderValue>) -> Option<Url> {
    link?.to_str().ok()?.split(',').find_map(|entry| {
        let (target, parameters) = entry.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters
            .split(';')
            .any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
        let next = asked.join(target).ok()?;
        (is_next && next != *asked).then_some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_can_be_relative() {
        let asked = Url::parse("http://localhost:5000/v2/a/tags/list?n=2").unwrap();
        let next = |text: &str| {
            next_page(&asked, Some(&HeaderValue::from_str(text).unwrap()))
                .map(|url| url.to_string())
        };
        assert_eq!(
            next("</v2/a/tags/list?last=b&n=2>; rel=\"next\"").as_deref(),
            Some("http://localhost:5000/v2/a/tags/list?last=b&n=2")
        );
        assert_eq!(
            next("</x>; rel=\"prev\", </y>; rel=next").as_deref(),
            Some("http://localhost:5000/y")
        );
        assert_eq!(next("</v2/a/tags/list?n=2>; rel=\"next\""), None);
        assert_eq!(next("nonsense"), None);
    }
}
