//! A writer that holds the word waits until nobody reads (RW6 to RW8).

use super::super::Holders;
use super::super::held::HeldError;
use super::{Cells, READERS, RwWord};
use crate::error::Failure;
use crate::members::MemberId;
use crate::sys::atomic::{Ordering, fence};
use crate::sys::failpoints::failpoint;
use crate::wait::{Operation, ParkHalf, Poll, block};

/// A writer's walk over the cells.
pub(crate) struct ReaderWait<'a, C, H, P> {
    cells: &'a C,
    holders: &'a H,
    park: P,
    /// The cell that is not known to be 0. Those before it need no second look: the word
    /// is held, so their members turn back.
    pub(in super::super) next: u16,
    /// RW7: the member of that cell is to be asked for before the next sleep.
    pub(in super::super) probe_is_due: bool,
    failed: Option<Failure>,
}

impl<'a, C: Cells, H: Holders, P: ParkHalf + Clone> ReaderWait<'a, C, H, P> {
    /// After this member has taken the word.
    pub(crate) fn new(lock: RwWord<'a, C>, holders: &'a H, park: P) -> Self {
        // SeqCst: the word was taken, and the cells are loaded. Pairs with the addition to
        // a cell and the load of the word, in `try_read` and `unlock_read`.
        fence(Ordering::SeqCst);
        ReaderWait {
            cells: lock.0,
            holders,
            park,
            next: 1,
            probe_is_due: true,
            failed: None,
        }
    }

    /// Waits until no cell counts a reader.
    pub(crate) fn wait(
        mut self,
        looks: Option<u32>,
        deadline: Option<P::Time>,
    ) -> Result<(), HeldError> {
        block(&mut self, looks, deadline)
    }

    /// Whether no cell counts a reader or, if it `may_probe`, those that do are of dead
    /// members. Never sleeps.
    pub(crate) fn attempt(mut self, mut may_probe: impl FnMut() -> bool) -> Result<(), HeldError> {
        loop {
            match self.check() {
                Poll::Ready(()) => return Ok(()),
                Poll::Ended(error) => return Err(error),
                // Each time it is another cell, so this ends.
                Poll::Pending if may_probe() && self.reclaim() => {}
                Poll::Pending => return Err(self.timed_out()),
            }
        }
    }

    fn id(&self) -> MemberId {
        MemberId(self.next)
    }
}

impl<C: Cells, H: Holders, P: ParkHalf + Clone> Operation for ReaderWait<'_, C, H, P> {
    type Output = ();
    type Error = HeldError;
    type Park = P;

    fn look(&mut self) -> Option<()> {
        while self.next <= self.cells.last_id() {
            // SeqCst: after the event (RW6). Acquire: pairs with the subtraction of a
            // reader that has gone.
            if self.cells.cell(self.id()).load(Ordering::SeqCst) & READERS != 0 {
                return None;
            }
            self.next += 1;
        }
        Some(())
    }

    fn check(&mut self) -> Poll<(), HeldError> {
        match self.failed {
            Some(failure) => Poll::Ended(HeldError::Failed(failure)),
            None => self.look().map_or(Poll::Pending, Poll::Ready),
        }
    }

    /// RW6: the event before the cell, which is looked at next.
    fn register(&mut self) -> u32 {
        // SeqCst: pairs with the addition of a reader after it has lowered its cell.
        self.cells.head().event.load(Ordering::SeqCst)
    }

    /// RW7: passes over the cells of dead members, and leaves them as they are. Over all of
    /// them, up to one of a member that is alive: a call whose time is over does this once.
    fn reclaim(&mut self) -> bool {
        let first = self.next;
        while self.probe_is_due && self.look().is_none() {
            let id = self.id();
            // Its own id: other threads of this process read, which is alive.
            if id == self.holders.me() {
                break;
            }
            match self.holders.is_dead(id) {
                Ok(false) => self.probe_is_due = false,
                Ok(true) => self.next += 1,
                Err(failure) => {
                    self.failed = Some(failure);
                    return true;
                }
            }
        }
        self.next != first
    }

    fn is_blocked(&mut self) -> bool {
        true
    }

    fn sleep(&mut self, registered: u32, until: P::Time) -> bool {
        let event = &self.cells.head().event;
        let in_full = self.park.sleep(event, registered, until);
        failpoint!(Woken);
        // RW7: at each expiry; and where a signal has ended the sleep early, or others do
        // so again and again.
        self.probe_is_due |= in_full || event.load(Ordering::Relaxed) == registered;
        in_full
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {} // one member at a time holds the word

    fn timed_out(&mut self) -> HeldError {
        HeldError::Timeout(Some(self.id()))
    }

    fn park(&mut self) -> P {
        self.park.clone()
    }
}
