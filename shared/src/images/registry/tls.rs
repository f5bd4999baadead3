//! TLS settings. The certificates of the system's authorities are read once for a process, and only when a server shows
//! a certificate: a sync between registries without TLS would spend more time on them than on finding nothing to do.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::RegistryOptions;

/// The authorities of the system, or why they cannot be had.
static SYSTEM: OnceLock<Result<Arc<Verifier>, Error>> = OnceLock::new();

/// Checks certificates by the authorities of the system and those of the options.
#[derive(Debug)]
struct Authorities {
    provider: Arc<CryptoProvider>,
    /// With further authorities. Read at once, so that a file that is none is an error from the beginning.
    further: Option<Verifier>,
}

impl Authorities {
    fn verifier(&self) -> Result<&Verifier, Error> {
        if let Some(further) = &self.further {
            return Ok(further);
        }
        SYSTEM
            .get_or_init(|| Verifier::new(Arc::clone(&self.provider)).map(Arc::new))
            .as_ref()
            .map(Arc::as_ref)
            .map_err(Clone::clone)
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The settings of a client that speaks these protocols.
pub(super) fn config(
    options: &RegistryOptions,
    protocols: &[&[u8]],
) -> Result<ClientConfig, String> {
    let provider = CryptoProvider::get_default().map_or_else(
        || Arc::new(rustls::crypto::ring::default_provider()),
        Arc::clone,
    );
    let mut roots = Vec::new();
    for pem in &options.authorities {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.push(certificate.map_err(|error| error.to_string())?);
        }
    }
    let further = if roots.is_empty() {
        None
    } else {
        let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider));
        Some(verifier.map_err(|error| error.to_string())?)
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Authorities { provider, further }));
    let mut config = match &options.identity {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let chain = CertificateDer::pem_slice_iter(pem)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| error.to_string())?;
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string())?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| error.to_string())?
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_files_are_errors_from_the_beginning() {
        let options = |authorities: Vec<Vec<u8>>, identity| RegistryOptions {
            authorities,
            identity,
            ..RegistryOptions::default()
        };
        let broken = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec();
        assert!(config(&options(vec![], None), &[]).is_ok());
        assert!(config(&options(vec![broken.clone()], None), &[]).is_err());
        assert!(config(&options(vec![], Some(broken)), &[]).is_err());
    }
}
