//! Streams of messages through processes, with an exact ledger.

use memring::{
    FenceMode, Kind, Receiver, RecvError, Ring, RingKind, Sender, WaitStrategy, Wakeups,
};

use crate::common::board::Board;
use crate::common::child::{Args, Child};
use crate::common::dispatch::{Job, dispatch};
use crate::common::home::{Home, RING};
use crate::common::ledger::{Ledger, cells};
use crate::common::load::Load;
use crate::common::work::{self, Verb};

/// One stream: what goes through what, and how.
#[derive(Clone, Debug)]
struct Stream {
    kind: RingKind,
    load: &'static str,
    messages: u64,
    capacity: usize,
    start: u64,
    wake: Wakeups,
    barrier: FenceMode,
    waits: [Wait; 2],
    verbs: [Verb; 2],
    /// The end that receivers see: closed, or all senders gone.
    close: bool,
}

/// A strategy that can be passed on as a word: spins, `u32::MAX` for ever.
type Wait = u32;
const SPIN: Wait = u32::MAX;
const PARK: Wait = 0;
const DEFAULT: Wait = 1000;

fn strategy(wait: Wait) -> WaitStrategy {
    match wait {
        SPIN => WaitStrategy::Spin,
        PARK => WaitStrategy::Park,
        spins => WaitStrategy::SpinThenPark { spins },
    }
}

impl Stream {
    /// Small messages through 1024 slots in the default way.
    fn of(kind: RingKind, messages: u64) -> Stream {
        Stream {
            kind,
            load: <[u64; 7] as Load>::NAME,
            messages,
            capacity: 1024,
            start: 0,
            wake: Wakeups::Blocking,
            barrier: FenceMode::Auto,
            waits: [DEFAULT; 2],
            verbs: [Verb::One; 2],
            close: false,
        }
    }

    fn senders(&self) -> u64 {
        if self.kind.has_many_senders() { 4 } else { 1 }
    }

    fn receivers(&self) -> u64 {
        if self.kind.has_many_receivers() { 4 } else { 1 }
    }

    /// Messages of each sender.
    fn each(&self) -> u64 {
        self.messages / self.senders()
    }

    /// Runs the stream in processes of its own.
    fn run(self) {
        println!("{self:?}");
        dispatch(self.kind, self.load, Run(&self));
    }
}

/// Words of the board by which all begin at once.
const READY: usize = 0;
const GO: usize = 1;

struct Run<'s>(&'s Stream);

impl Job for Run<'_> {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let Run(stream) = self;
        let home = Home::new();
        let ring = Ring::<T, K>::builder()
            .capacity(stream.capacity)
            .start_position(stream.start)
            .wakeups(stream.wake)
            .fence_mode(stream.barrier)
            .create(&home.ring())
            .expect("make a ring");
        let board = home.board("board", 2);
        let counts = stream.senders() * cells::<T>(stream.each());
        let counts = home.board("counts", counts as usize);

        let spawn = |role, index: u64, side: usize| {
            let args: [(&str, &dyn std::fmt::Display); 8] = [
                ("kind", &stream.kind),
                ("load", &stream.load),
                ("index", &index),
                ("wait", &stream.waits[side]),
                ("verb", &stream.verbs[side]),
                ("senders", &stream.senders()),
                ("each", &stream.each()),
                ("alone", &(stream.receivers() == 1)),
            ];
            home.spawn(role, &args)
        };
        let receivers = (0..stream.receivers()).map(|index| spawn("flow receiver", index, 1));
        let receivers: Vec<Child> = receivers.collect();
        let senders = (0..stream.senders()).map(|index| spawn("flow sender", index, 0));
        let senders: Vec<Child> = senders.collect();
        board.wait(READY, stream.senders() + stream.receivers());
        board.set(GO, 1);
        senders.into_iter().for_each(Child::finish);
        if stream.close {
            ring.close().expect("close the ring");
        }
        receivers.into_iter().for_each(Child::finish);
        Ledger::new::<T>(counts, stream.senders(), stream.each(), false).check();
        assert_eq!(ring.stats().lost, 0);
        assert_eq!(ring.stats().redelivered, 0);
    }
}

fn start_together(board: &Board) {
    board.add(READY, 1);
    board.wait(GO, 1);
}

pub fn sender(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let wait = strategy(args.get("wait"));
            let mut tx: Sender<T, K> = ring.sender_with(wait).expect("attach a sender");
            start_together(&args.board("board"));
            let (verb, index) = (args.get("verb"), args.get("index"));
            work::send(&mut tx, verb, index, 0, args.get("each")).expect("send all of it");
        }
    }
    dispatch(args.get("kind"), &args.get::<String>("load"), Role(args));
}

pub fn receiver(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let wait = strategy(args.get("wait"));
            let mut rx: Receiver<T, K> = ring.receiver_with(wait).expect("attach a receiver");
            let (senders, each) = (args.get("senders"), args.get("each"));
            let counts = args.board("counts");
            let mut ledger = Ledger::new::<T>(counts, senders, each, args.get("alone"));
            start_together(&args.board("board"));
            let end = work::receive(&mut rx, args.get("verb"), |stamp, attempt| {
                assert_eq!(attempt, 0, "{stamp:?} was given back by nobody");
                ledger.note(stamp);
            });
            // The senders go before the ring is closed.
            let gone = end == RecvError::Disconnected;
            assert!(
                gone || end == RecvError::Closed && ring.is_closed(),
                "{end}"
            );
        }
    }
    dispatch(args.get("kind"), &args.get::<String>("load"), Role(args));
}

fn millions(kind: RingKind) {
    for verb in [Verb::One, Verb::Batch] {
        let verbs = [verb; 2];
        let stream = Stream::of(kind, 4_000_000);
        Stream { verbs, ..stream }.run();
    }
}

#[test]
fn millions_through_spsc() {
    millions(RingKind::Spsc);
}

#[test]
fn millions_through_mpsc() {
    millions(RingKind::Mpsc);
}

#[test]
fn millions_through_spmc() {
    millions(RingKind::Spmc);
}

#[test]
fn millions_through_mpmc() {
    millions(RingKind::Mpmc);
}

#[test]
fn every_capacity() {
    for kind in RingKind::ALL {
        for (capacity, messages) in [
            (1, 10_000),
            (2, 10_000),
            (64, 200_000),
            (1 << 20, 1_200_000),
        ] {
            let stream = Stream::of(kind, messages);
            Stream { capacity, ..stream }.run();
        }
    }
}

#[test]
fn every_size() {
    let loads = [
        (<u8 as Load>::NAME, 400_000),
        (<[u64; 8] as Load>::NAME, 400_000),
        (<[u64; 512] as Load>::NAME, 50_000),
        (<[u8] as Load>::NAME, 100_000),
    ];
    for kind in RingKind::ALL {
        for (load, messages) in loads {
            let stream = Stream::of(kind, messages);
            let (capacity, close) = (64, true);
            Stream {
                load,
                capacity,
                close,
                ..stream
            }
            .run();
        }
    }
}

#[test]
fn every_verb() {
    let bytes = <[u8] as Load>::NAME;
    for kind in RingKind::ALL {
        for [sends, receives] in [
            [Verb::InPlace, Verb::InPlace],
            [Verb::Batch, Verb::InPlace],
            [Verb::InPlace, Verb::Batch],
            [Verb::Try, Verb::Try],
        ] {
            let (verbs, capacity) = ([sends, receives], 16);
            let stream = Stream::of(kind, 100_000);
            Stream {
                verbs,
                capacity,
                ..stream.clone()
            }
            .run();
            let (load, messages) = (bytes, 40_000);
            Stream {
                load,
                messages,
                verbs,
                capacity,
                ..stream
            }
            .run();
        }
    }
}

#[test]
fn every_way_of_waiting() {
    for kind in RingKind::ALL {
        for waits in [
            [SPIN, SPIN],
            [SPIN, PARK],
            [PARK, SPIN],
            [PARK, PARK],
            [50, 50],
        ] {
            let capacity = 8;
            let stream = Stream::of(kind, 30_000);
            Stream {
                waits,
                capacity,
                ..stream
            }
            .run();
        }
        let stream = Stream::of(kind, 200_000);
        let (wake, waits) = (Wakeups::SpinOnly, [SPIN; 2]);
        Stream {
            wake,
            waits,
            ..stream.clone()
        }
        .run();
        let (barrier, capacity, waits) = (FenceMode::Fence, 8, [PARK; 2]);
        Stream {
            barrier,
            capacity,
            waits,
            ..stream
        }
        .run();
    }
}

/// Positions wrap at 2^64, and laps at 2^48 in the slot's word.
#[test]
fn counters_wrap_around() {
    for kind in RingKind::ALL {
        for capacity in [1, 4, 64] {
            let lap = (1u64 << 48) * capacity as u64;
            for wrap in [0, lap] {
                for verb in [Verb::One, Verb::InPlace] {
                    let (start, verbs) = (wrap.wrapping_sub(1000), [verb; 2]);
                    let stream = Stream::of(kind, 6_000);
                    Stream {
                        start,
                        verbs,
                        capacity,
                        ..stream
                    }
                    .run();
                }
            }
        }
    }
}
