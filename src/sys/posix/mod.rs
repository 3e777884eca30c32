//! What every Unix has, for both backends.

pub(crate) mod file;
#[cfg(all(feature = "failpoints", debug_assertions))]
pub(crate) mod signal;
