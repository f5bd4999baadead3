//! A connection of our own to a target, for questions: starting its tool takes longer than an answer, and where a program
//! gives the credentials, the tool starts that one each time as well. What is not answered here is asked by the tool, in
//! whose words people know what went wrong.

use std::cell::OnceCell;
use std::fmt::Display;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// An answer that takes longer is left to the tool, which waits as its user has told it to.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A client, made at the first question, and what drives it.
pub(super) struct Connection<Client>(OnceCell<Option<Driven<Client>>>);

struct Driven<Client> {
    client: Client,
    /// Its own, since targets are asked from within one and from without.
    runtime: Option<Runtime>,
}

impl<Client> Drop for Driven<Client> {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for its end is forbidden where a target is dropped within another one.
            runtime.shutdown_background();
        }
    }
}

impl<Client> Default for Connection<Client> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

/// A connection is no part of what a target is.
impl<Client> PartialEq for Connection<Client> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<Client> Eq for Connection<Client> {}

impl<Client> Clone for Connection<Client> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<Client> std::fmt::Debug for Connection<Client> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Connection")
    }
}

impl<Client> Connection<Client> {
    /// The answer to a question; `None` if the tool has to be asked. `connect` makes the client.
    pub(super) fn ask<Answer, Error: Display>(
        &self,
        connect: impl AsyncFnOnce() -> Result<Client, String>,
        question: impl AsyncFnOnce(&Client) -> Result<Answer, Error>,
    ) -> Option<Answer> {
        let connected = || Driven::new(connect).map_err(left_to_the_tool).ok();
        let driven = self.0.get_or_init(|| blocking(connected)).as_ref()?;
        let runtime = driven.runtime.as_ref()?;
        let answer = async { tokio::time::timeout(PATIENCE, question(&driven.client)).await };
        let answer = match blocking(|| runtime.block_on(answer)) {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        };
        answer.map_err(left_to_the_tool).ok()
    }
}

impl<Client> Driven<Client> {
    fn new(connect: impl AsyncFnOnce() -> Result<Client, String>) -> Result<Self, String> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let client = runtime.block_on(connect())?;
        Ok(Self {
            client,
            runtime: Some(runtime),
        })
    }
}

/// Blocks, also within a runtime, which is one of several threads then.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(_) => tokio::task::block_in_place(work),
        Err(_) => work(),
    }
}

fn left_to_the_tool(reason: String) {
    tracing::debug!(reason, "the target's own tool is asked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_is_left_to_the_tool() {
        let connection: Connection<u32> = Connection::default();
        let ask = |answer: Result<u32, &'static str>| {
            connection.ask(async || Ok(1), async |client| answer.map(|n| n + client))
        };
        assert_eq!(ask(Ok(1)), Some(2));
        assert_eq!(ask(Err("forbidden")), None);
        assert_eq!(ask(Ok(2)), Some(3), "the next question may be answered");
    }

    #[test]
    fn without_a_connection_the_tool_is_asked() {
        let connection: Connection<u32> = Connection::default();
        let answer = connection.ask(
            async || Err("no kubeconfig".to_owned()),
            async |client| Ok::<_, String>(*client),
        );
        assert_eq!(answer, None);
    }

    #[test]
    fn it_can_be_asked_and_dropped_within_a_runtime() {
        let runtime = Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async {
            let connection: Connection<u32> = Connection::default();
            let answer = connection.ask(async || Ok(1), async |client| Ok::<_, String>(*client));
            assert_eq!(answer, Some(1));
        });
    }
}
