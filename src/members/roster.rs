//! Scans that are made again and again, of a table in which little changes.

use super::table::dirty;
use super::{Liveness, MemberId, Members, Recover, Scan, Table};
use crate::sys::atomic::Ordering;

/// The members that one who scans has found in the table, so as not to walk over all of it
/// each time.
#[derive(Default)]
pub(crate) struct Roster {
    /// Of each role, before the walk.
    epochs: Vec<u64>,
    ids: Vec<MemberId>,
    scans: u32,
}

/// One scan in so many walks over the table all the same: a member that died as it came,
/// before it was counted, changes no epoch (M5).
const WALK_EVERY: u32 = 16;

impl<T: Table, L: Liveness, R: Recover> Members<'_, T, L, R> {
    /// As [`Members::scan`], for the members in `roster` alone as long as none has come or
    /// gone and all are alive.
    pub(crate) fn scan_again(&self, roster: &mut Roster, cursor: &mut u16, probes: usize) -> Scan {
        let roles = self.table.roles();
        // Acquire: pairs with the additions of `count_change`.
        let epoch = |role| self.table.epoch(role).load(Ordering::Acquire);
        let epochs = || roles.iter().map(|role| epoch(*role));
        roster.scans = roster.scans.wrapping_add(1);
        let is_known = !roster.scans.is_multiple_of(WALK_EVERY)
            && roster.ids.len() <= probes
            && epochs().eq(roster.epochs.iter().copied());
        if is_known && roster.ids.iter().all(|id| self.liveness.is_alive(*id)) {
            return Scan::Complete;
        }
        roster.epochs = epochs().collect();
        let scan = self.scan(cursor, probes);
        let in_use = roles.iter().flat_map(|role| dirty(self.table, role.ids()));
        roster.ids = in_use.map(|(id, _)| id).collect();
        scan
    }
}
