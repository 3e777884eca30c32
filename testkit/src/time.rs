//! Limits against hanging, and the clock that processes share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// No test takes this long, unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Long enough for anything that should happen at all, and within [`LIMIT`].
pub const LONG: Duration = Duration::from_secs(30);

/// Nanoseconds of the monotonic clock, which all processes share.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Runs `act` in a thread; fails if that takes longer than [`LONG`].
pub fn in_time<R: Send + 'static>(act: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = channel();
    let worker = thread::spawn(move || {
        let _ = done.send(act());
    });
    match result.recv_timeout(LONG) {
        Ok(result) => {
            worker.join().expect("it has returned");
            result
        }
        Err(RecvTimeoutError::Timeout) => panic!("not done after {LONG:?}"),
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it returns"),
        },
    }
}

/// Polls every millisecond until `is_so`; fails with what `otherwise` says after [`LIMIT`].
#[track_caller]
pub fn wait_until(mut is_so: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    let late = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < late, "{}", otherwise());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until `word` is at least `value`; whether it was so within [`LONG`].
pub fn await_at_least(word: &AtomicU32, value: u32) -> bool {
    let late = Instant::now() + LONG;
    // Acquire pairs with whatever the test stored the value with.
    while word.load(Ordering::Acquire) < value {
        if Instant::now() > late {
            return false;
        }
        thread::yield_now();
    }
    true
}
