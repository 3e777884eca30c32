//! Those who survive: threads of the test's own process, with endpoints of
//! their own, and what they must find.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memring::{
    AttachError, Layout, Receiver, RecvError, RecvTimeoutError, Ring, RingBuilder,
    SendTimeoutError, Sender, Side, TryRecvError, TrySendError, WaitStrategy,
};
use memring_testkit::children::Child;
use memring_testkit::homes::Home;
use memring_testkit::kinds::{Cloning, has_many, peers, try_attach};
use memring_testkit::loads::{Load, Pair, Stamp};
use memring_testkit::progress::{MOST, Progress};
use memring_testkit::time::LIMIT;

use super::cases::Plan;
use super::table::Program;

/// Small enough to be full, and more than four, so that `credit` lags behind
/// `done`.
const CAPACITY: usize = 8;
const SHORT: Duration = Duration::from_millis(20);
/// More than the longest sleep: what others would do meanwhile, they have done.
pub const A_WHILE: Duration = Duration::from_millis(150);
/// Incarnations of senders, the doomed one included.
const SENDERS: u64 = 6;
/// Messages after which a survivor has gone on, for sure.
const SOME: u64 = 6;

pub struct Scene<K: Cloning> {
    pub home: Home,
    pub ring: Ring<Pair, K>,
    pub progress: Progress,
    survivors: Vec<Survivor>,
    senders: u64,
    /// Senders are to end; receivers, when there is nobody left to send.
    ends: Arc<AtomicBool>,
}

struct Survivor {
    side: Side,
    /// Messages that it has sent, or received.
    count: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

/// A ring for a case: small, so that it is full and empty all the time.
pub fn small<K: Cloning>(layout: Layout) -> RingBuilder<Pair, K> {
    let builder = Ring::builder().capacity(CAPACITY).layout(layout);
    builder.max_deliveries(15)
}

impl<K: Cloning> Scene<K> {
    pub fn new(builder: RingBuilder<Pair, K>) -> Self {
        let home = Home::new();
        Scene {
            ring: builder.create(home.ring()).expect("make a ring"),
            progress: Progress::create(&home, SENDERS as usize),
            home,
            survivors: Vec::new(),
            senders: 1,
            ends: Arc::default(),
        }
    }

    /// Starts the process that is going to die, or stop.
    pub fn spawn(&self, program: Program, plan: &Plan) -> Child {
        let program = format!("{program:?}");
        self.home.spawn(
            "doomed",
            &[("kind", &K::KIND), ("program", &program), ("plan", plan)],
        )
    }

    /// A survivor on `side`: its endpoint is attached when this returns.
    pub fn add(&mut self, side: Side) {
        match side {
            Side::Sender => {
                let tx = self.ring.sender_with(WaitStrategy::Park);
                self.go_on_sending(tx.expect("a place for a sender"));
            }
            Side::Receiver => {
                let rx = self.ring.receiver_with(WaitStrategy::Park);
                self.go_on_receiving(rx.expect("a place for a receiver"));
            }
        }
    }

    pub fn go_on_sending(&mut self, tx: Sender<Pair, K>) {
        let (count, ends) = (Arc::default(), Arc::clone(&self.ends));
        let progress = Progress::again(&self.home);
        let incarnation = self.senders;
        self.senders += 1;
        assert!(incarnation < SENDERS);
        let counted = Arc::clone(&count);
        let thread = std::thread::spawn(move || {
            send_on(tx, &progress, incarnation, &counted, &ends);
        });
        self.survivors.push(Survivor {
            side: Side::Sender,
            count,
            thread,
        });
    }

    pub fn go_on_receiving(&mut self, rx: Receiver<Pair, K>) {
        let (count, ends) = (Arc::default(), Arc::clone(&self.ends));
        let progress = Progress::again(&self.home);
        let counted = Arc::clone(&count);
        let thread = std::thread::spawn(move || receive_on(rx, progress, &counted, &ends));
        self.survivors.push(Survivor {
            side: Side::Receiver,
            count,
            thread,
        });
    }

    /// Fills both sides: survivors where there are none yet, or as successors of
    /// the dead.
    pub fn succeed(&mut self) {
        for side in [Side::Sender, Side::Receiver] {
            if !self.survivors.iter().any(|survivor| survivor.side == side) {
                self.add(side);
            }
        }
    }

    /// Survivors wherever there may be any beside the doomed one: two where
    /// there may be many.
    pub fn succeed_beside(&mut self, doomed: Program) {
        let sends = doomed == Program::Send;
        let sides = [
            (Side::Sender, K::KIND.has_many_senders(), sends),
            (Side::Receiver, K::KIND.has_many_receivers(), !sends),
        ];
        for (side, many, doomed) in sides {
            for _ in u32::from(doomed)..1 + u32::from(many) {
                self.add(side);
            }
        }
    }

    /// Waits until every survivor has gone on, and says how long that took.
    pub fn all_go_on(&self) -> Duration {
        let since = Instant::now();
        let count = |survivor: &Survivor| survivor.count.load(Ordering::Acquire);
        let before: Vec<u64> = self.survivors.iter().map(count).collect();
        for (survivor, before) in self.survivors.iter().zip(before) {
            while count(survivor) < before + SOME {
                assert!(
                    since.elapsed() < LIMIT,
                    "a {} does not go on: {:?}",
                    survivor.side,
                    self.ring.stats()
                );
                assert!(
                    !survivor.thread.is_finished(),
                    "a {} has ended: {:?}",
                    survivor.side,
                    self.ring.stats()
                );
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        since.elapsed()
    }

    /// The child is stopped. It counts as alive, is not robbed, and a single
    /// side stays its own.
    pub fn is_respected(&self, child: &Child, side: Side) {
        std::thread::sleep(A_WHILE);
        let peers = peers(&self.ring, side);
        let Some(peer) = peers.iter().find(|peer| peer.pid == child.pid()) else {
            return;
        };
        match try_attach(&self.ring, side) {
            Ok(()) => assert!(
                has_many(K::KIND, side) || !peer.alive,
                "a stopped {side} was robbed of its place"
            ),
            Err(AttachError::Occupied { holder, .. }) => assert_eq!(holder, Some(child.pid())),
            Err(error) => panic!("{error}"),
        }
    }

    /// Everybody ends, the stopped child too; then the ledger is checked, and
    /// that nothing is left behind. `repeats`: a receiver was killed.
    pub fn settle(mut self, resumed: Option<Child>, repeats: bool) {
        self.progress.tell_to_stop();
        if let Some(child) = resumed {
            child.finish();
            self.succeed(); // it may have been the only one on its side
        }
        self.ends.store(true, Ordering::Release);
        for survivor in self.survivors {
            survivor.thread.join().expect("a survivor fails");
        }
        self.progress.check(SENDERS, repeats);
        nothing_is_left(&self.ring);
        let files = std::fs::read_dir(self.home.rings()).expect("list the rings");
        assert_eq!(files.count(), 1);
    }
}

fn send_on<K: Cloning>(
    mut tx: Sender<Pair, K>,
    progress: &Progress,
    incarnation: u64,
    count: &AtomicU64,
    ends: &AtomicBool,
) {
    let mut number = 0;
    while !ends.load(Ordering::Acquire) && number < MOST {
        progress.begin(incarnation, number + 1);
        let made = Pair::make(Stamp {
            sender: incarnation,
            number,
        });
        match tx.send_timeout(made, SHORT) {
            Ok(()) => {
                number += 1;
                progress.done(incarnation, number);
                count.fetch_add(1, Ordering::Release);
            }
            Err(SendTimeoutError::Timeout(..) | SendTimeoutError::Disconnected(_)) => {}
            Err(SendTimeoutError::Closed(_)) => return,
            Err(error) => panic!("{error}"),
        }
        if number % 12 == 0 {
            // More than the ring holds at once; then receivers fall asleep.
            std::thread::sleep(Duration::from_millis(12));
        }
    }
}

fn receive_on<K: Cloning>(
    mut rx: Receiver<Pair, K>,
    mut progress: Progress,
    count: &AtomicU64,
    ends: &AtomicBool,
) {
    let mut number = 0;
    loop {
        // Perhaps it attached when all senders had gone: then it has seen none, and waits.
        let is_over = ends.load(Ordering::Acquire) && rx.peers().is_empty();
        match rx.lease_timeout(SHORT) {
            Ok(lease) => {
                progress.received(Pair::stamp(&lease.read()), lease.redeliveries());
                lease.release();
                count.fetch_add(1, Ordering::Release);
            }
            Err(RecvTimeoutError::Timeout(_)) if is_over => return,
            Err(RecvTimeoutError::Timeout(_)) => {}
            Err(RecvTimeoutError::Disconnected) if !ends.load(Ordering::Acquire) => {
                std::thread::sleep(Duration::from_millis(1)); // somebody comes
            }
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Closed) => return,
            Err(error) => panic!("{error}"),
        }
        number += 1;
        if number % 7 == 0 {
            std::thread::sleep(Duration::from_millis(2)); // let senders fill the ring
        }
    }
}

/// All have gone: the table is clean, and the whole ring is there for others.
pub fn nothing_is_left<K: Cloning>(ring: &Ring<Pair, K>) {
    let make = |number| Pair::numbered(number);
    let (mut tx, mut rx) = (
        ring.sender().expect("a place"),
        ring.receiver().expect("a place"),
    );
    let stats = ring.stats();
    let both = [&stats.senders, &stats.receivers];
    assert!(both.iter().all(|peers| peers.len() == 1), "{stats:?}");
    let capacity = ring.capacity() as u64;
    if !ring.is_closed() {
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{stats:?}");
        for number in 0..3 * capacity {
            tx.try_send(make(number)).expect("there is room");
            assert_eq!(rx.try_recv(), Ok(make(number)));
        }
        for number in 0..capacity {
            tx.try_send(make(number)).expect("there is room");
        }
        let full = tx.try_send(make(0));
        assert!(matches!(full, Err(TrySendError::Full(_))), "{full:?}");
        for number in 0..capacity {
            assert_eq!(rx.try_recv(), Ok(make(number)));
        }
        ring.close().expect("close the ring");
    }
    assert!(matches!(tx.try_send(make(0)), Err(TrySendError::Closed(_))));
    // A call that waits, for the endpoint that closed it may have died without its barrier.
    assert_eq!(rx.recv(), Err(RecvError::Closed));
    drop((tx, rx));
    let stats = ring.stats();
    assert!(
        stats.senders.is_empty() && stats.receivers.is_empty(),
        "{stats:?}"
    );
    assert_eq!(
        (stats.senders_blocked_by, stats.receivers_blocked_by),
        (None, None)
    );
}
