//! Bytes by whose locks processes tell each other that they live.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::handle::Unusable;

/// What came of asking for an exclusive lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It is ours now.
    Taken,
    /// This description holds the byte already, exclusively or shared.
    HeldHere,
    /// Another description holds the byte, in whichever way.
    HeldElsewhere,
}

/// Bytes that can be locked, from 0 on: one for each id, and one for each writer of a shared
/// value.
pub(crate) const LOCK_BYTES: u64 = 2048;

/// A set of bytes, which can be looked at without a lock.
#[derive(Debug)]
pub(crate) struct ByteSet([AtomicU64; (LOCK_BYTES / 64) as usize]);

impl ByteSet {
    /// The empty set.
    pub(crate) const fn new() -> Self {
        ByteSet([const { AtomicU64::new(0) }; (LOCK_BYTES / 64) as usize])
    }

    fn word(&self, byte: u64) -> Option<(&AtomicU64, u64)> {
        let word = self.0.get(usize::try_from(byte / 64).ok()?)?;
        Some((word, 1 << (byte % 64)))
    }

    /// Whether a byte is in it.
    ///
    /// SeqCst here and below: the looks of one thread and the changes of another come in
    /// an order that the system calls around them fit into.
    pub(crate) fn has(&self, byte: u64) -> bool {
        self.word(byte)
            .is_some_and(|(word, bit)| word.load(Ordering::SeqCst) & bit != 0)
    }

    /// Puts a byte in; one that cannot be locked is not put in.
    pub(crate) fn insert(&self, byte: u64) {
        if let Some((word, bit)) = self.word(byte) {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    /// Takes a byte out.
    pub(crate) fn remove(&self, byte: u64) {
        if let Some((word, bit)) = self.word(byte) {
            word.fetch_and(!bit, Ordering::SeqCst);
        }
    }

    /// Whether there is none in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::SeqCst) == 0)
    }
}

/// Why it could not be found out whether a byte is held.
#[derive(Debug)]
pub(crate) enum ProbeError {
    /// The descriptor is of no use any more.
    Unusable(Unusable),
    /// The system refused the call.
    System,
}

impl From<Unusable> for ProbeError {
    fn from(reason: Unusable) -> ProbeError {
        ProbeError::Unusable(reason)
    }
}

/// Makes sure that a byte is one that can be locked.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`].
pub(crate) fn check_byte(byte: u64) -> io::Result<()> {
    if byte < LOCK_BYTES {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("expected the offset of a lock below {LOCK_BYTES}, found {byte}"),
    ))
}
