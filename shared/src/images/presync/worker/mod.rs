//! Works on jobs: looks at both sides of an image, copies what the target lacks, remembers what both have.

mod breaker;
mod decide;
mod failure;
mod watcher;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::queue::{Done, Finish, Job, JobKey, KnownTag, Via};
use super::rules::{Deletes, Rate, Rule, Rules, is_referrer_tag};
use super::stores::locate;
use crate::images::registry::Registry;
use crate::images::store::{Name, Source as _, Target as _};
use crate::images::sync::{ImageOutcome, Item, Observer};
use crate::images::{Digest, ImageError};

pub use breaker::Breakers;

use decide::{Sides, Verdict, decide};
use failure::UNTIL_THERE;
use watcher::Watcher;

/// Pause while the rules allow no copies at this hour.
const PAUSED: Duration = Duration::from_secs(30);

/// How often a copy looks at the rate of the hour.
const NEXT_LOOK: Duration = Duration::from_secs(5);

/// Tries of an image of an engine that its registry does not have.
const TRIES_OF_UNPUSHED: u32 = 4;

/// Shorter pauses than this are not worth a line in the log.
const QUIET: Duration = Duration::from_millis(300);

/// Takes jobs one by one until cancelled. A job that is being worked on then goes back to the queue.
pub async fn work(live: Arc<Live>, stop: CancellationToken) {
    loop {
        let (key, job) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            taken = live.queue.take() => taken,
        };
        let begun = Instant::now();
        // Stopped with the daemon, or when an hour begins in which nothing is copied.
        let turn = stop.child_token();
        let worker = Worker {
            live: &live,
            stop: &turn,
            key: &key,
            job: &job,
            begun,
        };
        let finish = tokio::select! {
            finish = worker.run() => finish,
            never = keep_pace(&live, &turn) => match never {},
        };
        live.end_progress(&key.text());
        log(&key, &job, &finish);
        live.metrics.finished(&job.rule, &finish);
        let served = matches!(&finish, Finish::Done { done, .. } if done.what == "copied");
        match live.queue.finish(&key, finish).await {
            Ok(lag) if served && job.via != Via::Reconcile => {
                live.metrics.available_after(&job.rule, lag);
            }
            Ok(_) => {}
            // It is said at the status page and in the log of the queue; the job is done again after a crash.
            Err(error) => tracing::debug!(%error, "the end of a job is not on disk"),
        }
    }
}

/// Copies that take long go over from one hour to the next: they get its rate, or are stopped where nothing is copied
/// then, and go on at the same byte later.
async fn keep_pace(live: &Live, turn: &CancellationToken) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(NEXT_LOOK).await;
        if set_rate(live, &live.rules()) == Rate::Paused {
            turn.cancel();
        }
    }
}

/// Sets the rate of this hour.
fn set_rate(live: &Live, rules: &Rules) -> Rate {
    let rate = rules.bandwidth.at(wall(live.queue.clock().now_ms()));
    live.rate.set(match rate {
        Rate::Limited(bytes) => Some(bytes),
        Rate::Unlimited | Rate::Paused => None,
    });
    rate
}

fn log(key: &JobKey, job: &Job, finish: &Finish) {
    let image = key.to_string();
    match finish {
        Finish::Done { done, .. } => tracing::info!(
            image,
            rule = job.rule,
            via = job.via.name(),
            digest = done.digest.as_ref().map(ToString::to_string),
            transferred = done.transferred,
            took_ms = done.took_ms,
            note = done.note,
            "{}",
            done.what
        ),
        Finish::Retry {
            reason,
            pause,
            counts,
        } if *counts && *pause < QUIET => {
            tracing::debug!(image, reason, "not there yet");
        }
        Finish::Retry {
            reason,
            pause,
            counts,
        } if *counts => tracing::warn!(
            image,
            rule = job.rule,
            attempts = job.attempts + 1,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            reason,
            "failed; tried again"
        ),
        Finish::Retry { .. } => {}
        Finish::Dead { reason, .. } => {
            tracing::error!(image, rule = job.rule, reason, "failed for good");
        }
    }
}

/// The work on one job.
struct Worker<'w> {
    live: &'w Arc<Live>,
    stop: &'w CancellationToken,
    key: &'w JobKey,
    job: &'w Job,
    begun: Instant,
}

/// The two ends of a job.
struct Ends {
    source: Arc<Registry>,
    source_host: String,
    source_repository: String,
    target: Arc<Registry>,
    target_repository: String,
}

impl Worker<'_> {
    async fn run(&self) -> Finish {
        let rules = self.live.rules();
        let Some(located) = locate(&rules, &self.key.source, &self.key.repository) else {
            return self.skipped("the rules have no such source any more");
        };
        let Some(rule) = rules.matching(
            &self.key.source,
            &located.name,
            self.key.tag(),
            &self.key.target,
        ) else {
            return self.skipped("no rule wants it any more");
        };
        let Some(destination) = rules.targets.get(&self.key.target) else {
            return self.skipped("the rules have no such target any more");
        };
        let target_host = destination.registry.host.clone();
        if set_rate(self.live, &rules) == Rate::Paused {
            return self.later(PAUSED, "the rules allow no copies at this hour");
        }
        for host in [&located.host, &target_host] {
            if let Err(pause) = self.live.breakers.admit(host) {
                return self.later(jittered(pause, 0.2), &format!("{host} is down"));
            }
        }
        let open = |host: &str, writing| self.live.stores.registry(&rules, host, writing);
        let result = match (open(&located.host, false), open(&target_host, true)) {
            (Ok(source), Ok(target)) => {
                let ends = Ends {
                    source,
                    source_host: located.host.clone(),
                    source_repository: located.repository,
                    target,
                    target_repository: destination.registry.repository(&located.name),
                };
                self.bring(&rules, rule, &ends).await
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        match result {
            Ok(finish) => {
                self.live.breakers.success(&located.host);
                self.live.breakers.success(&target_host);
                finish
            }
            // What was tagged or loaded on an engine need not have been pushed.
            Err(ImageError::NotFound { .. })
                if self.job.via == Via::Engine && self.job.attempts >= TRIES_OF_UNPUSHED =>
            {
                self.skipped("it is on the engine, but in no registry: push it")
            }
            Err(error) => failure::finish(&error, self.job, &rules.retry, self.live),
        }
    }

    async fn bring(&self, rules: &Rules, rule: &Rule, ends: &Ends) -> Result<Finish, ImageError> {
        let immutable = self
            .key
            .tag()
            .is_some_and(|tag| rule.immutable.matches(tag));
        let mirrored = rules.mirrors_back(&ends.source_host, &self.key.target);
        if self.job.deleted {
            let there = ends
                .source
                .resolve(&ends.source_repository, &self.key.name)
                .await?;
            if there.is_none() {
                return self.delete(rule, ends).await;
            }
        }
        if let Name::Digest(digest) = &self.key.name
            && self.job.via == Via::Webhook
            && !self.is_about_an_image(ends, digest, rule).await?
        {
            return Ok(self.skipped("a part of an image, which comes with its tag"));
        }
        let mut name = self.key.name.clone();
        if immutable || mirrored {
            let (source, target) = tokio::join!(
                ends.source.resolve(&ends.source_repository, &self.key.name),
                ends.target.resolve(&ends.target_repository, &self.key.name),
            );
            let sides = Sides {
                source: source?.map(|descriptor| descriptor.digest),
                target: target?.map(|descriptor| descriptor.digest),
                before: self
                    .live
                    .queue
                    .known_tag(self.key)
                    .map(|known| known.digest),
                immutable,
                mirrored,
            };
            match decide(&sides) {
                Verdict::Copy(digest) => name = Name::Digest(digest),
                Verdict::Missing => {}
                Verdict::Leave(note) => {
                    let mut finish = self.skipped(note);
                    if let Finish::Done { known, .. } = &mut finish {
                        *known = self.live.queue.known_tag(self.key);
                    }
                    return Ok(finish);
                }
                Verdict::Conflict { reason, remedy } => {
                    return Ok(Finish::Dead {
                        reason,
                        remedy: Some(remedy.to_owned()),
                    });
                }
            }
        }
        let outcome = self.sync(rule, ends, name).await?;
        if let Some(again) = self.is_behind_its_event(&outcome) {
            return Ok(again);
        }
        if let Some(digest) = outcome.digest.as_ref().filter(|_| mirrored) {
            self.remember_ways_back(rules, rule, digest).await;
        }
        let finish = self.brought(rule, outcome);
        if let Finish::Done { done, .. } = &finish
            && done.what == "copied"
            && !self.key.tag().is_some_and(is_referrer_tag)
        {
            self.live
                .nodes
                .has_come(&self.key.target, self.at_target(rules, ends));
        }
        Ok(finish)
    }

    /// The image as the nodes of the target name it.
    fn at_target(&self, rules: &Rules, ends: &Ends) -> String {
        let host = rules
            .targets
            .get(&self.key.target)
            .map_or("", |target| target.registry.host.as_str());
        match &self.key.name {
            Name::Tag(tag) => format!("{host}/{}:{tag}", ends.target_repository),
            Name::Digest(digest) => format!("{host}/{}@{digest}", ends.target_repository),
        }
    }

    /// Registries send the event of a push before they write its tag. A tag that still has another image than its event
    /// reported is looked at again; if it keeps it, somebody has moved it on since.
    fn is_behind_its_event(&self, outcome: &ImageOutcome) -> Option<Finish> {
        let reported = self
            .job
            .digest
            .as_ref()
            .filter(|_| self.job.via == Via::Webhook && !self.job.deleted)?;
        let found = outcome.digest.as_ref().filter(|found| *found != reported)?;
        self.key.tag()?;
        let pause = usize::try_from(self.job.attempts)
            .ok()
            .and_then(|attempts| UNTIL_THERE.get(attempts))?;
        Some(Finish::Retry {
            pause: *pause,
            reason: format!(
                "the tag has {} at the source, not {} as its event says",
                found.short(),
                reported.short()
            ),
            counts: true,
        })
    }

    /// Both directions have to know what both sides have now: the way back must not take this copy for news.
    async fn remember_ways_back(&self, rules: &Rules, rule: &Rule, digest: &Digest) {
        let known = rules
            .ways_back(&self.key.source, &self.key.target)
            .into_iter()
            .map(|(source, target)| {
                let key = JobKey {
                    source: source.to_owned(),
                    target: target.to_owned(),
                    ..self.key.clone()
                };
                let known = KnownTag {
                    digest: digest.clone(),
                    rule: rule.name.clone(),
                };
                (key, known)
            })
            .collect();
        // The next comparison remembers it as well.
        if let Err(error) = self.live.queue.remember_tags(known).await {
            tracing::debug!(%error, "what both sides have is not on disk");
        }
    }

    /// Whether something that was pushed without a tag is a signature or the like: only that has no tag that will bring
    /// it.
    async fn is_about_an_image(
        &self,
        ends: &Ends,
        digest: &Digest,
        rule: &Rule,
    ) -> Result<bool, ImageError> {
        if !rule.referrers {
            return Ok(false);
        }
        let name = Name::Digest(digest.clone());
        let manifest = ends.source.manifest(&ends.source_repository, &name).await?;
        Ok(manifest
            .and_then(|manifest| manifest.content().ok())
            .is_some_and(|content| content.subject.is_some()))
    }

    async fn sync(&self, rule: &Rule, ends: &Ends, name: Name) -> Result<ImageOutcome, ImageError> {
        let is_signature = self.key.tag().is_some_and(is_referrer_tag);
        let item = Item {
            source: ends.source.clone(),
            source_repository: ends.source_repository.clone(),
            source_name: name,
            target: ends.target.clone(),
            target_repository: ends.target_repository.clone(),
            target_name: self.key.name.clone(),
            platforms: rule.platforms.clone(),
            referrers: rule.referrers && !is_signature && self.key.tag().is_some(),
        };
        let observer: Arc<dyn Observer> = Arc::new(Watcher {
            live: Arc::clone(self.live),
            key: self.key.text(),
        });
        let mut summary = self
            .live
            .engine
            .sync(std::slice::from_ref(&item), &observer, self.stop)
            .await;
        let Some(outcome) = summary.images.pop() else {
            return Err(ImageError::Cancelled);
        };
        match &outcome.error {
            Some(error) => Err(error.clone()),
            None => Ok(outcome),
        }
    }

    fn brought(&self, rule: &Rule, outcome: ImageOutcome) -> Finish {
        let known = outcome.digest.clone().map(|digest| KnownTag {
            digest,
            rule: rule.name.clone(),
        });
        let changed = !outcome.up_to_date || outcome.transferred > 0 || outcome.mounted > 0;
        let mut done = self.done(if changed { "copied" } else { "up to date" }, None);
        done.digest = outcome.digest;
        done.transferred = outcome.transferred;
        done.saved = outcome.mounted + outcome.skipped;
        Finish::Done {
            done: Box::new(done),
            known,
        }
    }

    /// Deletes a tag at the target that is gone at the source, if it is what we put there.
    async fn delete(&self, rule: &Rule, ends: &Ends) -> Result<Finish, ImageError> {
        let Some(deletes) = rule.deletes else {
            return Ok(self.skipped("deletions are not followed"));
        };
        let _one_at_a_time = self.live.deleting.lock().await;
        let there = ends
            .target
            .resolve(&ends.target_repository, &self.key.name)
            .await?;
        let known = self.live.queue.known_tag(self.key);
        let (Some(there), Some(known)) = (there, known) else {
            return Ok(self.skipped("deleted at the source; the target has nothing of ours"));
        };
        if there.digest != known.digest {
            return Ok(Finish::Dead {
                reason:
                    "it is deleted at the source, but the target has another image than was copied"
                        .to_owned(),
                remedy: Some("Delete the target's tag by hand if nobody needs it.".to_owned()),
            });
        }
        if let Some(reason) = self.too_many_deletions(rule, deletes) {
            return Ok(Finish::Dead {
                reason,
                remedy: Some(
                    "If this many deletions are meant, raise deletes.max_share and run `images queue retry`."
                        .to_owned(),
                ),
            });
        }
        ends.target
            .delete_manifest(&ends.target_repository, &self.key.name)
            .await?;
        let mut done = self.done("deleted", None);
        done.digest = Some(known.digest);
        Ok(Finish::Done {
            done: Box::new(done),
            known: None,
        })
    }

    fn too_many_deletions(&self, rule: &Rule, deletes: Deletes) -> Option<String> {
        const DAY_MS: u64 = 86_400_000;
        let now = self.live.queue.clock().now_ms();
        let lately = self
            .live
            .queue
            .history(usize::MAX)
            .iter()
            .filter(|done| {
                done.what == "deleted"
                    && done.rule == rule.name
                    && done.at_ms.abs_diff(now) < DAY_MS
            })
            .count();
        let known = self
            .live
            .queue
            .known_tags()
            .iter()
            .filter(|(_, known)| known.rule == rule.name)
            .count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count times a share between 0 and 1"
        )]
        let allowed = ((known + lately) as f64 * deletes.max_share).ceil() as usize;
        (lately >= allowed).then(|| {
            format!(
                "{lately} of {} known tags of the rule `{}` were deleted within a day, and {:.0} % may be",
                known + lately,
                rule.name,
                deletes.max_share * 100.0
            )
        })
    }

    fn done(&self, what: &str, note: Option<&str>) -> Done {
        Done {
            image: self.key.to_string(),
            rule: self.job.rule.clone(),
            what: what.to_owned(),
            note: note.map(str::to_owned),
            digest: None,
            transferred: 0,
            saved: 0,
            lag_ms: 0,
            took_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            at_ms: 0,
        }
    }

    fn skipped(&self, note: &str) -> Finish {
        Finish::Done {
            done: Box::new(self.done("skipped", Some(note))),
            known: None,
        }
    }

    fn later(&self, pause: Duration, reason: &str) -> Finish {
        Finish::Retry {
            pause,
            reason: reason.to_owned(),
            counts: false,
        }
    }
}

/// Milliseconds since 1970 as time.
pub(super) fn wall(ms: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH
        .checked_add(Duration::from_millis(ms))
        .unwrap_or(std::time::UNIX_EPOCH)
}

/// A pause that varies by `share`, so that many do not end at the same time.
pub(super) fn jittered(pause: Duration, share: f64) -> Duration {
    let factor = 1.0 + share * (rand::random::<f64>() * 2.0 - 1.0);
    pause.mul_f64(factor.max(0.0))
}
