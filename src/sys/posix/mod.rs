//! What every Unix has, for both backends.

pub(crate) mod atfork;
pub(crate) mod fcntl;
pub(crate) mod file;
#[cfg(all(feature = "failpoints", debug_assertions))]
pub(crate) mod signal;
