//! How `send` and `recv` come by their ring: made, opened, or waited for; and the one place where
//! a kind known at run time becomes a type.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use memring::{
    AttachError, Inspection, Kind, MessageKind, Mismatch, Mpmc, Mpsc, Ring, RingError, RingKind,
    Spmc, Spsc,
};

use crate::format::printable;
use crate::making::{Making, parse_seconds};
use crate::remedy::{self, Asked};
use crate::usage::Usage;
use crate::what::{self, What};

/// What a ring has that is made without being told.
const CAPACITY: usize = 256;
const SLOT_SIZE: usize = 16 << 10;

/// How often `--wait` looks again.
const POLL: Duration = Duration::from_millis(10);

/// The options that `send` and `recv` share.
#[derive(Args)]
pub struct Opening {
    /// The ring: a name in the default directory, or a path with '/'
    pub name: String,

    /// Make the ring, unless it exists. A ring that is closed, empty and not attached to is
    /// replaced. recv first takes the messages that are left in a closed ring
    #[arg(long, conflicts_with = "recreate", help_heading = "Ring")]
    pub create: bool,

    #[command(flatten)]
    pub making: Making,

    /// Wait until the ring exists, or can be replaced, and until an endpoint can attach to this
    /// side
    #[arg(long, help_heading = "Ring")]
    pub wait: bool,

    /// Stop waiting after this many seconds (fractions are allowed)
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = parse_seconds,
        requires = "wait",
        help_heading = "Ring"
    )]
    pub timeout: Option<Duration>,
}

/// A ring, its kind known at run time only.
enum AnyRing {
    Spsc(Ring<[u8], Spsc>),
    Mpsc(Ring<[u8], Mpsc>),
    Spmc(Ring<[u8], Spmc>),
    Mpmc(Ring<[u8], Mpmc>),
}

/// What to make, or to insist on.
struct Choice {
    kind: RingKind,
    capacity: usize,
    slot_size: usize,
}

/// What is done with a ring once its kind is known.
pub trait Job {
    /// Whether it takes what is left in a closed ring. Else that is in the way of a new one.
    const DRAINS: bool;

    /// Do it. Attach by `retry`, as `--wait` and `--timeout` say.
    fn run<K: Kind>(self, ring: Ring<[u8], K>, retry: &Retry) -> Result<()>;
}

impl Opening {
    /// Make, open or wait for the ring, and do `job` with it. With `wait_through` its calls wait
    /// when the other side is gone: it may be started again, and only closing ends the stream.
    pub fn run<J: Job>(&self, wait_through: bool, job: J) -> Result<()> {
        let retry = Retry::new(self.wait, self.timeout);
        if !self.makes()
            && let Some(option) = self.making.given()
        {
            let text = format!("{option} is about making a ring: expected --create as well");
            return Err(Usage(text).into());
        }
        // What else stands there, is told apart by what it is.
        if !self.making.recreate
            && let Ok(Some(other)) = what::look(&self.name)
            && !matches!(other, What::Ring(_))
        {
            return Err(what::is_other(&self.name, "a ring", &other));
        }
        let mode = Mode {
            wait_through,
            drains: J::DRAINS,
        };
        let look = || match memring::inspect(&self.name) {
            Err(RingError::NotFound { .. }) => Ok(None),
            found => found.map(Some),
        };
        match self.ring(mode, &retry, look)? {
            AnyRing::Spsc(ring) => job.run(ring, &retry),
            AnyRing::Mpsc(ring) => job.run(ring, &retry),
            AnyRing::Spmc(ring) => job.run(ring, &retry),
            AnyRing::Mpmc(ring) => job.run(ring, &retry),
        }
    }

    /// Whether it makes a ring, if there is none.
    fn makes(&self) -> bool {
        self.create || self.making.recreate
    }

    /// The ring. `look` says what is there. It is asked before each try, since others make,
    /// close and replace the ring meanwhile, and what was not asked for is chosen by it.
    fn ring(
        &self,
        mode: Mode,
        retry: &Retry,
        mut look: impl FnMut() -> Result<Option<Inspection>, RingError>,
    ) -> Result<AnyRing> {
        let attempt = || loop {
            let found = match self.making.recreate || self.making.exclusive {
                true => None, // whatever it is, also damaged
                false => look()?,
            };
            if !self.makes() {
                check_bytes(&self.name, found.as_ref())?;
            }
            let choice = self.choose(found.as_ref());
            let outcome = match choice.kind {
                RingKind::Spsc => self.attempt(&choice, mode).map(AnyRing::Spsc),
                RingKind::Mpsc => self.attempt(&choice, mode).map(AnyRing::Mpsc),
                RingKind::Spmc => self.attempt(&choice, mode).map(AnyRing::Spmc),
                RingKind::Mpmc => self.attempt(&choice, mode).map(AnyRing::Mpmc),
            };
            match outcome {
                // It is not the ring that was seen: what it lacks, nobody has asked for.
                Err(RingError::Mismatch { mismatch, .. }) if !self.asks_for(&mismatch) => {}
                outcome => return Ok(outcome?),
            }
        };
        let again = |error: &anyhow::Error| match error.downcast_ref() {
            Some(RingError::NotFound { .. }) => !self.makes(),
            // Others are to drain it, or to leave it.
            Some(RingError::Closed { .. }) => true,
            _ => false,
        };
        let asked = Asked {
            name: &self.name,
            makes: self.makes(),
            waits: self.wait,
        };
        retry
            .run(attempt, again)
            .map_err(|error| remedy::advise(&asked, error))
    }

    /// What was asked for, else what the ring has that is there and open, else the default.
    /// A kind stays also when a closed ring is replaced.
    fn choose(&self, found: Option<&Inspection>) -> Choice {
        let open = found.filter(|ring| !ring.closed);
        let limit = open.and_then(|ring| match ring.message {
            MessageKind::Bytes { limit } => Some(limit),
            MessageKind::Typed { .. } => None,
        });
        let capacity = open.map(|ring| ring.capacity);
        Choice {
            kind: self
                .making
                .kind
                .or(found.map(|ring| ring.kind))
                .unwrap_or(RingKind::Spsc),
            capacity: self.making.capacity.or(capacity).unwrap_or(CAPACITY),
            slot_size: self.making.slot_size.or(limit).unwrap_or(SLOT_SIZE),
        }
    }

    /// Whether this is not what the command line asks for, whichever ring was seen.
    fn asks_for(&self, mismatch: &Mismatch) -> bool {
        match *mismatch {
            Mismatch::Kind { .. } => self.making.kind.is_some(),
            // (A capacity may have been rounded up.)
            Mismatch::Option { expected, .. } => [
                self.making.capacity,
                self.making
                    .capacity
                    .and_then(usize::checked_next_power_of_two),
                self.making.slot_size,
            ]
            .into_iter()
            .flatten()
            .any(|asked| asked as u64 == expected),
            _ => true,
        }
    }

    fn attempt<K: Kind>(&self, choice: &Choice, mode: Mode) -> Result<Ring<[u8], K>, RingError> {
        let builder = self
            .making
            .builder::<K>(choice.capacity, choice.slot_size)
            .wait_through_disconnect(mode.wait_through);
        if self.making.recreate {
            return builder.recreate(&self.name);
        }
        if !self.create {
            return builder.open(&self.name);
        }
        if self.making.exclusive {
            return builder.create(&self.name);
        }
        loop {
            match builder.clone().open_or_create(&self.name) {
                // For us to take, as it was for the one of us that was killed.
                Err(RingError::Closed { messages: 1.., .. }) if mode.drains => {
                    match builder.clone().open(&self.name) {
                        // Others were faster.
                        Ok(ring) if !ring.is_closed() => {}
                        Err(RingError::NotFound { .. }) => {}
                        outcome => return outcome,
                    }
                }
                outcome => return outcome,
            }
        }
    }
}

/// How a ring is opened for a job.
#[derive(Clone, Copy)]
struct Mode {
    /// Calls wait when the other side is gone.
    wait_through: bool,
    /// A closed ring with messages left is good enough.
    drains: bool,
}

/// A ring of typed messages is told apart by name, not by what their size is called.
fn check_bytes(name: &str, found: Option<&Inspection>) -> Result<()> {
    if let Some(MessageKind::Typed { size, .. }) = found.map(|ring| ring.message) {
        bail!(
            "ring {} carries typed messages of {size} bytes: send and recv need a ring of byte \
             messages, as --create makes",
            printable(name)
        );
    }
    Ok(())
}

/// How long to keep trying.
pub struct Retry {
    wait: bool,
    until: Option<Instant>,
}

impl Retry {
    /// Try again if `wait` says so, for at most `timeout`.
    pub fn new(wait: bool, timeout: Option<Duration>) -> Retry {
        Retry {
            wait,
            until: timeout.and_then(|span| Instant::now().checked_add(span)),
        }
    }

    /// Attach an endpoint; with `--wait`, if the side is occupied, wait until it is free.
    pub fn attach<E>(&self, endpoint: impl FnMut() -> Result<E, AttachError>) -> Result<E> {
        self.run(endpoint, |error| {
            matches!(error, AttachError::Occupied { .. })
        })
        .context("cannot attach to the ring")
    }

    /// Try until it works, until it fails in another way than `again` says, or until the deadline.
    pub fn run<T, E>(
        &self,
        mut operation: impl FnMut() -> Result<T, E>,
        again: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        loop {
            match operation() {
                Err(error) if self.wait && again(&error) => {
                    if self.until.is_some_and(|until| Instant::now() >= until) {
                        return Err(error);
                    }
                    std::thread::sleep(POLL);
                }
                outcome => return outcome,
            }
        }
    }
}

#[cfg(test)]
mod tests;
