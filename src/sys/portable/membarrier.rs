//! There is no memory barrier on other cores here: rings have full fences.

use std::io;

/// Makes this process one that [`heavy`] barriers reach.
///
/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub(crate) fn register() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "expected membarrier, found the portable backend, which has none",
    ))
}

/// A barrier in every running thread of every registered process.
///
/// # Errors
/// As [`register`]: there has been no barrier.
pub(crate) fn heavy() -> io::Result<()> {
    register()
}

/// As [`heavy`], passing over no thread.
///
/// # Errors
/// As [`register`]: there has been no barrier.
pub(crate) fn thorough() -> io::Result<()> {
    register()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_none() {
        for outcome in [register(), heavy(), thorough()] {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::Unsupported);
        }
    }
}
