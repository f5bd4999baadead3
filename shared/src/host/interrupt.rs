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
/// Has to be called inside of a tokio runtime.
#[must_use]
pub fn cancellation() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        stop_request().await;
        cancelled.cancel();
        tokio::time::sleep(SAME_REQUEST).await;
        signal().await;
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
            let first = signal();
            tokio::pin!(first);
            // The first poll sets up the handlers.
            let _ = futures_util::poll!(&mut first);
            let _ = ready.send(());
            over.cancelled().await;
            if alone {
                signal().await;
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

/// Waits for the first request to stop.
async fn stop_request() {
    tokio::select! {
        () = signal() => {}
        () = docker_hangs_up() => {}
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without a handler the signals keep their default: the process ends.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until docker closes its socket; for ever, if there is none.
#[cfg(unix)]
async fn docker_hangs_up() {
    use tokio::io::AsyncReadExt as _;
    let stream = std::env::var(DOCKER_SOCKET)
        .ok()
        .filter(|name| !name.is_empty())
        .and_then(|name| connect(&name).ok())
        .and_then(|stream| tokio::net::UnixStream::from_std(stream).ok());
    let Some(mut stream) = stream else {
        return std::future::pending().await;
    };
    let mut ignored = [0; 64];
    while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

#[cfg(not(unix))]
async fn docker_hangs_up() {
    std::future::pending().await
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
