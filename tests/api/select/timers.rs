//! Times in a set.

use std::thread;
use std::time::{Duration, Instant};

use memring::{Ring, Select, Spsc, TryReadyError, TryRecvError, after, at, never, select, tick};
use memring_testkit::time::in_time;

use super::SHORT;

#[test]
fn after_comes_once_and_not_too_soon() {
    in_time(|| {
        let start = Instant::now();
        let mut timer = after(SHORT);
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        let mut select = Select::new();
        let token = select.add(&mut timer);
        assert_eq!(select.try_ready(), Err(TryReadyError));
        assert_eq!(select.ready(), token.index());
        assert!(start.elapsed() >= SHORT);
        assert_eq!(select.ready(), token.index());
        assert!(select[token].try_recv().unwrap() >= start + SHORT);
        assert_eq!(select.try_ready(), Err(TryReadyError));
        assert_eq!(timer.try_recv(), Err(TryRecvError::Empty));
        let moment = Instant::now() + SHORT;
        assert_eq!(at(moment).recv(), moment);
        assert!(Instant::now() >= moment);
    });
}

#[test]
fn ticks_come_again_and_those_that_were_missed_do_not() {
    in_time(|| {
        let mut ticks = tick(SHORT);
        let (first, second) = (ticks.recv(), ticks.recv());
        // In step, unless this thread was kept from running for a whole period.
        assert!(second - first >= SHORT);
        thread::sleep(5 * SHORT);
        let late = Instant::now();
        assert!(ticks.try_recv().is_ok());
        assert_eq!(ticks.try_recv(), Err(TryRecvError::Empty));
        let mut select = Select::new();
        let token = select.add(&mut ticks);
        assert_eq!(select.ready(), token.index());
        assert!(Instant::now() >= late);
    });
}

#[test]
fn never_is_never_ready() {
    let mut never = never::<u64>();
    assert_eq!(never.try_recv(), Err(TryRecvError::Empty));
    let mut far = after(Duration::MAX);
    let mut select = Select::new();
    select.add(&mut never);
    select.add(&mut far);
    assert!(select.ready_timeout(SHORT).is_err());
}

#[test]
fn the_first_moment_ends_a_wait_beside_rings() {
    in_time(|| {
        let ring = Ring::<u64, Spsc>::anonymous(1).unwrap();
        let (_tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        // Taken before the timer is made, which counts from then.
        let start = Instant::now();
        let (mut soon, mut late) = (after(SHORT), after(Duration::from_secs(3600)));
        let which = select! {
            recv(rx) -> _ => 0,
            recv(late) -> _ => 1,
            recv(soon) -> moment => { assert!(moment.unwrap() >= start); 2 }
            recv(never::<u64>()) -> _ => 3,
        };
        assert_eq!(which, 2);
        assert!(start.elapsed() >= SHORT);
        // A timer that lives as long as the arms.
        let which = select! {
            recv(rx) -> _ => 0,
            recv(after(SHORT)) -> _ => 1,
        };
        assert_eq!(which, 1);
    });
}
