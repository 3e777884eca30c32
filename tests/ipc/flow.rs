//! Streams of messages through processes, with an exact ledger.

use memring::{
    FenceMode, Kind, Receiver, RecvError, Ring, RingKind, Sender, WaitStrategy, Wakeups,
};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child};
use memring_testkit::homes::{Home, RING};
use memring_testkit::ledgers::{Ledger, cells};
use memring_testkit::loads::Load;
use memring_testkit::verbs::{self, Verb};
use memring_testkit::{for_each_kind, with_kind, with_load};

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
    fn run(&self) {
        println!("{self:?}");
        with_load!(self.load, T => with_kind!(self.kind, K => self.run_as::<T, K>()));
    }

    fn run_as<T: Load + ?Sized, K: Kind>(&self) {
        let home = Home::new();
        let ring = Ring::<T, K>::builder()
            .capacity(self.capacity)
            .start_position(self.start)
            .wakeups(self.wake)
            .fence_mode(self.barrier)
            .create(home.ring())
            .expect("make a ring");
        let board = home.board("board", 2);
        let counts = self.senders() * cells::<T>(self.each());
        let counts = home.board("counts", counts as usize);

        let spawn = |role, index: u64, side: usize| {
            home.spawn(
                role,
                &[
                    ("kind", &self.kind),
                    ("load", &self.load),
                    ("index", &index),
                    ("wait", &self.waits[side]),
                    ("verb", &self.verbs[side]),
                    ("senders", &self.senders()),
                    ("each", &self.each()),
                    ("alone", &(self.receivers() == 1)),
                ],
            )
        };
        let receivers = (0..self.receivers()).map(|index| spawn("flow receiver", index, 1));
        let receivers: Vec<Child> = receivers.collect();
        let senders = (0..self.senders()).map(|index| spawn("flow sender", index, 0));
        let senders: Vec<Child> = senders.collect();
        board.wait(READY, self.senders() + self.receivers());
        board.set(GO, 1);
        senders.into_iter().for_each(Child::finish);
        if self.close {
            ring.close().expect("close the ring");
        }
        receivers.into_iter().for_each(Child::finish);
        Ledger::new::<T>(counts, self.senders(), self.each(), false).check();
        assert_eq!(ring.stats().lost, 0);
        assert_eq!(ring.stats().redelivered, 0);
    }
}

/// Words of the board by which all begin at once.
const READY: usize = 0;
const GO: usize = 1;

fn start_together(board: &Board) {
    board.add(READY, 1);
    board.wait(GO, 1);
}

pub fn sender<T: Load + ?Sized, K: Kind>(args: &Args) {
    let ring = Ring::<T, K>::open(RING).expect("open the ring");
    let wait = strategy(args.get("wait"));
    let mut tx: Sender<T, K> = ring.sender_with(wait).expect("attach a sender");
    start_together(&args.board("board"));
    let (verb, index) = (args.get("verb"), args.get("index"));
    verbs::send(&mut tx, verb, index, 0, args.get("each")).expect("send all of it");
}

pub fn receiver<T: Load + ?Sized, K: Kind>(args: &Args) {
    let ring = Ring::<T, K>::open(RING).expect("open the ring");
    let wait = strategy(args.get("wait"));
    let mut rx: Receiver<T, K> = ring.receiver_with(wait).expect("attach a receiver");
    let (senders, each) = (args.get("senders"), args.get("each"));
    let counts = args.board("counts");
    let mut ledger = Ledger::new::<T>(counts, senders, each, args.get("alone"));
    start_together(&args.board("board"));
    let end = verbs::receive(&mut rx, args.get("verb"), |stamp, attempt| {
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

fn millions<K: Kind>() {
    for verb in [Verb::One, Verb::Batch] {
        let mut stream = Stream::of(K::KIND, 4_000_000);
        stream.verbs = [verb; 2];
        stream.run();
    }
}

fn every_capacity<K: Kind>() {
    for (capacity, messages) in [
        (1, 10_000),
        (2, 10_000),
        (64, 200_000),
        (1 << 20, 1_200_000),
    ] {
        let mut stream = Stream::of(K::KIND, messages);
        stream.capacity = capacity;
        stream.run();
    }
}

fn every_size<K: Kind>() {
    for (load, messages) in [
        (<u8 as Load>::NAME, 400_000),
        (<[u64; 8] as Load>::NAME, 400_000),
        (<[u64; 512] as Load>::NAME, 50_000),
        (<[u8] as Load>::NAME, 100_000),
    ] {
        let mut stream = Stream::of(K::KIND, messages);
        (stream.load, stream.capacity, stream.close) = (load, 64, true);
        stream.run();
    }
}

fn every_verb<K: Kind>() {
    for verbs in [
        [Verb::InPlace, Verb::InPlace],
        [Verb::Batch, Verb::InPlace],
        [Verb::InPlace, Verb::Batch],
        [Verb::Try, Verb::Try],
    ] {
        let mut stream = Stream::of(K::KIND, 100_000);
        (stream.verbs, stream.capacity) = (verbs, 16);
        stream.run();
        (stream.load, stream.messages) = (<[u8] as Load>::NAME, 40_000);
        stream.run();
    }
}

fn every_way_of_waiting<K: Kind>() {
    for waits in [
        [SPIN, SPIN],
        [SPIN, PARK],
        [PARK, SPIN],
        [PARK, PARK],
        [50, 50],
    ] {
        let mut stream = Stream::of(K::KIND, 30_000);
        (stream.waits, stream.capacity) = (waits, 8);
        stream.run();
    }
    let mut stream = Stream::of(K::KIND, 200_000);
    (stream.wake, stream.waits) = (Wakeups::SpinOnly, [SPIN; 2]);
    stream.run();
    let mut stream = Stream::of(K::KIND, 200_000);
    (stream.barrier, stream.capacity, stream.waits) = (FenceMode::Fence, 8, [PARK; 2]);
    stream.run();
}

/// Positions wrap at 2^64, and laps at 2^48 in the slot's word.
fn counters_wrap_around<K: Kind>() {
    for capacity in [1, 4, 64] {
        let lap = (1u64 << 48) * capacity as u64;
        for wrap in [0, lap] {
            for verb in [Verb::One, Verb::InPlace] {
                let mut stream = Stream::of(K::KIND, 6_000);
                stream.start = wrap.wrapping_sub(1000);
                (stream.verbs, stream.capacity) = ([verb; 2], capacity);
                stream.run();
            }
        }
    }
}

for_each_kind!(
    millions,
    every_capacity,
    every_size,
    every_verb,
    every_way_of_waiting,
    counters_wrap_around,
);
