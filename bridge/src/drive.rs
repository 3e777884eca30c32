//! Both ends at work: rings, journals and an engine, with a clock.

mod receive;
mod send;

pub use receive::{MIN_MEMORY, Making, ReceiveOptions, receive};
pub use send::{SendOptions, send};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use memring::AttachError;

use crate::engine::{Engine, Topic};
use crate::metrics::Status;

/// How often an end says that it is there.
const SAY_AGAIN: Duration = Duration::from_millis(500);
/// How often figures are reported.
const REPORT: Duration = Duration::from_millis(200);
/// How often it is looked again for what is waited for.
const POLL: Duration = Duration::from_millis(10);

/// What every end needs.
#[derive(Clone)]
pub struct Context {
    /// Moves packets.
    pub engine: Arc<dyn Engine>,
    /// What packets are sent to.
    pub topic: Topic,
    /// Set when it is to end in order.
    pub stop: Arc<AtomicBool>,
    /// Where figures go.
    pub status: Arc<Status>,
    /// Time is counted from here.
    pub began: Instant,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The time, as the state machines take it.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether it is to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) // a flag alone
    }
}

/// Tells when something is due again.
#[derive(Debug)]
struct Every {
    period: Duration,
    last: Option<Duration>,
}

impl Every {
    fn new(period: Duration) -> Every {
        Every { period, last: None }
    }

    fn is_due(&mut self, now: Duration) -> bool {
        let due = self.last.is_none_or(|last| now >= last + self.period);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// Attaches an endpoint; waits up to `wait` where another has the place.
fn attach<E>(
    context: &Context,
    wait: Duration,
    mut endpoint: impl FnMut() -> Result<E, AttachError>,
) -> Result<E, AttachError> {
    let until = context.now() + wait;
    loop {
        match endpoint() {
            Err(AttachError::Occupied { .. }) if context.now() < until && !context.is_stopped() => {
                std::thread::sleep(POLL);
            }
            outcome => return outcome,
        }
    }
}
