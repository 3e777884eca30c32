//! What bridges keep in files: in `.bridge`, in the directory of the ring.
//!
//! A journal is appended to, one record at a time, and written afresh beside itself when it
//! has grown. What was appended survives the death of the process, however that comes: it is
//! in the page cache. Nothing is synced to a disk, so a power loss is another matter.

mod file;
mod record;

pub use file::{Journal, Role, random};
pub use record::Record;

use std::io;

/// Where records go. The one of bridges is [`Journal`]; tests have one that dies.
pub trait Store {
    /// Appends a record. It is there for the next bridge when this returns.
    ///
    /// # Errors
    /// Of the file system.
    fn append(&mut self, record: Record) -> io::Result<()>;

    /// Notes how many messages of the last [`Record::Intent`] are put.
    ///
    /// # Errors
    /// Of the file system.
    fn note_progress(&mut self, count: u32) -> io::Result<()>;

    /// Whether there are so many records that a snapshot is due.
    fn is_long(&self) -> bool;

    /// Replaces all records by these.
    ///
    /// # Errors
    /// Of the file system.
    fn replace(&mut self, records: &[Record]) -> io::Result<()>;
}
