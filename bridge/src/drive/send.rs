//! The sending end at work.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use memring::{Kind, LeaseBatch, RecvTimeoutError, Ring};

use super::{Context, Every, POLL, REPORT, SAY_AGAIN, attach};
use crate::engine::{Arrivals, Event, inbox};
use crate::packet::{DATA_OVERHEAD, Shape, decode};
use crate::receiver::MAX_MARKS;
use crate::rings::{self, Carried, Job};
use crate::sender::{Limits, Sender};
use crate::state::{Journal, Role, random};

/// Bytes of hellos and acknowledgements that may wait to be looked at.
const INBOX: usize = 8 << 20;
/// Packets that are sent before it is looked for acknowledgements again.
const BURST: usize = 16;
/// How long to wait, with messages under way, before the ring is looked at again: at first,
const SHORT: Duration = Duration::from_micros(100);
/// and when nothing has come for a while.
const LONG: Duration = Duration::from_millis(2);
/// How long the end of a source is told.
const TELL_END: Duration = Duration::from_secs(3);

/// Options of a sending bridge.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// The ring.
    pub name: String,
    /// What may be in its hands.
    pub limits: Limits,
    /// How long to wait for the ring, for its receiving side and for its journal.
    pub wait: Duration,
    /// How long to wait for acknowledgements when it is to end.
    pub drain: Duration,
}

/// Sends what is in a ring, until that is closed and everything is acknowledged.
///
/// # Errors
/// If the ring, its state or the engine cannot be used; if nobody takes such messages.
pub fn send(context: &Context, options: &SendOptions) -> Result<()> {
    let name = &options.name;
    let until = context.now() + options.wait;
    let found = loop {
        match rings::look(name)? {
            Some(found) => break found,
            None if context.is_stopped() => return Ok(()),
            None if context.now() < until => std::thread::sleep(POLL),
            None => bail!(
                "there is no ring {name}: make it with `memring create`, or wait for it with --wait"
            ),
        }
    };
    if found.kind.has_many_receivers() && found.capacity > 2 * MAX_MARKS {
        bail!(
            "{name} has many receivers and a capacity of {}: expected up to {}",
            found.capacity,
            2 * MAX_MARKS
        );
    }
    let largest = found.shape.limit() + 4 + DATA_OVERHEAD;
    if largest > context.engine.limit() {
        bail!(
            "messages of {name} may have {} bytes: expected up to {}, which the engine moves",
            found.shape.limit(),
            context.engine.limit() - 4 - DATA_OVERHEAD
        );
    }
    let (kind, capacity, shape) = (found.kind, found.capacity, found.shape);
    rings::open(
        name,
        &found,
        Sending {
            context,
            options,
            slack: if kind.has_many_receivers() {
                capacity as u64
            } else {
                0
            },
            shape,
        },
    )
}

struct Sending<'c> {
    context: &'c Context,
    options: &'c SendOptions,
    slack: u64,
    shape: Shape,
}

impl Job for Sending<'_> {
    fn run<T: Carried + ?Sized, K: Kind>(self, ring: Ring<T, K>) -> Result<()> {
        let (context, options) = (self.context, self.options);
        let path = ring.path().context("the ring has no name")?;
        let journal = Journal::open(path, Role::Source, options.wait)?;
        let mut receiver = attach(context, options.wait, || ring.receiver())
            .with_context(|| format!("cannot receive from {}", options.name))?;
        let session = random();
        let sender = Sender::new(
            journal.id(),
            session,
            self.shape,
            self.slack,
            options.limits,
            journal.records(),
        );
        let (inbox, arrivals) = inbox(INBOX);
        let (engine, topic) = (&context.engine, &context.topic);
        engine.subscribe(&topic.below("hello"), &inbox)?;
        engine.subscribe(&topic.below("ack").of_id(journal.id()), &inbox)?;
        engine.watch(&topic.below("alive"), &inbox)?;
        tracing::info!(ring = %path.display(), source = format_args!("{:016x}", journal.id()),
            "sending {}", self.shape);
        let mut end = End {
            context,
            options,
            sender,
            journal,
            arrivals,
            offers: Every::new(SAY_AGAIN),
            reports: Every::new(REPORT),
            lag: 0,
        };
        loop {
            end.pump(Duration::ZERO)?;
            if context.is_stopped() {
                return Ok(());
            }
            end.lag = receiver.len();
            let wants = end.sender.wants(context.now());
            if wants == 0 {
                end.pump(LONG * 5)?;
                continue;
            }
            match receiver.lease_batch_timeout(wants, POLL) {
                Ok(batch) => end.carry_batch(batch)?,
                Err(RecvTimeoutError::Timeout(_)) => {}
                Err(RecvTimeoutError::Closed) => return end.tell_end(),
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot go on with {}", options.name));
                }
            }
        }
    }
}

/// A sending end, and what it works with.
struct End<'c> {
    context: &'c Context,
    options: &'c SendOptions,
    sender: Sender,
    journal: Journal,
    arrivals: Arrivals,
    offers: Every,
    reports: Every,
    lag: usize,
}

impl End<'_> {
    /// Until nothing is leased any more.
    fn carry_batch<T: Carried + ?Sized, K: Kind>(
        &mut self,
        mut batch: LeaseBatch<'_, T, K>,
    ) -> Result<()> {
        let mut stopped = None;
        let mut idle = 0u32;
        loop {
            let now = self.context.now();
            self.sender
                .fill(now, &batch, &mut self.journal)
                .context("cannot write the bridge's state")?;
            let more_to_send = self.transmit()?;
            self.sender.release(&mut batch);
            if batch.is_empty() {
                return Ok(());
            }
            if self.context.is_stopped() {
                let since = *stopped.get_or_insert(now);
                if now >= since + self.options.drain {
                    let left = batch.len();
                    tracing::warn!(
                        messages = left,
                        "ends before all is acknowledged; the rest stays in the ring"
                    );
                    return Ok(()); // the batch gives them back
                }
            }
            let unpacked = LeaseBatch::len(&batch) - self.sender.held();
            let wants = self.sender.wants(now).saturating_sub(unpacked);
            let before = batch.len();
            if wants > 0 && stopped.is_none() {
                batch.extend(wants);
            }
            idle = match LeaseBatch::len(&batch) > before {
                true => 0,
                false => idle.saturating_add(1),
            };
            let pause = match (more_to_send || idle == 0, wants > 0 && idle < 100) {
                (true, _) => Duration::ZERO,
                (_, true) => SHORT,
                _ => LONG,
            };
            if self.pump(pause)? {
                idle = 1;
            }
        }
    }

    /// Sends what is due. Whether there may be more.
    fn transmit(&mut self) -> Result<bool> {
        let packets = self.sender.transmit(self.context.now(), BURST);
        let more = packets.len() == BURST;
        let topic = self.context.topic.below("data");
        for (target, packet) in packets {
            self.context.engine.publish(&topic.of_id(target), packet)?;
        }
        Ok(more)
    }

    /// Looks at what has come, or comes within `time`, and says what is due to be said.
    /// Whether something has come.
    fn pump(&mut self, time: Duration) -> Result<bool> {
        let mut event = self.arrivals.next_within(time);
        let any = event.is_some();
        let now = self.context.now();
        while let Some(happened) = event {
            match happened {
                Event::Packet(bytes) => match decode(&bytes) {
                    Ok(packet) => self.sender.on_packet(now, &packet),
                    Err(error) => {
                        tracing::debug!(%error);
                        self.sender.count_invalid();
                    }
                },
                Event::Gone(session) => self.sender.on_gone(session),
            }
            event = self.arrivals.next_now();
        }
        if self.sender.take_owed_offer() | self.offers.is_due(now) {
            self.offer()?;
        }
        self.sender
            .reassign(now, &mut self.journal)
            .context("cannot write the bridge's state")?;
        if self.reports.is_due(now) {
            let figures = self.sender.figures(now);
            self.context.status.sending(&figures, self.lag);
        }
        if let Some(theirs) = self.sender.mismatch(now) {
            bail!(
                "the ring {} carries {}, and the target of {} takes {}: make one of them again, so \
                 that both are the same",
                self.options.name,
                self.sender.shape(),
                self.context.topic.joined("/"),
                theirs
            );
        }
        Ok(any)
    }

    fn offer(&mut self) -> Result<()> {
        let topic = self.context.topic.below("offer");
        let packet = self.sender.offer().encode();
        self.context.engine.publish(&topic, packet)
    }

    /// The source has ended: says so, until somebody has noted it.
    fn tell_end(&mut self) -> Result<()> {
        self.sender.end();
        tracing::info!("the ring is closed, and all that was in it is acknowledged");
        let began = self.context.now();
        while !self.sender.is_end_noted() && self.context.now() < began + TELL_END {
            self.offer()?;
            self.pump(SAY_AGAIN / 5)?;
        }
        let figures = self.sender.figures(self.context.now());
        self.context.status.sending(&figures, 0);
        Ok(())
    }
}
