//! Storms: thousands of seeds, each with ends that die and a network that misbehaves.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use memring::MessageKind;
use memring_bridge::packet::{Shape, decode};
use memring_bridge::receiver::{Receiver, RingState};
use memring_bridge::sender::{Limits, Sender};
use memring_testkit::random::Random;

use crate::network::{Network, To, Weather};
use crate::world::{Dead, Fuse, Pages, SourceRing, TargetRing, burn};

fn shape() -> Shape {
    Shape::of(MessageKind::Typed { size: 8, align: 8 }, 7)
}

/// A sending end, the ring and the journal that outlive it.
struct Here {
    id: u64,
    ring: SourceRing,
    pages: Pages,
    fuse: Fuse,
    sender: Option<Sender>,
    /// Messages that are to be sent.
    left: u64,
}

/// A receiving end, likewise.
struct There {
    id: u64,
    ring: TargetRing,
    pages: Pages,
    fuse: Fuse,
    receiver: Option<Receiver>,
    uncertain: u64,
}

struct Storm {
    random: Random,
    now: Duration,
    network: Network,
    here: Vec<Here>,
    there: Vec<There>,
    seen: BTreeMap<u64, u32>,
    limits: Limits,
    sessions: u64,
    calm: bool,
}

impl Here {
    /// Dies, and leaves what a process leaves.
    fn die(&mut self) {
        self.sender = None;
        self.ring.seen = self.ring.seen.max(self.ring.leased);
        self.ring.give_back();
        *self.fuse.borrow_mut() = None;
    }
}

impl Storm {
    fn new(seed: u64, targets: usize, sources: usize, shared: bool) -> Storm {
        let mut random = Random::of(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..4 {
            random.number();
        }
        let weather = Weather {
            lost: random.below(30),
            doubled: random.below(20),
            delay: Duration::from_millis(random.below(200)),
        };
        let here = (0..sources as u64).map(|at| {
            let fuse = Fuse::default();
            Here {
                id: 100 + at,
                ring: SourceRing::default(),
                pages: Pages::new(&fuse),
                fuse,
                sender: None,
                left: 120,
            }
        });
        let here = here.collect();
        let there = (0..targets as u64).map(|at| {
            let fuse = Fuse::default();
            There {
                id: 200 + at,
                ring: TargetRing {
                    capacity: 1 + random.below(30) as usize,
                    shared,
                    messages: Default::default(),
                    sent: 0,
                    fuse: Rc::clone(&fuse),
                },
                pages: Pages::new(&fuse),
                fuse,
                receiver: None,
                uncertain: 0,
            }
        });
        let there = there.collect();
        let messages = 1 + random.below(60) as usize;
        Storm {
            limits: Limits {
                messages,
                bytes: 8 * (1 + random.below(200) as usize),
                reassign_after: None,
            },
            network: Network::new(weather),
            random,
            now: Duration::ZERO,
            here,
            there,
            seen: BTreeMap::new(),
            sessions: 1000,
            calm: false,
        }
    }

    fn session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// Fuses are lit, the link is cut or mended.
    fn disturb(&mut self) {
        if self.calm {
            self.network.cut = false;
            return;
        }
        let random = &mut self.random;
        for here in &self.here {
            if random.below(60) == 0 {
                *here.fuse.borrow_mut() = Some(random.below(12) as u32);
            }
        }
        for there in &self.there {
            if random.below(60) == 0 {
                *there.fuse.borrow_mut() = Some(random.below(25) as u32);
            }
        }
        if random.below(40) == 0 {
            self.network.cut = !self.network.cut;
        }
    }

    fn turn_here(&mut self, at: usize) -> Result<(), Dead> {
        let session = self.session();
        let here = &mut self.here[at];
        if here.sender.is_none() {
            if !self.calm && self.random.below(5) > 0 {
                return Ok(()); // it takes its time
            }
            let records = here.pages.records.clone();
            let sender = Sender::new(here.id, session, shape(), 0, self.limits, &records);
            here.sender = Some(sender);
        }
        for _ in 0..self.random.below(8) {
            if here.left > 0 {
                here.left -= 1;
                here.ring.send(here.id << 32 | here.left);
            }
            if self.random.below(20) == 0 {
                here.ring.skip();
            }
        }
        let Some(sender) = &mut here.sender else {
            return Ok(());
        };
        let unpacked = here.ring.leased - sender.held();
        let wants = sender.wants(self.now).saturating_sub(unpacked);
        memring_bridge::sender::Source::extend(&mut here.ring, wants);
        sender.fill(self.now, &here.ring, &mut here.pages)?;
        let mut packets = sender.transmit(self.now, 4);
        // It may die between two packets.
        if here.fuse.borrow().is_some() {
            packets.truncate(self.random.below(4) as usize);
        }
        let offer = sender.take_owed_offer() || self.random.below(20) == 0;
        let offer = offer.then(|| sender.offer().encode());
        sender.release(&mut here.ring);
        for (target, packet) in packets {
            self.network
                .send(self.now, To::Target(target), packet, &mut self.random);
        }
        if let Some(offer) = offer {
            self.network
                .send(self.now, To::Receivers, offer, &mut self.random);
        }
        burn(&self.here[at].fuse)?; // also where nothing is written
        Ok(())
    }

    fn turn_there(&mut self, at: usize) -> Result<(), Dead> {
        let session = self.session();
        let there = &mut self.there[at];
        if there.receiver.is_none() {
            if !self.calm && self.random.below(5) > 0 {
                return Ok(());
            }
            let records = there.pages.records.clone();
            let state = match there.ring.shared {
                true => RingState::Shared {
                    progress: there.pages.progress,
                },
                false => RingState::Alone(there.ring.sent),
            };
            let memory = 8 * (10 + self.random.below(100) as usize);
            let made = Receiver::new(
                (there.id, session),
                shape(),
                memory,
                &records,
                state,
                &mut there.pages,
            )?;
            there.uncertain += made.1.uncertain;
            assert_eq!(made.1.others_sent, 0);
            there.receiver = Some(made.0);
        }
        for _ in 0..self.random.below(10) {
            if let Some(message) = there.ring.messages.pop_front() {
                *self.seen.entry(message).or_default() += 1;
            }
        }
        let Some(receiver) = &mut there.receiver else {
            return Ok(());
        };
        receiver.put(64, &mut there.ring, &mut there.pages)?;
        let acks = receiver.acks(self.now);
        let hello = receiver.owes_hello() || self.random.below(20) == 0;
        let hello = hello.then(|| receiver.hello(self.now).encode());
        for (source, ack) in acks {
            self.network
                .send(self.now, To::Source(source), ack.encode(), &mut self.random);
        }
        if let Some(hello) = hello {
            self.network
                .send(self.now, To::Senders, hello, &mut self.random);
        }
        Ok(())
    }

    fn deliver(&mut self) {
        for (to, bytes) in self.network.arrivals(self.now) {
            let packet = decode(&bytes).expect("nothing changes packets here");
            for here in &mut self.here {
                let is_theirs = to == To::Senders || to == To::Source(here.id);
                if let Some(sender) = here.sender.as_mut().filter(|_| is_theirs) {
                    sender.on_packet(self.now, &packet);
                }
            }
            for there in &mut self.there {
                let is_theirs = to == To::Receivers || to == To::Target(there.id);
                if let Some(receiver) = there.receiver.as_mut().filter(|_| is_theirs) {
                    receiver.on_packet(self.now, &packet);
                }
            }
        }
    }

    /// For the message of a storm that does not end.
    fn state(&self) -> String {
        let here = self.here.iter().map(|here| {
            let figures = here.sender.as_ref().map(|sender| sender.figures(self.now));
            format!(
                "{} left, {} leased: {figures:?}",
                here.left, here.ring.leased
            )
        });
        let there = self.there.iter().map(|there| {
            let figures = there
                .receiver
                .as_ref()
                .map(|receiver| receiver.figures(self.now));
            format!(
                "{} of {}: {figures:?}",
                there.ring.messages.len(),
                there.ring.capacity
            )
        });
        here.chain(there).collect::<Vec<_>>().join("; ")
    }

    fn is_done(&self) -> bool {
        let sent = self
            .here
            .iter()
            .all(|here| here.left == 0 && here.ring.messages.is_empty());
        sent && self
            .there
            .iter()
            .all(|there| there.ring.messages.is_empty())
    }

    /// Runs to the end: how often each message was received, and deaths.
    fn run(mut self) -> (BTreeMap<u64, u32>, u64, u64) {
        let mut deaths = 0;
        for turn in 0u64.. {
            assert!(turn < 60_000, "it never ends: {}", self.state());
            self.calm = turn > 1500;
            if self.calm {
                for fuse in self.here.iter().map(|here| &here.fuse) {
                    *fuse.borrow_mut() = None;
                }
                for fuse in self.there.iter().map(|there| &there.fuse) {
                    *fuse.borrow_mut() = None;
                }
            }
            self.now += Duration::from_millis(1 + self.random.below(30));
            self.disturb();
            self.deliver();
            for at in 0..self.here.len() {
                if self.turn_here(at).is_err() {
                    deaths += 1;
                    self.here[at].die();
                }
            }
            for at in 0..self.there.len() {
                if self.turn_there(at).is_err() {
                    deaths += 1;
                    self.there[at].receiver = None;
                    *self.there[at].fuse.borrow_mut() = None;
                }
            }
            if self.is_done() {
                break;
            }
        }
        let uncertain = self.there.iter().map(|there| there.uncertain).sum();
        (self.seen, deaths, uncertain)
    }
}

#[test]
fn each_message_arrives_once_where_the_bridge_sends_alone() {
    let mut deaths = 0;
    for seed in 1..=800 {
        let (targets, sources) = (1 + seed as usize % 3, 1 + seed as usize / 3 % 2);
        let storm = Storm::new(seed, targets, sources, false);
        let total = storm.here.iter().map(|here| here.left).sum::<u64>();
        let (seen, died, uncertain) = storm.run();
        let wrong: Vec<_> = seen.iter().filter(|(_, count)| **count != 1).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:x?}");
        assert_eq!(seen.len() as u64, total, "seed {seed}: some were lost");
        assert_eq!(uncertain, 0, "seed {seed}");
        deaths += died;
    }
    assert!(deaths > 800, "{deaths} deaths are no storm");
}

#[test]
fn what_comes_twice_was_counted_where_others_send_too() {
    for seed in 1..=300 {
        let storm = Storm::new(seed, 1 + seed as usize % 2, 1, true);
        let total = storm.here.iter().map(|here| here.left).sum::<u64>();
        let (seen, _, uncertain) = storm.run();
        assert_eq!(seen.len() as u64, total, "seed {seed}: some were lost");
        let again: u64 = seen.values().map(|count| u64::from(count - 1)).sum();
        assert!(
            again <= uncertain,
            "seed {seed}: {again} doubled, {uncertain} counted"
        );
    }
}
