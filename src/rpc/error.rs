//! The errors of services and calls, of clients and of servers.

use crate::error::{AttachError, Failure, RingError};

/// Why a service could not be made, opened or attached to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The ring of requests, or the ring of replies, could not be made or opened.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The client, or the server, could not be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A parameter of the service is out of range.
    #[error("invalid {what}: expected {expected}, found {found}")]
    InvalidOption {
        /// Which parameter.
        what: &'static str,
        /// Which values are valid.
        expected: &'static str,
        /// The value given.
        found: String,
    },
}

/// Why a call has no response.
///
/// After [`Timeout`](CallError::Timeout), [`Disconnected`](CallError::Disconnected) and
/// [`ServerDied`](CallError::ServerDied) the call may have been carried out, or may still be
/// carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No response by the deadline.
    #[error(
        "no response by the deadline: the servers are slow, stopped, or none is there yet; the \
         call may have been carried out"
    )]
    Timeout,
    /// All servers that this client saw since it connected have detached or died.
    #[error("all servers of the service have gone; start one, and call again")]
    Disconnected,
    /// Servers that held the call died, or gave it up, as often as the service allows.
    #[error("the server died with the call in hand; it may have been carried out")]
    ServerDied,
    /// The handler returned an error: its text.
    #[error("the server reports: {0}")]
    Failed(String),
    /// The handler panicked: the panic's message. The server goes on.
    #[error("the server panicked in this call: {0}")]
    Panicked(String),
    /// The request cannot be encoded, is longer than the service's limit, or the server could
    /// not decode it; or the response cannot be decoded, or is longer than this client takes.
    #[error("{0}")]
    Invalid(String),
    /// The service is closed for good.
    #[error("the service is closed")]
    Closed,
    /// The service was removed, or replaced by another of its name. Open it again.
    #[error("the service was removed; open it again")]
    Removed,
    /// The client cannot work at all: it was inherited over `fork`, or its memory is corrupted.
    #[error(transparent)]
    Unusable(#[from] Failure),
}

/// Why a reply did not go to its caller. The server can go on. The request is finished, unless
/// the reply was [`Refused`](ReplyError::Refused).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The client has been dropped, or has died.
    #[error("the client has gone")]
    ClientGone,
    /// The client's ring of replies is full. This never happens with a client that keeps to the
    /// rules.
    #[error("the client takes no replies: its ring of replies is full")]
    NoRoom,
    /// The response is longer than the client takes. The caller gets
    /// [`CallError::Invalid`].
    #[error(
        "the response has {length} bytes, and the client takes {limit}: raise `response_limit` \
         there (memring call: --slot-size)"
    )]
    TooLong {
        /// Bytes of the response.
        length: usize,
        /// Bytes that the client takes.
        limit: usize,
    },
    /// The client's ring of replies is not open any more, and cannot be opened: this process has
    /// too many files open, or no memory. The call is given back, as if the server had died while
    /// it held the call.
    #[error("cannot open the client's ring of replies: {0}; the call is given back")]
    Refused(String),
    /// The response cannot be encoded. The caller gets [`CallError::Invalid`].
    #[error("the response cannot be encoded: {0}")]
    Encoding(String),
}
