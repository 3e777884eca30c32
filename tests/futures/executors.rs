//! The least that runs a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use memring::failpoints;
pub use memring_testkit::futures::block_on;

/// Every sleep may last for so long,
const CAP: Duration = Duration::from_secs(120);
/// and a wake-up may take so long.
const SOON: Duration = Duration::from_secs(5);

/// From now on no sleep of this process ends early: a wake-up that is lost is seen.
pub fn raise_cap() {
    failpoints::raise_sleep_cap(CAP);
}

/// A waker that counts.
#[derive(Default)]
pub struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    pub fn new() -> Arc<Wakes> {
        Arc::default()
    }

    /// How many since this was asked last.
    pub fn take(&self) -> u32 {
        self.0.swap(0, Ordering::SeqCst)
    }

    /// Waits for one.
    #[track_caller]
    pub fn wait(&self) {
        let late = Instant::now() + SOON;
        while self.take() == 0 {
            assert!(Instant::now() < late, "no wake-up");
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// Polls until it is done, whenever it is woken.
    #[track_caller]
    pub fn finish<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> F::Output {
        loop {
            match self.poll(future) {
                Poll::Ready(output) => return output,
                Poll::Pending => self.wait(),
            }
        }
    }
}
