//! A connection to an engine.

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};

use super::Endpoint;

impl Endpoint {
    /// A client for the engine that listens here, which waits so many seconds for an answer. `None` if it is reached in
    /// another way than by a socket or TCP. Whether it answers is seen at the first question.
    ///
    /// # Errors
    /// The address or the files for TLS are of no use.
    pub(crate) fn client(&self, patience: u64) -> Option<Result<Docker, Error>> {
        let host = self.host.as_str();
        let version = API_DEFAULT_VERSION;
        let scheme = host.split_once("://").map(|(scheme, _)| scheme);
        Some(match (scheme, &self.tls) {
            (Some("unix" | "npipe"), _) => Docker::connect_with_socket(host, patience, version),
            (Some("tcp" | "https"), Some(tls)) => Docker::connect_with_ssl(
                host,
                &tls.join("key.pem"),
                &tls.join("cert.pem"),
                &tls.join("ca.pem"),
                patience,
                version,
            ),
            (Some("tcp" | "http"), None) => Docker::connect_with_http(host, patience, version),
            _ => return None,
        })
    }

    /// As [`Self::client`], after agreeing on a version of the API with the engine.
    ///
    /// # Errors
    /// As there, or it does not answer.
    pub(crate) async fn connect(&self, patience: u64) -> Option<Result<Docker, Error>> {
        match self.client(patience)? {
            Ok(docker) => Some(docker.negotiate_version().await),
            Err(error) => Some(Err(error)),
        }
    }
}
