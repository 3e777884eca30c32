//! How `send` and `recv` come by their ring: made, opened, or waited for; and the one place where
//! a kind known at run time becomes a type.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use memring::{AttachError, Kind, MessageKind, Mpmc, Mpsc, Ring, RingError, RingKind, Spmc, Spsc};

use crate::usage::Usage;

/// What a ring has that is made without being told.
const CAPACITY: usize = 256;
const SLOT_SIZE: usize = 16 << 10;

/// How often `--wait` looks again.
const POLL: Duration = Duration::from_millis(10);

/// The options that `send` and `recv` share.
#[derive(Args)]
pub struct Opening {
    /// The ring: a name in the default directory, or a path with '/'
    name: String,

    /// Make the ring, unless it is there. One that is closed, empty and not attached to is replaced
    #[arg(long, help_heading = "Ring")]
    create: bool,

    /// Make the ring, whatever ring is there; those that use the old one are told
    #[arg(long, conflicts_with = "create", help_heading = "Ring")]
    recreate: bool,

    /// Make this kind of ring: spsc, mpsc, spmc or mpmc (single or multiple producers, consumers)
    /// [default: spsc]. One that is there must be of this kind
    #[arg(
        long,
        value_name = "KIND",
        hide_possible_values = true,
        help_heading = "Ring"
    )]
    kind: Option<RingKind>,

    /// Make a ring that holds so many messages, a power of two [default: 256]
    #[arg(long, value_name = "N", help_heading = "Ring")]
    capacity: Option<usize>,

    /// Make a ring for messages of up to so many bytes; K and M are understood [default: 16K]
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Ring")]
    slot_size: Option<usize>,

    /// Open a ring of another user's, or one that others may write to
    #[arg(long, help_heading = "Ring")]
    allow_foreign: bool,

    /// Wait until the ring exists, or can be replaced, and until an endpoint can attach to this side
    #[arg(long, help_heading = "Ring")]
    wait: bool,

    /// Stop waiting after this many seconds (a fraction will do)
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = parse_seconds,
        requires = "wait",
        help_heading = "Ring"
    )]
    timeout: Option<Duration>,
}

/// What is done with a ring once its kind is known.
pub trait Job {
    /// Do it. Attach by `retry`, as `--wait` and `--timeout` say.
    fn run<K: Kind>(self, ring: Ring<[u8], K>, retry: &Retry) -> Result<()>;
}

impl Opening {
    /// Make, open or wait for the ring, and do `job` with it. With `wait_through` its calls wait
    /// when the other side is gone: it may be started again, and only closing ends the stream.
    pub fn run(&self, wait_through: bool, job: impl Job) -> Result<()> {
        let retry = Retry {
            wait: self.wait,
            until: self
                .timeout
                .and_then(|span| Instant::now().checked_add(span)),
        };
        if !self.makes() {
            let about_making = [
                ("--kind", self.kind.is_some()),
                ("--capacity", self.capacity.is_some()),
                ("--slot-size", self.slot_size.is_some()),
            ];
            if let Some((option, _)) = about_making.iter().find(|(_, given)| *given) {
                let text = format!("{option} is about making a ring: expected --create as well");
                return Err(Usage(text).into());
            }
        }
        let kind = self.find_kind(&retry)?;
        match kind {
            RingKind::Spsc => job.run(self.ring::<Spsc>(wait_through, &retry)?, &retry),
            RingKind::Mpsc => job.run(self.ring::<Mpsc>(wait_through, &retry)?, &retry),
            RingKind::Spmc => job.run(self.ring::<Spmc>(wait_through, &retry)?, &retry),
            RingKind::Mpmc => job.run(self.ring::<Mpmc>(wait_through, &retry)?, &retry),
        }
    }

    /// Whether it makes a ring, if there is none.
    fn makes(&self) -> bool {
        self.create || self.recreate
    }

    /// The kind that was asked for, or that the ring has; or that it shall have.
    fn find_kind(&self, retry: &Retry) -> Result<RingKind> {
        match self.kind {
            Some(kind) => Ok(kind),
            None if self.recreate => Ok(RingKind::Spsc),
            None if self.create => match memring::inspect(&self.name) {
                Err(RingError::NotFound { .. }) => Ok(RingKind::Spsc),
                found => Ok(found?.kind),
            },
            None => self.existing(retry),
        }
    }

    /// The kind of the ring that exists, or that `--wait` waits for.
    fn existing(&self, retry: &Retry) -> Result<RingKind> {
        let found = retry.run(
            || memring::inspect(&self.name),
            |error| matches!(error, RingError::NotFound { .. }),
        );
        let found = match found {
            Err(RingError::NotFound { path }) if self.wait => {
                bail!("no ring at {}: it was not made in time", path.display());
            }
            Err(RingError::NotFound { path }) => bail!(
                "no ring at {}: make it with --create, or wait for it with --wait",
                path.display()
            ),
            other => other?,
        };
        if let MessageKind::Typed { size, .. } = found.message {
            bail!(
                "ring {:?} carries typed messages of {size} bytes: send and recv need a ring of \
                 byte messages, as --create makes",
                self.name
            );
        }
        Ok(found.kind)
    }

    fn ring<K: Kind>(&self, wait_through: bool, retry: &Retry) -> Result<Ring<[u8], K>> {
        let mut builder = Ring::<[u8], K>::builder()
            .wait_through_disconnect(wait_through)
            .allow_foreign(self.allow_foreign);
        // What was not asked for is as it is in a ring that is there.
        let is_there =
            || self.create && memring::inspect(&self.name).is_ok_and(|ring| !ring.closed);
        if let Some(slots) = self.capacity {
            builder = builder.capacity(slots);
        } else if !is_there() {
            builder = builder.capacity(CAPACITY);
        }
        if let Some(bytes) = self.slot_size {
            builder = builder.message_limit(bytes);
        } else if !is_there() {
            builder = builder.message_limit(SLOT_SIZE);
        }
        let ring = if self.recreate {
            builder.recreate(&self.name)
        } else if self.create {
            // Others may still be draining a ring that was closed.
            retry.run(
                || builder.clone().open_or_create(&self.name),
                |error| matches!(error, RingError::Closed { .. }),
            )
        } else {
            builder.open(&self.name)
        };
        ring.map_err(|error| match error {
            RingError::Closed { .. } => anyhow::Error::new(error).context(format!(
                "cannot use the ring: memring recv {0} drains it, --recreate replaces it",
                self.name
            )),
            error => error.into(),
        })
    }
}

/// How long to keep trying.
pub struct Retry {
    wait: bool,
    until: Option<Instant>,
}

impl Retry {
    /// Attach an endpoint; with `--wait`, if the side is occupied, wait until it is free.
    pub fn attach<E>(&self, endpoint: impl FnMut() -> Result<E, AttachError>) -> Result<E> {
        self.run(endpoint, |error| {
            matches!(error, AttachError::Occupied { .. })
        })
        .context("cannot attach to the ring")
    }

    /// Try until it works, until it fails in another way than `again` says, or until the deadline.
    fn run<T, E>(
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

fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let size = digits
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(unit));
    match size {
        Some(0) | None => Err("expected a number of bytes, such as 512, 16K or 1M".to_owned()),
        Some(size) => Ok(size),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds, such as 10 or 0.5".to_owned())
}
