//! A proxy that knows bytes only: it makes a link slow, far away, or broken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;
/// Pieces on their way in one direction of one connection.
const WINDOW: usize = 256;

/// How a link is.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// How long a byte takes in each direction: half of the round trip.
    pub delay: Duration,
    /// A connection breaks after so many bytes in both directions together.
    pub reset_after: Option<u64>,
}

/// Bytes that crossed a link.
#[derive(Debug, Default)]
pub struct Crossed {
    /// To the server.
    pub there: AtomicU64,
    /// From the server.
    pub back: AtomicU64,
    /// Connections.
    pub connections: AtomicU64,
}

/// Takes connections for the server at `upstream` until it is dropped.
///
/// # Errors
/// The listener is broken.
pub async fn serve(
    listener: TcpListener,
    upstream: SocketAddr,
    link: Link,
    crossed: Arc<Crossed>,
) -> std::io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let (link, crossed) = (link.clone(), Arc::clone(&crossed));
        tokio::spawn(async move {
            crossed.connections.fetch_add(1, Ordering::Relaxed);
            // A handshake takes a round trip, too.
            tokio::time::sleep(link.delay * 2).await;
            let Ok(server) = TcpStream::connect(upstream).await else {
                return;
            };
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let (client_in, client_out) = client.into_split();
            let (server_in, server_out) = server.into_split();
            let total = Arc::new(AtomicU64::new(0));
            let there = carry(client_in, server_out, &link, &total, &crossed.there);
            let back = carry(server_in, client_out, &link, &total, &crossed.back);
            let limit = link.reset_after.unwrap_or(u64::MAX);
            tokio::select! {
                _ = async { tokio::join!(there, back) } => (),
                () = exceeds(&total, limit) => (),
            }
        });
    }
}

async fn exceeds(total: &AtomicU64, limit: u64) {
    while total.load(Ordering::Relaxed) < limit {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One direction: what is read now is written after the delay, while more is read.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    link: &Link,
    total: &AtomicU64,
    crossed: &AtomicU64,
) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(WINDOW);
    let delay = link.delay;
    let read = async move {
        let mut buffer = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + delay;
            if sender.send((due, buffer[..length].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
            total.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            crossed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
