//! Looks at what shared memory holds, beside the calls of users.

use std::time::Duration;

use super::*;
use crate::error::RecvTimeoutError;
use crate::members::MemberId;
use crate::ring::kind::Mpmc;
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::slot::SlotWord;
use crate::sys::atomic::Ordering;

/// An endpoint that stores a hint late, or dies before, leaves it behind.
#[test]
fn lengths_do_not_rest_on_hints_that_lag() {
    let ring = Ring::<u64, Mpmc>::anonymous(4).expect("make a ring");
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let block = ring.segment().block();
    for lap in 0..3 {
        for number in 0..4 {
            tx.try_send(number).expect("room");
        }
        let tail = block.cell(Cell::Tail);
        tail.store(4 * lap + 1, Ordering::Release);
        assert_eq!(ring.len(), 4, "lap {lap}");
        for number in 0..4 {
            assert_eq!(rx.try_recv(), Ok(number));
        }
        let head = block.cell(Cell::Head);
        head.store(4 * lap + 1, Ordering::Release);
        assert!(ring.is_empty(), "lap {lap}: {}", ring.len());
    }
}

/// A hint of the head that lags leads over what another receiver holds.
#[test]
fn what_another_receiver_holds_is_passed_over() {
    let ring = Ring::<u64, Mpmc>::anonymous(4).expect("make a ring");
    let mut tx = ring.sender().unwrap();
    let (mut holder, mut other) = (ring.receiver().unwrap(), ring.receiver().unwrap());
    let block = ring.segment().block();
    for number in 0..3 {
        tx.try_send(number).expect("room");
    }
    let lease = holder.try_lease().expect("a message");
    let set_back = || block.cell(Cell::Head).store(0, Ordering::Release);
    set_back();
    assert_eq!(other.slots(), 2);
    assert!(!other.is_empty());
    assert_eq!(other.try_recv(), Ok(1));
    assert_eq!(other.try_recv(), Ok(2));
    let grant = tx.try_reserve().expect("room");
    set_back();
    let late = other.recv_timeout(Duration::from_millis(1)).unwrap_err();
    let RecvTimeoutError::Timeout(Some(found)) = late else {
        panic!("{late:?}");
    };
    assert_eq!(found.position, 3);
    drop((lease, grant));
}

/// A peer may write anything over the word of what is held: it is given back only if it
/// is still this receiver's.
#[test]
fn a_message_whose_word_is_overwritten_is_not_given_back() {
    let ring = Ring::<u64, Mpmc>::anonymous(4).expect("make a ring");
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let block = ring.segment().block();
    let others = MemberId(2);
    for position in 0..2 {
        tx.try_send(position).expect("room");
        let lease = rx.try_lease().expect("a message");
        let word = block.word(position);
        let held = SlotWord(word.load(Ordering::Acquire));
        // Another's, or in another state.
        let forged = match position {
            0 => held.reading(others),
            _ => block.geometry().claimed(position, held.owner()),
        };
        assert_ne!(forged, held);
        word.store(forged.0, Ordering::Release);
        drop(lease);
        assert_eq!(word.load(Ordering::Acquire), forged.0);
    }
}
