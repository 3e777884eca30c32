//! What creators left that were killed, and what a removed ring leaves.
//!
//! The file of locks is made before the memory and removed after it, so what has no file
//! of locks has nothing left.

use std::ffi::OsString;
use std::io;

use super::link::{self, Link, MemoryId};
use super::memory;
use super::registry::{self, Original};
use crate::sys::handle::{AsFd, BorrowedFd};
use crate::sys::system::file::{self, FileKind};

/// Gives back what the link `removed`, which has lost its name, led to. Processes that
/// have the memory and the locks open keep them. The memory of a copy is the original's.
pub(crate) fn discard(dir: BorrowedFd<'_>, removed: BorrowedFd<'_>) {
    let has_name = file::metadata(removed).is_ok_and(|facts| facts.links > 0);
    if let Ok(Some(Link {
        memory: Some(id),
        is_copy: false,
        ..
    })) = Link::read(removed)
        && !has_name
    {
        remove(dir, id);
    }
}

/// Gives back what processes left in `dir` that were killed while they made, replaced or
/// removed a ring: memory that no link leads to and no process uses. What cannot be found
/// out is left as it is.
pub(crate) fn clean_up(dir: BorrowedFd<'_>) {
    let mut candidates = lock_files(dir);
    if candidates.is_empty() {
        return;
    }
    let Ok(known) = linked(dir) else {
        return;
    };
    candidates.retain(|id| !known.contains(id));
    for id in candidates {
        // Once more with all its bytes locked: it may have been published since.
        registry::while_unused(dir, id, |locks| {
            if linked(dir).is_ok_and(|known| !known.contains(&id)) {
                match locks {
                    Original::Yes => remove(dir, id),
                    // Its maker was killed before it made anything else.
                    Original::NotYet => remove_files(dir, id),
                }
            }
        });
    }
}

/// The memory first: what is left, if this process is killed now, is found again.
fn remove(dir: BorrowedFd<'_>, id: MemoryId) {
    memory::remove(id);
    remove_files(dir, id);
}

fn remove_files(dir: BorrowedFd<'_>, id: MemoryId) {
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
///
/// # Errors
/// Those of each step: a link that cannot be read may lead to any memory.
fn linked(dir: BorrowedFd<'_>) -> io::Result<Vec<MemoryId>> {
    let names = file::names(dir)?;
    let published = names
        .iter()
        .filter(|name| link::is_published(&name.to_string_lossy()));
    let of = |name: &OsString| -> io::Result<Option<MemoryId>> {
        // A file of another kind may block, or do something when it is opened.
        if file::metadata_at(dir, name)?.kind != FileKind::Regular {
            return Ok(None);
        }
        let link = Link::read(file::open(dir, name, false)?.as_fd())?;
        Ok(link.and_then(|link| link.memory))
    };
    let mut found = Vec::new();
    for name in published {
        match of(name) {
            Ok(memory) => found.extend(memory),
            // It has gone meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
