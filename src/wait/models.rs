//! loom models of the sleeping handshake (W1 to W3), and what models need.
//!
//! loom runs a model through every interleaving, and every value that a load
//! may return, up to the bound that the model names (none: all of them). What
//! it does not know is modelled:
//!
//! - `membarrier` by a fence on both sides ([`Fences::Full`]);
//! - a futex by a queue ([`Futex`]), without time-outs and without
//!   spurious returns: a wake-up that is lost is a deadlock, which loom reports.
//!   The cap of a sleep (W4) would hide it.
//!
//! loom takes `SeqCst` accesses for `AcqRel` ones (fences it takes for what
//! they are): it allows more than the language does, so what holds here rests
//! on the fences alone. It keeps the last seven values of an atomic.
//!
//! Each model names the faults that were put into the code once, to see it fail.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool as Flag, AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use loom::sync::atomic::{AtomicBool, AtomicU64};
use loom::thread;

use super::event::{Event, Park};
use crate::sys::atomic::{AtomicU32, Fences, Ordering, fence};

/// Explores a model, with at most `preemptions` forced switches, or all.
pub(crate) fn explore(
    name: &str,
    preemptions: Option<usize>,
    model: impl Fn() + Sync + Send + 'static,
) {
    let runs = Arc::new(Count::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.or(builder.preemption_bound);
    let counted = Arc::clone(&runs);
    let start = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    let runs = runs.load(Relaxed);
    println!("{name}: {runs} executions in {:?}", start.elapsed());
}

/// Something that a model must be able to reach, or it shows nothing.
#[derive(Clone)]
pub(crate) struct Witness(Arc<Flag>, &'static str);

impl Witness {
    pub(crate) fn of(what: &'static str) -> Self {
        Witness(Arc::new(Flag::new(false)), what)
    }

    pub(crate) fn note_if(&self, reached: bool) {
        self.0.fetch_or(reached, Relaxed);
    }

    pub(crate) fn check(&self) {
        assert!(self.0.load(Relaxed), "never reached: {}", self.1);
    }
}

/// A thread whose result can be waited for. (loom's own `join` prints.)
pub(crate) struct Task<T> {
    done: Arc<AtomicBool>,
    result: Arc<Mutex<Option<T>>>,
}

pub(crate) fn spawn<T: 'static>(work: impl FnOnce() -> T + 'static) -> Task<T> {
    let task = Task {
        done: Arc::new(AtomicBool::new(false)),
        result: Arc::new(Mutex::new(None)),
    };
    let (done, result) = (Arc::clone(&task.done), Arc::clone(&task.result));
    let parent = thread::current();
    thread::spawn(move || {
        let value = work();
        *result.lock().unwrap() = Some(value);
        done.store(true, Ordering::Release);
        parent.unpark();
    });
    task
}

impl<T> Task<T> {
    /// Waits for the end: everything that the thread did happened before.
    pub(crate) fn join(self) -> T {
        while !self.done.load(Ordering::Acquire) {
            thread::park();
        }
        self.result.lock().unwrap().take().unwrap()
    }
}

/// A futex: compares and blocks in one step, wakes who is asleep, no others.
///
/// loom switches threads before an operation on an atomic and nowhere else, so
/// what follows the read-modify-write of the word is one step with it. That
/// operation changes nothing; it stands for the kernel's lock, under which the
/// word is compared: it reads the newest value, and orders sleep and wake.
#[derive(Default)]
pub(crate) struct Futex {
    queue: Mutex<VecDeque<Sleeper>>,
}

struct Sleeper {
    word: *const AtomicU32,
    thread: thread::Thread,
    awake: Arc<Flag>,
}

impl Park for Futex {
    type Deadline = ();

    /// `membarrier`, modelled as a fence.
    fn heavy(&self) {
        fence(Ordering::SeqCst);
    }

    fn sleep(&self, word: &AtomicU32, expected: u32, (): ()) -> bool {
        if word.fetch_add(0, Ordering::AcqRel) != expected {
            return false;
        }
        let awake = Arc::new(Flag::new(false));
        self.queue.lock().unwrap().push_back(Sleeper {
            word,
            thread: thread::current(),
            awake: Arc::clone(&awake),
        });
        while !awake.load(Relaxed) {
            thread::park();
        }
        false
    }

    fn wake(&self, word: &AtomicU32, count: u32) -> usize {
        word.fetch_add(0, Ordering::AcqRel);
        let mut queue = self.queue.lock().unwrap();
        let mut woken = 0;
        while woken < count as usize {
            let Some(at) = queue.iter().position(|s| std::ptr::eq(s.word, word)) else {
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

/// What sleepers wait for: a number of messages, of which each takes one at a
/// time. Stands for a ring without being one.
struct Shop {
    event: AtomicU32,
    messages: AtomicU64,
    closed: AtomicBool,
    futex: Futex,
}

impl Shop {
    fn new() -> Arc<Self> {
        Arc::new(Shop {
            event: AtomicU32::new(0),
            messages: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            futex: Futex::default(),
        })
    }

    fn publish(&self) {
        self.messages.fetch_add(1, Ordering::Release);
        WaitWord(&self.event).notify_one(Fences::Full, &self.futex);
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.futex.heavy();
        WaitWord(&self.event).notify_all(&self.futex);
    }

    fn take(&self) -> bool {
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

    /// Takes a message, asleep as long as there is none; `false` once closed.
    fn wait(&self) -> bool {
        self.wait_as(false, &mut false)
    }

    fn wait_as(&self, alone: bool, stands: &mut bool) -> bool {
        loop {
            let announced = WaitWord(&self.event).register(&self.futex, alone, stands);
            if self.take() {
                return true;
            }
            if self.closed.load(Ordering::Acquire) {
                return false;
            }
            self.futex.sleep(&self.event, announced, ());
        }
    }
}

/// Publishes `messages` messages to one sleeper.
fn one_to_one(name: &str, messages: usize, alone: bool, bound: Option<usize>) {
    explore(name, bound, move || {
        let shop = Shop::new();
        let other = Arc::clone(&shop);
        let notifier = spawn(move || (0..messages).for_each(|_| other.publish()));
        let mut stands = false;
        for _ in 0..messages {
            assert!(shop.wait_as(alone, &mut stands));
        }
        notifier.join();
    });
}

/// One message: exhaustive. Two: three preemptions.
///
/// Seen to fail: no fence in `notify_one`; no barrier in `prepare`; a notifier
/// that leaves the word as it is (W1); a model that slept on what the
/// word was after the second look (W2).
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
        let other = Arc::clone(&shop);
        let notifier = spawn(move || other.publish());
        let third = Arc::clone(&shop);
        let another = spawn(move || third.publish());
        let mut stands = false;
        for _ in 0..2 {
            assert!(shop.wait_as(true, &mut stands));
        }
        notifier.join();
        another.join();
    });
}

fn close_on(name: &str, sleepers: usize, bound: Option<usize>) {
    explore(name, bound, move || {
        let shop = Shop::new();
        let asleep = |_| {
            let shop = Arc::clone(&shop);
            spawn(move || shop.wait())
        };
        let sleepers: Vec<_> = (0..sleepers).map(asleep).collect();
        shop.close();
        for sleeper in sleepers {
            assert!(!sleeper.join());
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

/// Waits until all `total` messages are taken; who takes the last one closes.
fn drain(shop: &Shop, taken: &AtomicU64, total: u64) {
    while shop.wait() {
        if taken.fetch_add(1, Ordering::AcqRel) + 1 == total {
            shop.close();
        }
    }
}

/// What the handshake promises: no message is left while all sleep. Two
/// preemptions.
///
/// Seen to fail: a notifier that leaves the word as it is (W1).
#[test]
fn models_sleep_two_to_two() {
    explore("two sleepers, two notifiers", Some(2), || {
        let shop = Shop::new();
        let taken = Arc::new(AtomicU64::new(0));
        let sleepers = [(); 2].map(|()| {
            let (shop, taken) = (Arc::clone(&shop), Arc::clone(&taken));
            spawn(move || drain(&shop, &taken, 2))
        });
        let other = Arc::clone(&shop);
        let notifier = spawn(move || other.publish());
        shop.publish();
        notifier.join();
        for sleeper in sleepers {
            sleeper.join();
        }
    });
}

/// Two sleepers who take one message each and do not come back, and one
/// notifier or two: a message wakes a sleeper, whoever is being woken by another.
/// Three preemptions and two.
///
/// Seen to fail: a notifier that takes the bit away before it wakes, and sets it
/// again after (two notifiers: meanwhile the other sees no bit); one that takes
/// it away and does not wake again (W3).
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
                spawn(move || shop.wait())
            });
            let other = Arc::clone(&shop);
            let notifier = (notifiers == 2).then(|| spawn(move || other.publish()));
            (notifiers..=2).for_each(|_| shop.publish());
            if let Some(notifier) = notifier {
                notifier.join();
            }
            for sleeper in sleepers {
                assert!(sleeper.join());
            }
        });
    }
}
