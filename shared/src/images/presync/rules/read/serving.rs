//! What the daemon serves: the receiver of events with its secrets, and the status address.

use std::net::SocketAddr;

use super::{MISSING, Place, Reader};
use crate::finding::Code;
use crate::images::presync::rules::quantity::parse_bytes;
use crate::images::presync::rules::secret::{Secret, SecretPlace};
use crate::images::presync::rules::{Receiver, TlsFiles};
use crate::source::Fields;

impl Reader<'_> {
    pub(super) fn receiver(&mut self, fields: &mut Fields<'_>) -> Option<Receiver> {
        let item = fields.take("receiver")?;
        let mut own = item.fields("presync.receiver", self.ledger)?;
        let listen = self.address(&mut own, "listen", ([127, 0, 0, 1], 8480).into());
        let secret = self.secret(&mut own, "secret");
        let hmac = self.secret(&mut own, "hmac");
        let has_secret = own.contains("secret") || own.contains("hmac");
        let tls = self.tls(&mut own);
        let max_body = self
            .parsed(&mut own, "max_body", parse_bytes)
            .unwrap_or(1 << 20)
            .clamp(1 << 10, 64 << 20);
        let max_requests = self.bounded(&mut own, "max_requests", 20_000, 1..=1_000_000);
        if !listen.ip().is_loopback() {
            if !has_secret {
                let message = format!("{listen} can be reached from outside without a secret");
                self.ledger
                    .add(Code("presync-open-receiver"), &item.origin(), message);
            } else if tls.is_none() {
                let message =
                    format!("events and the secret cross the network to {listen} in the clear");
                self.ledger.add(
                    Code("presync-receiver-without-tls"),
                    &item.origin(),
                    message,
                );
            }
        }
        own.finish(self.ledger);
        Some(Receiver {
            listen,
            secret,
            hmac,
            tls,
            max_body,
            max_requests: u32::try_from(max_requests).unwrap_or(u32::MAX),
        })
    }

    fn tls(&mut self, fields: &mut Fields<'_>) -> Option<TlsFiles> {
        let item = fields.take("tls")?;
        let mut own = item.fields("presync.receiver.tls", self.ledger)?;
        let certificate = self.path_of(&mut own, "certificate");
        let key = self.path_of(&mut own, "key");
        own.finish(self.ledger);
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                for path in [&certificate, &key] {
                    if self.place == Place::Here
                        && let Err(error) = fs_err::metadata(path)
                    {
                        self.ledger.add(
                            Code("presync-file-missing"),
                            &item.origin(),
                            error.to_string(),
                        );
                    }
                }
                Some(TlsFiles { certificate, key })
            }
            _ => {
                let message = format!("`{}` needs `certificate` and `key`", item.path);
                self.ledger.add(MISSING, &item.origin(), message);
                None
            }
        }
    }

    pub(super) fn status(&mut self, fields: &mut Fields<'_>) -> Option<SocketAddr> {
        let default = ([127, 0, 0, 1], 8481).into();
        let Some(item) = fields.take("status") else {
            return Some(default);
        };
        let mut own = item.fields("presync.status", self.ledger)?;
        let off = own
            .boolean("enabled", self.ledger)
            .is_some_and(|enabled| !enabled.value);
        let listen = self.address(&mut own, "listen", default);
        own.finish(self.ledger);
        (!off).then_some(listen)
    }

    fn secret(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<Secret> {
        let item = fields.take(key)?;
        if item.node.as_mapping().is_none() {
            let message = format!("`{}` has to name a file or a variable", item.path);
            self.ledger
                .add(Code("presync-literal-secret"), &item.origin(), message);
            return None;
        }
        let mut own = item.fields(format!("presync.receiver.{key}"), self.ledger)?;
        let file = self.path_of(&mut own, "file");
        let variable = own.text("env", self.ledger);
        own.finish(self.ledger);
        let place = match (file, variable) {
            (Some(file), None) => SecretPlace::File(file),
            (None, Some(variable)) => SecretPlace::Variable(variable.value),
            _ => {
                let message = format!("`{}` needs either `file` or `env`", item.path);
                self.ledger.add(MISSING, &item.origin(), message);
                return None;
            }
        };
        if self.place == Place::Elsewhere {
            return Some(Secret::unread(place));
        }
        match Secret::read(place) {
            Ok(secret) => Some(secret),
            Err(message) => {
                self.ledger
                    .add(Code("presync-secret-unreadable"), &item.origin(), message);
                None
            }
        }
    }
}
