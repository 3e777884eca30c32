//! Timed waits: nanoseconds that carry, a wall clock that jumps, a lock whose holder was
//! killed.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use memring::{Mpmc, RecvTimeoutError, Ring};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;
use raw_sync::Timeout;
use raw_sync::events::{Event, EventInit, EventState};
use raw_sync::locks::{LockInit, Mutex};
use rustix::process::{Signal, getpid, kill_process};
use shared_memory::ShmemConf;

/// By how much the wall clock is wrong that this test binary reads, in seconds: as if it
/// were set right between a reading and the wait.
static WRONG_BY: AtomicI64 = AtomicI64::new(0);

/// The tests that look at the wall clock, one at a time.
static CLOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The C library's, for this binary.
///
/// # Safety
/// `time` is null or can be written to.
// SAFETY: O4: of the name and the type that the C library's has, and it does what that
// does.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> i32 {
    // SAFETY: O4: the arguments are passed on as they came.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if clock == libc::CLOCK_REALTIME && result == 0 {
        // SAFETY: O4: the call above has just written there.
        unsafe { (*time).tv_sec += WRONG_BY.load(Ordering::Relaxed) };
    }
    result as i32
}

fn with_wrong_clock<R>(seconds: i64, act: impl FnOnce() -> R) -> R {
    let _guard = CLOCK
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    WRONG_BY.store(seconds, Ordering::Relaxed);
    let result = act();
    WRONG_BY.store(0, Ordering::Relaxed);
    result
}

/// A place for an event, aligned and large enough.
fn with_event<R>(act: impl FnOnce(&dyn raw_sync::events::EventImpl) -> R) -> R {
    let mut place = vec![0u64; 64];
    // SAFETY: O2: 512 bytes, more than an event takes, which outlive it.
    let event = unsafe { Event::new(place.as_mut_ptr().cast(), true) };
    act(event.expect("make an event").0.as_ref())
}

/// How long a wait on an event that nobody sets takes.
fn bare_wait(timeout: Duration) -> Duration {
    with_event(|event| {
        let start = Instant::now();
        assert!(event.wait(Timeout::Val(timeout)).is_err());
        start.elapsed()
    })
}

/// How long a receiver of an empty ring waits.
fn our_wait(timeout: Duration) -> Duration {
    let ring = Ring::<u64, Mpmc>::anonymous(8).expect("make a ring");
    let mut receiver = ring.receiver().expect("attach");
    let _sender = ring.sender().expect("attach");
    let start = Instant::now();
    let received = receiver.recv_timeout(timeout);
    assert!(matches!(received, Err(RecvTimeoutError::Timeout(_))));
    start.elapsed()
}

/// With a second less one nanosecond, nanoseconds carry whatever the time.
const CARRIES: Duration = Duration::from_nanos(999_999_999);

#[test]
fn nanoseconds_that_carry_end_a_bare_wait_at_once() {
    let _guard = CLOCK
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let shortest = (0..20).map(|_| bare_wait(CARRIES)).min();
    assert!(shortest.expect("twenty of them") < CARRIES);
    assert!(our_wait(CARRIES) >= CARRIES);
}

#[test]
fn a_wall_clock_set_forward_ends_a_bare_wait_at_once() {
    let timeout = Duration::from_secs(60);
    // The deadline is reckoned by a clock that is an hour late, and waited for by the right
    // one: as if it were set forward meanwhile.
    assert!(with_wrong_clock(-3600, || bare_wait(timeout)) < timeout);
    let timeout = Duration::from_millis(50);
    assert!(with_wrong_clock(-3600, || our_wait(timeout)) >= timeout);
}

#[test]
fn a_wall_clock_set_back_prolongs_a_bare_wait() {
    with_wrong_clock(3600, || {
        with_event(|event| {
            let late = EventOf(event);
            thread::scope(|scope| {
                let (sender, receiver) = mpsc::channel();
                scope.spawn(move || {
                    let late = late;
                    // No nanoseconds to carry.
                    sender.send(late.wait(Duration::ZERO)).expect("a listener");
                });
                // Had it minded its deadline, it would be over, with an error.
                let answer = receiver.recv_timeout(Duration::from_millis(100));
                assert!(answer.is_err());
                event.set(EventState::Signaled).expect("set the event");
                assert!(receiver.recv().expect("an answer"));
            });
        });
        let timeout = Duration::from_millis(50);
        assert!(our_wait(timeout) >= timeout); // and it returns at all
    });
}

/// An event that another thread waits for.
#[derive(Clone, Copy)]
struct EventOf<'a>(&'a dyn raw_sync::events::EventImpl);

// SAFETY: O7: an event is for several threads; the crate does not say so.
unsafe impl Send for EventOf<'_> {}

impl EventOf<'_> {
    /// Whether it was set.
    fn wait(&self, timeout: Duration) -> bool {
        self.0.wait(Timeout::Val(timeout)).is_ok()
    }
}

/// Dies with the lock of a mutex, which is what an event has in it.
pub fn bare_holder(args: &Args) {
    let memory = ShmemConf::new().os_id(args.get::<String>("name")).open();
    let memory = memory.map_err(|_| ()).expect("open the memory");
    // SAFETY: O2: the parent has made a mutex there.
    let mutex = unsafe { Mutex::from_existing(memory.as_ptr(), std::ptr::null_mut()) };
    let (mutex, _) = mutex.expect("a mutex");
    let _guard = mutex.lock().expect("lock it");
    kill_process(getpid(), Signal::KILL).expect("kill this process");
}

/// Why no event is used: `kills` shows that our endpoints do not mind.
#[test]
fn a_bare_lock_goes_with_its_killed_holder() {
    let home = Home::new();
    let name = format!("/bare-lock-{}", std::process::id());
    let memory = ShmemConf::new().os_id(&name).size(4096).create();
    let memory = memory.map_err(|_| ()).expect("make memory");
    // SAFETY: O2: 4096 bytes, more than a mutex takes, which outlive it.
    let mutex = unsafe { Mutex::new(memory.as_ptr(), std::ptr::null_mut()) };
    let (mutex, _) = mutex.expect("make a mutex");
    home.spawn("bare holder", &[("name", &name)]).dies();
    // By the right clock, or it would wait for long.
    let tried = with_wrong_clock(0, || mutex.try_lock(Timeout::Val(Duration::ZERO)).is_err());
    assert!(tried);
}
