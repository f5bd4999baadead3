//! The events of registries, told apart by what is in them. Unknown fields do not matter.

use axum::http::HeaderMap;
use serde_json::Value;

use crate::images::Digest;
use crate::images::store::Name;

/// What events of a request say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEvents {
    /// Whose they are.
    pub format: Format,
    /// Those about images; pulls and other news are left out.
    pub events: Vec<Event>,
}

/// Events that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CNCF distribution (`docker/distribution` notifications, and those who took its code).
    Distribution,
    /// Harbor, and Huawei SWR, which took its shape.
    Harbor,
    /// Alibaba Container Registry.
    Alibaba,
    /// Azure Container Registry: one event of distribution's kind.
    Azure,
    /// Amazon ECR through EventBridge.
    Ecr,
    /// zot, as CloudEvents.
    Zot,
    /// Docker Hub.
    DockerHub,
    /// `{"repository": ..., "tag": ..., "digest": ...}`, for scripts.
    Generic,
}

impl Format {
    /// Its name, for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Harbor => "harbor",
            Self::Alibaba => "alibaba",
            Self::Azure => "azure",
            Self::Ecr => "ecr",
            Self::Zot => "zot",
            Self::DockerHub => "dockerhub",
            Self::Generic => "generic",
        }
    }
}

/// One event about an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Repository.
    pub repository: String,
    /// Tag, if the event has one.
    pub tag: Option<String>,
    /// Digest, if the event has one.
    pub digest: Option<Digest>,
    /// It was deleted.
    pub deleted: bool,
    /// The registry's own address, as its clients know it.
    pub host: Option<String>,
    /// Who did it: user agent.
    pub user_agent: Option<String>,
    /// Which run of the registry says so; another one may have lost events.
    pub instance: Option<String>,
}

impl Event {
    /// The tag, or else the digest.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(Name::Tag(tag.clone())),
            (None, Some(digest)) => Some(Name::Digest(digest.clone())),
            (None, None) => None,
        }
    }
}

/// Events of one request at most: more than any registry sends.
const MOST_EVENTS: usize = 10_000;

/// Reads the events of a request; `None` if it is nothing that is known.
#[must_use]
pub fn read_events(headers: &HeaderMap, body: &[u8]) -> Option<ReadEvents> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let ce_type = headers.get("ce-type").and_then(|value| value.to_str().ok());
    let (format, events) = detect(&value, ce_type)?;
    let events = events
        .into_iter()
        .filter(|event| is_repository(&event.repository))
        .filter(|event| event.tag.as_deref().is_none_or(is_tag))
        .take(MOST_EVENTS)
        .collect();
    Some(ReadEvents { format, events })
}

fn detect(value: &Value, ce_type: Option<&str>) -> Option<(Format, Vec<Event>)> {
    if let Some(events) = value["events"].as_array() {
        let events = events.iter().filter_map(distribution).collect();
        return Some((Format::Distribution, events));
    }
    if value["source"] == "aws.ecr" {
        return Some((Format::Ecr, ecr(value).into_iter().collect()));
    }
    let kind = ce_type.or_else(|| value["type"].as_str());
    if let Some(kind) = kind
        && kind.starts_with("zotregistry.")
    {
        // In CloudEvents' binary mode the body is the data itself.
        let data = if value["data"].is_object() {
            &value["data"]
        } else {
            value
        };
        return Some((Format::Zot, zot(kind, data).into_iter().collect()));
    }
    let harbor_data = ["event_data", "data"].map(|key| &value[key]);
    if let Some(data) = harbor_data
        .into_iter()
        .find(|data| data["repository"]["repo_full_name"].is_string())
    {
        return Some((Format::Harbor, harbor(kind.unwrap_or_default(), data)));
    }
    let repository = &value["repository"];
    if value["push_data"].is_object() {
        if let Some(name) = repository["repo_full_name"].as_str() {
            return Some((Format::Alibaba, vec![pushed(name, &value["push_data"])]));
        }
        if let Some(name) = repository["repo_name"].as_str() {
            let event = Event {
                host: Some("docker.io".to_owned()),
                ..pushed(name, &value["push_data"])
            };
            return Some((Format::DockerHub, vec![event]));
        }
        return None;
    }
    if value["action"].is_string() && value["target"]["repository"].is_string() {
        return Some((Format::Azure, distribution(value).into_iter().collect()));
    }
    if repository.is_string() {
        return Some((Format::Generic, generic(value).into_iter().collect()));
    }
    None
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn digest(value: &Value) -> Option<Digest> {
    value.as_str()?.parse().ok()
}

/// `notifications/event.go` of distribution: `push` and `delete` of manifests. Layers have events as well, without
/// meaning for us; a manifest's deletion has no media type.
fn distribution(event: &Value) -> Option<Event> {
    let deleted = match event["action"].as_str()? {
        "push" => false,
        "delete" => true,
        _ => return None,
    };
    let target = &event["target"];
    let media_type = target["mediaType"].as_str().unwrap_or_default();
    let is_manifest = media_type.is_empty()
        || ["manifest", "index"]
            .iter()
            .any(|word| media_type.contains(word));
    if !is_manifest {
        return None;
    }
    Some(Event {
        repository: text(&target["repository"])?,
        tag: text(&target["tag"]),
        digest: digest(&target["digest"]),
        deleted,
        host: text(&event["request"]["host"]),
        user_agent: text(&event["request"]["useragent"]),
        instance: text(&event["source"]["instanceID"]),
    })
}

/// `src/pkg/notifier` of Harbor: `PUSH_ARTIFACT`, `DELETE_ARTIFACT`, or `harbor.artifact.pushed` as CloudEvent. A
/// resource's address is `HOST/PROJECT/REPOSITORY:TAG`. Its `tag` is the digest when there is no tag.
fn harbor(kind: &str, data: &Value) -> Vec<Event> {
    let kind = kind.to_ascii_lowercase();
    let deleted = kind.contains("delete");
    if !deleted && !kind.contains("push") {
        return Vec::new();
    }
    let Some(repository) = text(&data["repository"]["repo_full_name"]) else {
        return Vec::new();
    };
    data["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|resource| Event {
            repository: repository.clone(),
            tag: text(&resource["tag"]).filter(|tag| !tag.contains(':')),
            digest: digest(&resource["digest"]),
            deleted,
            host: text(&resource["resource_url"]).and_then(|url| {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let host = rest.split('/').next()?;
                (!host.is_empty()).then(|| host.to_owned())
            }),
            ..Event::default()
        })
        .collect()
}

fn pushed(repository: &str, push: &Value) -> Event {
    Event {
        repository: repository.to_owned(),
        tag: text(&push["tag"]),
        digest: digest(&push["digest"]),
        ..Event::default()
    }
}

/// EventBridge: `ECR Image Action`. The registry's address follows from account and region.
fn ecr(value: &Value) -> Option<Event> {
    let detail = &value["detail"];
    let deleted = match detail["action-type"].as_str()? {
        "PUSH" => false,
        "DELETE" => true,
        _ => return None,
    };
    if detail["result"] != "SUCCESS" {
        return None;
    }
    let host = text(&value["account"])
        .zip(text(&value["region"]))
        .map(|(account, region)| format!("{account}.dkr.ecr.{region}.amazonaws.com"));
    Some(Event {
        repository: text(&detail["repository-name"])?,
        tag: text(&detail["image-tag"]),
        digest: digest(&detail["image-digest"]),
        deleted,
        host,
        ..Event::default()
    })
}

/// `pkg/extensions/events` of zot: `zotregistry.image.updated`, `.deleted`; the reference is a tag or a digest.
fn zot(kind: &str, data: &Value) -> Option<Event> {
    let deleted = match kind {
        "zotregistry.image.updated" => false,
        "zotregistry.image.deleted" => true,
        _ => return None,
    };
    let reference = text(&data["reference"])?;
    let by_digest = reference.parse::<Digest>().ok();
    Some(Event {
        repository: text(&data["name"])?,
        tag: by_digest.is_none().then_some(reference),
        digest: digest(&data["digest"]).or(by_digest),
        deleted,
        ..Event::default()
    })
}

fn generic(value: &Value) -> Option<Event> {
    Some(Event {
        repository: text(&value["repository"])?,
        tag: text(&value["tag"]),
        digest: digest(&value["digest"]),
        deleted: value["action"] == "delete",
        host: text(&value["host"]),
        ..Event::default()
    })
}

/// Names as the distribution specification has them; anything else could not be asked for, and must not reach a URL.
fn is_repository(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name.split('/').all(|part| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            part.bytes().next().is_some_and(plain)
                && part.bytes().next_back().is_some_and(plain)
                && part
                    .bytes()
                    .all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
        })
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}
