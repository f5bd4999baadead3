//! Tokens for what we want to do, one request for all who need the same.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use super::challenge::Challenge;
use crate::images::ImageError;
use crate::images::credential::{Credential, CredentialSource};

/// A token is renewed so long before it ends, so that it does not end on the way.
const MARGIN: Duration = Duration::from_secs(15);
/// How long a token is good for when the server does not say (distribution, `spec/auth/token`).
const DEFAULT_LIFE: Duration = Duration::from_mins(1);

/// What a token is to be good for: `repository:shop/web:pull,push`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Scopes(BTreeSet<String>);

impl Scopes {
    pub(super) fn pull(repository: &str) -> Self {
        Self([format!("repository:{repository}:pull")].into())
    }

    pub(super) fn push(repository: &str) -> Self {
        Self([format!("repository:{repository}:pull,push")].into())
    }

    pub(super) fn delete(repository: &str) -> Self {
        Self([format!("repository:{repository}:delete,pull,push")].into())
    }

    pub(super) fn catalog() -> Self {
        Self(["registry:catalog:*".to_owned()].into())
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The repository whose credentials count: the one that is written to.
    fn repository(&self) -> &str {
        let writing = self.0.iter().find(|scope| scope.contains("push"));
        writing
            .or(self.0.first())
            .and_then(|scope| scope.strip_prefix("repository:"))
            .and_then(|rest| rest.rsplit_once(':'))
            .map_or("", |(repository, _)| repository)
    }
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    renew_at: Option<Instant>,
}

type Slot = Arc<AsyncMutex<Option<Token>>>;

/// The state of authentication at one registry.
pub(super) struct Authentication {
    place: String,
    plain: bool,
    source: Arc<dyn CredentialSource>,
    challenge: Mutex<Option<Challenge>>,
    tokens: Mutex<HashMap<Scopes, Slot>>,
    client: reqwest::Client,
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Authentication {
    pub(super) fn new(
        place: &str,
        plain: bool,
        source: Arc<dyn CredentialSource>,
        client: reqwest::Client,
    ) -> Self {
        Self {
            place: place.to_owned(),
            plain,
            source,
            challenge: Mutex::default(),
            tokens: Mutex::default(),
            client,
        }
    }

    /// Keeps what the registry asks for. Returns whether that is anything that we can answer.
    pub(super) fn learn(&self, challenge: Option<Challenge>) -> bool {
        let known = challenge.is_some();
        if let (Some(challenge), Ok(mut slot)) = (challenge, self.challenge.lock()) {
            *slot = Some(challenge);
        }
        known
    }

    /// The header for requests with these scopes; `None` as long as the registry has not asked for one.
    pub(super) async fn header(&self, scopes: &Scopes) -> Result<Option<HeaderValue>, ImageError> {
        let challenge = self.challenge.lock().map_or(None, |slot| slot.clone());
        let Some(challenge) = challenge else {
            return Ok(None);
        };
        let slot = self.slot(scopes);
        // Whoever comes while a token is on its way waits for that one.
        let mut slot = slot.lock().await;
        if let Some(token) = slot.as_ref()
            && token.renew_at.is_none_or(|at| Instant::now() < at)
        {
            return Ok(Some(token.header.clone()));
        }
        let credential = self.credential(scopes).await?;
        let token = match challenge {
            Challenge::Basic => basic(&credential).map(|header| Token {
                header,
                renew_at: None,
            }),
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => Some(
                self.fetch(
                    &realm,
                    service.as_deref(),
                    scope.as_deref(),
                    scopes,
                    &credential,
                )
                .await?,
            ),
        };
        slot.clone_from(&token);
        Ok(token.map(|token| token.header))
    }

    /// The registry did not take this header: it is not used again.
    pub(super) async fn forget(&self, scopes: &Scopes, refused: &HeaderValue) {
        let slot = self.slot(scopes);
        let mut slot = slot.lock().await;
        if slot.as_ref().is_some_and(|token| token.header == *refused) {
            *slot = None;
        }
    }

    fn slot(&self, scopes: &Scopes) -> Slot {
        match self.tokens.lock() {
            Ok(mut tokens) => tokens.entry(scopes.clone()).or_default().clone(),
            Err(_) => Slot::default(),
        }
    }

    async fn credential(&self, scopes: &Scopes) -> Result<Credential, ImageError> {
        let source = Arc::clone(&self.source);
        let (place, repository) = (self.place.clone(), scopes.repository().to_owned());
        let asked =
            tokio::task::spawn_blocking(move || source.credential(&place, &repository)).await;
        let denied = |reason: String| ImageError::Denied {
            what: format!("repository {}", scopes.repository()),
            place: self.place.clone(),
            reason,
        };
        match asked {
            Ok(credential) => credential.map_err(denied),
            Err(error) => Err(denied(error.to_string())),
        }
    }

    async fn fetch(
        &self,
        realm: &str,
        service: Option<&str>,
        wanted: Option<&str>,
        scopes: &Scopes,
        credential: &Credential,
    ) -> Result<Token, ImageError> {
        let protocol = |reason: String| ImageError::Protocol {
            place: self.place.clone(),
            reason,
        };
        if let Credential::Bearer(token) = credential {
            return bearer(token)
                .map(|header| Token {
                    header,
                    renew_at: None,
                })
                .ok_or_else(|| protocol("the registry token is no header value".into()));
        }
        let mut url = Url::parse(realm)
            .map_err(|error| protocol(format!("its token server `{realm}` is no URL: {error}")))?;
        if url.scheme() != "https" && !self.plain {
            return Err(protocol(format!(
                "its token server {realm} wants credentials without encryption"
            )));
        }
        // Some ask for more than we know to ask for; a token for nothing is of no use.
        let mut all: BTreeSet<&str> = scopes.0.iter().map(String::as_str).collect();
        if all.is_empty() {
            all.extend(wanted);
        }
        let request = if let Credential::Identity(refresh_token) = credential {
            let scope = all.into_iter().collect::<Vec<_>>().join(" ");
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("service", service.unwrap_or_default())
                .append_pair("client_id", "migrate")
                .append_pair("scope", &scope)
                .append_pair("refresh_token", refresh_token)
                .finish();
            self.client
                .post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form)
        } else {
            {
                let mut query = url.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                for scope in all {
                    query.append_pair("scope", scope);
                }
            }
            let request = self.client.get(url);
            match basic(credential) {
                Some(header) => request.header("authorization", header),
                None => request,
            }
        };
        let asked = Instant::now();
        let response = request
            .send()
            .await
            .map_err(|error| ImageError::Unreachable {
                place: format!("the token server of {}", self.place),
                reason: super::http::reason(&error),
            })?;
        if !response.status().is_success() {
            let what = format!("repository {}", scopes.repository());
            let server = format!("the token server of {}", self.place);
            return Err(super::answer::failure(&server, &what, response).await);
        }
        let body = response
            .bytes()
            .await
            .map_err(|error| ImageError::Unreachable {
                place: format!("the token server of {}", self.place),
                reason: super::http::reason(&error),
            })?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| protocol("its token server does not answer with a token".into()))?;
        let text = answer.token.or(answer.access_token).unwrap_or_default();
        let header = bearer(&text)
            .filter(|_| !text.is_empty())
            .ok_or_else(|| protocol("its token server answers without a token".into()))?;
        let life = answer
            .expires_in
            .filter(|s| *s > 0)
            .map_or(DEFAULT_LIFE, Duration::from_secs);
        // Half the life at least, however short it is.
        let margin = MARGIN.min(life / 2);
        Ok(Token {
            header,
            renew_at: Some(asked + life.saturating_sub(margin)),
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

fn basic(credential: &Credential) -> Option<HeaderValue> {
    match credential {
        Credential::Basic { user, password } => {
            let pair = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
            sensitive(&format!("Basic {pair}"))
        }
        Credential::Bearer(token) => bearer(token),
        Credential::Anonymous | Credential::Identity(_) => None,
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

/// A value that is never shown in debug output.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
