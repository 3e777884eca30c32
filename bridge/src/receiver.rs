//! The state machine of the receiving end: what is put, what is held, what is told.
//!
//! No clock, no network, as in [`sender`](crate::sender). The ring is a [`Target`], the
//! journal a [`Store`](crate::state::Store).
//!
//! Before messages are put, the intent is written down; when they are, that; and then they
//! are acknowledged. A successor that finds an intent alone looks at the ring: where the
//! bridge is its only sender, the ring tells how many of the messages are in it.

mod put;
mod recover;

pub use put::{Put, Target};
pub use recover::{Recovered, RingState};

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::packet::{Ack, Data, Hello, MAX_RANGES, Offer, Packet, Shape, messages};
use crate::ranges::RangeSet;
use crate::sender::SILENT_AFTER;

/// The most ranges of positions that are remembered of a source.
pub const MAX_MARKS: usize = 1 << 20;
/// The most sources.
const MAX_SOURCES: usize = 1 << 14;

/// What a receiving end is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages put, in this run.
    pub put: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that came again, and were not put again.
    pub duplicates: u64,
    /// Packets that were dropped for want of memory, and come again.
    pub refused: u64,
    /// Messages put that may have been put before: here, or at another target.
    pub uncertain: u64,
    /// Packets that made no sense.
    pub invalid: u64,
    /// Messages that wait for room.
    pub held: u64,
    /// Bytes of them.
    pub held_bytes: u64,
    /// Sources that are there.
    pub sources: u64,
    /// Whether the ring is full.
    pub full: bool,
}

/// What is known of a source.
#[derive(Debug, Default)]
struct Known {
    /// Below this, nothing comes.
    base: u64,
    /// At it or above: these are put,
    put: RangeSet,
    /// and these wait for room.
    held: RangeSet,
    /// Heard of in this run: its shape, session, and when last.
    heard: Option<Heard>,
    /// The last packet of data: session, number, and first position.
    echo: (u64, u64),
    recent: u64,
    owes_ack: bool,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    shape: Shape,
    session: u64,
    at: Duration,
    ended: bool,
}

/// Messages that wait for room, of consecutive positions.
#[derive(Debug)]
struct Piece {
    source: u64,
    first: u64,
    end: u64,
    payload: Vec<u8>,
    /// Bytes of the payload that are put.
    offset: usize,
    /// Messages that are put.
    done: u32,
    intended: bool,
    uncertain: bool,
}

/// The receiving end of streams.
#[derive(Debug)]
pub struct Receiver {
    target: u64,
    session: u64,
    shape: Shape,
    /// Bytes that may wait for room.
    memory: usize,
    stamp: u64,
    sources: BTreeMap<u64, Known>,
    queue: VecDeque<Piece>,
    held_bytes: usize,
    full: bool,
    mismatched: Option<(Duration, Shape)>,
    owes_hello: bool,
    figures: Figures,
}

impl Receiver {
    /// What tells others that this end is there, and how much it takes.
    pub fn hello(&mut self, now: Duration) -> Packet<'static> {
        self.owes_hello = false;
        self.stamp += 1;
        Packet::Hello(Hello {
            target: self.target,
            session: self.session,
            stamp: self.stamp,
            shape: self.shape,
            credit: self.credit(now),
        })
    }

    /// Whether a hello should be sent at once: a source has come.
    pub fn owes_hello(&self) -> bool {
        self.owes_hello
    }

    /// What its ring takes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// A packet that could not be read.
    pub fn count_invalid(&mut self) {
        self.figures.invalid += 1;
    }

    /// What a source has that is there and has other messages, if there is none whose
    /// messages fit.
    pub fn mismatch(&self, now: Duration) -> Option<Shape> {
        let (since, shape) = self.mismatched?;
        let any_fits = self.sources.values().any(|known| known.heard.is_some());
        (!any_fits && now >= since + Duration::from_secs(1)).then_some(shape)
    }

    /// Whether there was a source in this run, all of them have ended, and all is put.
    pub fn is_ended(&self) -> bool {
        let mut heard = self
            .sources
            .values()
            .filter_map(|known| known.heard)
            .peekable();
        self.queue.is_empty() && heard.peek().is_some() && heard.all(|heard| heard.ended)
    }

    /// Figures, as they are now.
    pub fn figures(&self, now: Duration) -> Figures {
        let held = self.queue.iter();
        Figures {
            held: held
                .map(|piece| piece.end - piece.first - u64::from(piece.done))
                .sum(),
            held_bytes: self.held_bytes as u64,
            sources: self.active(now) as u64,
            full: self.full,
            ..self.figures
        }
    }

    /// A packet has come.
    pub fn on_packet(&mut self, now: Duration, packet: &Packet<'_>) {
        match packet {
            Packet::Offer(offer) => self.on_offer(now, offer),
            Packet::Data(data) if data.target == self.target => self.on_data(now, data),
            _ => {}
        }
    }

    fn on_offer(&mut self, now: Duration, offer: &Offer) {
        if !offer.shape.fits(&self.shape) {
            self.mismatched.get_or_insert((now, offer.shape));
            self.owes_hello = true; // which tells the source
            return;
        }
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&offer.source) {
            self.figures.invalid += 1;
            return;
        }
        let known = self.sources.entry(offer.source).or_default();
        let is_new = known
            .heard
            .is_none_or(|heard| heard.session != offer.session);
        self.owes_hello |= is_new;
        known.owes_ack |= offer.ended;
        known.heard = Some(Heard {
            shape: offer.shape,
            session: offer.session,
            at: now,
            ended: offer.ended,
        });
    }

    fn on_data(&mut self, now: Duration, data: &Data<'_>) {
        let Some(known) = self.sources.get_mut(&data.source) else {
            return; // its offer comes
        };
        let Some(heard) = &mut known.heard else {
            return;
        };
        if data.fingerprint != heard.shape.fingerprint() {
            self.figures.invalid += 1;
            return;
        }
        let fixed = heard.shape.fixed();
        let count = data.count as usize;
        let Ok(parts) = messages(data.payload, count, fixed, heard.shape.limit()) else {
            self.figures.invalid += 1;
            return;
        };
        heard.at = now;
        known.recent = data.first;
        known.echo = (data.session, data.number);
        known.owes_ack = true;
        if data.base > known.base {
            known.base = data.base;
            known.put.remove(0, data.base);
        }
        let end = data.first + u64::from(data.count);
        let mut fresh = Vec::new();
        for (first, end) in known.put.missing(data.first.max(known.base), end) {
            fresh.extend(known.held.missing(first, end));
        }
        let fresh_count: u64 = fresh.iter().map(|(first, end)| end - first).sum();
        self.figures.duplicates += u64::from(data.count) - fresh_count;
        let is_over = self.held_bytes > 0 && self.held_bytes + data.payload.len() > self.memory;
        let marks = known.put.len() + known.held.len();
        if fresh_count > 0 && (is_over || marks >= MAX_MARKS) {
            self.figures.refused += 1;
            return;
        }
        let prefix = if fixed.is_some() { 0 } else { 4 };
        let bytes_before = |position: u64| -> usize {
            let before = parts.iter().take((position - data.first) as usize);
            before.map(|part| part.len() + prefix).sum()
        };
        for (first, end) in fresh {
            let payload = match first == data.first && parts.len() as u64 == end - first {
                true => data.payload,
                false => &data.payload[bytes_before(first)..bytes_before(end)],
            };
            known.held.insert(first, end);
            self.held_bytes += payload.len();
            self.queue.push_back(Piece {
                source: data.source,
                first,
                end,
                payload: payload.to_vec(),
                offset: 0,
                done: 0,
                intended: false,
                uncertain: data.uncertain,
            });
        }
    }

    /// Acknowledgements that are due: to which source, and the packet.
    pub fn acks(&mut self, now: Duration) -> Vec<(u64, Packet<'static>)> {
        let credit = self.credit(now);
        let mut acks = Vec::new();
        for (source, known) in &mut self.sources {
            if !std::mem::take(&mut known.owes_ack) {
                continue;
            }
            self.stamp += 1;
            let ack = Ack {
                source: *source,
                target: self.target,
                session: self.session,
                stamp: self.stamp,
                echo: std::mem::take(&mut known.echo),
                credit,
                ended: known.heard.is_some_and(|heard| heard.ended),
                put: some_of(&known.put, known.recent),
                held: some_of(&known.held, known.recent),
            };
            acks.push((*source, Packet::Ack(ack)));
        }
        acks
    }

    fn active(&self, now: Duration) -> usize {
        let heard = self.sources.values().filter_map(|known| known.heard);
        heard
            .filter(|heard| !heard.ended && now.saturating_sub(heard.at) < SILENT_AFTER)
            .count()
    }

    /// Bytes that each source may have under way: a share of the memory; none, if the ring
    /// is full and a quarter of that is in use.
    fn credit(&self, now: Duration) -> u64 {
        if self.full && self.held_bytes >= self.memory / 4 {
            return 0;
        }
        (self.memory / self.active(now).max(1)) as u64
    }
}

/// The first ranges, and those from `recent` on, where there are too many for a packet.
fn some_of(ranges: &RangeSet, recent: u64) -> Vec<(u64, u64)> {
    if ranges.len() <= MAX_RANGES {
        return ranges.iter().collect();
    }
    let mut some: Vec<_> = ranges.iter().take(MAX_RANGES / 2).collect();
    let past = some.last().map_or(0, |(_, end)| *end);
    some.extend(ranges.iter_from(recent.max(past)).take(MAX_RANGES / 2));
    some
}
