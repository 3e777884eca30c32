//! Finding the dead, and having what they held recovered.

use super::table::dirty;
use super::{IDS, Liveness, MemberId, MemberSet, Members, Recover, Role, Table};
use crate::sys::failpoints::failpoint;

/// Whether a scan came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub(crate) enum Scan {
    /// Whatever the members held that it found dead is recovered.
    Complete,
    /// The next scan goes on.
    Partial,
}

/// Members whose locks were found free, with their entries as they were before. On the
/// stack, 8 KiB: a scan may be made where nothing can be allocated, in a signal handler.
struct Dead {
    ids: MemberSet,
    entries: [u64; IDS],
}

impl<T: Table, L: Liveness, R: Recover> Members<'_, T, L, R> {
    /// Probes up to `probes` of the members, going on from `cursor` round the
    /// table, and recovers what the dead among them held (M4).
    pub(crate) fn scan(&self, cursor: &mut u16, probes: usize) -> Scan {
        match self.find_dead(cursor, probes) {
            Some(dead) => self.reap(&dead),
            None => Scan::Complete,
        }
    }

    /// The members whose locks are free, if there are any.
    fn find_dead(&self, cursor: &mut u16, probes: usize) -> Option<Dead> {
        let roles = self.table.roles();
        let first = roles.first().map_or(0, |role| role.first);
        let end = roles.last().map_or(0, |role| role.end);
        let from = (*cursor).clamp(first, end);
        let round = dirty(self.table, from..end).chain(dirty(self.table, first..from));
        let mut dead = None;
        for (id, entry) in round.take(probes) {
            *cursor = id.0 + 1;
            if !self.liveness.is_alive(id) {
                let dead = dead.get_or_insert_with(|| Dead {
                    ids: MemberSet::default(),
                    entries: [0; IDS],
                });
                dead.ids.insert(id);
                dead.entries[usize::from(id.0) % IDS] = entry;
            }
        }
        dead
    }

    /// Recovers what members held whose locks were found free; counts their going,
    /// then marks their entries clean (M3, M5).
    ///
    /// All at once: the object's memory is walked over once, not once for each
    /// member, or a peer that marks every entry would make this a thousand times as
    /// long.
    fn reap(&self, dead: &Dead) -> Scan {
        let mut ids = dead.ids.clone();
        // Probed again for each slot: a successor may have taken the id meanwhile.
        // What is not found out counts as alive, so that its entry stays dirty.
        let max_probes = self.recover.max_probes();
        let mut probes = 0;
        self.recover.recover(&mut ids, |id| {
            probes += 1;
            probes <= max_probes && !self.liveness.is_alive(id)
        });
        for id in dead.ids.iter() {
            if !ids.contains(id) {
                // A successor recovers, unless the entry says that all is clean:
                // leave it. So does the next scan, if this was too much for one.
                continue;
            }
            failpoint!(DeadRecovered);
            self.count_change(self.role_of(id));
            failpoint!(DeathCounted);
            self.clean(id, dead.entries[usize::from(id.0) % IDS]);
            failpoint!(EntryReaped);
        }
        self.recover.wake_all();
        match probes <= max_probes {
            true => Scan::Complete,
            false => Scan::Partial,
        }
    }

    fn role_of(&self, id: MemberId) -> Role {
        let mut roles = self.table.roles().iter();
        let role = roles.find(|role| role.ids().contains(&id.0));
        *role.expect("ids come from the ranges of the roles")
    }
}
