//! Who takes the replies, between two steps that no test from outside can come between.

use std::pin::Pin;
use std::sync::atomic::AtomicU32;

use memring_testkit::homes::Home;
use memring_testkit::time::await_at_least;

use super::*;
use crate::rpc::{PendingCall, Service};

/// Counts how often a task is woken.
#[derive(Default)]
struct WakeCount(AtomicU32);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

fn poll(task: &Arc<WakeCount>, call: &mut PendingCall<u64>) -> Poll<Result<u64, CallError>> {
    let waker = Waker::from(Arc::clone(task));
    Future::poll(Pin::new(call), &mut Context::from_waker(&waker))
}

/// The rings wake when nobody waits, and another has the ends; a task comes before these are
/// given back.
#[test]
fn a_wake_up_that_meets_no_task_is_not_lost() {
    let home = Home::new();
    let service = Service::<u64, u64>::open_or_create(home.named("service")).unwrap();
    let _server = service.server().unwrap();
    let mut call = service.client().unwrap().submit(1).unwrap();
    let calls = Arc::clone(&call.calls);
    let ends = calls.lock().ends.take().unwrap();
    calls.look.wake_by_ref();
    let task = Arc::<WakeCount>::default();
    assert!(poll(&task, &mut call).is_pending());
    assert_eq!(calls.take_in(ends, |_| None::<()>), (None, None));
    assert_eq!(task.0.load(Ordering::Acquire), 1);
}

/// A thread has waited at the ring for all, and finds what it waits for after it has given the
/// ends back.
#[test]
fn a_thread_that_has_led_looks_for_the_tasks() {
    let home = Home::new();
    let service = Service::<u64, u64>::open_or_create(home.named("service")).unwrap();
    let mut server = service.server().unwrap();
    let mut call = service.client().unwrap().submit(1).unwrap();
    let calls = Arc::clone(&call.calls);
    let task = Arc::<WakeCount>::default();
    assert!(poll(&task, &mut call).is_pending());
    let mut asked = 0;
    let waited = calls.wait_until(None, |_| {
        asked += 1;
        calls.leader.cancel();
        // Before, at the ring, and then.
        (asked == 3).then_some(())
    });
    assert_eq!(waited, Ok(()));
    let (request, responder) = server.recv().unwrap();
    responder.reply(*request + 1).unwrap();
    assert!(await_at_least(&task.0, 1), "never woken");
    assert_eq!(poll(&task, &mut call), Poll::Ready(Ok(2)));
}

/// The waker of a task that panics.
struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_its_wake_up() {
    let wakers = Wakers::default();
    let task = Arc::<WakeCount>::default();
    wakers.register(1, &Waker::from(Arc::new(Panicking)));
    wakers.register(2, &Waker::from(Arc::clone(&task)));
    wakers.wake(|_| true);
    assert_eq!(task.0.load(Ordering::Acquire), 1);
}
