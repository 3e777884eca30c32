//! A forked child has no thread that waits, and starts its own.

use std::task::Poll;

use memring::{Failure, RecvError, Ring, Spsc};
use memring_testkit::forks::{in_child, ran_in_own_process};

use super::executors::{Wakes, raise_cap};

fn wait_and_be_woken() {
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let wakes = Wakes::new();
    for number in 0..3 {
        let mut future = rx.recv_async();
        assert!(wakes.poll(&mut future).is_pending());
        tx.try_send(number).unwrap();
        wakes.wait();
        assert_eq!(wakes.finish(&mut future), Ok(number));
    }
}

#[test]
fn a_child_starts_its_own_thread() {
    if ran_in_own_process() {
        return;
    }
    raise_cap();
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let fd = tx.ready_fd().unwrap();
    let wakes = Wakes::new();
    let mut future = rx.recv_async();
    assert!(wakes.poll(&mut future).is_pending());
    for _ in 0..20 {
        in_child(|| {
            wait_and_be_woken();
            // What the parent waits for is the parent's.
            let forked = Err(RecvError::Failed(Failure::Forked));
            assert_eq!(wakes.poll(&mut future), Poll::Ready(forked));
            assert!(tx.rearm().is_err());
        });
    }
    tx.try_send(9).unwrap();
    assert_eq!(wakes.finish(&mut future), Ok(9));
    wait_and_be_woken();
    drop(fd);
}
