//! What the threads of one round share: the ring, the time, the tally.

use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memring::{AttachError, Failure, Kind, Message, Ring, WaitStrategy};
use memring_testkit::random::Random;

use super::watch::Watch;

/// What may come of a call.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Sent,
    Received,
    Leased,
    Full,
    Empty,
    TimedOut,
    Closed,
    Disconnected,
    Corrupted,
    NotAttached,
    NotOpened,
    Opened,
    Looked,
}

impl Outcome {
    pub const ALL: [Outcome; 13] = {
        use Outcome::*;
        [
            Sent,
            Received,
            Leased,
            Full,
            Empty,
            TimedOut,
            Closed,
            Disconnected,
            Corrupted,
            NotAttached,
            NotOpened,
            Opened,
            Looked,
        ]
    };
}

/// How often each has come.
#[derive(Default)]
pub struct Tally([AtomicU64; 13]);

impl Tally {
    pub fn add(&self, outcome: Outcome, count: usize) {
        self.0[outcome as usize].fetch_add(count as u64, Ordering::Relaxed);
    }

    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }
}

pub struct Scene<'s, T: Message + ?Sized, K: Kind> {
    /// The handle of the process that made the ring. Its memory may hold arbitrary bytes.
    pub made: Ring<T, K>,
    pub name: Option<&'s Path>,
    pub end: Instant,
    pub tally: &'s Tally,
    pub sleeps: bool,
    /// Only its deadline ends a call when the other side has gone.
    pub waits_through: bool,
}

impl<T: Message + ?Sized, K: Kind> Scene<'_, T, K> {
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// A handle of the caller's own, unless the header is invalid just now.
    pub fn open(&self, watch: &Watch) -> Option<Ring<T, K>> {
        let builder = Ring::<T, K>::builder().wait_through_disconnect(self.waits_through);
        let opened = watch.call("open", Duration::ZERO, || match self.name {
            Some(path) => builder.open(path.to_str().expect("a path of ASCII")),
            None => builder.from_fd(self.made.share_fd().expect("an anonymous ring's")),
        });
        let (outcome, ring) = match opened {
            Ok(ring) => (Outcome::Opened, Some(ring)),
            Err(_) => (Outcome::NotOpened, None),
        };
        self.tally.add(outcome, 1);
        if ring.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        ring
    }

    pub fn strategy(&self, random: &mut Random) -> WaitStrategy {
        match random.below(3) {
            _ if !self.sleeps => WaitStrategy::Spin,
            0 => WaitStrategy::Spin,
            1 => WaitStrategy::SpinThenPark { spins: 50 },
            _ => WaitStrategy::Park,
        }
    }

    /// The endpoint, if it attached.
    pub fn attached<E>(&self, attached: Result<E, AttachError>) -> Option<E> {
        match attached {
            Ok(endpoint) => return Some(endpoint),
            Err(AttachError::Failed(failure)) => self.failed(failure),
            Err(_) => self.tally.add(Outcome::NotAttached, 1),
        }
        std::thread::sleep(Duration::from_millis(1));
        None
    }

    /// Attaches with `attach`, works and detaches, again and again, until the round is over.
    /// `work` says whether the endpoint is good for more; now and then a clone takes its place.
    pub fn attach_again_and_again<E>(
        &self,
        watch: &Watch,
        random: &mut Random,
        attach: impl Fn(&Ring<T, K>, WaitStrategy) -> Result<E, AttachError>,
        clone: impl Fn(&E) -> Option<E>,
        mut work: impl FnMut(&mut E, &mut Random) -> bool,
    ) {
        while !self.is_over() {
            let Some(ring) = self.open(watch) else {
                continue;
            };
            let strategy = self.strategy(random);
            let attached = watch.call("attach", Duration::ZERO, || attach(&ring, strategy));
            let Some(mut endpoint) = self.attached(attached) else {
                continue;
            };
            for _ in 0..random.below(300) {
                if random.below(50) == 0
                    && let Some(copy) = clone(&endpoint)
                {
                    let old = mem::replace(&mut endpoint, copy);
                    watch.call("drop a clone", Duration::ZERO, || drop(old));
                }
                if self.is_over() || !work(&mut endpoint, random) {
                    break;
                }
            }
            watch.call("drop an endpoint", Duration::ZERO, || drop(endpoint));
        }
    }

    /// A handle has failed: only because the memory holds invalid values. A header that
    /// told a smaller limit when it was opened makes a ring of smaller messages
    /// for that handle, which then says so.
    pub fn failed(&self, failure: Failure) {
        let made_for = self.made.message_size();
        let is_invalid = match failure {
            Failure::Corrupted(_) => true,
            Failure::TooLong { length, limit } => limit < length && length <= made_for,
            _ => false,
        };
        assert!(is_invalid, "{failure}");
        self.tally.add(Outcome::Corrupted, 1);
    }
}

/// How long a call may wait: mostly not long, now and then beyond a full sleep.
pub fn timeout(random: &mut Random) -> Duration {
    match random.below(16) {
        0 => Duration::from_millis(120),
        1..4 => Duration::ZERO,
        _ => Duration::from_micros(random.below(3000)),
    }
}
