//! Endpoints that only poll, now and then: they find the dead by the clock, not by a count of
//! calls.

use std::time::Duration;

use memring::{Kind, SendTimeoutError, Side, TryRecvError, TrySendError};
use memring_testkit::for_each_kind;
use memring_testkit::holders::{Scene, get, put};
use memring_testkit::loads::{Line, Load};

/// Between two polls.
const PAUSE: Duration = Duration::from_millis(10);

/// A scan is due after 85 ms, and the clock may be a tick behind: 10 calls or so. By a count it
/// were a thousand.
const CALLS: u32 = 30;

/// Polls until `poll` finds something, and says what.
#[track_caller]
fn poll_until<R>(mut poll: impl FnMut() -> Option<R>) -> R {
    for _ in 0..CALLS {
        if let Some(found) = poll() {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("nothing was found in {CALLS} calls");
}

fn a_claim_of_a_dead_sender_is_found_by_polls<K: Kind>() {
    let scene = Scene::<K>::of(4);
    let (mut tx, mut rx) = (scene.sender(), scene.receiver());
    for round in 0..3 {
        let holder = scene.hold(Side::Sender, 0);
        put(&mut tx, round..round + 1);
        let pid = holder.pid();
        match rx.try_recv() {
            Err(TryRecvError::Held(held)) => {
                assert_eq!((held.side, held.pid), (Side::Sender, pid));
            }
            other => panic!("expected Held, found {other:?}"),
        }
        holder.kill();
        let message = poll_until(|| match rx.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Held(held)) if held.pid == pid => None,
            Err(other) => panic!("{other:?}"),
        });
        assert_eq!(Line::stamp(&message).number, round);
        assert_eq!(rx.try_recv().err(), Some(TryRecvError::Empty));
    }
}

fn a_killed_only_sender_is_found_by_polls<K: Kind>() {
    let scene = Scene::<K>::of(4);
    let mut rx = scene.receiver();
    let holder = scene.hold(Side::Sender, 0);
    assert!(matches!(
        rx.try_recv(),
        Err(TryRecvError::Empty | TryRecvError::Held(_))
    ));
    holder.kill();
    poll_until(|| match rx.try_recv() {
        Err(TryRecvError::Disconnected) => Some(()),
        Err(TryRecvError::Empty | TryRecvError::Held(_)) => None,
        other => panic!("{other:?}"),
    });
}

fn a_lease_of_a_dead_receiver_is_found_by_polls<K: Kind>() {
    let scene = Scene::<K>::of(2);
    let (mut tx, mut rx) = (scene.sender(), scene.receiver());
    put(&mut tx, 0..2);
    let holder = scene.hold(Side::Receiver, 1);
    assert_eq!(get(&mut rx), (1, 0));
    let pid = holder.pid();
    match tx.try_send(Line::numbered(2)) {
        Err(TrySendError::Held(_, held)) => {
            assert_eq!(
                (held.side, held.pid, held.position),
                (Side::Receiver, pid, 0)
            );
        }
        other => panic!("expected Held, found {other:?}"),
    }
    holder.kill();
    // The message is given back, and keeps its slot.
    poll_until(|| match tx.try_send(Line::numbered(2)) {
        Err(TrySendError::Full(_)) => Some(()),
        Err(TrySendError::Held(..)) => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(get(&mut rx), (0, 1));
    put(&mut tx, 2..4);
}

/// The end was reported before the receiver died that held the message.
fn what_is_held_at_the_end_is_found_by_polls<K: Kind>() {
    let scene = Scene::<K>::of(2);
    let (mut tx, mut rx) = (scene.sender(), scene.receiver());
    put(&mut tx, 0..1);
    let holder = scene.hold(Side::Receiver, 1);
    drop(tx);
    for _ in 0..3 {
        assert_eq!(rx.try_recv().err(), Some(TryRecvError::Disconnected));
    }
    holder.kill();
    let message = poll_until(|| match rx.try_recv() {
        Ok(message) => Some(message),
        Err(TryRecvError::Disconnected) => None,
        Err(other) => panic!("{other:?}"),
    });
    assert_eq!(Line::stamp(&message).number, 0);
    assert_eq!(rx.try_recv().err(), Some(TryRecvError::Disconnected));
}

/// A successor of it has not come: there is no endpoint to wait for.
fn a_dead_receiver_holds_nothing_up<K: Kind>() {
    let scene = Scene::<K>::of(2);
    let mut tx = scene.sender();
    put(&mut tx, 0..2);
    let holder = scene.hold(Side::Receiver, 1);
    holder.kill();
    drop(tx);
    let mut tx = scene.sender();
    let full = tx.try_send(Line::numbered(2));
    assert!(matches!(full, Err(TrySendError::Full(_))), "{full:?}");
    let late = tx.send_timeout(Line::numbered(2), PAUSE);
    assert!(
        matches!(late, Err(SendTimeoutError::Timeout(_, None))),
        "{late:?}"
    );
}

for_each_kind!(a_killed_only_sender_is_found_by_polls);
for_each_kind!([spsc mpsc] a_dead_receiver_holds_nothing_up);
for_each_kind!([spmc mpmc] what_is_held_at_the_end_is_found_by_polls);
for_each_kind!([mpsc mpmc] a_claim_of_a_dead_sender_is_found_by_polls);
for_each_kind!([spmc mpmc] a_lease_of_a_dead_receiver_is_found_by_polls);
