//! More events than any registry sends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Instant;

use super::harness::{
    Daemon, Ports, SECRET, digest, layer, push, registries_are_here, silent_registry,
};

const EVENTS: u32 = 100_000;
const IN_A_REQUEST: u32 = 10;
const SENDERS: u32 = 8;
const IMAGES: u32 = 40;

#[test]
fn a_flood_is_answered_folded_and_drained() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (source, target) = (silent_registry(), silent_registry());
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2, tags: 'v*'}}]",
            source.address(),
            target.address()
        ),
    );
    daemon.wait("the first comparison is done", |daemon| {
        daemon.figure("migrate_images_comparisons_total", "") >= Some(1.0)
    });
    let folder = tempfile::tempdir().unwrap();
    for number in 0..IMAGES {
        let image = layer(folder.path(), &format!("layer{number}"), 10_000);
        push(&image, &format!("{}/app:v{number}", source.address()));
    }
    let begun = Instant::now();
    let accepted: u32 = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| scope.spawn(move || send(ports.receiver, sender)))
            .collect();
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .sum()
    });
    let rate = f64::from(EVENTS) / begun.elapsed().as_secs_f64();
    let memory = resident(daemon.pid());
    println!(
        "{rate:.0} events a second were answered; the daemon has {} MiB",
        memory >> 10
    );
    assert_eq!(accepted * IN_A_REQUEST, EVENTS, "all were answered well");
    assert!(memory < 300 << 10, "{memory} KiB");
    daemon.wait("the queue is drained", |daemon| daemon.jobs() == Some(0.0));
    for number in 0..IMAGES {
        let tag = format!("v{number}");
        assert_eq!(
            digest(&target.address(), "app", &tag),
            digest(&source.address(), "app", &tag)
        );
    }
    let folded = daemon
        .figure("migrate_images_events_folded_total", "")
        .unwrap();
    let finished = daemon.figure("migrate_images_finished_total", "").unwrap();
    assert!(
        folded + finished >= f64::from(EVENTS),
        "{folded} folded, {finished} finished"
    );
    assert!(
        finished < f64::from(EVENTS) / 4.0,
        "{finished} jobs for {IMAGES} images"
    );
}

/// Sends a share of the events on one connection; how many requests were accepted.
fn send(port: u16, sender: u32) -> u32 {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let requests = EVENTS / IN_A_REQUEST / SENDERS;
    let mut accepted = 0;
    for request in 0..requests {
        let events: Vec<_> = (0..IN_A_REQUEST)
            .map(|event| {
                let image = (sender + request * IN_A_REQUEST + event) % IMAGES;
                serde_json::json!({
                    "action": "push",
                    "target": {
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "repository": "app",
                        "tag": format!("v{image}"),
                    },
                    "source": {"instanceID": "one"},
                })
            })
            .collect();
        let body = serde_json::json!({"events": events}).to_string();
        write!(
            stream,
            "POST /events/dc1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut length = 0;
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        accepted += u32::from(line.starts_with("HTTP/1.1 202"));
        loop {
            line.clear();
            answers.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut rest = vec![0; length];
        answers.read_exact(&mut rest).unwrap();
    }
    accepted
}

/// Memory of a process in KiB.
fn resident(pid: u32) -> u64 {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap()
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap()
}
