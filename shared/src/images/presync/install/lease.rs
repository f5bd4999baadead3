//! One active replica: a Lease of `coordination.k8s.io/v1`, held as client-go's leader election holds it.
//!
//! Only the clock of this process counts: a Lease is free when its record has not changed for its duration as seen from
//! here. Whoever cannot renew it in time stops.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a Lease holds without renewal.
const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(4);
/// Who could not renew for so long stops: before anybody else may begin.
const DEADLINE: Duration = Duration::from_secs(10);

/// `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl std::str::FromStr for LeaseName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
            .map(|(namespace, name)| Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
            .ok_or_else(|| "NAMESPACE/NAME is expected".to_owned())
    }
}

/// Why there is no Lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The cluster refuses.
    #[error("the lease cannot be used: {0}")]
    Cluster(String),
    /// We were asked to stop while waiting.
    #[error("stopped while another replica was active")]
    Stopped,
}

/// A Lease that is ours.
#[derive(Debug)]
pub struct Held {
    /// Cancelled when the Lease is lost: whoever relies on it has to stop at once.
    pub lost: CancellationToken,
    release: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Held {
    /// Gives the Lease up, so that another replica need not wait for it to run out.
    pub async fn release(self) {
        self.release.cancel();
        // Renewal that failed has said so.
        let _ = self.task.await;
    }
}

/// Waits until the Lease is ours, then keeps it. `identity` is the name of the Pod.
///
/// # Errors
/// The cluster refuses for good, or we are asked to stop.
pub async fn hold(
    client: Client,
    lease: &LeaseName,
    identity: &str,
    stop: &CancellationToken,
) -> Result<Held, LeaseError> {
    let api: Api<Lease> = Api::namespaced(client, &lease.namespace);
    let mut elector = Elector {
        api,
        name: lease.name.clone(),
        identity: identity.to_owned(),
        seen: None,
    };
    let mut told = false;
    loop {
        match elector.acquire().await {
            Ok(true) => break,
            Ok(false) => {
                if !told {
                    tracing::info!(
                        lease = lease.name,
                        "another replica is active; this one stands by"
                    );
                    told = true;
                }
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                return Err(LeaseError::Cluster(status.message.clone()));
            }
            Err(error) => tracing::warn!(%error, "the lease cannot be asked for"),
        }
        tokio::select! {
            () = stop.cancelled() => return Err(LeaseError::Stopped),
            () = tokio::time::sleep(RENEW) => {}
        }
    }
    tracing::info!(lease = lease.name, identity, "this replica is active");
    let (lost, release) = (CancellationToken::new(), CancellationToken::new());
    let task = tokio::spawn(keep(elector, lost.clone(), release.clone()));
    Ok(Held {
        lost,
        release,
        task,
    })
}

async fn keep(mut elector: Elector, lost: CancellationToken, release: CancellationToken) {
    let mut renewed = Instant::now();
    loop {
        tokio::select! {
            () = release.cancelled() => {
                if let Err(error) = elector.give_up().await {
                    tracing::debug!(%error, "the lease runs out by itself");
                }
                return;
            }
            () = tokio::time::sleep(RENEW) => {}
        }
        let left = DEADLINE.saturating_sub(renewed.elapsed());
        match tokio::time::timeout(left, elector.acquire()).await {
            Ok(Ok(true)) => renewed = Instant::now(),
            Ok(Ok(false)) => {
                tracing::error!("another replica has taken the lease");
                lost.cancel();
                return;
            }
            Ok(Err(error)) => tracing::warn!(%error, "the lease cannot be renewed"),
            Err(_) => {}
        }
        if renewed.elapsed() >= DEADLINE {
            tracing::error!("the lease could not be renewed in time");
            lost.cancel();
            return;
        }
    }
}

struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    /// The record that somebody else holds, and when it was first seen so.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Elector {
    /// Takes or renews the Lease; false if it is somebody else's.
    async fn acquire(&mut self) -> Result<bool, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let fresh = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        };
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(fresh),
            };
            return settled(self.api.create(&PostParams::default(), &lease).await);
        };
        let held = lease.spec.clone().unwrap_or_default();
        let holder = held.holder_identity.clone().unwrap_or_default();
        let mut spec = fresh;
        if holder == self.identity {
            spec.acquire_time.clone_from(&held.acquire_time);
            spec.lease_transitions = held.lease_transitions;
        } else {
            if !holder.is_empty() && !self.has_run_out(&held) {
                return Ok(false);
            }
            spec.lease_transitions = Some(held.lease_transitions.unwrap_or(0).saturating_add(1));
        }
        // The version makes sure that of two who want it one gets it.
        lease.spec = Some(spec);
        let replaced = self
            .api
            .replace(&self.name, &PostParams::default(), &lease)
            .await;
        settled(replaced)
    }

    /// Whether a record has stood unchanged for its duration.
    fn has_run_out(&mut self, held: &LeaseSpec) -> bool {
        let seconds = held.lease_duration_seconds.unwrap_or(15).max(1);
        let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or(15));
        match &self.seen {
            Some((seen, since)) if seen == held => since.elapsed() >= duration,
            _ => {
                self.seen = Some((held.clone(), Instant::now()));
                false
            }
        }
    }

    async fn give_up(&mut self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            return Ok(());
        };
        let Some(spec) = lease
            .spec
            .as_mut()
            .filter(|spec| spec.holder_identity.as_deref() == Some(self.identity.as_str()))
        else {
            return Ok(());
        };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        self.api
            .replace(&self.name, &PostParams::default(), &lease)
            .await
            .map(drop)
    }
}

/// Who comes second gets a conflict, and looks again later.
fn settled<T>(result: Result<T, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
