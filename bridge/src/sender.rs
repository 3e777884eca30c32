//! The state machine of the sending end: what is leased, to whom it goes, what is to be sent
//! again, what can be released.
//!
//! No clock, no network: time is passed in, as the time since some start, and packets come
//! and go as values. The ring is a [`Source`], the journal a [`Store`].
//!
//! A packet is *bound* to a target before it is sent, which is written down first, and goes
//! to no other target, whatever happens to either bridge: the target alone knows whether it
//! has put it. What is released is what its target has put.

mod bindings;
mod fill;
mod target;

pub use bindings::Bindings;
pub use fill::{Leased, Source};

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use crate::packet::{Ack, Data, Hello, Offer, Packet, Shape};
use crate::state::{Record, Store};
use target::Target;

/// A target that was not heard of for so long gets nothing new.
pub const SILENT_AFTER: Duration = Duration::from_secs(3);
/// How long a bridge waits for a target that takes its messages, where another does not.
const MISMATCH_AFTER: Duration = Duration::from_secs(1);
/// So many transmissions are remembered, to measure round trips.
const REMEMBERED: usize = 1024;

/// Options of a sending end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most messages in its hands.
    pub messages: usize,
    /// The most bytes of messages in its hands, but for one packet.
    pub bytes: usize,
    /// When a target is given up that is not heard of. Its messages go elsewhere then, and
    /// may be there twice.
    pub reassign_after: Option<Duration>,
}

/// What a sending end is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages that are acknowledged, in this run.
    pub acknowledged: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets of messages sent, resends included.
    pub packets: u64,
    /// Packets sent again.
    pub resends: u64,
    /// Messages that may have been sent elsewhere before.
    pub uncertain: u64,
    /// Messages that were bound to a target that was given up.
    pub reassigned: u64,
    /// Packets that made no sense.
    pub invalid: u64,
    /// Messages under way.
    pub under_way: u64,
    /// Targets that are there.
    pub targets: u64,
    /// The shortest smoothed round trip of a target.
    pub round_trip: Option<Duration>,
}

/// Messages of consecutive positions, all for one target.
#[derive(Debug)]
struct Parcel {
    first: u64,
    count: u32,
    payload: Vec<u8>,
    target: u64,
    uncertain: bool,
    /// When it is to be sent next.
    due: Duration,
    /// How often it was sent.
    sent: u32,
    acknowledged: bool,
}

impl Parcel {
    fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// The sending end of a stream.
#[derive(Debug)]
pub struct Sender {
    source: u64,
    session: u64,
    shape: Shape,
    limits: Limits,
    /// The source's ring has many receivers: a position that is this much lower than the
    /// highest may still come.
    slack: u64,
    bindings: Bindings,
    /// In the order of the lease.
    parcels: VecDeque<Parcel>,
    targets: BTreeMap<u64, Target>,
    mismatched: Option<(Duration, Shape)>,
    /// One past the highest position seen.
    past: u64,
    next_number: u64,
    transmissions: VecDeque<(u64, u64, Duration)>,
    bytes: usize,
    owes_offer: bool,
    ended: bool,
    end_noted: bool,
    figures: Figures,
}

impl Sender {
    /// A sending end that knows what `records` of its journal say. `slack` is the capacity
    /// of a ring with many receivers, and 0 of others.
    pub fn new(
        source: u64,
        session: u64,
        shape: Shape,
        slack: u64,
        limits: Limits,
        records: &[Record],
    ) -> Sender {
        Sender {
            source,
            session,
            shape,
            limits,
            slack,
            bindings: Bindings::from_records(records),
            parcels: VecDeque::new(),
            targets: BTreeMap::new(),
            mismatched: None,
            past: 0,
            next_number: 1,
            transmissions: VecDeque::new(),
            bytes: 0,
            owes_offer: true,
            ended: false,
            end_noted: false,
            figures: Figures::default(),
        }
    }

    /// What tells others that this end is there.
    pub fn offer(&self) -> Packet<'static> {
        Packet::Offer(Offer {
            source: self.source,
            session: self.session,
            shape: self.shape,
            ended: self.ended,
        })
    }

    /// The source has ended, and all is acknowledged: offers say so from now on.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether a receiving end has noted that the source has ended.
    pub fn is_end_noted(&self) -> bool {
        self.end_noted
    }

    /// Messages in its hands.
    pub fn held(&self) -> usize {
        self.parcels
            .iter()
            .map(|parcel| parcel.count as usize)
            .sum()
    }

    /// Figures, as they are now.
    pub fn figures(&self, now: Duration) -> Figures {
        let there = self.targets.values().filter(|target| target.is_there(now));
        Figures {
            under_way: self.held() as u64,
            targets: there.clone().count() as u64,
            round_trip: there.filter_map(Target::round_trip).min(),
            ..self.figures
        }
    }

    /// What a receiving end takes that is there and takes other messages, if there is none
    /// that takes these.
    pub fn mismatch(&self, now: Duration) -> Option<Shape> {
        let (since, shape) = self.mismatched?;
        (self.targets.is_empty() && now >= since + MISMATCH_AFTER).then_some(shape)
    }

    /// What its messages are.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// A packet that could not be read.
    pub fn count_invalid(&mut self) {
        self.figures.invalid += 1;
    }

    /// A packet has come.
    pub fn on_packet(&mut self, now: Duration, packet: &Packet<'_>) {
        match packet {
            Packet::Hello(hello) => self.on_hello(now, hello),
            Packet::Ack(ack) => self.on_ack(now, ack),
            _ => {}
        }
    }

    /// The engine says that a receiving end has gone.
    pub fn on_gone(&mut self, session: u64) {
        for target in self.targets.values_mut() {
            target.on_gone(session);
        }
    }

    fn on_hello(&mut self, now: Duration, hello: &Hello) {
        if !self.shape.fits(&hello.shape) {
            self.mismatched.get_or_insert((now, hello.shape));
            return;
        }
        let is_new = !self.targets.contains_key(&hello.target);
        let target = self
            .targets
            .entry(hello.target)
            .or_insert_with(|| Target::new(now, hello));
        if target.hear(now, hello.session, hello.stamp, hello.credit) || is_new {
            self.owes_offer = true;
            self.send_again(now, hello.target);
        }
    }

    /// The target has been started again, and what it only held is gone.
    fn send_again(&mut self, now: Duration, target: u64) {
        let theirs = self.parcels.iter_mut();
        for parcel in theirs.filter(|parcel| parcel.target == target && !parcel.acknowledged) {
            parcel.due = now;
        }
    }

    fn on_ack(&mut self, now: Duration, ack: &Ack) {
        if ack.source != self.source {
            return;
        }
        let Some(target) = self.targets.get_mut(&ack.target) else {
            return; // its hello comes
        };
        let started_again = target.hear(now, ack.session, ack.stamp, ack.credit);
        self.end_noted |= ack.ended && self.ended;
        if ack.echo.0 == self.session
            && let Ok(at) = self
                .transmissions
                .binary_search_by_key(&ack.echo.1, |sent| sent.0)
            && self.transmissions[at].1 == ack.target
        {
            target.measure(now.saturating_sub(self.transmissions[at].2));
        }
        let is_current = target.is_of(ack.session);
        let pause = target.pause_of_held();
        let within = |ranges: &[(u64, u64)], parcel: &Parcel| {
            let at = ranges.partition_point(|range| range.0 <= parcel.first);
            at > 0 && ranges[at - 1].1 >= parcel.end()
        };
        let mut freed = 0;
        for parcel in &mut self.parcels {
            if parcel.target != ack.target || parcel.acknowledged || parcel.sent == 0 {
                continue;
            }
            if within(&ack.put, parcel) {
                parcel.acknowledged = true;
                freed += parcel.payload.len();
                self.figures.acknowledged += u64::from(parcel.count);
                self.figures.bytes += parcel.payload.len() as u64;
                parcel.payload = Vec::new();
            } else if is_current && within(&ack.held, parcel) {
                parcel.due = parcel.due.max(now + pause);
            }
        }
        target.under_way = target.under_way.saturating_sub(freed);
        self.bytes = self.bytes.saturating_sub(freed);
        if started_again {
            self.owes_offer = true;
            self.send_again(now, ack.target);
        }
    }

    /// Whether an offer should be sent at once: a receiving end has come. It counts as sent.
    pub fn take_owed_offer(&mut self) -> bool {
        std::mem::take(&mut self.owes_offer)
    }

    /// Releases what can be. The journal need not know: what is released never comes again.
    pub fn release(&mut self, source: &mut impl Source) {
        let mut count = 0;
        while let Some(parcel) = self.parcels.front()
            && parcel.acknowledged
        {
            count += parcel.count as usize;
            self.bindings.remove(parcel.first, parcel.end());
            self.parcels.pop_front();
        }
        if count > 0 {
            source.release_first(count);
        }
    }

    /// No position below this one will ever be sent again. All that came before it was
    /// released; or, where the ring has other receivers, a lap has passed since.
    fn base(&self) -> u64 {
        let lowest = self.parcels.iter().map(|parcel| parcel.first).min();
        let past = self.past.saturating_sub(self.slack);
        lowest.unwrap_or(past).min(past)
    }

    /// Packets that are to be sent now, `most` of them: to which target, and the bytes.
    pub fn transmit(&mut self, now: Duration, most: usize) -> Vec<(u64, Vec<u8>)> {
        let base = self.base();
        let fingerprint = self.shape.fingerprint();
        let mut packets = Vec::new();
        for parcel in &mut self.parcels {
            if packets.len() >= most {
                break;
            }
            if parcel.acknowledged || parcel.due > now {
                continue;
            }
            let Some(target) = self.targets.get_mut(&parcel.target) else {
                continue; // it is not there yet
            };
            let number = self.next_number;
            self.next_number += 1;
            if self.transmissions.len() >= REMEMBERED {
                self.transmissions.pop_front();
            }
            self.transmissions.push_back((number, parcel.target, now));
            self.figures.packets += 1;
            self.figures.resends += u64::from(parcel.sent > 0);
            parcel.due = now + target.time_out(parcel.sent);
            parcel.sent = parcel.sent.saturating_add(1);
            let data = Packet::Data(Data {
                source: self.source,
                session: self.session,
                target: parcel.target,
                number,
                base,
                first: parcel.first,
                fingerprint,
                count: parcel.count,
                uncertain: parcel.uncertain,
                payload: &parcel.payload,
            });
            packets.push((parcel.target, data.encode()));
        }
        packets
    }

    /// When there is something to be sent again, if nothing comes before.
    pub fn next_due(&self) -> Option<Duration> {
        let waits =
            |parcel: &&Parcel| !parcel.acknowledged && self.targets.contains_key(&parcel.target);
        self.parcels
            .iter()
            .filter(waits)
            .map(|parcel| parcel.due)
            .min()
    }

    /// Gives up targets that were not heard of for as long as the operator said: what was
    /// bound to them is bound to others, marked.
    ///
    /// # Errors
    /// Of the journal.
    pub fn reassign(&mut self, now: Duration, store: &mut impl Store) -> io::Result<()> {
        let Some(after) = self.limits.reassign_after else {
            return Ok(());
        };
        for at in 0..self.parcels.len() {
            let (old, size) = (self.parcels[at].target, self.parcels[at].payload.len());
            let silent = match self.targets.get(&old) {
                Some(target) => target.silent_for(now),
                None => now, // since this bridge began
            };
            if self.parcels[at].acknowledged || silent < after {
                continue;
            }
            let Some(new) = self.choose(now, size).filter(|new| *new != old) else {
                continue;
            };
            let (first, end) = (self.parcels[at].first, self.parcels[at].end());
            store.append(Record::Bind {
                first,
                end,
                target: new,
            })?;
            self.bindings.insert(first, end, new);
            let parcel = &mut self.parcels[at];
            parcel.target = new;
            parcel.uncertain = true;
            parcel.due = now;
            parcel.sent = 0;
            self.figures.reassigned += u64::from(parcel.count);
            if let Some(target) = self.targets.get_mut(&old) {
                target.under_way = target.under_way.saturating_sub(size);
            }
            if let Some(target) = self.targets.get_mut(&new) {
                target.under_way += size;
            }
        }
        Ok(())
    }

    /// The target that is there and has the most credit left for `size` bytes more.
    fn choose(&self, now: Duration, size: usize) -> Option<u64> {
        let there = self
            .targets
            .iter()
            .filter(|(_, target)| target.is_there(now));
        let open = there.filter_map(|(id, target)| Some((target.room(size)?, *id)));
        open.max_by_key(|(room, id)| (*room, u64::MAX - *id))
            .map(|(_, id)| id)
    }
}
