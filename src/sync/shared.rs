//! An open region of shared objects: its parts, its members, and what it does for members
//! that died.

use std::io;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as PrivateWord, Ordering};

use super::layout::{
    ENTRY_WORDS, Part, PartEntry, PartKind, RegionPlan, SLOTS_OFFSET, SyncHeader, cell_offset,
};
use super::memory;
use super::word::Holders;
use super::word::lock::LockWord;
use super::word::once::OnceWord;
use super::word::rwlock::{Cells, RwHead, RwWord};
use super::word::semaphore::Permits;
use crate::error::{Corruption, Failure, LockOwner, Mismatch, RingError};
use crate::members::{
    Admits, Attached, Liveness, MemberId, MemberSet, Members, Peer, Recover, Refusal, Role, Table,
};
use crate::shm::layout::TABLE_ENTRIES;
use crate::shm::{Region, mismatch, register_barrier};
use crate::sys::atomic::{AtomicU64, Fences};
use crate::sys::clock::MonotonicTime;
use crate::wait::WaitWord;
use crate::wait::parker::Parker;

/// A region with shared objects in it, in which this handle has no id yet.
///
/// V9: the parts were checked against the region.
pub(super) struct SharedState {
    region: Region,
    parts: Vec<Part>,
    roles: [Role; 1],
    fences: Fences,
}

impl SharedState {
    /// The objects that were just made in `region`, by `plan`.
    pub(super) fn made(region: Region, plan: RegionPlan, fences: Fences) -> SharedState {
        SharedState {
            region,
            parts: plan.parts,
            roles: [Role {
                index: 0,
                first: 1,
                end: plan.handles + 1,
            }],
            fences,
        }
    }

    /// The objects in a region that was opened: its directory is copied once, and checked.
    pub(super) fn opened(
        region: Region,
        header: SyncHeader,
        fences: Fences,
    ) -> Result<SharedState, RingError> {
        let words = memory::copy_out(
            &region,
            crate::shm::layout::DATA_OFFSET,
            header.parts as usize * ENTRY_WORDS,
        );
        let directory: &[PartEntry] = bytemuck::cast_slice(&words);
        let plan = RegionPlan::of(&header, region.size(), directory)
            .map_err(|wrong| mismatch(&region.path().map(Into::into), wrong))?;
        Ok(SharedState::made(region, plan, fences))
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.region.path().map(Into::into)
    }

    fn members(&self) -> Members<'_, SharedState, Region, SharedState> {
        Members {
            table: self,
            liveness: &self.region,
            recover: self,
        }
    }

    fn parker(&self) -> Parker {
        Parker(self.fences)
    }

    /// Takes an id: from now on this handle is a member.
    pub(super) fn attach(self) -> Result<Arc<Shared>, RingError> {
        self.region.check()?;
        if self.fences == Fences::Membarrier {
            // A registration does not outlive `exec`.
            register_barrier()?;
        }
        let path = self.path();
        let members = self.members();
        let attached = members.attach(self.roles[0], Admits::Many, std::process::id());
        let attached = attached.map_err(|refusal| match refusal {
            Refusal::Lock(source) => RingError::Os {
                action: "lock",
                path,
                source,
            },
            Refusal::Occupied { .. } | Refusal::Full { .. } => RingError::TooManyHandles {
                path,
                limit: self.roles[0].ids().len(),
            },
        })?;
        // RW12: what the member that had this id before has left, whether or not others
        // have recovered the rest.
        self.clear_cells(attached.id);
        Ok(Arc::new(Shared {
            state: self,
            attached,
        }))
    }

    /// RW12, of all reader-writer locks: the member of this id, which is ours, counts for
    /// no reader.
    fn clear_cells(&self, id: MemberId) {
        let locks = self.parts.iter();
        for part in locks.filter(|part| part.kind == PartKind::RwLock) {
            RwWord(&self.rwlock(part)).clear_cell(id, &self.parker());
        }
    }

    fn rwlock<'a>(&'a self, part: &'a Part) -> RwLockPart<'a> {
        RwLockPart { state: self, part }
    }

    fn permits(&self, part: &Part) -> Permits<'_> {
        let slots = part.offset + SLOTS_OFFSET;
        Permits {
            event: memory::half_word(&self.region, part.offset),
            // At most 4096: it was checked.
            slots: memory::words(&self.region, slots, part.parameter as usize),
        }
    }
}

/// An open region of shared objects, of which this handle is a member.
///
/// Clones of a handle share it, and with it one id: the threads of a process exclude each
/// other by the words alone.
pub(crate) struct Shared {
    state: SharedState,
    attached: Attached,
}

impl Shared {
    #[inline(always)]
    pub(super) fn region(&self) -> &Region {
        &self.state.region
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.state.parts
    }

    /// The largest id of a member; the smallest is 1.
    pub(super) fn last_id(&self) -> u16 {
        self.state.roles[0].end - 1
    }

    /// The member that this handle is.
    #[inline(always)]
    pub(super) fn id(&self) -> MemberId {
        self.attached.id
    }

    pub(super) fn parker(&self) -> Parker {
        self.state.parker()
    }

    /// A descriptor to pass on.
    #[cfg(unix)]
    pub(super) fn share_fd(&self) -> Result<BorrowedFd<'_>, RingError> {
        self.region().share()
    }

    /// The handles that are open, and those of dead processes that nobody has cleaned up
    /// after.
    pub(super) fn handles(&self) -> Vec<Peer> {
        match self.region().is_mapped() {
            true => self.state.members().list(self.state.roles[0]),
            false => Vec::new(),
        }
    }

    /// What is shown of the member of this id.
    pub(super) fn owner(&self, id: MemberId) -> LockOwner {
        // Relaxed: for display only.
        let pid = self.region().pid(id).load(Ordering::Relaxed);
        LockOwner {
            id: id.0,
            pid: pid as u32,
        }
    }

    /// Takes the lock byte of the writer of part `index`; `false`: another handle has it.
    pub(super) fn lock_writer(&self, index: usize) -> Result<bool, io::Error> {
        self.region().try_lock(writer_byte(index))
    }

    pub(super) fn unlock_writer(&self, index: usize) {
        self.region().unlock(writer_byte(index));
    }

    /// Whether a handle holds the lock byte of the writer of part `index`.
    pub(super) fn has_writer(&self, index: usize) -> Result<bool, Failure> {
        let has = self.region().is_alive(writer_byte(index));
        self.region().check_descriptor()?;
        Ok(has)
    }

    /// The error of a part that is not what was asked for.
    pub(super) fn wrong(&self, wrong: Mismatch) -> RingError {
        mismatch(&self.state.path(), wrong)
    }
}

/// A reader-writer lock, of which there need not be a handle.
struct RwLockPart<'a> {
    state: &'a SharedState,
    part: &'a Part,
}

impl Cells for RwLockPart<'_> {
    fn head(&self) -> &RwHead {
        memory::rw_head(&self.state.region, self.part.offset)
    }

    fn cell(&self, id: MemberId) -> &AtomicU64 {
        memory::word(&self.state.region, self.part.offset + cell_offset(id))
    }

    fn last_id(&self) -> u16 {
        self.state.roles[0].end - 1
    }
}

/// How long a failing call that does not wait believes that a holder lives, in nanoseconds.
const PROBE_INTERVAL: u64 = 100_000_000;

/// L11: whether it is time to ask whether a holder is alive; `again`: when it is, by the
/// coarse clock.
pub(super) fn may_probe(again: &PrivateWord) -> bool {
    let now = MonotonicTime::coarse().as_nanos();
    // Relaxed: a probe too many does no harm.
    let due = again.load(Ordering::Relaxed) <= now;
    if due {
        again.store(now.saturating_add(PROBE_INTERVAL), Ordering::Relaxed);
    }
    due
}

/// The lock byte of the one writer of part `index`: behind those of the ids.
fn writer_byte(index: usize) -> MemberId {
    // At most 1024 parts.
    MemberId((TABLE_ENTRIES + index) as u16)
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = &self.state;
        match state.region.check() {
            // The parent's entry, lock and memory.
            Err(Failure::Forked) => {}
            check => {
                if check.is_ok() {
                    // What leaked guards hold, while the id is still ours (L8, RW12).
                    state.clear_cells(self.attached.id);
                    state.recover(&mut MemberSet::only(self.attached.id), |_| true);
                }
                state.members().detach(&self.attached, check.is_ok());
            }
        }
    }
}

impl Table for SharedState {
    fn roles(&self) -> &[Role] {
        &self.roles
    }

    fn entry(&self, id: MemberId) -> &AtomicU64 {
        self.region.entry(id)
    }

    fn pid(&self, id: MemberId) -> &AtomicU64 {
        self.region.pid(id)
    }

    fn epoch(&self, role: Role) -> &AtomicU64 {
        self.region.epoch(role.index)
    }
}

impl Recover for SharedState {
    /// The recovery of each part, one after the other (L8, L9).
    fn recover(&self, dead: &mut MemberSet, mut is_dead: impl FnMut(MemberId) -> bool) {
        let parker = self.parker();
        for part in &self.parts {
            match part.kind {
                PartKind::Mutex => {
                    let word = LockWord(memory::word(&self.region, part.offset));
                    word.recover(dead, &mut is_dead, &parker);
                }
                PartKind::RwLock => {
                    let lock = self.rwlock(part);
                    RwWord(&lock).recover(dead, &mut is_dead, &parker);
                }
                PartKind::Semaphore => {
                    self.permits(part).recover(dead, &mut is_dead, &parker);
                }
                PartKind::Once => {
                    let word = OnceWord(memory::word(&self.region, part.offset));
                    word.recover(dead, &mut is_dead, &parker);
                }
                PartKind::Barrier => {
                    let words = memory::barrier(&self.region, part);
                    words.recover(dead, &mut is_dead, &parker);
                }
                // Nobody holds one, and a dead writer has left nothing (LA4).
                PartKind::Condvar | PartKind::Latest | PartKind::Counter => {}
            }
        }
    }

    /// Of a lock each waiter was woken with its recovery. Others wait for members to come
    /// and go at the wait word of the role.
    fn wake_all(&self) {
        WaitWord(self.region.wait_word(0)).notify_all(&self.parker());
    }
}

impl Holders for Shared {
    fn me(&self) -> MemberId {
        self.attached.id
    }

    fn may_hold(&self, id: MemberId) -> bool {
        self.state.roles[0].ids().contains(&id.0)
    }

    fn is_dead(&self, id: MemberId) -> Result<bool, Failure> {
        let is_dead = !self.region().is_alive(id);
        self.region().check_descriptor()?;
        Ok(is_dead)
    }

    fn corrupted(&self, found: Corruption) -> Failure {
        self.region().poison(found)
    }
}
