//! Asks the API server, and remembers what it was told.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client};
use serde_json::{Map, Value};

use super::kinds::{Kind, workloads};
use super::select::{Selection, Wanted};
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::live::LiveError;

/// Objects of one page of a list.
const PAGE: u32 = 500;
/// Owners above an object, at most: Pod, Job, CronJob.
const MAX_OWNERS: usize = 8;

/// An object's identity within its namespace.
pub(super) type Key = (&'static str, String);

/// Why the API server did not give something.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The account may not read it.
    Forbidden(String),
    /// The server does not know the kind.
    Unknown,
    /// Nothing can be read.
    Fatal(LiveError),
}

/// A namespace of a cluster.
pub(super) struct Reader {
    client: Client,
    pub(super) namespace: String,
    known: BTreeMap<Key, Value>,
    pub(super) findings: Findings,
    /// Kinds that were said to be forbidden.
    said: BTreeSet<&'static str>,
}

impl Reader {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            known: BTreeMap::new(),
            findings: Findings::default(),
            said: BTreeSet::new(),
        }
    }

    fn api(&self, kind: &Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    /// All objects of a kind, page by page.
    async fn fetch(
        &self,
        kind: &'static Kind,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, Refusal> {
        let api = self.api(kind);
        let mut page = ListParams::default().limit(PAGE);
        if let Some(selector) = selector {
            page = page.labels(selector);
        }
        let mut objects = Vec::new();
        loop {
            let list = api.list(&page).await.map_err(refusal)?;
            objects.extend(list.items.into_iter().map(|object| plain(kind, object)));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(objects),
            }
        }
    }

    /// Lists of several kinds at once. What is forbidden is a finding, and an empty list; `None` if all are.
    pub(super) async fn lists(
        &mut self,
        kinds: &[&'static Kind],
        selector: Option<&str>,
    ) -> Result<Option<Vec<Value>>, LiveError> {
        let asked = kinds.iter().map(|kind| self.fetch(kind, selector));
        let answers = join_all(asked).await;
        let mut objects = Vec::new();
        let mut refused = Vec::new();
        for (kind, answer) in kinds.iter().zip(answers) {
            match answer {
                Ok(found) => {
                    for object in found {
                        self.known.insert(key(kind, &object), object.clone());
                        objects.push(object);
                    }
                }
                Err(Refusal::Forbidden(why)) => refused.push((*kind, why)),
                Err(Refusal::Unknown) => {}
                Err(Refusal::Fatal(error)) => return Err(error),
            }
        }
        if !kinds.is_empty() && refused.len() == kinds.len() {
            if let Some((kind, why)) = refused.into_iter().next() {
                self.forbidden(kind, &why);
            }
            return Ok(None);
        }
        for (kind, why) in refused {
            self.forbidden(kind, &why);
        }
        Ok(Some(objects))
    }

    /// An object, or `None` if it is not there.
    pub(super) async fn get(
        &mut self,
        kind: &'static Kind,
        name: &str,
    ) -> Result<Option<Value>, Refusal> {
        let key = (kind.kind, name.to_owned());
        if let Some(object) = self.known.get(&key) {
            return Ok(Some(object.clone()));
        }
        let found = self.api(kind).get_opt(name).await.map_err(refusal)?;
        Ok(found.map(|object| {
            let object = plain(kind, object);
            self.known.insert(key, object.clone());
            object
        }))
    }

    /// Says once for each kind that it is forbidden.
    pub(super) fn forbidden(&mut self, kind: &Kind, why: &str) {
        if self.said.insert(kind.kind) {
            let message = format!(
                "{} of namespace {} cannot be read: {why}",
                kind.plural, self.namespace
            );
            self.say("live-forbidden", message, "");
        }
    }

    pub(super) fn say(&mut self, code: &'static str, message: String, object: &str) {
        let mut finding = Finding::new(Code(code), message);
        finding.path = object.to_owned();
        self.findings.push(finding);
    }

    /// What the user has selected; of what a controller has made, the one that made it.
    pub(super) async fn roots(
        &mut self,
        selection: &Selection,
        wanted: Wanted,
    ) -> Result<Vec<Value>, LiveError> {
        let found = match wanted {
            Wanted::Named(names) => {
                let mut found = Vec::new();
                for (kind, name) in names {
                    let place = format!("{} in namespace {}", kind.with(&name), self.namespace);
                    match self.get(kind, &name).await {
                        Ok(Some(object)) => found.push(object),
                        Ok(None) => {
                            return Err(LiveError::Missing(format!("there is no {place}")));
                        }
                        Err(Refusal::Forbidden(why)) => {
                            return Err(LiveError::Denied(format!("{place}: {why}")));
                        }
                        Err(Refusal::Unknown) => {
                            return Err(LiveError::Missing(format!(
                                "{place}: the cluster does not know this kind"
                            )));
                        }
                        Err(Refusal::Fatal(error)) => return Err(error),
                    }
                }
                found
            }
            Wanted::Kinds(kinds) => {
                let lists = self.lists(&kinds, selection.selector.as_deref()).await?;
                lists.ok_or_else(|| {
                    let why = self.findings.as_slice().last();
                    LiveError::Denied(why.map_or_else(
                        || "no workload can be read".to_owned(),
                        |finding| finding.message.clone(),
                    ))
                })?
            }
        };
        let mut seen = BTreeSet::new();
        let mut roots = Vec::new();
        for object in found {
            let root = self.root(object).await?;
            let Some(kind) = kind(&root) else { continue };
            if seen.insert(key(kind, &root)) {
                roots.push(root);
            }
        }
        let order = |object: &Value| {
            let place = workloads().position(|kind| object["kind"] == kind.kind);
            (place.unwrap_or(usize::MAX), name(object).to_owned())
        };
        roots.sort_by_key(order);
        Ok(roots)
    }

    /// Goes up from what a controller has made to what a user has made.
    async fn root(&mut self, object: Value) -> Result<Value, LiveError> {
        let mut object = object;
        for _ in 0..MAX_OWNERS {
            let Some(owner) = controller(&object) else {
                break;
            };
            let short = short(&object);
            let text = |key: &str| owner[key].as_str().unwrap_or_default().to_owned();
            let (owner_kind, owner_name) = (text("kind"), text("name"));
            let Some(known) = Kind::of(&text("apiVersion"), &owner_kind) else {
                let message = format!(
                    "`{short}` is made by {owner_kind} `{owner_name}`, which is not read: it goes as it is now"
                );
                self.say("live-owner", message, &short);
                break;
            };
            match self.get(known, &owner_name).await {
                Ok(Some(found)) => object = found,
                Ok(None) | Err(Refusal::Unknown) => break,
                Err(Refusal::Forbidden(why)) => {
                    let message = format!(
                        "`{short}` is made by {} and goes as it is now: {why}",
                        known.with(&owner_name)
                    );
                    self.say("live-owner", message, &short);
                    break;
                }
                Err(Refusal::Fatal(error)) => return Err(error),
            }
        }
        Ok(object)
    }
}

/// The owner that looks after an object.
fn controller(object: &Value) -> Option<Value> {
    object["metadata"]["ownerReferences"]
        .as_array()?
        .iter()
        .find(|owner| owner["controller"] == true)
        .cloned()
}

/// An object with its kind, in the order in which people write it.
fn plain(kind: &Kind, object: DynamicObject) -> Value {
    let mut fields = Map::new();
    fields.insert("apiVersion".into(), kind.api_version().into());
    fields.insert("kind".into(), kind.kind.into());
    // Numbers and texts only: it came from JSON.
    let metadata = serde_json::to_value(&object.metadata).unwrap_or_default();
    fields.insert("metadata".into(), metadata);
    if let Value::Object(rest) = object.data {
        fields.extend(
            rest.into_iter()
                .filter(|(key, _)| key != "apiVersion" && key != "kind"),
        );
    }
    Value::Object(fields)
}

fn refusal(error: kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) => match status.code {
            401 => Refusal::Fatal(LiveError::Denied(format!(
                "the cluster does not accept these credentials: {}",
                status.message
            ))),
            403 => Refusal::Forbidden(status.message.clone()),
            404 | 405 => Refusal::Unknown,
            _ => Refusal::Fatal(LiveError::Unreachable(status.message.clone())),
        },
        other => {
            let mut text = other.to_string();
            let mut cause = std::error::Error::source(&other);
            while let Some(error) = cause {
                text.push_str(&format!(": {error}"));
                cause = error.source();
            }
            Refusal::Fatal(LiveError::Unreachable(text))
        }
    }
}

/// The kind of an object that was read.
pub(super) fn kind(object: &Value) -> Option<&'static Kind> {
    Kind::named(object["kind"].as_str()?)
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(super) fn key(kind: &Kind, object: &Value) -> Key {
    // The kind comes from the table, whose texts live as long as the program.
    let kind = Kind::named(kind.kind).map_or("", |kind| kind.kind);
    (kind, name(object).to_owned())
}

/// `deployment/web`
pub(super) fn short(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    format!("{kind}/{}", name(object))
}
