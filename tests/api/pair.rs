//! Both ends at once, for threads.

use std::thread;

use memring::{Kind, Mpmc, RecvError, RingError, SendError, Spsc, channel};
use memring_testkit::for_each_kind;

fn ends_move_to_threads<K: Kind>() {
    let (mut tx, mut rx) = channel::<u64, K>(4).unwrap();
    assert_eq!(tx.capacity(), 4);
    let sums = thread::spawn(move || {
        let mut sum = 0;
        loop {
            match rx.recv() {
                Ok(number) => sum += number,
                Err(end) => return (sum, end),
            }
        }
    });
    for number in 0..1000 {
        tx.send(number).unwrap();
    }
    drop(tx);
    assert_eq!(sums.join().unwrap(), (499_500, RecvError::Disconnected));
}

fn an_end_that_is_dropped_at_once_is_seen<K: Kind>() {
    let (mut tx, rx) = channel::<u64, K>(4).unwrap();
    drop(rx);
    // A receiver that comes later would find what was sent.
    for number in 0..4 {
        tx.send(number).unwrap();
    }
    assert_eq!(tx.send(4), Err(SendError::Disconnected(4)));
    let (tx, mut rx) = channel::<u64, K>(4).unwrap();
    drop(tx);
    assert_eq!(rx.recv(), Err(RecvError::Disconnected));
}

for_each_kind!(ends_move_to_threads);
for_each_kind!(an_end_that_is_dropped_at_once_is_seen);

#[test]
fn bytes_and_clones() {
    let (mut tx, mut rx) = channel::<[u8], Mpmc>(4).unwrap();
    let mut others = (tx.clone(), rx.clone());
    tx.send(b"one").unwrap();
    others.0.send(b"two").unwrap();
    assert_eq!(others.1.recv().unwrap(), b"one");
    assert_eq!(rx.recv().unwrap(), b"two");
    tx.ring().close().unwrap();
    assert_eq!(tx.send(b"three"), Err(SendError::Closed(())));
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refused = channel::<u64, Spsc>(usize::MAX).unwrap_err();
    assert!(
        matches!(refused, RingError::InvalidOption { .. }),
        "{refused:?}"
    );
}
