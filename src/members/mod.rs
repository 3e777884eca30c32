//! Who is attached to an object in shared memory, and which of them are alive.
//!
//! Every member has an entry in the object's table and holds a lock byte, which
//! the kernel frees when the member's process dies, and at no other time: a stopped
//! process keeps it. A free lock therefore proves that no process is behind the
//! entry.
//!
//! M1: an id is used only by the process that holds its lock byte.
//! M2: an id that was left dirty is recovered by its successor before it is used.
//! M3: survivors never take a dead member's lock; they recover by probe and
//! compare-and-swap, so a survivor that is stopped blocks no other.
//!
//! Knows neither the object nor the system: what a member held is recovered by the
//! object's own [`Recover`], the table is in a [`Table`], and locks are asked about
//! by [`Liveness`]. So the models run this very code.

mod attach;
mod id;
#[cfg(all(test, loom))]
pub(crate) mod models;
mod reap;
#[cfg(not(loom))]
mod roster;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use attach::{Admits, Attached, Refusal};
pub use id::MemberId;
pub(crate) use id::{IDS, MemberSet};
pub(crate) use reap::Scan;
#[cfg(not(loom))]
pub(crate) use roster::Roster;
pub use table::Peer;
pub(crate) use table::{Observed, Presence, Role, Table};

/// The most probes of one recovery after it has found something to recover: each is
/// a system call. A peer that says that the dead hold a million slots keeps a
/// caller for no longer than this.
pub(crate) const MAX_PROBES_OF_A_RECOVERY: usize = 1 << 14;

/// The lock bytes that tell who is alive.
pub(crate) trait Liveness {
    /// Why a lock could not be asked for.
    type Error;
    /// Takes the lock of `id`, if it is free.
    fn try_lock(&self, id: MemberId) -> Result<bool, Self::Error>;
    /// Gives the lock of `id` up. One that cannot be given up goes with the process.
    fn unlock(&self, id: MemberId);
    /// Whether a process holds the lock of `id`. What cannot be found out counts as
    /// alive: a member that is alive is never robbed. It is for the implementor to
    /// remember that it could not, and for its user to ask before it waits for such a
    /// member. Takes no lock of this process, and allocates nothing.
    fn is_alive(&self, id: MemberId) -> bool;
}

/// What an object does for members that died.
pub(crate) trait Recover {
    /// The most probes of one recovery; what is left is the next scan's.
    fn max_probes(&self) -> usize {
        MAX_PROBES_OF_A_RECOVERY
    }
    /// Recovers everything in the hands of the members of `dead`. `is_dead` is
    /// asked after each load of a word that names one of them, before the change
    /// (R14); a member that turns out alive is taken out of `dead`. What remains in
    /// `dead` holds nothing any more.
    fn recover(&self, dead: &mut MemberSet, is_dead: impl FnMut(MemberId) -> bool);
    /// Has every waiting member look again: after a recovery, a detachment or the
    /// end.
    fn wake_all(&self);
}

/// The members of one object.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a, T, L, R> {
    pub table: &'a T,
    pub liveness: &'a L,
    pub recover: &'a R,
}
