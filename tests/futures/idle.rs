//! Futures that wait do not use the processor.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use memring::{Kind, Mpmc, Receiver, Ring, Spsc};
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::processes::processor_time;

const RECEIVERS: usize = 1000;
/// How long they are watched, after the time in which their caps grow.
const WATCH: Duration = Duration::from_secs(8);
/// What they may use of it: a tenth of a processor, which polling would exceed. What they do
/// use on an idle machine is in `docs/async.md`.
const USE: Duration = Duration::from_millis(800);

/// Those that were woken, and the thread that polls them.
struct Run {
    woken: Mutex<Vec<usize>>,
    thread: Thread,
}

struct Wakeup(Arc<Run>, usize);

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.0.woken.lock().unwrap().push(self.1);
        self.0.thread.unpark();
    }
}

/// All of them wait; those that are woken at their caps are polled again, as by a runtime.
fn wait_idle<K: Kind>(mut receivers: Vec<Receiver<u64, K>>) -> Duration {
    let run = Arc::new(Run {
        woken: Mutex::new((0..RECEIVERS).collect()),
        thread: thread::current(),
    });
    let wakers = (0..RECEIVERS).map(|at| Waker::from(Arc::new(Wakeup(run.clone(), at))));
    let wakers: Vec<_> = wakers.collect();
    let futures = receivers.iter_mut().map(Receiver::recv_async);
    let mut futures: Vec<_> = futures.collect();
    let mut polls = 0;
    let mut run_for = |time: Duration| {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let woken = std::mem::take(&mut *run.woken.lock().unwrap());
            for at in woken {
                let mut context = Context::from_waker(&wakers[at]);
                assert!(Pin::new(&mut futures[at]).poll(&mut context).is_pending());
                polls += 1;
            }
            thread::park_timeout(left);
        }
        polls
    };
    let before_polls = run_for(Duration::from_secs(4));
    let before = processor_time(std::process::id());
    let polls = run_for(WATCH) - before_polls;
    let used = processor_time(std::process::id()) - before;
    println!("{RECEIVERS} idle futures: {used:?} in {WATCH:?}, {polls} polls");
    used
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it sleeps by looking")]
fn a_thousand_receivers_of_as_many_rings() {
    if ran_in_own_process() {
        return;
    }
    let rings: Vec<_> = (0..RECEIVERS)
        .map(|_| Ring::<u64, Spsc>::anonymous(2).unwrap())
        .collect();
    let _senders: Vec<_> = rings.iter().map(|ring| ring.sender().unwrap()).collect();
    let receivers = rings.iter().map(|ring| ring.receiver().unwrap()).collect();
    let used = wait_idle(receivers);
    assert!(used < USE, "{used:?}");
}

#[test]
fn a_thousand_receivers_of_one_ring() {
    if ran_in_own_process() {
        return;
    }
    let ring = Ring::<u64, Mpmc>::anonymous(2).unwrap();
    let _sender = ring.sender().unwrap();
    let receiver = ring.receiver().unwrap();
    let used = wait_idle(vec![receiver; RECEIVERS]);
    assert!(used < USE, "{used:?}");
}
