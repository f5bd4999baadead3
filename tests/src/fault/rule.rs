//! What is broken, and when.

use std::time::Duration;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// The registry does not see it; this is the answer.
    Answer {
        /// Status.
        status: u16,
        /// Headers.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: String,
    },
    /// So many bytes of the body are taken, then this status is the answer, and the rest is not read.
    AnswerEarly {
        /// Bytes.
        after: u64,
        /// Status.
        status: u16,
    },
    /// So many bytes of the body reach the registry, then both connections break.
    CutRequest {
        /// Bytes.
        after: u64,
    },
    /// So many bytes of the answer's body reach the client, then the connection breaks.
    CutResponse {
        /// Bytes.
        after: u64,
    },
    /// The answer ends well after so many bytes, and says that this is all.
    ShortResponse {
        /// Bytes.
        after: u64,
    },
    /// A bit of the request's body is turned.
    FlipRequest {
        /// Which byte.
        at: u64,
    },
    /// A bit of the answer's body is turned.
    FlipResponse {
        /// Which byte.
        at: u64,
    },
    /// The registry has done it and the client never hears of it: the connection breaks before the answer.
    LoseAnswer,
    /// The answer comes without this header.
    DropHeader(&'static str),
    /// The answer comes with this header.
    SetHeader(&'static str, String),
    /// The registry sees the request without its query: a mount becomes an upload.
    WithoutQuery,
    /// The registry sees the request without this header: all bytes instead of a range.
    WithoutRequestHeader(&'static str),
    /// Nothing is heard after so many bytes of the answer's body, and the connection stays.
    Silence {
        /// Bytes; at 0 the status is not sent either.
        after: u64,
    },
    /// The answer's body comes in pieces of so many bytes with a millisecond between them.
    Dribble {
        /// Bytes in a piece.
        piece: usize,
    },
    /// The request waits.
    Delay(Duration),
}

/// An action with the requests that it is for.
#[derive(Debug, Clone)]
pub struct Fault {
    method: &'static str,
    path: String,
    ranged: bool,
    skip: usize,
    times: usize,
    /// What happens.
    pub(super) action: Action,
}

impl Fault {
    /// Once, for the next request of this method with this text in its path.
    #[must_use]
    pub fn once(method: &'static str, path: impl Into<String>, action: Action) -> Self {
        Self {
            method,
            path: path.into(),
            ranged: false,
            skip: 0,
            times: 1,
            action,
        }
    }

    /// So many times instead of once.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// From now on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Only after so many such requests have passed.
    #[must_use]
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Only requests with a `Range` header.
    #[must_use]
    pub fn ranged(mut self) -> Self {
        self.ranged = true;
        self
    }

    /// How often it can still strike.
    pub(super) fn left(&self) -> usize {
        self.times
    }

    /// Whether it strikes this request, which then counts.
    pub(super) fn strikes(&mut self, method: &str, path: &str, ranged: bool) -> bool {
        let meant = self.method == method && path.contains(&self.path) && (ranged || !self.ranged);
        if !meant || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.times < usize::MAX {
            self.times -= 1;
        }
        true
    }
}
