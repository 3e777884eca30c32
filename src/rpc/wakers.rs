//! The tasks that wait for something of one client.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The wakers of tasks that wait, each under a key.
///
/// Its lock is held for no call of others: to wake, to clone and to drop a waker may run
/// anything. So what is cloned under it is the `Arc` around each.
#[derive(Default)]
pub(super) struct Wakers {
    wakers: Mutex<Vec<(u64, Arc<Waker>)>>,
    /// How many there are. Threads that only block have none to wake, and take no lock then.
    count: AtomicUsize,
}

impl Wakers {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Arc<Waker>)>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `waker`, and no other, woken under `key`.
    pub(super) fn register(&self, key: u64, waker: &Waker) {
        let waker = Arc::new(waker.clone());
        let mut wakers = self.lock();
        let known = wakers.iter_mut().find(|(known, _)| *known == key);
        let before = match known {
            Some((_, known)) => Some(std::mem::replace(known, waker)),
            None => {
                wakers.push((key, waker));
                // Release: see `wake`.
                self.count.store(wakers.len(), Ordering::Release);
                None
            }
        };
        drop(wakers);
        drop(before);
    }

    /// Forgets what waits under `key`, which comes back, to be dropped where no lock is held.
    /// And says whether nothing waits any more.
    pub(super) fn forget(&self, key: u64) -> (Option<Arc<Waker>>, bool) {
        let mut wakers = self.lock();
        let at = wakers.iter().position(|(known, _)| *known == key);
        let forgotten = at.map(|at| wakers.swap_remove(at).1);
        self.count.store(wakers.len(), Ordering::Release);
        (forgotten, wakers.is_empty())
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        // Acquire: pairs with the Release of `register`, by the lock of the calls at least.
        self.count.load(Ordering::Acquire) == 0
    }

    /// Wakes those under the keys of which `is_meant` says so. They stay registered.
    ///
    /// A task registers before it takes the lock of the calls to look, and one that wakes has
    /// changed something under that lock: so either the task sees the change, or this sees the
    /// task.
    pub(super) fn wake(&self, is_meant: impl Fn(u64) -> bool) {
        if self.is_empty() {
            return;
        }
        let wakers = self.lock();
        let meant = wakers.iter().filter(|(key, _)| is_meant(*key));
        let meant: Vec<_> = meant.map(|(_, waker)| Arc::clone(waker)).collect();
        drop(wakers);
        for waker in meant {
            // One that panics is a mistake of its user; the others get their wake-up.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref()));
        }
    }
}
