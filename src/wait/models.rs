//! loom models of the sleeping handshake (W1 to W3) and of the loop that waits: the
//! real [`block`], over an [`Operation`] that parks at once.
//!
//! What loom does not know is modelled:
//!
//! - `membarrier` by a fence on both sides ([`Fences::Full`]);
//! - a futex by a queue ([`Futex`]), without time-outs and without
//!   spurious returns: a wake-up that is lost is a deadlock, which loom reports.
//!   The cap of a sleep (W4) would hide it.
//!
//! See [`models`](crate::models) for the rest.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool as Flag, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::sync::atomic::AtomicBool;
use loom::thread;

use super::word::ParkMany;
use super::{Operation, Park, ParkHalf, Poll, WaitStrategy, WaitWord, block};
use crate::models::{explore, spawn};
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering, fence};

/// A futex: compares and blocks in one step, wakes threads that are asleep, no others.
///
/// loom switches threads before an operation on an atomic and nowhere else, so
/// what follows the read-modify-write of the word is one step with it. That
/// operation changes nothing; it stands for the kernel's lock, under which the
/// word is compared: it reads the newest value, and orders sleep and wake.
#[derive(Clone, Default)]
pub(crate) struct Futex {
    queue: Arc<Mutex<VecDeque<Sleeper>>>,
    /// From now on sleeps end by time.
    expires: Arc<Flag>,
}

impl Futex {
    /// How many threads are asleep.
    pub(crate) fn sleepers(&self) -> usize {
        self.queue.lock().unwrap().len()
    }

    /// All sleeps come to their end by time: those that last, and those that begin later.
    pub(crate) fn expire_all(&self) {
        self.expires.store(true, Relaxed);
        for sleeper in self.queue.lock().unwrap().drain(..) {
            sleeper.expired.store(true, Relaxed);
            sleeper.awake.store(true, Relaxed);
            sleeper.thread.unpark();
        }
    }

    /// Blocks the thread, whose word was just compared. Says whether its time is over.
    fn sleep_at(&self, word: *const ()) -> bool {
        if self.expires.load(Relaxed) {
            // Others go on first: one that waits for them would look for ever.
            thread::yield_now();
            return true;
        }
        let awake = Arc::new(Flag::new(false));
        let expired = Arc::new(Flag::new(false));
        self.queue.lock().unwrap().push_back(Sleeper {
            word,
            thread: thread::current(),
            awake: Arc::clone(&awake),
            expired: Arc::clone(&expired),
        });
        while !awake.load(Relaxed) {
            thread::park();
        }
        expired.load(Relaxed)
    }

    /// Wakes up to `count` threads that sleep at `word`, which was just accessed.
    fn wake_at(&self, word: *const (), count: u32) -> usize {
        let mut queue = self.queue.lock().unwrap();
        let mut woken = 0;
        while woken < count as usize {
            let Some(at) = queue.iter().position(|sleeper| sleeper.word == word) else {
                break;
            };
            let sleeper = queue.remove(at).unwrap();
            sleeper.awake.store(true, Relaxed);
            sleeper.thread.unpark();
            woken += 1;
        }
        woken
    }
}

/// Which word it is.
fn place<A>(word: &A) -> *const () {
    std::ptr::from_ref(word).cast()
}

impl ParkHalf for Futex {
    fn sleep_half(&self, word: &AtomicU64, expected: u64, (): ()) -> bool {
        let found = word.fetch_add(0, Ordering::AcqRel);
        found as u32 == expected as u32 && self.sleep_at(place(word))
    }

    fn wake_half(&self, word: &AtomicU64, count: u32) -> usize {
        word.fetch_add(0, Ordering::AcqRel);
        self.wake_at(place(word), count)
    }
}

struct Sleeper {
    word: *const (),
    thread: thread::Thread,
    awake: Arc<Flag>,
    /// It was not woken: its time was over.
    expired: Arc<Flag>,
}

impl Park for Futex {
    /// Nothing ends by time.
    type Time = ();

    fn now(&self) {}

    fn after(&self, (): (), _duration: Duration) {}

    /// `membarrier`, modelled as a fence.
    fn heavy(&self) {
        fence(Ordering::SeqCst);
    }

    fn sleep(&self, word: &AtomicU32, expected: u32, (): ()) -> bool {
        word.fetch_add(0, Ordering::AcqRel) == expected && self.sleep_at(place(word))
    }

    fn wake(&self, word: &AtomicU32, count: u32) -> usize {
        word.fetch_add(0, Ordering::AcqRel);
        self.wake_at(place(word), count)
    }
}

/// As the kernel does it: word by word it compares and enqueues, and it leaves the other
/// queues only when it runs again. Until then wakers of other words count it as woken, too.
impl ParkMany for Futex {
    fn sleep_many(&self, words: &[(&AtomicU32, u32)], (): ()) -> bool {
        let awake = Arc::new(Flag::new(false));
        let mut is_queued = true;
        for (word, expected) in words {
            if word.fetch_add(0, Ordering::AcqRel) != *expected {
                is_queued = false;
                break;
            }
            self.queue.lock().unwrap().push_back(Sleeper {
                word: place(*word),
                thread: thread::current(),
                awake: Arc::clone(&awake),
                expired: Arc::default(),
            });
        }
        while is_queued && !awake.load(Relaxed) {
            thread::park();
        }
        let mut queue = self.queue.lock().unwrap();
        queue.retain(|sleeper| !Arc::ptr_eq(&sleeper.awake, &awake));
        false
    }
}

/// What sleepers wait for: a number of messages, of which each takes one at a
/// time. Stands for a ring without being one.
pub(super) struct Shop {
    pub word: AtomicU32,
    pub messages: AtomicU64,
    closed: AtomicBool,
    pub futex: Futex,
}

impl Shop {
    fn new() -> Arc<Self> {
        Shop::with(Futex::default())
    }

    /// One that shares its sleepers' system with others.
    pub(super) fn with(futex: Futex) -> Arc<Self> {
        Arc::new(Shop {
            word: AtomicU32::new(0),
            messages: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            futex,
        })
    }

    pub(super) fn notify_one(&self) {
        WaitWord(&self.word).notify_one(Fences::Full, &self.futex);
    }

    pub(super) fn publish(&self) {
        self.messages.fetch_add(1, Ordering::Release);
        self.notify_one();
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.futex.heavy();
        WaitWord(&self.word).notify_all(&self.futex);
    }

    pub(super) fn take(&self) -> bool {
        let mut seen = self.messages.load(Ordering::Acquire);
        while seen > 0 {
            let less = seen - 1;
            match (self.messages).compare_exchange(seen, less, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(found) => seen = found,
            }
        }
        false
    }
}

/// The shop is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// One of those that wait at a shop.
pub(super) struct Customer<'a> {
    shop: &'a Shop,
    is_alone: bool,
    registered: bool,
    /// Wakes the next after a sleep, if it leaves messages.
    pub passes_on: bool,
}

impl<'a> Customer<'a> {
    pub(super) fn at(shop: &'a Shop) -> Self {
        Customer {
            shop,
            is_alone: false,
            registered: false,
            passes_on: false,
        }
    }

    /// Takes a message, asleep as long as there is none.
    pub(super) fn wait(&mut self) -> Result<(), Closed> {
        block(self, WaitStrategy::Park.spins(), None)
    }
}

impl Operation for Customer<'_> {
    type Output = ();
    type Error = Closed;
    type Park = Futex;

    fn look(&mut self) -> Option<()> {
        unreachable!("parks at once")
    }

    fn check(&mut self) -> Poll<(), Closed> {
        if self.shop.take() {
            Poll::Ready(())
        } else if self.shop.closed.load(Ordering::Acquire) {
            Poll::Ended(Closed)
        } else {
            Poll::Pending
        }
    }

    fn register(&mut self) -> u32 {
        let word = WaitWord(&self.shop.word);
        word.register(&self.shop.futex, self.is_alone, &mut self.registered)
    }

    fn reclaim(&mut self) -> bool {
        false
    }

    fn is_blocked(&mut self) -> bool {
        false
    }

    fn sleep(&mut self, registered: u32, (): ()) -> bool {
        self.shop.futex.sleep(&self.shop.word, registered, ())
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {
        if self.passes_on && self.shop.messages.load(Ordering::Acquire) > 0 {
            self.shop.notify_one();
        }
    }

    fn timed_out(&mut self) -> Closed {
        unreachable!("there is no deadline")
    }

    fn park(&mut self) -> Futex {
        self.shop.futex.clone()
    }
}

/// Publishes `messages` messages to one sleeper.
fn one_to_one(name: &str, messages: usize, is_alone: bool, bound: Option<usize>) {
    explore(name, bound, move || {
        let shop = Shop::new();
        let other = Arc::clone(&shop);
        let notifier = spawn(move || (0..messages).for_each(|_| other.publish()));
        let mut customer = Customer {
            is_alone,
            ..Customer::at(&shop)
        };
        for _ in 0..messages {
            assert_eq!(customer.wait(), Ok(()));
        }
        notifier.join();
    });
}

/// One message: exhaustive. Two: three preemptions.
///
/// Seen to fail: no fence in `notify_one`; no barrier in `register`; a notifier
/// that leaves the word as it is (W1); `block` that does not check again once it
/// has registered, or that sleeps on what a second registration returned (W2).
#[test]
fn models_sleep_one_to_one() {
    one_to_one("one sleeper, one message", 1, false, None);
    one_to_one("one sleeper, two messages", 2, false, Some(3));
}

/// A sleeper that is alone on its side, and one notifier or two. Three
/// preemptions and two.
///
/// Seen to fail: a sleeper that believes its bit set without a look; no barrier
/// at all.
#[test]
fn models_sleep_alone() {
    one_to_one("alone, two messages", 2, true, Some(3));
    explore("alone, two notifiers", Some(2), || {
        let shop = Shop::new();
        let notifiers = [(); 2].map(|()| {
            let shop = Arc::clone(&shop);
            spawn(move || shop.publish())
        });
        let mut customer = Customer {
            is_alone: true,
            ..Customer::at(&shop)
        };
        for _ in 0..2 {
            assert_eq!(customer.wait(), Ok(()));
        }
        for notifier in notifiers {
            notifier.join();
        }
    });
}

fn close_on(name: &str, sleepers: usize, bound: Option<usize>) {
    explore(name, bound, move || {
        let shop = Shop::new();
        let asleep = |_| {
            let shop = Arc::clone(&shop);
            spawn(move || Customer::at(&shop).wait())
        };
        let sleepers: Vec<_> = (0..sleepers).map(asleep).collect();
        shop.close();
        for sleeper in sleepers {
            assert_eq!(sleeper.join(), Err(Closed));
        }
    });
}

/// One sleeper: exhaustive. Two: three preemptions.
///
/// Seen to fail: `notify_all` that does not count, or wakes one.
#[test]
fn models_sleep_close() {
    close_on("one sleeper, closed", 1, None);
    close_on("two sleepers, closed", 2, Some(3));
}

/// Waits until all `total` messages are taken; the one that takes the last closes.
fn drain(shop: &Shop, taken: &AtomicU64, total: u64) {
    let mut customer = Customer::at(shop);
    while customer.wait() == Ok(()) {
        if taken.fetch_add(1, Ordering::AcqRel) + 1 == total {
            shop.close();
        }
    }
}

/// What the handshake promises: no message is left while all sleep. One preemption.
///
/// Seen to fail: no fence in `notify_one`; no barrier in `register`; `block` that does
/// not check again once it has registered.
#[test]
fn models_sleep_until_all_is_taken() {
    explore("two sleepers, two messages", Some(1), || {
        let shop = Shop::new();
        let taken = Arc::new(AtomicU64::new(0));
        let sleepers = [(); 2].map(|()| {
            let (shop, taken) = (Arc::clone(&shop), Arc::clone(&taken));
            spawn(move || drain(&shop, &taken, 2))
        });
        let other = Arc::clone(&shop);
        let notifier = spawn(move || {
            other.publish();
            other.publish();
        });
        for sleeper in sleepers {
            sleeper.join();
        }
        notifier.join();
    });
}

/// Two sleepers that take one message each and do not come back, and one
/// notifier or two: a message wakes a sleeper even while the other is being woken.
/// Three preemptions and two.
///
/// Seen to fail: a notifier that leaves the word as it is (W1); one that takes the bit
/// away before it wakes, and sets it again after (two notifiers: meanwhile the other
/// sees no bit); one that takes it away and does not wake again (W3).
#[test]
fn models_sleep_one_each() {
    for (name, notifiers, bound) in [
        ("two sleepers, one each", 1, 3),
        ("two sleepers, one each, two notifiers", 2, 2),
    ] {
        explore(name, Some(bound), move || {
            let shop = Shop::new();
            let sleepers = [(); 2].map(|()| {
                let shop = Arc::clone(&shop);
                spawn(move || Customer::at(&shop).wait())
            });
            let other = Arc::clone(&shop);
            let notifier = (notifiers == 2).then(|| spawn(move || other.publish()));
            (notifiers..=2).for_each(|_| shop.publish());
            if let Some(notifier) = notifier {
                notifier.join();
            }
            for sleeper in sleepers {
                assert_eq!(sleeper.join(), Ok(()));
            }
        });
    }
}

/// Two messages that are announced once, to two sleepers that take one each (W3).
/// Two preemptions.
///
/// Seen to fail: `block` that passes nothing on.
#[test]
fn models_sleep_passed_on() {
    explore("two messages announced once", Some(2), || {
        let shop = Shop::new();
        let sleepers = [(); 2].map(|()| {
            let shop = Arc::clone(&shop);
            spawn(move || {
                let mut customer = Customer {
                    passes_on: true,
                    ..Customer::at(&shop)
                };
                customer.wait()
            })
        });
        shop.messages.fetch_add(2, Ordering::Release);
        shop.notify_one();
        for sleeper in sleepers {
            assert_eq!(sleeper.join(), Ok(()));
        }
    });
}
