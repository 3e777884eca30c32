//! Timers that a set can wait for, beside endpoints.

use std::marker::PhantomData;
use std::thread;
use std::time::{Duration, Instant};

use super::arms::{RecvArm, SelectReceiver};
use super::source::{SelectSource, Selectable, SourceRef};
use crate::error::{RecvError, TryRecvError};
use crate::sys::clock::MonotonicTime;
use crate::wait::many::Awaited;

/// Returns a timer that is ready once, `delay` from now. A time beyond the clock's range is never
/// ready.
///
/// ```
/// use std::time::Duration;
///
/// use memring::{Ring, Spsc, after, select};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = Ring::<u64, Spsc>::anonymous(4)?;
/// let mut rx = ring.receiver()?;
/// let mut late = after(Duration::from_millis(5));
/// let message = select! {
///     recv(rx) -> message => message.ok(),
///     recv(late) -> _ => None,
/// };
/// assert_eq!(message, None);
/// # Ok(())
/// # }
/// ```
pub fn after(delay: Duration) -> After {
    After {
        when: Instant::now().checked_add(delay),
    }
}

/// Returns a timer that is ready once, from `when` on.
///
/// ```
/// use std::time::Instant;
///
/// let now = Instant::now();
/// assert_eq!(memring::at(now).recv(), now);
/// ```
pub fn at(when: Instant) -> After {
    After { when: Some(when) }
}

/// Returns a timer that is ready every `period`, at first one period from now. Moments that were
/// not received in time are skipped: the timer is never ready for more than one moment.
///
/// ```
/// use std::time::Duration;
///
/// let mut ticks = memring::tick(Duration::from_millis(1));
/// let (first, second) = (ticks.recv(), ticks.recv());
/// assert!(second - first >= Duration::from_millis(1));
/// ```
pub fn tick(period: Duration) -> Ticker {
    Ticker {
        period,
        next: Instant::now().checked_add(period),
    }
}

/// Returns a source that is never ready: a placeholder in a [`select!`](macro@crate::select) or a
/// [`Select`](crate::Select).
///
/// ```
/// assert!(memring::never::<u64>().try_recv().is_err());
/// ```
pub fn never<T>() -> Never<T> {
    Never(PhantomData)
}

/// A timer that is ready once: see [`after`] and [`at`].
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let mut late = memring::after(Duration::from_secs(60));
/// assert!(late.try_recv().unwrap_err().is_empty());
/// let due = Instant::now();
/// let mut now = memring::at(due);
/// assert_eq!(now.try_recv(), Ok(due));
/// assert!(now.try_recv().is_err()); // once
/// ```
#[derive(Debug)]
#[must_use = "a timer does nothing unless it is waited for"]
pub struct After {
    /// `None`: it has been received, or will never be.
    when: Option<Instant>,
}

/// A timer that is ready again and again: see [`tick`].
///
/// ```
/// use std::time::Duration;
///
/// let mut ticks = memring::tick(Duration::from_millis(1));
/// let first = ticks.recv();
/// assert!(ticks.recv() > first);
/// let mut slow = memring::tick(Duration::from_secs(60));
/// assert!(slow.try_recv().unwrap_err().is_empty());
/// ```
#[derive(Debug)]
#[must_use = "a timer does nothing unless it is waited for"]
pub struct Ticker {
    period: Duration,
    next: Option<Instant>,
}

/// A source that is never ready: see [`never()`].
///
/// ```
/// use std::time::Duration;
///
/// use memring::{Ring, Spsc, After, Never, select};
///
/// let mut limit: Option<After> = None; // an option of the program, say
/// let mut never = memring::never::<()>();
/// assert!(never.try_recv().unwrap_err().is_empty());
/// let waited = select! {
///     recv(never) -> _ => false,
///     default(Duration::from_millis(1)) => true,
/// };
/// assert!(waited && limit.is_none());
/// ```
#[derive(Debug)]
pub struct Never<T>(PhantomData<fn() -> T>);

impl After {
    /// Returns the moment that this timer was made for, if it has come and was not received
    /// before.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`].
    pub fn try_recv(&mut self) -> Result<Instant, TryRecvError> {
        let when = self.when.filter(|when| *when <= Instant::now());
        let when = when.ok_or(TryRecvError::Empty)?;
        self.when = None;
        Ok(when)
    }

    /// Waits for the moment that this timer was made for. If the moment was received before,
    /// waits for ever, as crossbeam-channel's timer does.
    ///
    /// Example: [`at`].
    pub fn recv(&mut self) -> Instant {
        recv(self, |timer| timer.when, After::try_recv)
    }
}

impl Ticker {
    /// Returns the moment that was due, if it has come.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`].
    pub fn try_recv(&mut self) -> Result<Instant, TryRecvError> {
        let now = Instant::now();
        let due = self.next.filter(|next| *next <= now);
        let due = due.ok_or(TryRecvError::Empty)?;
        // In step with the first, as long as none was missed.
        let next = due.checked_add(self.period).filter(|next| *next > now);
        self.next = next.or_else(|| now.checked_add(self.period));
        Ok(due)
    }

    /// Waits for the next moment.
    pub fn recv(&mut self) -> Instant {
        recv(self, |timer| timer.next, Ticker::try_recv)
    }
}

impl<T> Never<T> {
    /// Returns no message.
    ///
    /// Example: [`never()`].
    ///
    /// # Errors
    /// [`TryRecvError::Empty`], always.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        Err(TryRecvError::Empty)
    }
}

/// Waits for a timer.
fn recv<T>(
    timer: &mut T,
    next: impl Fn(&T) -> Option<Instant>,
    try_recv: impl Fn(&mut T) -> Result<Instant, TryRecvError>,
) -> Instant {
    loop {
        if let Ok(moment) = try_recv(timer) {
            return moment;
        }
        match next(timer) {
            Some(moment) => thread::sleep(moment.saturating_duration_since(Instant::now())),
            None => thread::park(),
        }
    }
}

/// A timer as a source.
macro_rules! source {
    ($timer:ty, $($bound:ident)?, $next:expr) => {
        impl<$($bound: 'static)?> Awaited<MonotonicTime> for $timer {
            fn look(&mut self) -> bool {
                false // the clock is not cheap: full checks ask it
            }

            fn check(&mut self) -> bool {
                let next: Option<Instant> = $next(self);
                next.is_some_and(|next| next <= Instant::now())
            }

            fn due(&self) -> Option<MonotonicTime> {
                let next: Option<Instant> = $next(self);
                next.map(MonotonicTime::from_instant)
            }
        }

        impl<$($bound: 'static)?> SelectSource for $timer {
            fn look_once(&mut self) -> bool {
                self.check()
            }
        }

        impl<$($bound: 'static)?> $timer {
            /// The arm of a [`select!`](macro@crate::select).
            #[doc(hidden)]
            pub fn __recv_arm(&mut self) -> RecvArm<'_, Self> {
                RecvArm::new(self)
            }
        }

        impl<$($bound: 'static)?> Selectable for $timer {
            fn source(&mut self) -> SourceRef<'_> {
                SourceRef(self)
            }
        }
    };
}

source!(After, , |timer: &After| timer.when);
source!(Ticker, , |timer: &Ticker| timer.next);
source!(Never<T>, T, |_: &Never<T>| None);

impl SelectReceiver for After {
    type Received = Instant;

    fn complete(&mut self) -> Option<Result<Instant, RecvError>> {
        self.try_recv().ok().map(Ok)
    }
}

impl SelectReceiver for Ticker {
    type Received = Instant;

    fn complete(&mut self) -> Option<Result<Instant, RecvError>> {
        self.try_recv().ok().map(Ok)
    }
}

impl<T: 'static> SelectReceiver for Never<T> {
    type Received = T;

    fn complete(&mut self) -> Option<Result<T, RecvError>> {
        None
    }
}
