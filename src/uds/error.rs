//! The errors of a rendezvous.

use std::io;

use super::address::SocketAddress;
use super::credentials::PeerCredentials;
use crate::error::{AttachError, Failure, Mismatch, RingError};

/// Why a rendezvous failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// The address is not valid for a socket.
    #[error("invalid address {address}: {reason}; choose another")]
    InvalidAddress {
        /// The address given.
        address: SocketAddress,
        /// What is wrong with the address.
        reason: &'static str,
    },
    /// Another process listens at the address, or the path is a file that is not a socket.
    #[error("{address} is taken {by}; choose another address, or end what is there")]
    AddressInUse {
        /// The address.
        address: SocketAddress,
        /// What has the address.
        by: &'static str,
    },
    /// No process listens at the address.
    #[error("nobody listens at {address}: start the listener first")]
    NotListening {
        /// The address.
        address: SocketAddress,
    },
    /// An option is out of range.
    #[error("invalid {what}: expected {expected}, found {found}")]
    InvalidOption {
        /// Which option.
        what: &'static str,
        /// Which values are valid.
        expected: &'static str,
        /// The value given.
        found: usize,
    },
    /// The rendezvous took too long.
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
    /// The listener refused, and gave a reason.
    #[error("the listener at the other end refused: {reason}")]
    RefusedByListener {
        /// The reason that the listener gave.
        reason: &'static str,
    },
    /// The two ends do not agree.
    #[error("{direction}: {mismatch} (expected: by this end, found: of the other)")]
    Mismatch {
        /// Which direction the error is about, or that it is about both.
        direction: &'static str,
        /// What differs: `expected` is this end's value, `found` is that of the other end.
        mismatch: Mismatch,
    },
    /// The bytes that the other end sent are not part of a rendezvous.
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
    /// The other end hung up before the rendezvous was done.
    #[error("the other end hung up before the rendezvous was done; try again")]
    HungUp,
    /// Too many connections were half made, and this process had the most of them.
    #[error("too many connections were half made, and this process had the most of them")]
    Crowded,
    /// The ring could not be made, or opened.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// An endpoint could not attach.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The operation is not possible in this process.
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

    /// Whether the other end is at fault, and not this process or its system. A listener goes on
    /// after such an error.
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
