//! The watchdog: each call says by when it will be back.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use memring_testkit::text::print;

/// How late a call may be on a busy machine.
const MARGIN: Duration = Duration::from_secs(20);

/// A call under way: what it is, and when it is due.
type Call = Option<(&'static str, Instant)>;

/// The calls of one thread.
pub struct Watch {
    call: Mutex<Call>,
    /// The one that was latest, and by how much.
    latest: Mutex<(Duration, &'static str)>,
}

impl Watch {
    pub const fn new() -> Watch {
        Watch {
            call: Mutex::new(None),
            latest: Mutex::new((Duration::ZERO, "nothing")),
        }
    }

    /// Makes a call that takes no longer than `time`, or ends the process.
    pub fn call<R>(&self, what: &'static str, time: Duration, act: impl FnOnce() -> R) -> R {
        let due = Instant::now() + time;
        *self.call.lock().unwrap() = Some((what, due));
        let result = act();
        *self.call.lock().unwrap() = None;
        let late = due.elapsed();
        let mut latest = self.latest.lock().unwrap();
        if late > latest.0 {
            *latest = (late, what);
        }
        result
    }

    pub fn latest(&self) -> (Duration, &'static str) {
        *self.latest.lock().unwrap()
    }
}

/// Ends the process when a call of `watches` is overdue, as long as it runs.
/// `seed` is told then.
pub fn guard(watches: &'static [Watch], seed: u64) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(100));
            let now = Instant::now();
            for watch in watches {
                if let Some((what, due)) = *watch.call.lock().unwrap()
                    && now > due + MARGIN
                {
                    print(format_args!("seed {seed}: {what} is {:?} late", now - due));
                    std::process::exit(3);
                }
            }
        }
    });
}
