//! The user, or the host, wants us to stop.
//!
//! Ctrl-C and `SIGTERM` reach a plugin directly, except below docker off a terminal: there the CLI closes the socket
//! that it named in `DOCKER_CLI_PLUGIN_SOCKET`, and sends no signal (docker/cli, `cli-plugins/socket`). Both end in
//! one [`CancellationToken`].

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// One request may come by several ways: from the terminal, from the host that passes a signal on, and by the socket that the
/// host closes. What comes within this time is the same request.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Name of the variable with the docker CLI's socket.
#[cfg(unix)]
const DOCKER_SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";

/// A token that is cancelled when the user or the host wants us to stop. The first request asks for an orderly end, so
/// that what was begun stays resumable; a second one ends the process at once, with the exit code of an interruption.
///
/// From its return on, no signal ends the process before the token does: what it interrupts is already being waited for.
///
/// Has to be called inside of a tokio runtime.
#[must_use]
pub fn cancellation() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let mut signals = Signals::listen();
    let hangs_up = docker_hangs_up();
    tokio::spawn(async move {
        tokio::select! {
            () = signals.next() => {}
            () = hangs_up => {}
        }
        cancelled.cancel();
        tokio::time::sleep(SAME_REQUEST).await;
        Signals::listen().next().await;
        end_now();
    });
    token
}

/// As long as it lives, Ctrl-C does not end the process. Afterwards it does again, unless [`cancellation`] takes it.
#[derive(Debug)]
pub(crate) struct Withheld {
    over: CancellationToken,
}

impl Drop for Withheld {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// Keeps Ctrl-C from ending the process, for a question on a terminal whose state has to be mended first.
pub(crate) fn withhold() -> Withheld {
    let over = CancellationToken::new();
    let withheld = Withheld { over: over.clone() };
    // Inside of a runtime a verb goes on with `cancellation`; else nobody would listen after the question.
    let alone = tokio::runtime::Handle::try_current().is_err();
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return;
        };
        runtime.block_on(async {
            let held = Signals::listen();
            let _ = ready.send(());
            over.cancelled().await;
            drop(held);
            if alone {
                Signals::listen().next().await;
                end_now();
            }
        });
    });
    // Without a thread the signal keeps its default.
    let _ = is_ready.recv_timeout(std::time::Duration::from_secs(1));
    withheld
}

#[expect(
    clippy::exit,
    reason = "the user asked twice: nothing more is waited for"
)]
fn end_now() {
    std::process::exit(i32::from(crate::cli::Exit::Interrupted.code()));
}

/// Ctrl-C and `SIGTERM` come here as long as it lives, in place of ending the process. `None`: the system would not have
/// it, and they keep their default.
struct Signals {
    #[cfg(unix)]
    both: Option<[tokio::signal::unix::Signal; 2]>,
}

impl Signals {
    /// Takes the signals over at once, not only when they are first waited for. Has to be called inside of a runtime.
    #[cfg(unix)]
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).ok();
        let both = listen(SignalKind::interrupt()).zip(listen(SignalKind::terminate()));
        Self {
            both: both.map(|(interrupt, terminate)| [interrupt, terminate]),
        }
    }

    /// Waits for the next one; for ever, if there is none to come.
    #[cfg(unix)]
    async fn next(&mut self) {
        let Some([interrupt, terminate]) = &mut self.both else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Connects to docker's socket at once, and waits until docker closes it; for ever, if there is none.
#[cfg(unix)]
fn docker_hangs_up() -> impl Future<Output = ()> {
    let stream = std::env::var(DOCKER_SOCKET)
        .ok()
        .filter(|name| !name.is_empty())
        .and_then(|name| connect(&name).ok())
        .and_then(|stream| tokio::net::UnixStream::from_std(stream).ok());
    async move {
        use tokio::io::AsyncReadExt as _;
        let Some(mut stream) = stream else {
            return std::future::pending().await;
        };
        let mut ignored = [0; 64];
        while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    }
}

#[cfg(not(unix))]
fn docker_hangs_up() -> impl Future<Output = ()> {
    std::future::pending()
}

/// A name that begins with `@` is abstract: it has no file (unix(7)).
#[cfg(unix)]
fn connect(name: &str) -> std::io::Result<std::os::unix::net::UnixStream> {
    use std::os::unix::net::UnixStream;
    #[cfg(target_os = "linux")]
    let stream = match name.strip_prefix('@') {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            UnixStream::connect_addr(&address)?
        }
        None => UnixStream::connect(name)?,
    };
    #[cfg(not(target_os = "linux"))]
    let stream = UnixStream::connect(name)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
