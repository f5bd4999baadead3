//! Who may send events, and how: secrets, signatures, TLS, and what happens when they are changed while it runs.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use sha2::{Digest as _, Sha256};
use tests::lab::Registry;

use super::harness::{
    COMPONENTS, Daemon, Ports, SECRET, digest, http, layer, push, registries_are_here,
    silent_registry,
};

const EVENT: &str = r#"{"repository": "app", "tag": "v1"}"#;

/// Nobody answers at either end: only the receiver is looked at.
const NOWHERE: &str = "sources: {dc1: {registry: '127.0.0.1:1'}}
targets: {dc2: {registry: '127.0.0.1:2'}}
rules: [{name: all, from: dc1, to: dc2}]";

/// An authority of our own.
struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes a certificate for the loopback and its key, as a renewal does.
    fn sign_into(&self, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    }

    /// Sends an event as a client that trusts this authority alone: the status, or why there is none.
    fn send(&self, port: u16) -> Result<u16, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut stream = rustls::Stream::new(&mut client, &mut stream);
        write!(
            stream,
            "POST /events/dc1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{EVENT}",
            EVENT.len()
        )
        .map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .map_err(|error| error.to_string())?;
        String::from_utf8_lossy(&answer)
            .get(9..12)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| "no answer".to_owned())
    }
}

fn with_tls(rules: &str, ports: Ports) -> String {
    format!(
        "{rules}
receiver: {{listen: '127.0.0.1:{}', secret: {{file: secret}}, tls: {{certificate: tls.crt, key: tls.key}}}}",
        ports.receiver
    )
}

#[test]
fn a_receiver_with_tls_renews_its_certificate_by_itself() {
    let ports = Ports::new();
    let (first, second) = (Authority::new(), Authority::new());
    let mut daemon = Daemon::prepare(ports, &with_tls(NOWHERE, ports), &[], &[]);
    let folder = daemon.folder.path().to_owned();
    first.sign_into(&folder);
    daemon.resume();
    assert_eq!(first.send(ports.receiver), Ok(202));
    let refused = second.send(ports.receiver).unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");

    // Who does not speak TLS gets nothing, and who says nothing keeps nobody waiting.
    let plain = http(ports.receiver, "POST", "/events/dc1", &[], EVENT);
    assert!(plain.is_err(), "{plain:?}");
    let _silent = TcpStream::connect((Ipv4Addr::LOCALHOST, ports.receiver)).unwrap();
    assert_eq!(first.send(ports.receiver), Ok(202));

    second.sign_into(&folder);
    daemon.wait("the new certificate is shown", |_| {
        second.send(ports.receiver) == Ok(202)
    });
    assert!(first.send(ports.receiver).is_err());

    std::fs::write(folder.join("tls.crt"), "half a certif").unwrap();
    daemon.wait("the bad certificate is noticed", |daemon| {
        assert_eq!(
            second.send(ports.receiver),
            Ok(202),
            "the earlier one holds"
        );
        daemon.log().contains("the earlier one holds")
    });
    first.sign_into(&folder);
    daemon.wait("a good one is taken again", |_| {
        first.send(ports.receiver) == Ok(202)
    });
}

#[test]
fn a_daemon_does_not_start_with_a_certificate_and_the_key_of_another() {
    let ports = Ports::new();
    let mut daemon = Daemon::prepare(ports, &with_tls(NOWHERE, ports), &[], &[]);
    let folder = daemon.folder.path().to_owned();
    Authority::new().sign_into(&folder);
    std::fs::write(
        folder.join("tls.key"),
        KeyPair::generate().unwrap().serialize_pem(),
    )
    .unwrap();
    daemon.launch();
    assert_eq!(daemon.end(), Some(1));
    let log = daemon.log();
    assert!(log.contains("cannot be used together"), "{log}");
    assert!(log.contains("tls.key"), "{log}");
}

/// The events of a real registry over TLS.
#[test]
fn a_registry_sends_its_events_over_tls() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let target = silent_registry();
    let authority = Authority::new();
    let trusted = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trusted.path(), &authority.pem).unwrap();
    let url = format!("https://127.0.0.1:{}/events/dc1", ports.receiver);
    let source = Registry::trusting(
        &COMPONENTS,
        Some((&url, &format!("Bearer {SECRET}"))),
        trusted.path(),
    )
    .unwrap();
    let rules = format!(
        "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2}}]",
        source.address(),
        target.address()
    );
    let mut daemon = Daemon::prepare(ports, &with_tls(&rules, ports), &[], &[]);
    authority.sign_into(daemon.folder.path());
    daemon.resume();
    daemon.wait("the first comparison is done", |daemon| {
        daemon.figure("migrate_images_comparisons_total", "") >= Some(1.0)
    });
    let folder = tempfile::tempdir().unwrap();
    push(
        &layer(folder.path(), "image", 10_000),
        &format!("{}/app:v1", source.address()),
    );
    daemon.wait("the image arrives", |_| {
        digest(&target.address(), "app", "v1").is_some()
    });
    assert!(daemon.figure("migrate_images_events_total", "distribution") >= Some(1.0));
}

#[test]
fn a_body_that_is_signed_needs_no_secret_in_a_header() {
    let ports = Ports::new();
    let mut daemon = Daemon::prepare(
        ports,
        &format!(
            "{NOWHERE}
receiver: {{listen: '127.0.0.1:{}', hmac: {{file: hmac}}}}",
            ports.receiver
        ),
        &[],
        &[],
    );
    std::fs::write(daemon.folder.path().join("hmac"), "the first key\n").unwrap();
    daemon.resume();
    let send = |signature: &str, body: &str| {
        let headers = [("X-Hub-Signature-256", signature)];
        http(ports.receiver, "POST", "/events/dc1", &headers, body)
            .unwrap()
            .0
    };
    let first = signature(b"the first key", EVENT.as_bytes());
    let second = signature(b"the second key", EVENT.as_bytes());
    assert_eq!(send(&first, EVENT), 202);
    assert_eq!(send(&first, &EVENT.replace("v1", "v2")), 401);
    assert_eq!(send(&second, EVENT), 401);
    assert_eq!(send("sha256=", EVENT), 401);

    // A key is exchanged without a restart.
    std::fs::write(daemon.folder.path().join("hmac"), "the second key\n").unwrap();
    daemon.signal("HUP");
    daemon.wait("the new key holds", |_| send(&second, EVENT) == 202);
    assert_eq!(send(&first, EVENT), 401);
    assert!(!daemon.log().contains("the second key"));
}

/// `sha256=` and the HMAC (RFC 2104) of a body, made without the crate that the daemon uses.
fn signature(key: &[u8], body: &[u8]) -> String {
    let padded = |fill: u8| {
        let mut block = [fill; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(body);
    let code = Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner.finalize())
        .finalize();
    let hex: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}
