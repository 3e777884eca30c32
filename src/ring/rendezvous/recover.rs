//! What survivors do for the dead of a rendezvous ring.

use super::Handover;
use super::waiter::WaiterWord;
use crate::members::{MemberId, MemberSet};
use crate::ring::recover;
use crate::ring::side::RedeliveryPolicy;
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;

/// Recovers every slot and every waiter word that a member of `holders` holds; see
/// [`recover_held`](recover::recover_held), which this adds to.
pub(crate) fn recover_all<M: Handover>(
    memory: &M,
    holders: &mut MemberSet,
    policy: RedeliveryPolicy,
    mut is_dead: impl FnMut(MemberId) -> bool,
) {
    recover::recover_held(memory, holders, policy, &mut is_dead);
    for index in 0..memory.waiters() {
        let cell = memory.waiter(index);
        // Acquire: as of every change of the word.
        let word = WaiterWord(cell.load(Ordering::Acquire));
        let owner = word.owner();
        if word.is_idle() || !holders.contains(owner) {
            continue;
        }
        if !is_dead(owner) {
            holders.remove(owner);
            continue;
        }
        // R14: that very word or nothing; the sequence tells announcements apart. What it
        // was bound to stays where it is, for another receiver (RV11).
        let idle = word.idle();
        let _ = cell.compare_exchange(word.0, idle.0, Ordering::AcqRel, Ordering::Relaxed);
        failpoint!(WaiterFreed);
    }
}
