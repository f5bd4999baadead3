//! Listening, with or without TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::certificate::Renewed;
use super::connection::{Bounded, IdleStream};
use crate::images::presync::rules::TlsFiles;

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The certificate or key cannot be used.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

/// Address of a sender.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Handshakes that are done but not yet served.
const BACKLOG: usize = 64;

/// Serves until cancelled; what was begun is ended. The address is bound when this returns.
///
/// # Errors
/// The address or the TLS files cannot be used.
pub async fn serve(
    address: SocketAddr,
    tls: Option<&TlsFiles>,
    router: Router,
    stop: CancellationToken,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), ServeError> {
    let in_use = |error: std::io::Error| ServeError::Address {
        address,
        reason: error.to_string(),
    };
    let acceptor = tls.map(acceptor).transpose()?;
    let listener = TcpListener::bind(address).await.map_err(in_use)?;
    let bound = listener.local_addr().map_err(in_use)?;
    let service = router.into_make_service_with_connect_info::<Peer>();
    let listener = Bounded::new(listener);
    let task = tokio::spawn(async move {
        let stopped = stop.clone().cancelled_owned();
        let result = match acceptor {
            None => {
                axum::serve(listener, service)
                    .with_graceful_shutdown(stopped)
                    .await
            }
            Some(acceptor) => {
                let listener = TlsListener::start(listener, bound, acceptor, stop);
                axum::serve(listener, service)
                    .with_graceful_shutdown(stopped)
                    .await
            }
        };
        if let Err(error) = result {
            tracing::error!(%error, "the server on {bound} has ended");
        }
    });
    Ok((bound, task))
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = Renewed::load(files, &provider).map_err(ServeError::Tls)?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ServeError::Tls(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections after their handshakes, which run beside each other: one sender that is slow keeps nobody waiting.
struct TlsListener {
    address: SocketAddr,
    connections: mpsc::Receiver<(TlsStream<IdleStream>, SocketAddr)>,
}

impl TlsListener {
    fn start(
        listener: Bounded,
        address: SocketAddr,
        acceptor: TlsAcceptor,
        stop: CancellationToken,
    ) -> Self {
        let (sender, connections) = mpsc::channel(BACKLOG);
        tokio::spawn(async move {
            let mut listener = listener;
            loop {
                let (stream, peer) = tokio::select! {
                    () = stop.cancelled() => return,
                    connection = Listener::accept(&mut listener) => connection,
                };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        // Nobody listens any more when we are stopping.
                        Ok(Ok(stream)) => drop(sender.send((stream, peer)).await),
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
                        Err(_) => tracing::debug!(%peer, "the TLS handshake takes too long"),
                    }
                });
            }
        });
        Self {
            address,
            connections,
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<IdleStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}
