//! Futures that wait do not use the processor.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use memring::{Kind, Mpmc, Receiver, Ring, Spsc};
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::processes::processor_time;

use super::executors::Wakes;

const RECEIVERS: usize = 1000;
/// How long they are watched, after the time in which their caps grow.
const WATCH: Duration = Duration::from_secs(4);
/// What they may use of it: 1 ms a second; and as much again for a machine that is slow,
/// or busy.
const USE: Duration = Duration::from_millis(20);

/// All of them wait; those that are woken at their caps are polled again, as by a runtime.
fn wait_idle<K: Kind>(mut receivers: Vec<Receiver<u64, K>>) -> Duration {
    let wakes: Vec<_> = receivers.iter().map(|_| Wakes::new()).collect();
    let futures = receivers.iter_mut().map(Receiver::recv_async);
    let mut futures: Vec<_> = futures.collect();
    let mut poll = |at: usize| {
        let waker = Waker::from(std::sync::Arc::clone(&wakes[at]));
        let polled = Pin::new(&mut futures[at]);
        let polled = std::future::Future::poll(polled, &mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Pending);
    };
    (0..RECEIVERS).for_each(&mut poll);
    let mut look = |time: Duration| {
        let (step, mut polls) = (Duration::from_millis(50), 0);
        for _ in 0..time.as_millis() / step.as_millis() {
            thread::sleep(step);
            for at in (0..RECEIVERS).filter(|at| wakes[*at].take() > 0) {
                poll(at);
                polls += 1;
            }
        }
        polls
    };
    look(Duration::from_millis(3500));
    let before = processor_time(std::process::id());
    let polls = look(WATCH);
    let used = processor_time(std::process::id()) - before;
    println!("{RECEIVERS} idle futures: {used:?} in {WATCH:?}, {polls} polls");
    used
}

#[test]
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
