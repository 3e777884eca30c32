//! An open region of shared objects: its parts, its members, and what it does for members
//! that died.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::layout::{ENTRY_WORDS, Part, PartEntry, PartKind, RegionPlan, SyncHeader};
use super::memory;
use super::word::Holders;
use super::word::lock::LockWord;
use super::word::once::OnceWord;
use crate::error::{Corruption, Failure, LockOwner, Mismatch, RingError};
use crate::members::{
    Admits, Attached, Liveness, MemberId, MemberSet, Members, Peer, Recover, Refusal, Role, Table,
};
use crate::shm::{Region, mismatch, register_barrier};
use crate::sys::atomic::{AtomicU64, Fences};
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
        Ok(Arc::new(Shared {
            state: self,
            attached,
        }))
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

    /// The member that this handle is.
    #[inline(always)]
    pub(super) fn id(&self) -> MemberId {
        self.attached.id
    }

    pub(super) fn parker(&self) -> Parker {
        self.state.parker()
    }

    /// A descriptor to pass on.
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

    /// The error of a part that is not what was asked for.
    pub(super) fn wrong(&self, wrong: Mismatch) -> RingError {
        mismatch(&self.state.path(), wrong)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = &self.state;
        match state.region.check() {
            // The parent's entry, lock and memory.
            Err(Failure::Forked) => {}
            check => {
                if check.is_ok() {
                    // What leaked guards hold, while the id is still ours (L8).
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
                PartKind::Condvar => {} // nobody holds one
                PartKind::Once => {
                    let word = OnceWord(memory::word(&self.region, part.offset));
                    word.recover(dead, &mut is_dead, &parker);
                }
                PartKind::Barrier => {
                    let words = memory::barrier(&self.region, part);
                    words.recover(dead, &mut is_dead, &parker);
                }
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
