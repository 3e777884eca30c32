//! State machines that get packets of a hostile peer: nothing panics, and memory is bounded.

use std::time::Duration;

use memring::MessageKind;
use memring_bridge::packet::{Ack, Data, Hello, Offer, Packet, Shape};
use memring_bridge::receiver::{Receiver, RingState};
use memring_bridge::sender::{Limits, Sender, Source};
use memring_testkit::random::Random;

use crate::world::{Fuse, Pages, SourceRing, TargetRing};

const LIMITS: Limits = Limits {
    messages: 50,
    bytes: 4096,
    reassign_after: Some(Duration::from_secs(5)),
};

fn shape(random: &mut Random) -> Shape {
    let message = match random.below(4) {
        0 => MessageKind::Bytes { limit: 100 },
        _ => MessageKind::Typed { size: 8, align: 8 },
    };
    Shape::of(message, random.below(8) / 7)
}

/// A number that is often small, and sometimes at the end.
fn number(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.number(),
        1 => u64::MAX - random.below(4),
        _ => random.below(70),
    }
}

fn ranges(random: &mut Random) -> Vec<(u64, u64)> {
    let mut at = 0u64;
    let mut ranges = Vec::new();
    for _ in 0..random.below(5) {
        let first = at.saturating_add(number(random));
        let end = first.saturating_add(number(random).saturating_add(1));
        if end > first {
            ranges.push((first, end));
        }
        at = end;
    }
    ranges
}

fn data<'p>(random: &mut Random, payload: &'p [u8]) -> Data<'p> {
    let first = number(random).min(u64::MAX - 40);
    Data {
        source: random.below(3),
        session: random.below(3),
        target: random.below(2) + 1,
        number: number(random),
        base: if random.below(3) == 0 { 0 } else { first / 2 },
        first,
        fingerprint: shape(random).fingerprint(),
        count: 1 + random.below(30) as u32,
        uncertain: random.below(2) == 0,
        payload,
    }
}

#[test]
fn a_receiving_end_stands_what_a_hostile_source_sends() {
    for seed in 1..400 {
        let mut random = Random::of(seed * 7919);
        let fuse = Fuse::default();
        let mut pages = Pages::new(&fuse);
        let alone = RingState::Alone(0);
        let own = Shape::of(MessageKind::Typed { size: 8, align: 8 }, 0);
        let made = Receiver::new((1, 9), own, 1000, &[], alone, &mut pages);
        let (mut receiver, _) = made.unwrap();
        let mut ring = TargetRing {
            capacity: 40,
            shared: false,
            messages: Default::default(),
            sent: 0,
            fuse,
        };
        for step in 0..300 {
            let now = Duration::from_millis(step * 10);
            let payload = vec![1; 8 * random.below(31) as usize];
            let packet = match random.below(4) {
                0 => Packet::Offer(Offer {
                    source: random.below(3),
                    session: random.below(3),
                    shape: shape(&mut random),
                    ended: random.below(5) == 0,
                }),
                _ => Packet::Data(data(&mut random, &payload)),
            };
            receiver.on_packet(now, &packet);
            let figures = receiver.figures(now);
            assert!(figures.held_bytes <= 1000 + 240, "{figures:?}");
            receiver.put(100, &mut ring, &mut pages).unwrap();
            for (_, ack) in receiver.acks(now) {
                memring_bridge::packet::decode(&ack.encode()).unwrap();
            }
            if random.below(3) == 0 {
                ring.messages.clear();
            }
        }
    }
}

#[test]
fn a_sending_end_stands_what_a_hostile_target_says() {
    for seed in 1..400 {
        let mut random = Random::of(seed * 104_729);
        let fuse = Fuse::default();
        let mut pages = Pages::new(&fuse);
        let mut ring = SourceRing::default();
        let own = Shape::of(MessageKind::Typed { size: 8, align: 8 }, 0);
        let mut sender = Sender::new(1, 2, own, 0, LIMITS, &[]);
        for step in 0..300 {
            let now = Duration::from_millis(step * 50);
            ring.send(step);
            let packet = match random.below(3) {
                0 => Packet::Hello(Hello {
                    target: random.below(3),
                    session: random.below(3),
                    stamp: number(&mut random),
                    shape: shape(&mut random),
                    credit: number(&mut random),
                }),
                _ => Packet::Ack(Ack {
                    source: random.below(2),
                    target: random.below(3),
                    session: random.below(3),
                    stamp: number(&mut random),
                    echo: (random.below(3), number(&mut random)),
                    credit: number(&mut random),
                    ended: random.below(2) == 0,
                    put: ranges(&mut random),
                    held: ranges(&mut random),
                }),
            };
            sender.on_packet(now, &packet);
            let wants = sender.wants(now);
            assert!(wants <= LIMITS.messages);
            ring.extend(wants.saturating_sub(ring.leased - sender.held()));
            sender.fill(now, &ring, &mut pages).unwrap();
            sender.reassign(now, &mut pages).unwrap();
            for (_, packet) in sender.transmit(now, 8) {
                memring_bridge::packet::decode(&packet).unwrap();
            }
            sender.release(&mut ring);
            assert!(sender.held() <= LIMITS.messages);
        }
    }
}
