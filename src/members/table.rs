//! The table of members: an entry for each id, and a count of comings and goings
//! for each role.

use std::ops::Range;

use super::{Liveness, MemberId, Members, Recover};
use crate::sys::atomic::{AtomicU64, Ordering};

/// Low bit of an entry: its holder may have left something to recover.
pub(super) const DIRTY: u64 = 1;
/// The rest of an entry counts how often the id was taken.
pub(super) const GENERATION: u64 = 2;

/// Members of one sort, which share a range of ids and a count of changes. An
/// object whose members are all alike has one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Role {
    /// Which of the object's roles, from 0.
    pub index: usize,
    /// The first of its ids.
    pub first: u16,
    /// One past the last of its ids.
    pub end: u16,
}

impl Role {
    pub(crate) fn ids(self) -> Range<u16> {
        self.first..self.end
    }
}

/// The words of an object's memory that its members keep.
pub(crate) trait Table {
    /// The roles of the object, in the order of their ids.
    fn roles(&self) -> &[Role];
    /// The entry of `id`: how often it was taken, and whether it is dirty.
    fn entry(&self, id: MemberId) -> &AtomicU64;
    /// The process id that the holder of `id` gave: for display only.
    fn pid(&self, id: MemberId) -> &AtomicU64;
    /// How often members of `role` have come or gone; 0: never.
    fn epoch(&self, role: Role) -> &AtomicU64;
}

/// What an observer can say of the members of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Presence {
    /// No member was attached at any time since the observer began to look.
    Never,
    /// A member that is alive is attached.
    Present,
    /// There were members since then, and none is left.
    Gone,
}

/// What an observer knows of the members of one role (M6). By default it has looked
/// since the object was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Observed {
    /// Arrivals before it began to look.
    before: u64,
    /// What it found last, and the epoch at which that was true.
    pub(crate) latest: Option<(u64, Presence)>,
}

impl Observed {
    /// Whether it knows of a member that was there since it began to look.
    pub(crate) fn has_seen_any(&self) -> bool {
        matches!(self.latest, Some((_, Presence::Present | Presence::Gone)))
    }
}

/// A member, as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Peer {
    /// Its id in the table.
    pub id: u16,
    /// The process id that it gave when it attached: for display only, for a
    /// number may be reused, and differs between PID namespaces.
    pub pid: u32,
    /// Whether it holds its lock byte, as the kernel reports.
    pub alive: bool,
}

/// Entries of `ids` that are in use, or were when their holder died.
pub(super) fn dirty<T: Table>(
    table: &T,
    ids: Range<u16>,
) -> impl Iterator<Item = (MemberId, u64)> + '_ {
    ids.map(MemberId).filter_map(move |id| {
        // Acquire: pairs with the Release store in `attach`.
        let entry = table.entry(id).load(Ordering::Acquire);
        (entry & DIRTY != 0).then_some((id, entry))
    })
}

impl<T: Table, L: Liveness, R: Recover> Members<'_, T, L, R> {
    /// An observer of `role` that begins to look now.
    pub(crate) fn observe(&self, role: Role) -> Observed {
        // Before the first look: a member that arrives in between was there since.
        let entries = role.ids().map(|id| self.table.entry(MemberId(id)));
        // Acquire: pairs with the swap in `attach`.
        let arrivals = entries.map(|entry| entry.load(Ordering::Acquire) / GENERATION);
        let mut observed = Observed {
            before: arrivals.fold(0, u64::wrapping_add),
            latest: None,
        };
        observed.latest = Some(self.presence(role, &observed));
        observed
    }

    /// Whether members of `role` are there, and the epoch at which that was true. Asks
    /// for the locks of all that may be.
    pub(crate) fn presence(&self, role: Role, observed: &Observed) -> (u64, Presence) {
        // Before the entries. Acquire: pairs with the increment in `count_change`.
        let epoch = self.table.epoch(role).load(Ordering::Acquire);
        let mut arrivals = 0u64;
        for id in role.ids().map(MemberId) {
            // Acquire: pairs with the swap in `attach`.
            let entry = self.table.entry(id).load(Ordering::Acquire);
            if entry & DIRTY != 0 && self.liveness.is_alive(id) {
                return (epoch, Presence::Present);
            }
            arrivals = arrivals.wrapping_add(entry / GENERATION);
        }
        // An entry that was taken stays counted when its member has gone, so that one
        // that came and went between two looks was seen.
        match observed.has_seen_any() || arrivals != observed.before {
            true => (epoch, Presence::Gone),
            false => (epoch, Presence::Never),
        }
    }

    /// [`Members::presence`]; as it was found last, unless the epoch has changed since.
    pub(crate) fn presence_since(&self, role: Role, observed: &mut Observed) -> (u64, Presence) {
        // Acquire: pairs with the increment in `count_change`.
        let epoch = self.table.epoch(role).load(Ordering::Acquire);
        match observed.latest {
            Some(latest) if latest.0 == epoch => latest,
            _ => {
                let found = self.presence(role, observed);
                *observed.latest.insert(found)
            }
        }
    }

    /// The members of `role`, dead or alive.
    pub(crate) fn list(&self, role: Role) -> Vec<Peer> {
        let peer = |(id, _): (MemberId, u64)| Peer {
            id: id.0,
            pid: self.table.pid(id).load(Ordering::Relaxed) as u32,
            alive: self.liveness.is_alive(id),
        };
        dirty(self.table, role.ids()).map(peer).collect()
    }

    /// Counts a coming or going, so that what others remember of
    /// [`Members::presence`] expires.
    pub(super) fn count_change(&self, role: Role) {
        // AcqRel: pairs with the Acquire loads of the epoch.
        self.table.epoch(role).fetch_add(1, Ordering::AcqRel);
    }

    /// Marks an entry clean, if it still is `taken`: else a successor has it, or a
    /// scan was here before. AcqRel: after all that was written in the holder's
    /// name; pairs with the next holder's Acquire load in `attach`.
    pub(super) fn clean(&self, id: MemberId, taken: u64) {
        let _ = self.table.entry(id).compare_exchange(
            taken,
            taken & !DIRTY,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }
}
