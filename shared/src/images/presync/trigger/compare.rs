//! Compares both sides: which images the rules want, and which of them a target lacks.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::super::live::{Comparison, Live};
use super::super::queue::{Hint, JobKey, KnownTag, Via};
use super::super::rules::{OriginKind, Rules};
use super::super::stores::{Stores, locate};
use super::{engine, kubernetes, swarm, via};
use crate::images::registry::Registry;
use crate::images::store::{Name, Source as _};
use crate::images::{Digest, ImageError};

/// Questions to registries at the same time, for each source. The registries' own pace is kept besides.
const QUESTIONS: usize = 16;
/// Hints that are recorded together.
const BATCH: usize = 200;

/// An image that the rules want.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Repository as the source names it.
    pub repository: String,
    /// Tag or digest.
    pub name: Name,
    /// Targets, with the rules.
    pub targets: Vec<(String, String)>,
}

/// What a target has of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The target.
    pub target: String,
    /// The rule.
    pub rule: String,
    /// Digest at the source.
    pub source_digest: Option<Digest>,
    /// Digest at the target.
    pub target_digest: Option<Digest>,
}

/// Compares a source with all its targets and puts what is missing into the queue.
pub async fn compare(live: &Arc<Live>, rules: &Arc<Rules>, source: &str) -> Comparison {
    let mut comparison = Comparison {
        at_ms: 0,
        images: 0,
        missing: 0,
        error: None,
    };
    let mut seen = BTreeSet::new();
    let mut batch = Vec::new();
    let mut known = Vec::new();
    match candidates(rules, &live.stores, source).await {
        Err(error) => comparison.error = Some(error),
        Ok((candidates, trouble)) => {
            comparison.error = trouble;
            comparison.images = candidates.len();
            for candidate in &candidates {
                seen.insert((candidate.repository.clone(), candidate.name.clone()));
            }
            let mut looked = futures_util::stream::iter(candidates)
                .map(|candidate| async move {
                    let found = differences(rules, &live.stores, source, &candidate).await;
                    (candidate, found)
                })
                .buffer_unordered(QUESTIONS);
            while let Some((candidate, found)) = looked.next().await {
                match found {
                    Ok(found) => {
                        // A tag that went between listing and looking is no image any more.
                        let missing = found.iter().any(|difference| {
                            difference.source_digest.is_some()
                                && difference.source_digest != difference.target_digest
                        });
                        known.extend(equal(live, rules, source, &candidate, &found));
                        if missing {
                            comparison.missing += 1;
                            batch.push(hint(rules, source, candidate, &found));
                        }
                    }
                    Err(error) => {
                        comparison.error.get_or_insert_with(|| error.to_string());
                    }
                }
                if batch.len() >= BATCH {
                    record(live, &mut batch, &mut comparison).await;
                }
                if known.len() >= BATCH {
                    remember(live, &mut known, &mut comparison).await;
                }
            }
        }
    }
    // What could not be listed whole cannot show what is gone.
    if comparison.error.is_none() {
        batch.extend(gone(live, rules, source, &seen));
    }
    record(live, &mut batch, &mut comparison).await;
    remember(live, &mut known, &mut comparison).await;
    comparison.at_ms = live.queue.clock().now_ms();
    comparison
}

async fn record(live: &Live, batch: &mut Vec<Hint>, comparison: &mut Comparison) {
    if let Err(error) = live.record(std::mem::take(batch)).await {
        comparison.error.get_or_insert_with(|| error.to_string());
    }
}

async fn remember(live: &Live, known: &mut Vec<(JobKey, KnownTag)>, comparison: &mut Comparison) {
    if let Err(error) = live.queue.remember_tags(std::mem::take(known)).await {
        comparison.error.get_or_insert_with(|| error.to_string());
    }
}

/// Tags that both sides have alike, where that has to be known later: where images come back, and where deletions are
/// followed.
fn equal(
    live: &Live,
    rules: &Rules,
    source: &str,
    candidate: &Candidate,
    found: &[Difference],
) -> Vec<(JobKey, KnownTag)> {
    let Some(located) = locate(rules, source, &candidate.repository) else {
        return Vec::new();
    };
    found
        .iter()
        .filter_map(|difference| {
            let digest = difference.source_digest.clone()?;
            let matters = difference.target_digest.as_ref() == Some(&digest)
                && (rules.mirrors_back(&located.host, &difference.target)
                    || rules
                        .rules
                        .iter()
                        .any(|rule| rule.name == difference.rule && rule.deletes.is_some()));
            let key = JobKey {
                source: source.to_owned(),
                repository: candidate.repository.clone(),
                name: candidate.name.clone(),
                target: difference.target.clone(),
            };
            let news = matters
                && live
                    .queue
                    .known_tag(&key)
                    .is_none_or(|known| known.digest != digest);
            news.then(|| {
                let rule = difference.rule.clone();
                (key, KnownTag { digest, rule })
            })
        })
        .collect()
}

fn hint(rules: &Rules, source: &str, candidate: Candidate, found: &[Difference]) -> Hint {
    Hint {
        source: source.to_owned(),
        repository: whole_repository(rules, source, candidate.repository),
        name: candidate.name,
        digest: found.iter().find_map(|d| d.source_digest.clone()),
        deleted: false,
        via: via(rules, source),
    }
}

/// A repository with the prefix of its source, as events name it.
fn whole_repository(rules: &Rules, source: &str, repository: String) -> String {
    match rules.sources.get(source).map(|origin| &origin.kind) {
        Some(OriginKind::Registry(registry)) => registry.repository(&repository),
        _ => repository,
    }
}

/// Tags that were copied and are not at the source any more, where a rule follows deletions.
fn gone(live: &Live, rules: &Rules, source: &str, seen: &BTreeSet<(String, Name)>) -> Vec<Hint> {
    if rules.rules.iter().all(|rule| rule.deletes.is_none()) {
        return Vec::new();
    }
    live.queue
        .known_tags()
        .into_iter()
        .filter(|(key, _)| {
            key.source == source
                && key.tag().is_some()
                && !seen.contains(&(key.repository.clone(), key.name.clone()))
        })
        .map(|(key, _)| Hint {
            source: source.to_owned(),
            repository: whole_repository(rules, source, key.repository),
            name: key.name,
            digest: None,
            deleted: true,
            via: Via::Reconcile,
        })
        .collect()
}

/// The images of a source that rules want, and why the list is not whole.
///
/// # Errors
/// Nothing can be listed.
pub async fn candidates(
    rules: &Rules,
    stores: &Stores,
    source: &str,
) -> Result<(Vec<Candidate>, Option<String>), String> {
    let Some(origin) = rules.sources.get(source) else {
        return Err("the rules have no such source".to_owned());
    };
    let mut trouble = None;
    let named: Vec<(String, Name)> = match &origin.kind {
        OriginKind::Registry(settings) => {
            let registry = stores
                .registry(rules, &settings.host, false)
                .map_err(|error| error.to_string())?;
            let mut named = Vec::new();
            for repository in repositories(rules, source, &registry, &settings.prefix).await? {
                let whole = settings.repository(&repository);
                match tags(&registry, &whole).await {
                    Ok(tags) => named.extend(
                        tags.into_iter()
                            .map(|tag| (repository.clone(), Name::Tag(tag))),
                    ),
                    // A repository that a rule names need not be there yet.
                    Err(ImageError::NotFound { .. }) => {}
                    Err(error) => {
                        trouble.get_or_insert_with(|| error.to_string());
                    }
                }
            }
            named
        }
        OriginKind::Engine(own) => engine::images(own).await?,
        OriginKind::Swarm(own) => swarm::images(own).await?,
        OriginKind::Kubernetes(own) => kubernetes::images(own).await?,
    };
    let mut wanted: Vec<Candidate> = named
        .into_iter()
        .filter_map(|(repository, name)| candidate(rules, source, repository, name))
        .collect();
    wanted.sort();
    wanted.dedup();
    Ok((wanted, trouble))
}

fn candidate(rules: &Rules, source: &str, repository: String, name: Name) -> Option<Candidate> {
    let located = locate(rules, source, &repository)?;
    let tag = match &name {
        Name::Tag(tag) => Some(tag.as_str()),
        Name::Digest(_) => None,
    };
    let targets: Vec<_> = rules
        .targets_of(source, &located.name, tag)
        .into_iter()
        .filter(|(target, _)| {
            let there = &rules.targets[*target].registry;
            there.host != located.host || there.repository(&located.name) != located.repository
        })
        .map(|(target, rule)| (target.to_owned(), rule.name.clone()))
        .collect();
    (!targets.is_empty()).then_some(Candidate {
        repository,
        name,
        targets,
    })
}

/// The repositories of a registry that rules can mean, relative to its prefix: those that all rules name, else those
/// that the registry lists.
async fn repositories(
    rules: &Rules,
    source: &str,
    registry: &Registry,
    prefix: &str,
) -> Result<Vec<String>, String> {
    let mine = || {
        rules
            .rules
            .iter()
            .filter(|rule| rule.from.iter().any(|name| name == source))
    };
    let literals: Option<Vec<Vec<&str>>> =
        mine().map(|rule| rule.repositories.literals()).collect();
    let mut names: Vec<String> = match literals {
        Some(literals) => literals
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect(),
        None => registry
            .repositories()
            .try_concat()
            .await
            .map_err(|error| {
                format!("its repositories cannot be listed: {error}; name them in the rules without wildcards")
            })?
            .into_iter()
            .filter_map(|name| {
                if prefix.is_empty() {
                    return Some(name);
                }
                Some(name.strip_prefix(prefix)?.strip_prefix('/')?.to_owned())
            })
            .filter(|name| mine().any(|rule| rule.matches(name, None)))
            .collect(),
    };
    names.sort();
    names.dedup();
    Ok(names)
}

async fn tags(registry: &Registry, repository: &str) -> Result<Vec<String>, ImageError> {
    registry.tags(repository).try_concat().await
}

/// What the targets have of an image.
///
/// # Errors
/// A registry cannot be asked.
pub async fn differences(
    rules: &Rules,
    stores: &Stores,
    source: &str,
    candidate: &Candidate,
) -> Result<Vec<Difference>, ImageError> {
    let Some(located) = locate(rules, source, &candidate.repository) else {
        return Ok(Vec::new());
    };
    let origin = stores.registry(rules, &located.host, false)?;
    let digest = |registry: Arc<Registry>, repository: String| {
        let name = candidate.name.clone();
        async move {
            let found = registry.resolve(&repository, &name).await?;
            Ok::<_, ImageError>(found.map(|descriptor| descriptor.digest))
        }
    };
    let mut differences = Vec::new();
    let at_source = digest(origin, located.repository);
    let at_targets =
        futures_util::future::try_join_all(candidate.targets.iter().map(|(target, rule)| {
            let located_name = &located.name;
            async move {
                let settings = &rules.targets[target].registry;
                let registry = stores.registry(rules, &settings.host, true)?;
                let found = digest(registry, settings.repository(located_name)).await?;
                Ok::<_, ImageError>((target.clone(), rule.clone(), found))
            }
        }));
    let (source_digest, at_targets) = tokio::try_join!(at_source, at_targets)?;
    for (target, rule, target_digest) in at_targets {
        differences.push(Difference {
            target,
            rule,
            source_digest: source_digest.clone(),
            target_digest,
        });
    }
    Ok(differences)
}
