//! The ring protocols: position arithmetic, the four sides, repair.
//!
//! They know no operating system: they run over a [`Memory`] that may be
//! mapped, on the heap or loom's, never sleep and never call the system. What
//! stands in the way of an operation is told as a [`Stall`], and a floor above
//! waits, or finds the holder dead and has [`repair`] clear the way.
//!
//! (Items are `pub` where [`Kind`](crate::Kind) names them; the module is not.)
//!
//! The numbered rules (R1 to R21) are those of `docs/protocol.md`.

pub(crate) mod memory;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod multi;
pub(crate) mod payload;
pub(crate) mod position;
pub(crate) mod repair;
pub(crate) mod single;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::layout::Cell;
use crate::sys::atomic::Ordering;
use crate::sys::failpoints::failpoint;
use memory::Memory;
use position::{Owner, Word};

/// A word that a peer wrote and that no sequence of operations can produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// What was looked at.
    pub what: &'static str,
    /// The position at which it was found.
    pub position: u64,
    /// The value.
    pub found: u64,
}

/// A slot in somebody's hands, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// A position of that slot.
    pub position: u64,
    /// The word that was loaded: repair changes this very word or nothing (R14).
    pub word: Word,
}

/// Why an operation did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// No room, or no message.
    Nothing,
    /// No room or no message, and somebody holds the slot in question.
    Held(Held),
    /// Others moved the ring on too often meanwhile; try again.
    Contended,
    /// The ring is closed (senders only; receivers drain first).
    Closed,
    /// The ring's memory contradicts itself.
    Impossible(Impossible),
}

/// A message that a receiver has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its position.
    pub position: u64,
    /// How often it was given back before.
    pub attempt: u8,
}

/// What becomes of a message in a dead receiver's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Deliver it again, or discard it.
    pub redeliver: bool,
    /// In how many hands a message may be in all.
    pub attempts: u8,
}

/// The sending half of a ring's algorithm.
///
/// `begin`, then any number of `claim`, write, and `publish` or `abandon`,
/// then `end`. A stalled `claim` leaves nothing to undo.
pub trait SendSide: Sized + Send {
    /// Starts as `me`, after whoever was `me` before.
    fn attach<M: Memory>(memory: &M, me: Owner) -> Result<Self, Impossible>;
    /// Enters an operation; `Closed` if the ring is.
    fn begin<M: Memory>(&mut self, memory: &M) -> Result<(), Stall>;
    /// Takes the next free position: its payload is then the caller's.
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<u64, Stall>;
    /// `begin` and `claim`, if nothing at all stands in the way; on a single side
    /// without a loop or a call. `None` says nothing, and leaves nothing to undo.
    fn quick<M: Memory>(&mut self, memory: &M) -> Option<u64>;
    /// `claim` for one of many messages, if nothing stands in the way. `None` says
    /// nothing.
    fn quick_another<M: Memory>(&mut self, memory: &M) -> Option<u64>;
    /// Shows the message at `position` to receivers.
    fn publish<M: Memory>(&mut self, memory: &M, position: u64);
    /// `publish` for one of many messages, before `end_batch`: as quick as may be.
    #[inline(always)]
    fn publish_another<M: Memory>(&mut self, memory: &M, position: u64) {
        self.publish(memory, position);
    }
    /// Gives the position up without a message.
    fn abandon<M: Memory>(&mut self, memory: &M, position: u64);
    /// Leaves the operation.
    fn end<M: Memory>(&mut self, memory: &M);
    /// `end` after any number of `publish_another`.
    #[inline(always)]
    fn end_batch<M: Memory>(&mut self, memory: &M) {
        self.end(memory);
    }
    /// Is a claim worth while for one who waits? To be told wrong costs
    /// little: he looks in earnest now and then, and before he sleeps.
    fn is_promising<M: Memory>(&self, memory: &M) -> bool;
    /// Is there room for a message?
    fn has_room<M: Memory>(&self, memory: &M) -> bool;
    /// Can no claim that began before the ring was closed still be under way
    /// unseen? Asked after the heavy half of the barrier (R17).
    fn quiescent<M: Memory>(memory: &M) -> bool;
}

/// The receiving half of a ring's algorithm.
pub trait ReceiveSide: Sized + Send {
    /// Does the release of a message release all those before it?
    const IN_ORDER: bool;
    /// Starts as `me`, after whoever was `me` before.
    fn attach<M: Memory>(memory: &M, me: Owner, terms: Terms) -> Result<Self, Impossible>;
    /// Takes the next message: its payload is then the caller's to read.
    fn claim<M: Memory>(&mut self, memory: &M) -> Result<Claim, Stall>;
    /// `claim`, if nothing at all stands in the way; on a single side without a
    /// loop or a call. `None` says nothing.
    fn quick<M: Memory>(&mut self, memory: &M) -> Option<Claim>;
    /// Takes the messages that are at hand, one upon another, `most` of them at
    /// most: where the first is, and how many. None says nothing; a side of many
    /// takes them one by one.
    #[inline(always)]
    fn quick_run<M: Memory>(&mut self, _memory: &M, _most: usize) -> (u64, usize) {
        (0, 0)
    }
    /// After a `quick` look in vain: goes on to where the other receivers are.
    fn catch_up<M: Memory>(&mut self, memory: &M);
    /// Marks everything claimed as in the user's hands.
    fn hand_out<M: Memory>(&mut self, memory: &M);
    /// Acknowledges a message; several are released in the order of claims.
    fn release<M: Memory>(&mut self, memory: &M, claim: Claim);
    /// Gives claimed messages back to be received again, in order of claims.
    fn requeue<M: Memory>(&mut self, memory: &M, claims: impl Iterator<Item = Claim>, terms: Terms);
    /// Were positions passed that held no message, since this was last asked?
    /// A sender may sleep for their room.
    fn made_room(&mut self) -> bool;
    /// Tells senders all the room there is: before sleeping, on finding the
    /// ring empty, on detaching.
    fn settle<M: Memory>(&mut self, memory: &M);
    /// Is a message at hand?
    fn has_message<M: Memory>(&self, memory: &M) -> bool;
}

/// One side of a kind: at most one endpoint, or many.
pub trait Arity: Sized + Send + Sync + 'static {
    const MULTI: bool;
    type Sender<R: Arity>: SendSide;
    type Receiver<S: Arity>: ReceiveSide;
}

/// At most one endpoint attached at a time.
pub enum Single {}
/// Any number of endpoints.
pub enum Multi {}

impl Arity for Single {
    const MULTI: bool = false;
    type Sender<R: Arity> = single::SingleSender<R>;
    type Receiver<S: Arity> = single::SingleReceiver<S>;
}

impl Arity for Multi {
    const MULTI: bool = true;
    type Sender<R: Arity> = multi::MultiSender<R>;
    type Receiver<S: Arity> = multi::MultiReceiver<S>;
}

/// Prepares fresh (zero) memory so that it counts from `start`.
///
/// A ring that starts at 0 needs nothing: zeroes are `FREE` of lap 0 (R1).
pub(crate) fn start_at<M: Memory>(memory: &M, start: u64) {
    if start == 0 {
        return;
    }
    let geometry = memory.geometry();
    for offset in 0..geometry.capacity() {
        let position = start.wrapping_add(offset);
        memory
            .word(position)
            .store(geometry.free(position).0, Ordering::Relaxed);
        failpoint!(StartWritten);
    }
    for cell in [
        Cell::Tail,
        Cell::Head,
        Cell::Sent,
        Cell::Taken,
        Cell::Done,
        Cell::Credit,
    ] {
        // Release: the words above come first for whoever reads these hints.
        memory.cell(cell).store(start, Ordering::Release);
    }
}
