//! An endpoint's wait word, for wakers: those of futures, and of descriptors.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use super::segment::Segment;
use crate::error::Side;
use crate::members::Roster;
use crate::sys::atomic::AtomicU32;
#[cfg(unix)]
use crate::sys::event::EventFd;
use crate::wait::waker::{TaskWaiter, Watched};

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
pub(super) struct OwnWaiter(Option<TaskWaiter>);

/// A clone of an endpoint has its own.
impl Clone for OwnWaiter {
    fn clone(&self) -> Self {
        OwnWaiter::default()
    }
}

impl OwnWaiter {
    /// As [`TaskWaiter::wait`], at the word of this side.
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

    /// As [`TaskWaiter::stop`].
    pub(super) fn stop(&mut self) {
        if let Some(waiter) = &mut self.0 {
            waiter.stop();
        }
    }
}

/// An endpoint's descriptor, made when it is first asked for.
#[cfg(unix)]
#[derive(Default)]
pub(super) struct OwnDescriptor(Option<Box<Descriptor>>);

/// A descriptor to poll, and the waiter that makes it readable.
#[cfg(unix)]
pub(super) struct Descriptor {
    pub(super) event: Arc<EventFd>,
    pub(super) waker: Waker,
    pub(super) waiter: TaskWaiter,
}

/// A clone of an endpoint has its own.
#[cfg(unix)]
impl Clone for OwnDescriptor {
    fn clone(&self) -> Self {
        OwnDescriptor::default()
    }
}

#[cfg(unix)]
impl OwnDescriptor {
    pub(super) fn get(
        &mut self,
        segment: &Arc<Segment>,
        side: Side,
    ) -> io::Result<&mut Descriptor> {
        let descriptor = match self.0.take() {
            Some(descriptor) => descriptor,
            None => {
                let event = Arc::new(EventFd::new()?);
                Box::new(Descriptor {
                    waker: Waker::from(Arc::clone(&event)),
                    event,
                    waiter: waiter(segment, side, true)?,
                })
            }
        };
        Ok(self.0.insert(descriptor))
    }

    /// The descriptor alone, if it was made.
    pub(super) fn event(&self) -> Option<Arc<EventFd>> {
        let descriptor = self.0.as_deref()?;
        Some(Arc::clone(&descriptor.event))
    }
}

/// A waiter at the word of this side; as [`TaskWaiter::new`].
fn waiter(segment: &Arc<Segment>, side: Side, passes_on: bool) -> io::Result<TaskWaiter> {
    let watch: Arc<dyn Watched> = Arc::new(RingWatch {
        segment: Arc::clone(segment),
        side,
        scans: Mutex::default(),
    });
    TaskWaiter::new(&watch, passes_on)
}
