//! How `send` and `recv` come by their ring: made, opened, or waited for; and the one place where
//! a kind known at run time becomes a type.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use memring::{AttachError, Kind, MessageKind, Mpmc, Mpsc, Ring, RingError, RingKind, Spmc, Spsc};

/// How often `--wait` looks again.
const POLL: Duration = Duration::from_millis(10);

/// The options that `send` and `recv` share.
#[derive(Args)]
pub struct Opening {
    /// The ring: a name in the default directory, or a path with '/'
    name: String,

    /// Make the ring; an error if the name is taken
    #[arg(long, conflicts_with = "wait", help_heading = "Ring")]
    create: bool,

    /// Make this kind of ring: spsc, mpsc, spmc or mpmc (single or multiple producers, consumers)
    #[arg(
        long,
        value_name = "KIND",
        default_value_t = RingKind::Spsc,
        hide_possible_values = true,
        requires = "create",
        help_heading = "Ring"
    )]
    kind: RingKind,

    /// Make a ring that holds so many messages, a power of two
    #[arg(
        long,
        value_name = "N",
        default_value_t = 256,
        requires = "create",
        help_heading = "Ring"
    )]
    capacity: usize,

    /// Make a ring for messages of up to so many bytes; K and M are understood
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "16K",
        value_parser = parse_size,
        requires = "create",
        help_heading = "Ring"
    )]
    slot_size: usize,

    /// Wait until the ring exists, and until an endpoint can attach to this side
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
        let kind = if self.create {
            self.kind
        } else {
            self.existing(&retry)?
        };
        match kind {
            RingKind::Spsc => job.run(self.ring::<Spsc>(wait_through)?, &retry),
            RingKind::Mpsc => job.run(self.ring::<Mpsc>(wait_through)?, &retry),
            RingKind::Spmc => job.run(self.ring::<Spmc>(wait_through)?, &retry),
            RingKind::Mpmc => job.run(self.ring::<Mpmc>(wait_through)?, &retry),
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

    fn ring<K: Kind>(&self, wait_through: bool) -> Result<Ring<[u8], K>> {
        let builder = Ring::<[u8], K>::builder().wait_through_disconnect(wait_through);
        let ring = if self.create {
            builder
                .capacity(self.capacity)
                .message_limit(self.slot_size)
                .create(&self.name)
        } else {
            builder.open(&self.name)
        };
        ring.map_err(Into::into)
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
