//! Finding the dead, and having what they held recovered.

use super::table::dirty;
use super::{Liveness, MemberId, MemberSet, Members, Recover, Role, Table};
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

impl<T: Table, L: Liveness, R: Recover> Members<'_, T, L, R> {
    /// Probes up to `probes` of the members, going on from `cursor` round the
    /// table, and recovers what the dead among them held (M4).
    pub(crate) fn scan(&self, cursor: &mut u16, probes: usize) -> Scan {
        let dead = self.find_dead(cursor, probes);
        if dead.is_empty() {
            return Scan::Complete;
        }
        self.reap(&dead)
    }

    /// Ids with their entries whose locks are free.
    fn find_dead(&self, cursor: &mut u16, probes: usize) -> Vec<(MemberId, u64)> {
        let roles = self.table.roles();
        let first = roles.first().map_or(0, |role| role.first);
        let end = roles.last().map_or(0, |role| role.end);
        let from = (*cursor).clamp(first, end);
        let round = dirty(self.table, from..end).chain(dirty(self.table, first..from));
        let mut dead = Vec::new();
        for (id, entry) in round.take(probes) {
            *cursor = id.0 + 1;
            if !self.liveness.is_alive(id) {
                dead.push((id, entry));
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
    fn reap(&self, dead: &[(MemberId, u64)]) -> Scan {
        let mut ids = MemberSet::default();
        for (id, _) in dead {
            ids.insert(*id);
        }
        // Probed again for each slot: a successor may have taken the id meanwhile.
        // What is not found out counts as alive, so that its entry stays dirty.
        let max_probes = self.recover.max_probes();
        let mut probes = 0;
        self.recover.recover(&mut ids, |id| {
            probes += 1;
            probes <= max_probes && !self.liveness.is_alive(id)
        });
        for (id, entry) in dead {
            if !ids.contains(*id) {
                // A successor recovers, unless the entry says that all is clean:
                // leave it. So does the next scan, if this was too much for one.
                continue;
            }
            failpoint!(DeadRecovered);
            self.count_change(self.role_of(*id));
            failpoint!(DeathCounted);
            self.clean(*id, *entry);
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
