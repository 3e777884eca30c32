//! What survivors do for the dead of a rendezvous ring.

use super::waiter::WaiterWord;
use super::{Handover, TRIES};
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
        // Senders bind the dead as well, so a change that fails is tried again: at the next
        // look the word is bound, and no other endpoint changes that but to free it (RV12).
        for _ in 0..TRIES {
            // Acquire: as of every change of the word.
            let word = WaiterWord(cell.load(Ordering::Acquire));
            let owner = word.owner();
            if word.is_idle() || !holders.contains(owner) {
                break;
            }
            if !is_dead(owner) {
                holders.remove(owner);
                break;
            }
            // R14: that very word or nothing; the sequence tells announcements apart. What
            // it was bound to stays where it is, for another receiver (RV11).
            let idle = word.idle();
            let freed = cell.compare_exchange(word.0, idle.0, Ordering::AcqRel, Ordering::Relaxed);
            if freed.is_ok() {
                failpoint!(WaiterFreed);
                break;
            }
        }
    }
}
