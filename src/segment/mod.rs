//! A ring's memory and the file behind it: created whole, published under a
//! name in one step, opened only after it has been checked.

#![allow(unsafe_code)]

pub(crate) mod create;
pub(crate) mod open;
pub(crate) mod place;
pub(crate) mod remove;
pub(crate) mod terms;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Corruption, Failure, RingError};
use crate::message::Message;
use crate::ring::Impossible;
use crate::ring::memory::{Block, View};
use crate::segment::terms::Terms;
use crate::sys::atomic::Fences;
use crate::sys::fork::Sentinel;
use crate::sys::lock::LockFile;
use crate::sys::map::Mapping;
use crate::sys::{file, membarrier};

/// A wish about memory that the system did not grant. The ring works without.
#[derive(Debug, thiserror::Error)]
#[error("{what} not granted: {source}")]
#[non_exhaustive]
pub struct Warning {
    /// What was asked for.
    pub what: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// What to ask of the system about the memory of a ring.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub huge_pages: bool,
    pub prefault: bool,
    pub lock_memory: bool,
}

/// Third state of the sentinel beside usable and forked.
const CORRUPTED: u32 = 2;

/// An open ring: mapping, locks, terms.
///
/// S1: `block` is in the mapping, which lives as long as `self` and is as long
/// as `terms` say; the terms are private and were checked against the file.
pub(crate) struct Segment {
    // Before the locks, so that it goes first: a mapping pins its locks.
    mapping: Mapping,
    pub(crate) locks: LockFile,
    pub(crate) terms: Terms,
    path: Option<PathBuf>,
    /// A descriptor without locks, to pass on.
    share: OnceLock<OwnedFd>,
    sentinel: Sentinel,
    corruption: OnceLock<Corruption>,
    warnings: Vec<Warning>,
}

impl Segment {
    /// Puts the parts together. `locks` is of a file whose size is at least
    /// what `terms` say, by the caller's check. Without wishes it is only to be
    /// looked at: mapped for reading.
    fn assemble(
        locks: LockFile,
        terms: Terms,
        path: Option<PathBuf>,
        share: Option<OwnedFd>,
        wishes: Option<Wishes>,
    ) -> Result<Segment, RingError> {
        let os = |action| open::os_error(action, &path);
        let size = terms
            .slot()
            .segment_size(terms.capacity)
            .expect("terms are only made of sizes that fit");
        let map = if wishes.is_some() {
            Mapping::shared
        } else {
            Mapping::read_only
        };
        let mapping = locks
            .as_fd()
            .and_then(|fd| map(fd, size as usize))
            .map_err(os("map"))?;
        debug_assert_eq!(mapping.len() as u64, size, "S1");
        let sentinel = Sentinel::new().map_err(os("make a fork sentinel for"))?;
        if wishes.is_some() && terms.fences == Fences::Membarrier {
            register_barrier()?;
        }
        let wishes = wishes.unwrap_or_default();
        let mut warnings = Vec::new();
        for (wanted, what, grant) in [
            (
                wishes.huge_pages,
                "huge pages",
                Mapping::huge_pages as fn(&Mapping) -> _,
            ),
            (wishes.prefault, "prefaulting", Mapping::prefault),
            (wishes.lock_memory, "memory lock", Mapping::lock_memory),
        ] {
            if wanted && let Err(source) = grant(&mapping) {
                warnings.push(Warning { what, source });
            }
        }
        Ok(Segment {
            mapping,
            locks,
            terms,
            path,
            share: share.map(OnceLock::from).unwrap_or_default(),
            sentinel,
            corruption: OnceLock::new(),
            warnings,
        })
    }

    /// The ring's memory, whatever its messages.
    ///
    /// The caller keeps the segment alive as long as it uses the block: every
    /// endpoint and handle holds an `Arc` of it.
    pub(crate) fn block(&self) -> Block {
        // SAFETY: V1 by S1; a mapping begins on a page boundary.
        unsafe {
            Block::new(
                self.mapping.as_ptr().as_ptr(),
                self.terms.geometry(),
                self.terms.slot(),
                self.terms.fences,
            )
        }
    }

    /// The ring's memory with messages `T`; as for [`Segment::block`].
    pub(crate) fn view<T: Message + ?Sized>(&self) -> View<T> {
        // SAFETY: V3: `terms` were checked against `T::FIXED` when the ring
        // was opened as one of `T`, and the slot layout follows from them.
        unsafe { View::new(self.block(), self.terms.message_limit()) }
    }

    /// Is this handle good? One relaxed load.
    #[inline(always)]
    pub(crate) fn is_usable(&self) -> bool {
        self.sentinel.get() == Sentinel::USABLE
    }

    /// Is the memory there? In a forked child it is not.
    #[inline(always)]
    pub(crate) fn is_mapped(&self) -> bool {
        self.sentinel.get() != Sentinel::FORKED
    }

    /// Why this handle is not good, if it is not.
    #[cold]
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.sentinel.get() {
            Sentinel::USABLE => Ok(()),
            Sentinel::FORKED => Err(Failure::Forked),
            _ => Err(Failure::Corrupted(*self.corruption.get_or_init(|| {
                Corruption {
                    what: "value",
                    position: 0,
                    found: 0,
                }
            }))),
        }
    }

    /// Refuses all work from now on: a peer broke the rules.
    #[cold]
    pub(crate) fn poison(&self, found: Impossible) -> Failure {
        let corruption = self.corruption.get_or_init(|| Corruption {
            what: found.what,
            position: found.position,
            found: found.found,
        });
        self.sentinel.set(CORRUPTED);
        Failure::Corrupted(*corruption)
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A descriptor to pass on: its open file description holds no locks.
    pub(crate) fn share(&self) -> Result<BorrowedFd<'_>, RingError> {
        // A forked child passes on what its parent had; nobody passes on what
        // is corrupted.
        if let Err(failure @ Failure::Corrupted(_)) = self.check() {
            return Err(failure.into());
        }
        if let Some(fd) = self.share.get() {
            return Ok(fd.as_fd());
        }
        self.check()?;
        let fd = self
            .locks
            .as_fd()
            .and_then(|fd| file::reopen(fd, true))
            .map_err(|source| RingError::Os {
                action: "reopen",
                path: self.path.clone(),
                source,
            })?;
        Ok(self.share.get_or_init(|| fd).as_fd())
    }
}

/// Registers this process for `membarrier`, which rings with it require of
/// everybody: a process that is not registered would miss its barriers.
pub(crate) fn register_barrier() -> Result<(), RingError> {
    membarrier::register().map_err(|_| RingError::Unsupported {
        what: "membarrier (global expedited), which this ring was made for",
        remedy: "make the ring with FenceMode::Fence",
    })
}
