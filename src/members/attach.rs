//! Coming and going.

use super::table::{DIRTY, GENERATION};
use super::{Liveness, MemberId, MemberSet, Members, Recover, Role, Table};
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// How many members a role admits at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admits {
    /// One, under the first id of the role. It recovers by itself what its
    /// predecessor held, when it starts.
    One,
    /// As many as the role has ids. What a predecessor on the id held is recovered
    /// before the id is used (M2).
    Many,
    /// One, whose words say what it holds: that is recovered as where there are many.
    OneHolding,
}

/// An id in use by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attached {
    pub id: MemberId,
    role: Role,
    /// What its entry holds while it is attached.
    entry: u64,
    /// The member that had the id before has not detached: it died.
    pub takes_over: bool,
}

/// Why there is no free id.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// The one place is taken, by the process of this id (for display only).
    Occupied { holder: Option<u32> },
    /// All places are taken.
    Full { places: usize },
    /// The lock could not be asked for.
    Lock(E),
}

impl<T: Table, L: Liveness, R: Recover> Members<'_, T, L, R> {
    /// Takes an id of `role` that no member that is alive has; `pid` is for display.
    pub(crate) fn attach(
        &self,
        role: Role,
        admits: Admits,
        pid: u32,
    ) -> Result<Attached, Refusal<L::Error>> {
        let id = match admits {
            Admits::One | Admits::OneHolding => self.take_first(role)?,
            Admits::Many => self.take_any(role)?,
        };
        failpoint!(IdLocked);
        let entry = self.table.entry(id);
        // Acquire: after everything that the last holder wrote here.
        let found = entry.load(Ordering::Acquire);
        let taken = (found & !DIRTY).wrapping_add(GENERATION) | DIRTY;
        if admits != Admits::One && found & DIRTY != 0 {
            // M2. The lock is ours: the predecessor is dead by definition.
            self.recover.recover(&mut MemberSet::only(id), |_| true);
            failpoint!(OwnIdRecovered);
            self.recover.wake_all();
        }
        self.table.pid(id).store(pid.into(), Ordering::Relaxed);
        failpoint!(PidEntered);
        // Release: pairs with the Acquire loads in `dirty`. Acquire: after the swap of
        // a scan that cleans what the last holder left.
        entry.swap(taken, Ordering::AcqRel);
        failpoint!(EntryTaken);
        self.count_change(role);
        failpoint!(ArrivalCounted);
        // Others may wait for a member of this role.
        self.recover.wake_all();
        let _ = self.scan(&mut 0, usize::MAX);
        Ok(Attached {
            id,
            role,
            entry: taken,
            takes_over: found & DIRTY != 0,
        })
    }

    /// Gives the id back. `holds_nothing`: there is nothing to recover, the entry
    /// may be marked clean.
    ///
    /// The entry is cleaned last but one, after the going was counted: as long as
    /// it is dirty, a scan does what is left to do for a member that dies in here
    /// (M5).
    pub(crate) fn detach(&self, attached: &Attached, holds_nothing: bool) {
        self.liveness.unlock(attached.id);
        failpoint!(IdUnlocked);
        self.count_change(attached.role);
        failpoint!(DepartureCounted);
        if holds_nothing {
            self.clean(attached.id, attached.entry);
            failpoint!(EntryCleaned);
        }
        self.recover.wake_all();
        failpoint!(Detached);
    }

    fn take_first(&self, role: Role) -> Result<MemberId, Refusal<L::Error>> {
        let id = MemberId(role.first);
        if self.liveness.try_lock(id).map_err(Refusal::Lock)? {
            return Ok(id);
        }
        let pid = self.table.pid(id).load(Ordering::Relaxed);
        let holder = u32::try_from(pid).ok().filter(|pid| *pid != 0);
        Err(Refusal::Occupied { holder })
    }

    /// Any id of `role`: never used ones first, then clean ones, and ids of
    /// dead members last, for they cost a recovery.
    fn take_any(&self, role: Role) -> Result<MemberId, Refusal<L::Error>> {
        for wanted in [
            (|entry| entry == 0) as fn(u64) -> bool,
            |entry| entry & DIRTY == 0,
            |_| true,
        ] {
            for id in role.ids().map(MemberId) {
                // Relaxed: the lock decides; this only sorts.
                if wanted(self.table.entry(id).load(Ordering::Relaxed))
                    && self.liveness.try_lock(id).map_err(Refusal::Lock)?
                {
                    return Ok(id);
                }
            }
        }
        let places = role.ids().len();
        Err(Refusal::Full { places })
    }
}
