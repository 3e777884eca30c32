//! Inspecting shared objects without opening them.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::builder::accept;
use super::layout::{Part, PartKind};
use super::memory;
use super::shared::SharedState;
use super::word::{lock, rwlock};
use crate::error::{LockOwner, RingError};
use crate::members::{Liveness, Peer};
use crate::shm::{RegionPath, open};

/// What [`inspect`] finds out about a file of shared objects, with any values.
///
/// ```
/// use memring::sync::{self, Group};
///
/// # let name = &format!("doc-sync-inspection-{}", std::process::id());
/// let group = Group::builder().mutex::<u64>("total", 0).condvar("changed").create(name)?;
/// let seen = sync::inspect(name)?;
/// assert!(seen.is_group() && seen.in_use);
/// assert_eq!((seen.parts[0].name.as_str(), seen.parts[0].kind), ("total", "mutex"));
/// assert_eq!(seen.handles[0].pid, std::process::id());
/// # memring::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedInspection {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it: one part, or those of a [`Group`](super::Group).
    pub parts: Vec<PartInspection>,
    /// The user's tag.
    pub schema: u64,
    /// The most handles that may be open at a time.
    pub max_handles: usize,
    /// The handles that are open, and those of dead processes that no process has cleaned up yet.
    pub handles: Vec<Peer>,
    /// Whether any process has it open.
    pub in_use: bool,
    /// Bytes of the file.
    pub file_size: u64,
}

impl SharedInspection {
    /// Whether it was made as a [`Group`](super::Group): its parts have names.
    pub fn is_group(&self) -> bool {
        !matches!(&self.parts[..], [only] if only.name.is_empty())
    }
}

/// What [`inspect`] finds out about one shared object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartInspection {
    /// Its name in its group, which its maker chose. The name of an object that is a file of its
    /// own is empty.
    pub name: String,
    /// What it is: `mutex`, `reader-writer lock`, `condition variable`, `semaphore`,
    /// `barrier`, `once`, `latest value`, `counter`.
    pub kind: &'static str,
    /// Bytes of its value; 0: it has none.
    pub size: usize,
    /// For a mutex, and for a reader-writer lock that is held for writing: which handle holds the
    /// lock.
    pub holder: Option<LockOwner>,
    /// For these two: whether the next holder gets the lock poisoned.
    pub poisoned: bool,
}

/// Inspects shared objects of any kinds and values, without opening them and without write
/// access. The file may belong to another user, if this process may read it. Its owner can then
/// truncate it, which ends this process with SIGBUS.
///
/// ```
/// use memring::sync::{self, Mutex};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-sync-inspect-{}", std::process::id());
/// let mutex = Mutex::create(name, 17_u64)?;
/// let guard = mutex.lock().map_err(|error| error.without_guard())?;
/// let seen = sync::inspect(name)?;
/// assert_eq!((seen.parts[0].kind, seen.parts[0].size), ("mutex", 8));
/// assert_eq!(seen.parts[0].holder.map(|holder| holder.pid), Some(std::process::id()));
/// # drop(guard);
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`ObjectBuilder::open`](super::ObjectBuilder::open), without the mismatches of parts
/// and tag: [`RingError::Mismatch`] with [`Mismatch::Object`](crate::Mismatch::Object) if the
/// file is a ring.
pub fn inspect(name: impl AsRef<Path>) -> Result<SharedInspection, RingError> {
    let at = RegionPath::existing(name.as_ref())?;
    let (region, (header, fences)) = open::observe(&at, accept)?;
    let file_size = region.file_size()?;
    let in_use = region.is_in_use();
    let state = SharedState::opened(region, header, fences)?;
    Ok(SharedInspection {
        path: at.path,
        parts: state
            .parts()
            .iter()
            .map(|part| state.look_at(part))
            .collect(),
        schema: state.parts().first().map_or(0, |part| part.schema),
        max_handles: header.handles as usize,
        handles: state.handles(),
        in_use,
        file_size,
    })
}

impl SharedState {
    fn look_at(&self, part: &Part) -> PartInspection {
        // Acquire: pairs with the swap in `unlock`; a look that may be late.
        let word = || memory::word(self.region(), part.offset).load(Ordering::Acquire);
        let (owner, is_poisoned, is_poisoned_by_death) = match part.kind {
            PartKind::Mutex => {
                let word = word();
                (lock::owner(word), word & lock::POISONED != 0, true)
            }
            PartKind::RwLock => {
                let word = word();
                let after = rwlock::freed(word) & rwlock::POISONED != 0;
                (rwlock::owner(word), word & rwlock::POISONED != 0, after)
            }
            _ => (None, false, false),
        };
        let owner = owner.filter(|id| self.may_hold(*id));
        let is_alive = owner.is_some_and(|id| self.region().is_alive(id));
        PartInspection {
            name: part.name.clone(),
            kind: part.kind.name(),
            size: part.size,
            holder: owner.filter(|_| is_alive).map(|id| self.owner(id)),
            poisoned: is_poisoned || owner.is_some() && !is_alive && is_poisoned_by_death,
        }
    }
}
