//! Errors of the command line that only the commands themselves find, and the exit status.

use std::fmt;

use memring::RingError;
use memring::rpc::ServiceError;
use memring::uds::RendezvousError;

/// The command line is wrong: exit status 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A command could not be started.
#[derive(Debug)]
pub struct CannotStart {
    /// Which, and why.
    pub text: String,
    /// The exit status: 126, or 127 if it was not found.
    pub status: u8,
}

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CannotStart {}

/// The exit status for an error.
pub fn exit_status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<CannotStart>() {
        Some(error) => error.status,
        None if is_usage(error) => 2,
        None => 1,
    }
}

/// Whether an error is about what was asked for, and not about what came of it.
pub fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.downcast_ref().is_some_and(is_of_ring)
            || match cause.downcast_ref() {
                Some(ServiceError::Ring(error)) => is_of_ring(error),
                Some(error) => matches!(error, ServiceError::InvalidOption { .. }),
                None => false,
            }
            || match cause.downcast_ref() {
                Some(RendezvousError::Ring(error)) => is_of_ring(error),
                Some(RendezvousError::InvalidAddress { .. }) => true,
                Some(error) => matches!(error, RendezvousError::InvalidOption { .. }),
                None => false,
            }
    })
}

fn is_of_ring(error: &RingError) -> bool {
    matches!(
        error,
        RingError::InvalidName { .. } | RingError::InvalidOption { .. }
    )
}
