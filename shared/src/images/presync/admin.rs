//! Talking to a daemon that runs: one JSON line each way over a socket in the folder of the queue.
//!
//! The folder is only open to the user of the daemon, and so is the socket. When no daemon runs, the queue is opened
//! directly.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::queue::{Clock, Dead, Done, Job, JobKey, OpenError, Queue};

/// Name of the socket in the folder of the queue.
pub const SOCKET: &str = "admin.sock";

/// Lines of a list at most.
const MOST_LINES: usize = 10_000;

/// What is asked of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Request {
    /// Everything that is in it.
    List,
    /// Try again at once.
    Retry {
        /// Which images.
        which: Which,
    },
    /// Forget.
    Drop {
        /// Which images.
        which: Which,
    },
}

/// Images of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// All.
    All,
    /// These, by id or a part of the name.
    These(Vec<String>),
}

impl Which {
    fn means(&self, key: &JobKey) -> bool {
        match self {
            Self::All => true,
            Self::These(words) => {
                let (id, name) = (key.id(), key.to_string());
                words.iter().any(|word| *word == id || name.contains(word))
            }
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// What is in the queue.
    Listed(Box<Listed>),
    /// How many images it was done for.
    Count(usize),
    /// It could not be done.
    Failed(String),
}

/// What is in the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Images on their way.
    pub jobs: Vec<ListedJob>,
    /// Images that failed for good.
    pub dead: Vec<ListedDead>,
    /// What was done lately.
    pub history: Vec<Done>,
}

/// An image on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedJob {
    /// Short name for `retry` and `drop`.
    pub id: String,
    /// The image.
    pub image: String,
    /// What is known about it.
    pub job: Job,
    /// Milliseconds until the next try.
    pub pause_ms: u64,
}

/// An image that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDead {
    /// Short name for `retry` and `drop`.
    pub id: String,
    /// The image.
    pub image: String,
    /// What is known about it.
    pub dead: Dead,
}

/// Answers a request.
pub async fn answer(queue: &Queue, request: Request) -> Answer {
    let counted = |result: Result<usize, super::queue::QueueError>| match result {
        Ok(count) => Answer::Count(count),
        Err(error) => Answer::Failed(error.to_string()),
    };
    match request {
        Request::List => {
            let jobs = queue
                .jobs(MOST_LINES)
                .into_iter()
                .map(|(key, job, pause)| ListedJob {
                    id: key.id(),
                    image: key.to_string(),
                    job,
                    pause_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                });
            let dead = queue
                .dead(MOST_LINES)
                .into_iter()
                .map(|(key, dead)| ListedDead {
                    id: key.id(),
                    image: key.to_string(),
                    dead,
                });
            Answer::Listed(Box::new(Listed {
                jobs: jobs.collect(),
                dead: dead.collect(),
                history: queue.history(MOST_LINES),
            }))
        }
        Request::Retry { which } => counted(queue.retry(|key| which.means(key)).await),
        Request::Drop { which } => counted(queue.drop_jobs(|key| which.means(key)).await),
    }
}

/// Asks the daemon that has the folder, or the queue itself when none runs.
///
/// # Errors
/// Neither can be asked.
pub async fn ask(folder: &Path, request: Request) -> Result<Answer, String> {
    if let Some(answer) = ask_daemon(folder, &request).await? {
        return Ok(answer);
    }
    if !folder.exists() {
        return Err(format!("there is no queue in {}", folder.display()));
    }
    match Queue::open(folder, Clock::system()) {
        Ok((queue, _)) => Ok(answer(&queue, request).await),
        Err(error @ OpenError::InUse { .. }) => Err(format!(
            "{error}, which does not answer on {}",
            folder.join(SOCKET).display()
        )),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(unix)]
async fn ask_daemon(folder: &Path, request: &Request) -> Result<Option<Answer>, String> {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::UnixStream;
    let Ok(stream) = UnixStream::connect(folder.join(SOCKET)).await else {
        return Ok(None);
    };
    let talk = async {
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_string(request).map_err(std::io::Error::other)?;
        line.push('\n');
        write.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(read).read_line(&mut answer).await?;
        serde_json::from_str(&answer).map_err(std::io::Error::other)
    };
    talk.await
        .map(Some)
        .map_err(|error| format!("the daemon does not answer as expected: {error}"))
}

#[cfg(not(unix))]
async fn ask_daemon(_: &Path, _: &Request) -> Result<Option<Answer>, String> {
    Ok(None)
}

/// Answers requests on the socket until cancelled.
#[cfg(unix)]
pub async fn serve(
    folder: std::path::PathBuf,
    queue: Queue,
    stop: tokio_util::sync::CancellationToken,
) {
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::net::UnixListener;
    let path = folder.join(SOCKET);
    // The lock of the queue is ours, so a socket that lies there is of a daemon that was killed.
    let _ = fs_err::remove_file(&path);
    let listener = match UnixListener::bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, "`images queue` cannot reach this daemon: no socket {}", path.display());
            return;
        }
    };
    let _ = fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600));
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, queue.clone()));
            }
            // Out of file descriptors, for example: it passes.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
    let _ = fs_err::remove_file(&path);
}

#[cfg(unix)]
async fn converse(stream: tokio::net::UnixStream, queue: Queue) {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    /// No request is longer.
    const LONGEST: u64 = 1 << 20;
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    if BufReader::new(read.take(LONGEST))
        .read_line(&mut line)
        .await
        .is_err()
    {
        return;
    }
    let answer = match serde_json::from_str(&line) {
        Ok(request) => answer(&queue, request).await,
        Err(error) => Answer::Failed(format!("this is no request: {error}")),
    };
    if let Ok(mut text) = serde_json::to_string(&answer) {
        text.push('\n');
        // Whoever asked may have gone.
        let _ = write.write_all(text.as_bytes()).await;
    }
}
