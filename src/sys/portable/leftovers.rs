//! What creators left that were killed, and what a removed ring leaves.
//!
//! The file of locks is made before the memory and removed after it, so what has no file
//! of locks has nothing left.

use std::ffi::OsString;

use super::link::{self, Link, MemoryId};
use super::{memory, registry};
use crate::sys::handle::{AsFd, BorrowedFd};
use crate::sys::system::file::{self, FileKind};

/// Gives back what the link `removed`, which has lost its name, led to. Processes that
/// have the memory and the locks open keep them.
pub(crate) fn discard(dir: BorrowedFd<'_>, removed: BorrowedFd<'_>) {
    let has_name = file::metadata(removed).is_ok_and(|facts| facts.links > 0);
    if let Ok(Some(Link {
        memory: Some(id), ..
    })) = Link::read(removed)
        && !has_name
    {
        remove(dir, id);
    }
}

/// Gives back what processes left in `dir` that were killed while they made, replaced or
/// removed a ring: memory that no link leads to and no process uses.
pub(crate) fn clean_up(dir: BorrowedFd<'_>) {
    let mut candidates = lock_files(dir);
    if candidates.is_empty() {
        return;
    }
    let known = linked(dir);
    candidates.retain(|id| !known.contains(id));
    for id in candidates {
        // Once more with all its bytes locked: it may have been published since.
        registry::while_unused(dir, id, || {
            if !linked(dir).contains(&id) {
                remove(dir, id);
            }
        });
    }
}

/// The memory first: what is left, if this process is killed now, is found again.
fn remove(dir: BorrowedFd<'_>, id: MemoryId) {
    memory::remove(id);
    let _ = file::unlink(dir, &id.part_name());
    let _ = file::unlink(dir, &id.lock_name());
}

/// The memory of all files of locks in `dir`.
fn lock_files(dir: BorrowedFd<'_>) -> Vec<MemoryId> {
    let names = file::names(dir).unwrap_or_default();
    let of = |name: &OsString| MemoryId::of_lock_name(name.to_str()?);
    names.iter().filter_map(of).collect()
}

/// The memory that published links in `dir` lead to.
fn linked(dir: BorrowedFd<'_>) -> Vec<MemoryId> {
    let names = file::names(dir).unwrap_or_default();
    let published = names
        .iter()
        .filter(|name| link::is_published(&name.to_string_lossy()));
    let of = |name: &OsString| {
        // A file of another kind may block, or do something when it is opened.
        let facts = file::metadata_at(dir, name).ok()?;
        if facts.kind != FileKind::Regular {
            return None;
        }
        let link = file::open(dir, name, false).ok()?;
        Link::read(link.as_fd()).ok()??.memory
    };
    published.filter_map(of).collect()
}
