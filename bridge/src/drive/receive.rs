//! The receiving end at work.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use memring::{Kind, MessageKind, Ring, RingKind};

use super::{Context, Every, REPORT, SAY_AGAIN, attach};
use crate::engine::{Arrivals, Event, Inbox, inbox};
use crate::packet::{Packet, Shape, decode};
use crate::receiver::{Put, Receiver, RingState, Target};
use crate::rings::{self, Carried, Job, RingTarget};
use crate::state::{Journal, Role, random};

/// Bytes that are put before it is looked at what has come.
const BURST: usize = 1 << 20;
/// How long to wait when the ring is full.
const FULL: Duration = Duration::from_micros(200);
/// How long to wait for packets.
const IDLE: Duration = Duration::from_millis(20);

/// A ring to be made.
#[derive(Clone, Copy, Debug)]
pub struct Making {
    /// Its kind. With one sender, which is the bridge, each message arrives once.
    pub kind: RingKind,
    /// How many messages it holds.
    pub capacity: usize,
    /// Limit of byte messages; if it is not given, as the first source has it.
    pub limit: Option<usize>,
}

/// Options of a receiving bridge.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// The ring.
    pub name: String,
    /// How to make the ring, if it is not there.
    pub making: Option<Making>,
    /// Bytes that may wait for room in the ring.
    pub memory: usize,
    /// How long to wait for the ring's sending side, and for its journal.
    pub wait: Duration,
    /// Ends when all sources have that were there, and closes the ring.
    pub until_end: bool,
}

/// Puts what comes into a ring.
///
/// # Errors
/// If the ring, its state or the engine cannot be used; if nobody sends such messages.
pub fn receive(context: &Context, options: &ReceiveOptions) -> Result<()> {
    let (inbox, arrivals) = inbox(options.memory);
    let (engine, topic) = (&context.engine, &context.topic);
    engine.subscribe(&topic.below("offer"), &inbox)?;
    let name = &options.name;
    let found = loop {
        match (rings::look(name)?, options.making) {
            (Some(found), _) => break found,
            (None, None) => bail!(
                "there is no ring {name}: make it with `memring create`, or have it made with \
                 --create"
            ),
            (None, Some(making)) => {
                let Some(mut shape) = first_offer(context, &arrivals) else {
                    return Ok(());
                };
                if let (MessageKind::Bytes { .. }, Some(limit)) = (shape.message, making.limit) {
                    shape.message = MessageKind::Bytes { limit };
                }
                rings::make(name, making.kind, &shape, making.capacity)?;
            }
        }
    };
    let shape = found.shape;
    rings::open(
        name,
        &found,
        Receiving {
            context,
            options,
            shape,
            arrivals,
            inbox,
        },
    )
}

/// What the first source has that is heard of. `None`: it is to end.
fn first_offer(context: &Context, arrivals: &Arrivals) -> Option<Shape> {
    tracing::info!("waits for a sender, to make a ring for its messages");
    while !context.is_stopped() {
        if let Some(Event::Packet(bytes)) = arrivals.next_within(IDLE)
            && let Ok(Packet::Offer(offer)) = decode(&bytes)
        {
            return Some(offer.shape);
        }
    }
    None
}

struct Receiving<'c> {
    context: &'c Context,
    options: &'c ReceiveOptions,
    shape: Shape,
    arrivals: Arrivals,
    inbox: Inbox,
}

impl Job for Receiving<'_> {
    fn run<T: Carried + ?Sized, K: Kind>(self, ring: Ring<T, K>) -> Result<()> {
        let (context, options) = (self.context, self.options);
        let path = ring.path().context("the ring has no name")?;
        let mut journal = Journal::open(path, Role::Target, options.wait)?;
        let sender = attach(context, options.wait, || ring.sender())
            .with_context(|| format!("cannot send to {}", options.name))?;
        // After the attachment: it has recovered what a sender before left.
        let target = RingTarget::new(sender);
        let state = match target.sent() {
            _ if !journal.is_of_this_ring() => RingState::Another,
            Some(sent) => RingState::Alone(sent),
            None => RingState::Shared {
                progress: journal.progress(),
            },
        };
        let session = random();
        let records = journal.records().to_vec();
        let ids = (journal.id(), session);
        let (receiver, recovered) = Receiver::new(
            ids,
            self.shape,
            options.memory,
            &records,
            state,
            &mut journal,
        )
        .context("cannot write the bridge's state")?;
        if recovered.uncertain > 0 || recovered.others_sent > 0 {
            tracing::warn!(
                ?recovered,
                "the bridge before ended in the middle of a packet"
            );
        }
        if !journal.existed() {
            tracing::info!("new state: what came before, if anything did, may come again");
        }
        let (engine, topic) = (&context.engine, &context.topic);
        engine.subscribe(&topic.below("data").of_id(journal.id()), &self.inbox)?;
        engine.announce(&topic.below("alive"), session)?;
        tracing::info!(ring = %path.display(), target = format_args!("{:016x}", journal.id()),
            "receiving {}", self.shape);
        let mut end = End {
            context,
            options,
            receiver,
            journal,
            target,
            arrivals: self.arrivals,
            hellos: Every::new(SAY_AGAIN),
            reports: Every::new(REPORT),
            was_full: false,
        };
        let mut pause = Duration::ZERO;
        loop {
            pause = end.turn(pause)?;
            if context.is_stopped() {
                return Ok(());
            }
            if options.until_end && end.receiver.is_ended() {
                tracing::info!("all sources have ended");
                return end.target.close();
            }
        }
    }
}

/// A receiving end, and what it works with.
struct End<'c, T: Carried + ?Sized, K: Kind> {
    context: &'c Context,
    options: &'c ReceiveOptions,
    receiver: Receiver,
    journal: Journal,
    target: RingTarget<T, K>,
    arrivals: Arrivals,
    hellos: Every,
    reports: Every,
    was_full: bool,
}

impl<T: Carried + ?Sized, K: Kind> End<'_, T, K> {
    /// Looks at what has come, or comes within `pause`; puts it, and says so. How long the
    /// next turn may wait.
    fn turn(&mut self, pause: Duration) -> Result<Duration> {
        let mut event = self.arrivals.next_within(pause);
        let now = self.context.now();
        let mut bytes_seen = 0;
        while let Some(happened) = event {
            if let Event::Packet(bytes) = happened {
                bytes_seen += bytes.len();
                match decode(&bytes) {
                    Ok(packet) => self.receiver.on_packet(now, &packet),
                    Err(error) => {
                        tracing::debug!(%error);
                        self.receiver.count_invalid();
                    }
                }
            }
            event = match bytes_seen < BURST {
                true => self.arrivals.next_now(),
                false => None,
            };
        }
        let put = self
            .receiver
            .put(BURST, &mut self.target, &mut self.journal);
        let put = put.with_context(|| format!("cannot put into {}", self.options.name))?;
        let (engine, topic) = (&self.context.engine, &self.context.topic);
        for (source, ack) in self.receiver.acks(now) {
            engine.publish(&topic.below("ack").of_id(source), ack.encode())?;
        }
        let is_full = put == Put::Full;
        let has_room_again = self.was_full && !is_full;
        self.was_full = is_full;
        if self.receiver.owes_hello() | has_room_again | self.hellos.is_due(now) {
            let hello = self.receiver.hello(now).encode();
            engine.publish(&topic.below("hello"), hello)?;
        }
        if self.reports.is_due(now) {
            let figures = self.receiver.figures(now);
            self.context
                .status
                .receiving(&figures, self.arrivals.dropped());
        }
        if let Some(theirs) = self.receiver.mismatch(now) {
            bail!(
                "the ring {} takes {}, and the source of {} carries {}: make one of them again, so \
                 that both are the same",
                self.options.name,
                self.receiver.shape(),
                topic.joined("/"),
                theirs
            );
        }
        Ok(match put {
            Put::All if bytes_seen < BURST => IDLE,
            Put::Full => FULL,
            _ => Duration::ZERO,
        })
    }
}

/// Not less than this makes sense as memory.
pub const MIN_MEMORY: usize = 256 << 10;

const _: () = assert!(MIN_MEMORY > crate::packet::FILL);
