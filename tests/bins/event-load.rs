//! Sends events to `images watch` at a fixed rate, one in each request, over connections that stay open:
//! `event-load ADDRESS PATH SECRET IMAGES RATE SECONDS CONNECTIONS`.
//!
//! IMAGES is a file with a line `REPOSITORY TAG DIGEST` for each image; events go round them. Each event has a time at
//! which it is due, whatever came of those before it, and its answer is counted from there: a receiver that is slow for a
//! moment is not spared the events that were due in that moment. Prints what was reached, and fails unless every event
//! was answered with 202.

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

type Failure = Box<dyn std::error::Error>;

/// An event that is due this soon is sent at once: the timer counts in milliseconds.
const SOON: Duration = Duration::from_micros(500);

/// What is sent, and how fast.
struct Load {
    address: String,
    requests: Vec<Vec<u8>>,
    rate: u32,
    events: u64,
    connections: u32,
}

/// What came back on one connection.
#[derive(Default)]
struct Answers {
    accepted: u64,
    refused: u64,
    /// Microseconds from when an event was due to its answer.
    waited: Vec<u64>,
    /// Microseconds from when an event was sent to its answer.
    answered: Vec<u64>,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for benchmarks"
)]
fn main() -> ExitCode {
    match load().and_then(|load| send(&load)) {
        Ok((line, true)) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Ok((line, false)) => {
            println!("{line}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load() -> Result<Load, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, secret, images, rate, seconds, connections] = arguments.as_slice() else {
        return Err("usage: event-load ADDRESS PATH SECRET IMAGES RATE SECONDS CONNECTIONS".into());
    };
    let images = fs_err::read_to_string(images)?;
    let requests: Vec<_> = images
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (repository, tag, digest) = (words.next()?, words.next()?, words.next()?);
            let body = serde_json::json!({"events": [{
                "id": "7ff1cd54-9a38-4d1b-8e4a-3c1a3b6c2d10",
                "timestamp": "2026-01-01T00:00:00Z",
                "action": "push",
                "target": {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "size": 739, "length": 739,
                    "digest": digest,
                    "repository": repository,
                    "tag": tag,
                    "url": format!("http://{address}/v2/{repository}/manifests/{digest}"),
                },
                "request": {"method": "PUT", "useragent": "event-load"},
                "actor": {},
                "source": {"addr": "registry:5000", "instanceID": "event-load"},
            }]})
            .to_string();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/vnd.docker.distribution.events.v2+json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            Some((head + &body).into_bytes())
        })
        .collect();
    if requests.is_empty() {
        return Err("the file names no images".into());
    }
    let rate: u32 = rate.parse()?;
    Ok(Load {
        address: address.clone(),
        requests,
        rate: rate.max(1),
        events: u64::from(rate) * seconds.parse::<u64>()?,
        connections: connections.parse()?,
    })
}

/// What was reached, and whether everything was accepted.
fn send(load: &Load) -> Result<(String, bool), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (all, took) = runtime.block_on(LocalSet::new().run_until(async {
        let mut streams = Vec::new();
        for _ in 0..load.connections {
            let stream = TcpStream::connect(&load.address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let next = Rc::new(Cell::new(0));
        let begin = Instant::now();
        let connections = streams
            .into_iter()
            .map(|stream| converse(load, stream, begin, Rc::clone(&next)));
        let all = futures_util::future::try_join_all(connections).await?;
        Ok::<_, std::io::Error>((all, begin.elapsed()))
    }))?;
    let mut sum = Answers::default();
    for own in all {
        sum.accepted += own.accepted;
        sum.refused += own.refused;
        sum.waited.extend(own.waited);
        sum.answered.extend(own.answered);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    let rate = (sum.accepted + sum.refused) as f64 / took.as_secs_f64();
    let line = format!(
        "{} events in {:.1} s, asked for {} a second: {rate:.0} a second, {} accepted, {} refused\nfrom when an event was due to its answer:  {}\nfrom when it was sent to its answer:       {}",
        load.events,
        took.as_secs_f64(),
        load.rate,
        sum.accepted,
        sum.refused,
        spread(&mut sum.waited),
        spread(&mut sum.answered),
    );
    Ok((line, sum.accepted == load.events))
}

/// Sends the next event that is due, as long as there is one.
async fn converse(
    load: &Load,
    mut stream: TcpStream,
    begin: Instant,
    next: Rc<Cell<u64>>,
) -> std::io::Result<Answers> {
    let mut answers = Answers::default();
    let mut answer = Vec::new();
    loop {
        let number = next.get();
        if number >= load.events {
            return Ok(answers);
        }
        next.set(number + 1);
        let due = begin + Duration::from_nanos(number * 1_000_000_000 / u64::from(load.rate));
        if due > Instant::now() + SOON {
            sleep_until(due).await;
        }
        let image = usize::try_from(number).unwrap_or(0) % load.requests.len();
        let sent = Instant::now();
        stream.write_all(&load.requests[image]).await?;
        if read_answer(&mut stream, &mut answer).await? {
            answers.accepted += 1;
        } else {
            answers.refused += 1;
        }
        let microseconds =
            |since: Instant| u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        answers.waited.push(microseconds(due));
        answers.answered.push(microseconds(sent));
    }
}

/// Reads one whole answer; whether it is 202.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> std::io::Result<bool> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            })
            .unwrap_or(0);
        if body.len() >= length {
            return Ok(head.starts_with("HTTP/1.1 202"));
        }
    }
}

fn spread(times: &mut [u64]) -> String {
    times.sort_unstable();
    let at = |thousandths: usize| {
        let place = (times.len() * thousandths).div_ceil(1000).saturating_sub(1);
        let microseconds = times.get(place).copied().unwrap_or(0);
        format!("{}.{:02} ms", microseconds / 1000, microseconds % 1000 / 10)
    };
    format!(
        "median {}  99 % {}  99.9 % {}  longest {}",
        at(500),
        at(990),
        at(999),
        at(1000)
    )
}
