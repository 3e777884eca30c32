//! What the sides of a ring have in common, whatever the kind: the operations of a
//! sender and of a receiver.

use super::memory::Memory;
use super::slot::SlotWord;
use crate::error::Corruption;
use crate::members::MemberId;
use crate::sys::failpoints::failpoint;

/// A slot that an endpoint holds, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// A position of that slot.
    pub position: u64,
    /// The word that was loaded: recovery changes this very word or nothing (R14).
    pub word: SlotWord,
}

/// Why an operation did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// No room, or no message.
    NotReady,
    /// No room or no message, and an endpoint holds the slot in question.
    Held(Held),
    /// Others moved the ring on too often meanwhile; try again.
    Contended,
    /// The ring is closed (senders only; receivers drain first).
    Closed,
    /// The ring's memory contradicts itself.
    Corrupted(Corruption),
}

impl ClaimError {
    /// The slot that stands in the way, if an endpoint holds it.
    pub(crate) fn blocker(self) -> Option<Held> {
        match self {
            ClaimError::Held(held) => Some(held),
            _ => None,
        }
    }
}

/// A message that a receiver has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Its position.
    pub position: u64,
    /// How often it was given back before.
    pub redeliveries: u8,
}

/// What becomes of a message that a receiver held when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedeliveryPolicy {
    /// Deliver it again, or discard it.
    pub redeliver: bool,
    /// Maximum delivery attempts, 1 to 15.
    pub max_deliveries: u8,
}

/// The sending half of a ring's algorithm.
///
/// An operation: `begin`, then any number of `claim`, write, and `publish` or
/// `abandon`, then `end`. A claim that fails leaves nothing to undo.
pub trait SendSide: Sized + Send + Sync + Unpin {
    /// Starts as `me`, after the last holder of that id.
    fn attach<M: Memory>(memory: &M, me: MemberId) -> Result<Self, Corruption>;
    /// Enters an operation; `Closed` if the ring is, and nothing is entered.
    fn begin<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError>;
    /// Slow path: takes the next free position: its payload is then the caller's.
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, ClaimError>;
    /// What a claim would come to now: it takes nothing, and shows nothing.
    fn probe<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError> {
        // Of a single sender a claim that is abandoned shows nowhere.
        let position = self.claim(memory)?;
        self.abandon(memory, position);
        Ok(())
    }
    /// Fast path, before or after `begin`: takes the next position if nothing at all
    /// is in the way, on a single side without a loop or a call. `None`: take the slow
    /// path; there is nothing to undo.
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<u64>;
    /// The fast path, or else the slow one.
    #[inline(always)]
    fn claim_either<M: Memory>(&mut self, memory: &M) -> Result<u64, ClaimError> {
        match self.try_claim_fast(memory) {
            Some(position) => Ok(position),
            None => self.claim(memory),
        }
    }
    /// Shows the message at `position` to receivers.
    fn publish<M: Memory>(&mut self, memory: &M, position: u64);
    /// Has `write` fill the next positions, and publishes them, as long as there is room,
    /// `most` of them at most. Says how many. Nothing else happens between two of them
    /// that memory would show: what is private stays in registers.
    #[inline(always)]
    fn send_run<M: Memory>(
        &mut self,
        memory: &M,
        most: usize,
        mut write: impl FnMut(u64),
    ) -> usize {
        let mut sent = 0;
        while sent < most {
            let Ok(position) = self.claim_either(memory) else {
                break;
            };
            write(position);
            failpoint!(Written);
            self.publish(memory, position);
            sent += 1;
        }
        sent
    }
    /// Claims further positions after the last one in `claimed`, as long as there is room,
    /// `most` of them at most, to be published together; adds them to `claimed`.
    fn claim_more<M: Memory>(&mut self, memory: &M, most: usize, claimed: &mut Vec<u64>);
    /// Shows the messages at these positions to receivers: all that were claimed
    /// together, or the first of them.
    fn publish_chunk<M: Memory>(&mut self, memory: &M, positions: &[u64]) {
        for position in positions {
            self.publish(memory, *position);
        }
    }
    /// Gives the position up without a message.
    fn abandon<M: Memory>(&mut self, memory: &M, position: u64);
    /// Leaves an operation that published nothing.
    fn end<M: Memory>(&mut self, memory: &M);
    /// Whether `complete` runs the light half of a barrier after what was published.
    const IS_FENCED: bool = false;
    /// Leaves an operation that published messages. `false`: the ring was closed
    /// meanwhile, and [`count_late`](SendSide::count_late) has to be asked.
    #[inline(always)]
    fn complete<M: Memory>(&mut self, memory: &M) -> bool {
        self.end(memory);
        true
    }
    /// How many of the messages that were published, the last ones, came too late: the
    /// ring ended before them.
    fn count_late<M: Memory>(&mut self, _memory: &M) -> usize {
        0
    }
    /// Cheap hint, may be wrong: whether a claim could succeed. Waiting senders check
    /// in full every [`FULL_CHECK_EVERY`](crate::wait::backoff::FULL_CHECK_EVERY) looks
    /// and before they sleep.
    fn may_have_room<M: Memory>(&self, memory: &M) -> bool;
    /// Whether there is room for a message.
    fn has_room<M: Memory>(&self, memory: &M) -> bool;
    /// How many claims would find room now, if nothing else were done meanwhile.
    fn count_room<M: Memory>(&self, memory: &M) -> usize;
    /// Whether no send that began before the ring was closed can still be under way
    /// unseen. Asked after the heavy half of the barrier (R17).
    fn is_quiescent<M: Memory>(memory: &M) -> bool;
}

/// The receiving half of a ring's algorithm.
pub trait ReceiveSide: Sized + Send + Sync + Unpin {
    /// Whether a release acknowledges everything that was claimed.
    const IN_ORDER: bool;
    /// Starts as `me`, after the last holder of that id.
    fn attach<M: Memory>(
        memory: &M,
        me: MemberId,
        policy: RedeliveryPolicy,
    ) -> Result<Self, Corruption>;
    /// Slow path: takes the next message: its payload is then the caller's to read.
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<Claim, ClaimError>;
    /// What a claim would come to now: it takes nothing, and shows nothing.
    fn probe<M: Memory>(&mut self, memory: &M) -> Result<(), ClaimError> {
        // Of a single receiver a claim that is taken back shows nowhere.
        let claim = self.claim(memory)?;
        self.unclaim(memory, claim);
        Ok(())
    }
    /// Fast path: takes the next message if nothing at all is in the way, on a single
    /// side without a loop or a call. `None`: take the slow path; there is nothing to
    /// undo.
    fn try_claim_fast<M: Memory>(&mut self, memory: &M) -> Option<Claim>;
    /// Takes the messages that are there, in order and in a row, `most` of them at most:
    /// where the first is, and how many. None: take them one by one.
    #[inline(always)]
    fn claim_run_fast<M: Memory>(&mut self, _memory: &M, _most: usize) -> (u64, usize) {
        (0, 0)
    }
    /// Whether a claim, since this was asked last, has made room by dropping a message:
    /// senders may wait for it.
    #[inline(always)]
    fn has_dropped(&mut self) -> bool {
        false
    }
    /// Takes back a claim, the last one, that was neither handed out nor released. Only
    /// where there is one receiver: of its claims nothing shows.
    fn unclaim<M: Memory>(&mut self, _memory: &M, _claim: Claim) {
        unreachable!("a claim of one of many receivers shows in its slot");
    }
    /// After a fast path that found nothing: goes on to where the other receivers are.
    #[inline(always)]
    fn catch_up<M: Memory>(&mut self, _memory: &M) {}
    /// At the beginning of a wait: lets a sender that it has caught up with get ahead.
    #[inline(always)]
    fn let_ahead(&mut self) {}
    /// Marks everything claimed as held by the user, where words do not say so.
    #[inline(always)]
    fn hand_out<M: Memory>(&mut self, _memory: &M) {}
    /// Acknowledges a message; several are released in the order of claims. In order:
    /// all that were claimed.
    fn release<M: Memory>(&mut self, memory: &M, claim: Claim);
    /// In order only: acknowledges what was claimed before `next`, which is still held.
    fn release_before<M: Memory>(&mut self, _memory: &M, _next: Claim) {
        unreachable!("a side that is not in order releases claims one by one");
    }
    /// Gives all claimed messages back to be received again, in order of claims.
    fn requeue<M: Memory>(
        &mut self,
        memory: &M,
        claims: impl Iterator<Item = Claim>,
        policy: RedeliveryPolicy,
    );
    /// At a closed ring, after the barrier and an attempt that found nothing: fixes where
    /// the ring ends, if that is left to the receiver. Whether all before it was taken.
    #[inline(always)]
    fn fix_end<M: Memory>(&mut self, _memory: &M) -> bool {
        true
    }
    /// Whether a message is there.
    fn has_message<M: Memory>(&self, memory: &M) -> bool;
    /// How many messages claims would get now, if nothing else were done meanwhile.
    fn count_messages<M: Memory>(&self, memory: &M) -> usize;
}
