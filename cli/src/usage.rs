//! Errors of the command line that only the commands themselves find.

use std::fmt;

use memring::RingError;

/// The command line is wrong: exit status 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Whether an error is about what was asked for, and not about what came of it.
pub fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Usage>()
            || matches!(
                cause.downcast_ref(),
                Some(RingError::InvalidName { .. } | RingError::InvalidOption { .. })
            )
    })
}
