//! Why two processes did not come together.

use std::io;

use super::address::SocketAddress;
use super::credentials::PeerCredentials;
use crate::error::{AttachError, Failure, Mismatch, RingError};

/// Why a rendezvous failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// The address cannot be that of a socket.
    #[error("invalid address {address}: {reason}; choose another")]
    InvalidAddress {
        /// The address given.
        address: SocketAddress,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another process listens there, or a file that is no socket is in the way.
    #[error("{address} is taken {by}; choose another address, or end what is there")]
    AddressInUse {
        /// The address.
        address: SocketAddress,
        /// By what.
        by: &'static str,
    },
    /// Nobody listens there.
    #[error("nobody listens at {address}: start the listener first")]
    NotListening {
        /// The address.
        address: SocketAddress,
    },
    /// An option is out of range.
    #[error("invalid {what}: expected {expected}, found {found}")]
    InvalidOption {
        /// Which.
        what: &'static str,
        /// What would do.
        expected: &'static str,
        /// What was given.
        found: usize,
    },
    /// It took too long.
    #[error("{what} in time; is the process at the other end stopped, or another program?")]
    Timeout {
        /// What did not happen.
        what: &'static str,
    },
    /// This end's policy does not admit the process at the other end.
    #[error(
        "{peer} is not admitted by this end's policy (by default: processes of the same user); \
         admit it by `Rendezvous::admit`"
    )]
    NotAdmitted {
        /// The process.
        peer: PeerCredentials,
    },
    /// The listener refused, and said why.
    #[error("the listener at the other end refused: {reason}")]
    RefusedByListener {
        /// What it said.
        reason: &'static str,
    },
    /// The two ends do not mean the same.
    #[error("{direction}: {mismatch} (expected: by this end, found: of the other)")]
    Mismatch {
        /// Of which messages, or of what both use.
        direction: &'static str,
        /// What differs: `expected` is this end's, `found` is the other's.
        mismatch: Mismatch,
    },
    /// What the other end sent is no part of a rendezvous.
    #[error(
        "the other end does not speak the protocol of a rendezvous: {what} (found {found:#x}); is \
         it another program?"
    )]
    Protocol {
        /// What was wrong.
        what: &'static str,
        /// The value found.
        found: u64,
    },
    /// The other end hung up before all was agreed.
    #[error("the other end hung up before the rendezvous was done; try again")]
    HungUp,
    /// Too many others were half connected, most of them from the process of this one.
    #[error("too many connections were half made, and this process had the most of them")]
    Crowded,
    /// The ring could not be made, or opened.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// An endpoint could not attach.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// It cannot be done in this process.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The system refused a call.
    #[error("cannot {action}: {source}")]
    Os {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl RendezvousError {
    pub(super) fn os(action: &'static str) -> impl Fn(io::Error) -> RendezvousError {
        move |source| RendezvousError::Os { action, source }
    }

    /// Whether the fault is of the other end, and not this process or its system: a listener
    /// goes on after that.
    ///
    /// Example: [`Rendezvous::new`](super::Rendezvous::new).
    pub fn is_of_peer(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::NotAdmitted { .. }
                | Self::RefusedByListener { .. }
                | Self::Mismatch { .. }
                | Self::Protocol { .. }
                | Self::HungUp
                | Self::Crowded
        )
    }
}

impl From<RendezvousError> for io::Error {
    fn from(error: RendezvousError) -> Self {
        use io::ErrorKind;
        let kind = match &error {
            RendezvousError::InvalidAddress { .. } | RendezvousError::InvalidOption { .. } => {
                ErrorKind::InvalidInput
            }
            RendezvousError::AddressInUse { .. } => ErrorKind::AddrInUse,
            RendezvousError::NotListening { .. } => ErrorKind::ConnectionRefused,
            RendezvousError::Timeout { .. } => ErrorKind::TimedOut,
            RendezvousError::NotAdmitted { .. } => ErrorKind::PermissionDenied,
            RendezvousError::RefusedByListener { .. }
            | RendezvousError::HungUp
            | RendezvousError::Crowded => ErrorKind::ConnectionAborted,
            RendezvousError::Mismatch { .. } | RendezvousError::Protocol { .. } => {
                ErrorKind::InvalidData
            }
            RendezvousError::Os { source, .. } => source.kind(),
            _ => ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
