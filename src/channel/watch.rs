//! An endpoint's wait word, for wakers.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use super::segment::Segment;
use crate::error::Side;
use crate::members::Roster;
use crate::sys::atomic::AtomicU32;
use crate::wait::waker::{Waiter, Watched};

/// The wait word of one side of a ring, which stays mapped with it.
struct RingWatch {
    segment: Arc<Segment>,
    side: Side,
    scans: Mutex<Scans>,
}

/// What scans remember.
#[derive(Default)]
struct Scans {
    roster: Roster,
    /// Where the next begins.
    cursor: u16,
}

impl Watched for RingWatch {
    fn word(&self) -> &AtomicU32 {
        self.segment.region.wait_word(self.side.role().index)
    }

    fn scan(&self) -> bool {
        let region = &self.segment.region;
        if region.check().is_err() {
            return true; // waiters find out why
        }
        // Only the thread that scans comes here.
        let mut scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        let Scans { roster, cursor } = &mut *scans;
        self.segment.scan_again(roster, cursor);
        region.check_descriptor().is_err()
    }
}

/// An endpoint's waiter, made when it first waits for a waker.
#[derive(Default)]
pub(super) struct OwnWaiter(Option<Waiter>);

/// A clone of an endpoint has its own.
impl Clone for OwnWaiter {
    fn clone(&self) -> Self {
        OwnWaiter::default()
    }
}

impl OwnWaiter {
    /// As [`Waiter::wait`], at the word of this side.
    pub(super) fn wait(
        &mut self,
        (segment, side): (&Arc<Segment>, Side),
        value: u32,
        is_held_up: bool,
        waker: &Waker,
    ) -> io::Result<()> {
        if self.0.is_none() {
            self.0 = Some(waiter(segment, side, false)?);
        }
        match &mut self.0 {
            Some(waiter) => waiter.wait(value, is_held_up, waker),
            None => Ok(()),
        }
    }

    /// As [`Waiter::stop`].
    pub(super) fn stop(&mut self) {
        if let Some(waiter) = &mut self.0 {
            waiter.stop();
        }
    }
}

/// A waiter at the word of this side; as [`Waiter::new`].
pub(super) fn waiter(segment: &Arc<Segment>, side: Side, passes_on: bool) -> io::Result<Waiter> {
    let watch: Arc<dyn Watched> = Arc::new(RingWatch {
        segment: Arc::clone(segment),
        side,
        scans: Mutex::default(),
    });
    Waiter::new(&watch, passes_on)
}
