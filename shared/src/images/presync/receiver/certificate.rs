//! The certificate of the receiver. It is renewed every few weeks, and nobody restarts a daemon for that: new files are
//! taken up by the next connection.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::images::presync::rules::TlsFiles;

/// The files are looked at this often at most.
const LOOK: Duration = Duration::from_secs(1);

/// When a file was changed, and its length; `None` if it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// Certificate and key as the files had them last.
#[derive(Debug)]
pub(super) struct Renewed {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    key: Arc<CertifiedKey>,
    stamps: [Stamp; 2],
    looked: Instant,
}

impl Renewed {
    /// Reads both files.
    pub(super) fn load(files: &TlsFiles, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let stamps = stamps(files);
        let key = read(files, provider)?;
        Ok(Self {
            files: files.clone(),
            provider: Arc::clone(provider),
            state: Mutex::new(State {
                key: Arc::new(key),
                stamps,
                looked: Instant::now(),
            }),
        })
    }

    /// The certificate that holds at a time. Files that cannot be used leave the earlier one in place: while they are
    /// being replaced they need not fit together.
    fn at(&self, now: Instant) -> Arc<CertifiedKey> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked) >= LOOK {
            state.looked = now;
            let stamps = stamps(&self.files);
            if stamps != state.stamps {
                state.stamps = stamps;
                match read(&self.files, &self.provider) {
                    Ok(key) => {
                        state.key = Arc::new(key);
                        tracing::info!(
                            certificate = %self.files.certificate.display(),
                            "the certificate was read again"
                        );
                    }
                    Err(reason) => tracing::error!(
                        reason,
                        "the new certificate or key cannot be used; the earlier one holds"
                    ),
                }
            }
        }
        Arc::clone(&state.key)
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.at(Instant::now()))
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    let stamp = |path: &Path| {
        let metadata = fs_err::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    [stamp(&files.certificate), stamp(&files.key)]
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain = fs_err::read(&files.certificate).map_err(|error| error.to_string())?;
    let chain = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{}: {error}", files.certificate.display()))?;
    if chain.is_empty() {
        return Err(format!(
            "{} holds no certificate (PEM is expected)",
            files.certificate.display()
        ));
    }
    let key = fs_err::read(&files.key).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| format!("{}: {error}", files.key.display()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        format!(
            "{} and {} cannot be used together: {error}",
            files.certificate.display(),
            files.key.display()
        )
    })
}
