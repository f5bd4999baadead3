//! The daemon from start to stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

#[cfg(unix)]
use super::admin;
use super::live::Live;
use super::queue::{Clock, OpenError, Queue};
use super::receiver::{self, ServeError, serve};
use super::rules::{Rules, load};
use super::{health, nodes, trigger, worker};
use crate::images::ImageError;

/// How long what was begun may take to end.
const GRACE: Duration = Duration::from_secs(8);
/// Changes of the rules file within this time are one.
const SETTLE: Duration = Duration::from_millis(300);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The queue cannot be opened.
    #[error(transparent)]
    Queue(#[from] OpenError),
    /// An address cannot be used.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The engine's folder cannot be made.
    #[error(transparent)]
    Engine(#[from] ImageError),
}

/// Runs until cancelled. All that was begun is resumable.
///
/// # Errors
/// It cannot start.
pub async fn run(
    rules: Rules,
    rules_file: &Path,
    stop: CancellationToken,
) -> Result<(), DaemonError> {
    let (queue, opened) = Queue::open(&rules.state, Clock::system())?;
    if let Some(aside) = &opened.rebuilt {
        tracing::error!(
            aside = %aside.display(),
            "the queue was damaged and is begun anew; a comparison finds what it held"
        );
    }
    #[cfg(unix)]
    let state = rules.state.clone();
    let parallel = rules.parallel;
    let receiver = rules.receiver.clone();
    let status = rules.status;
    let live = Arc::new(Live::new(rules, rules_file, queue.clone())?);

    let mut servers = Vec::new();
    if let Some(receiver) = &receiver {
        let router = receiver::router(receiver, Arc::clone(&live));
        let (address, server) =
            serve(receiver.listen, receiver.tls.as_ref(), router, stop.clone()).await?;
        tracing::info!(%address, tls = receiver.tls.is_some(), "events are taken");
        servers.push(server);
    }
    if let Some(status) = status {
        let router = health::router(Arc::clone(&live));
        let (address, server) = serve(status, None, router, stop.clone()).await?;
        tracing::info!(%address, "status page, metrics and probes are served");
        servers.push(server);
    }
    let mut tasks = JoinSet::new();
    #[cfg(unix)]
    tasks.spawn(admin::serve(state, queue, stop.clone()));
    // Threads of their own: hashing must not keep the receiver's answers waiting.
    for _ in 0..parallel {
        let (live, stop) = (Arc::clone(&live), stop.clone());
        let runtime = tokio::runtime::Handle::current();
        tasks.spawn_blocking(move || runtime.block_on(worker::work(live, stop)));
    }
    tasks.spawn(nodes::run(Arc::clone(&live), stop.clone()));
    tasks.spawn(triggers_and_rules(Arc::clone(&live), stop.clone()));
    tracing::info!(parallel, "started");

    stop.cancelled().await;
    tracing::info!("stopping; what was begun goes on at the next start");
    let ended = async {
        while tasks.join_next().await.is_some() {}
        for server in servers {
            // A server that failed has said so.
            let _ = server.await;
        }
    };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("something does not end; the process does");
    }
    Ok(())
}

/// Runs the triggers, and begins them anew under each change of the rules.
async fn triggers_and_rules(live: Arc<Live>, stop: CancellationToken) {
    let (changes, mut changed) = tokio::sync::mpsc::channel::<()>(1);
    // Kept alive here; without it SIGHUP still works.
    let _watcher = watch_file(live.rules_file(), changes.clone());
    reload_on_hangup(changes, stop.clone());
    loop {
        let generation = stop.child_token();
        let triggers = tokio::spawn(trigger::run(Arc::clone(&live), generation.clone()));
        let go_on = loop {
            tokio::select! {
                () = stop.cancelled() => break false,
                _ = changed.recv() => {}
            }
            tokio::time::sleep(SETTLE).await;
            while changed.try_recv().is_ok() {}
            if reload(&live) {
                break true;
            }
        };
        generation.cancel();
        // A trigger that panicked has said so.
        let _ = triggers.await;
        if !go_on {
            return;
        }
    }
}

/// Reads the rules again; true if other ones hold now. A bad file keeps the old rules.
fn reload(live: &Live) -> bool {
    let checked = load(live.rules_file());
    let Some(rules) = checked.rules else {
        let reasons: Vec<String> = checked
            .findings
            .as_slice()
            .iter()
            .filter(|finding| finding.severity() == crate::finding::Severity::Error)
            .map(|finding| match finding.place(&checked.sources) {
                Some(place) => format!("{place}: {}", finding.message),
                None => finding.message.clone(),
            })
            .collect();
        let reasons = reasons.join("; ");
        if live.rules_trouble().as_ref() != Some(&reasons) {
            tracing::error!(
                reasons,
                "the rules file cannot be used; the earlier rules hold"
            );
            live.set_rules_trouble(Some(reasons));
        }
        return false;
    };
    live.set_rules_trouble(None);
    let before = live.rules();
    for (what, same) in [
        ("state", before.state == rules.state),
        ("parallel", before.parallel == rules.parallel),
        ("status", before.status == rules.status),
        (
            "receiver",
            format!("{:?}", before.receiver) == format!("{:?}", rules.receiver),
        ),
    ] {
        if !same {
            tracing::warn!("`{what}` has changed; it takes effect at the next start");
        }
    }
    live.set_rules(rules);
    tracing::info!(file = %live.rules_file().display(), "the rules were read again");
    true
}

/// Watches the folder of the rules file: editors and ConfigMaps replace files instead of writing into them.
fn watch_file(
    file: &Path,
    changes: tokio::sync::mpsc::Sender<()>,
) -> Option<notify::RecommendedWatcher> {
    use notify::Watcher as _;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = file.file_name().map(ToOwned::to_owned);
    let told = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if matches!(event.kind, notify::EventKind::Access(_)) {
            return;
        }
        let ours = event.paths.iter().any(|path| {
            let changed = path.file_name();
            // A ConfigMap is changed by its link `..data`.
            changed == name.as_deref() || changed == Some(std::ffi::OsStr::new("..data"))
        });
        if ours {
            // One that waits already is enough.
            let _ = changes.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
        watcher.watch(folder, notify::RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the rules file cannot be watched; send SIGHUP after a change");
            None
        }
    }
}

#[cfg(unix)]
fn reload_on_hangup(changes: tokio::sync::mpsc::Sender<()>, stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return;
    };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {
                    // One that waits already is enough.
                    let _ = changes.try_send(());
                }
            }
        }
    });
}

#[cfg(not(unix))]
fn reload_on_hangup(_: tokio::sync::mpsc::Sender<()>, _: CancellationToken) {}
