//! Calls that are cancelled from another thread.

use std::thread;
use std::time::{Duration, Instant};

use memring::{
    Canceller, Kind, Mpmc, RecvError, RecvTimeoutError, Ring, Select, SendError, SendTimeoutError,
    Spsc, TryRecvError, WaitForPeerError, WaitStrategy, Wakeups, failpoints, select,
};
use memring_testkit::for_each_kind;
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::time::{LONG, in_time};

const SHORT: Duration = Duration::from_millis(20);

const STRATEGIES: [WaitStrategy; 3] = [
    WaitStrategy::Spin,
    WaitStrategy::SpinThenPark { spins: 10 },
    WaitStrategy::Park,
];

fn after_a_while(canceller: Canceller) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(SHORT);
        canceller.cancel();
    })
}

fn a_blocked_call_returns<K: Kind>() {
    for strategy in STRATEGIES {
        let ring = Ring::<u64, K>::anonymous(1).unwrap();
        let mut tx = ring.sender_with(strategy).unwrap();
        let mut rx = ring.receiver_with(strategy).unwrap();
        let late = after_a_while(rx.canceller());
        let mut rx = in_time(move || {
            assert_eq!(rx.recv(), Err(RecvError::Cancelled));
            rx
        });
        late.join().unwrap();
        tx.send(1).unwrap();
        let late = after_a_while(tx.canceller());
        let mut tx = in_time(move || {
            assert_eq!(tx.send(2), Err(SendError::Cancelled(2)));
            tx
        });
        late.join().unwrap();
        // The other way round nothing is cancelled twice, or for others.
        assert_eq!(rx.recv(), Ok(1));
        tx.send(3).unwrap();
        assert_eq!(rx.recv(), Ok(3));
    }
}

/// It stays so until it is reset, and what needs no waiting is done.
fn it_is_sticky<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let (sending, receiving) = (tx.canceller(), rx.canceller());
    receiving.cancel();
    receiving.clone().cancel();
    assert!(rx.canceller().is_cancelled() && !sending.is_cancelled());
    in_time(move || {
        let cancelled = RecvTimeoutError::Cancelled;
        for _ in 0..2 {
            assert_eq!(rx.recv(), Err(RecvError::Cancelled));
            assert_eq!(rx.recv_timeout(LONG), Err(cancelled));
            assert_eq!(rx.recv_timeout(Duration::ZERO), Err(cancelled));
            assert_eq!(rx.recv_timeout(Duration::MAX), Err(cancelled));
            let deadline = Instant::now() + LONG;
            assert_eq!(rx.recv_deadline(deadline), Err(cancelled));
            assert_eq!(rx.lease().err(), Some(RecvError::Cancelled));
            assert_eq!(rx.lease_timeout(LONG).err(), Some(cancelled));
            assert_eq!(rx.recv_batch(&mut Vec::new(), 3), Err(RecvError::Cancelled));
            assert_eq!(rx.lease_batch(3).err(), Some(RecvError::Cancelled));
            // Those that do not wait know nothing of it.
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
        let mut messages = rx.iter();
        assert_eq!(messages.next(), Some(Err(RecvError::Cancelled)));
        assert_eq!(messages.next(), None);
        tx.send_batch([1, 2]).unwrap();
        assert_eq!(rx.recv(), Ok(1));
        assert_eq!(rx.recv_timeout(LONG), Ok(2));
        tx.send_batch([3, 4]).unwrap();
        sending.cancel();
        let cancelled = SendTimeoutError::Cancelled(5);
        for _ in 0..2 {
            assert_eq!(tx.send(5), Err(SendError::Cancelled(5)));
            assert_eq!(tx.send_timeout(5, LONG), Err(cancelled));
            assert_eq!(tx.send_timeout(5, Duration::ZERO), Err(cancelled));
            assert_eq!(tx.reserve().err(), Some(SendError::Cancelled(())));
            let batch = tx.send_batch([5]).unwrap_err();
            assert_eq!((batch.sent, batch.cause), (0, SendError::Cancelled(5)));
            assert!(tx.try_send(5).unwrap_err().is_full());
        }
        receiving.reset();
        sending.reset();
        assert_eq!(rx.recv(), Ok(3));
        tx.send(5).unwrap();
        assert_eq!((rx.recv(), rx.recv()), (Ok(4), Ok(5)));
        let late = Err(RecvTimeoutError::Timeout(None));
        assert_eq!(rx.recv_timeout(SHORT), late);
    });
}

fn who_waits_for_a_peer_is_cancelled<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let mut rx = ring.receiver().unwrap();
    let late = after_a_while(rx.canceller());
    in_time(move || {
        assert_eq!(rx.wait_for_peer(LONG), Err(WaitForPeerError::Cancelled));
        // One that is there is found.
        let _tx = ring.sender().unwrap();
        assert_eq!(rx.wait_for_peer(LONG), Ok(()));
    });
    late.join().unwrap();
}

/// An end is an end, also to one that is cancelled.
fn ends_come_first<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let mut rx = ring.receiver().unwrap();
    rx.canceller().cancel();
    drop(ring.sender().unwrap());
    assert_eq!(rx.recv(), Err(RecvError::Disconnected));
    ring.close().unwrap();
    assert_eq!(rx.recv(), Err(RecvError::Closed));
}

fn in_a_set_it_is_ready<K: Kind>() {
    let rings = [0; 2].map(|_| Ring::<u64, K>::anonymous(1).unwrap());
    let [mut first, mut second] = rings.each_ref().map(|ring| ring.receiver().unwrap());
    let canceller = second.canceller();
    let late = after_a_while(canceller.clone());
    in_time(move || {
        let mut select = Select::with_strategy(WaitStrategy::Park);
        let (_, second_token) = (select.recv(&mut first), select.recv(&mut second));
        assert_eq!(select.ready(), second_token.index());
        assert_eq!(select.ready_timeout(LONG), Ok(second_token.index()));
        let zero = select[second_token].recv_timeout(Duration::ZERO);
        assert_eq!(zero, Err(RecvTimeoutError::Cancelled));
        select! {
            recv(first) -> _ => panic!("it is empty"),
            recv(second) -> message => assert_eq!(message, Err(RecvError::Cancelled)),
        }
        canceller.reset();
        select! {
            recv(first) -> _ => panic!("it is empty"),
            recv(second) -> _ => panic!("it is empty"),
            default(SHORT) => {}
        }
    });
    late.join().unwrap();
}

for_each_kind!(
    a_blocked_call_returns,
    it_is_sticky,
    who_waits_for_a_peer_is_cancelled,
    ends_come_first,
    in_a_set_it_is_ready,
);

/// A clone is an endpoint of its own.
#[test]
fn clones_are_cancelled_by_themselves() {
    let ring = Ring::<u64, Mpmc>::anonymous(1).unwrap();
    let mut rx = ring.receiver().unwrap();
    let canceller = rx.canceller();
    canceller.cancel();
    let mut clone = rx.clone();
    assert!(!clone.canceller().is_cancelled());
    let late = Err(RecvTimeoutError::Timeout(None));
    assert_eq!(clone.recv_timeout(SHORT), late);
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::Cancelled));
    assert_eq!(
        format!("{canceller:?}"),
        "Canceller { is_cancelled: true, .. }"
    );
}

#[test]
fn it_keeps_nothing_attached() {
    let ring = Ring::<u64, Spsc>::anonymous(1).unwrap();
    let rx = ring.receiver().unwrap();
    let canceller = rx.canceller();
    drop(rx);
    let _next = ring.receiver().expect("the place is free");
    drop(ring);
    canceller.cancel();
    assert!(canceller.is_cancelled());
    fn crosses_threads<T: Send + Sync + Clone + 'static>(_: &T) {}
    crosses_threads(&canceller);
}

#[test]
fn a_spinner_is_cancelled() {
    let ring = Ring::<u64, Spsc>::builder().wakeups(Wakeups::SpinOnly);
    let ring = ring.capacity(1).anonymous().unwrap();
    let mut rx = ring.receiver().unwrap();
    let late = after_a_while(rx.canceller());
    assert_eq!(in_time(move || rx.recv()), Err(RecvError::Cancelled));
    late.join().unwrap();
}

/// It wakes: no sleep here is ended by its cap. Whenever it comes in the course of a call.
#[test]
fn it_wakes_at_any_moment() {
    if ran_in_own_process() {
        return;
    }
    failpoints::raise_sleep_cap(2 * LONG);
    moments::<Spsc>();
    moments::<Mpmc>();
}

fn moments<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let mut rx = ring.receiver_with(WaitStrategy::Park).unwrap();
    let canceller = rx.canceller();
    for round in 0..500 {
        canceller.reset();
        let late = canceller.clone();
        let late = thread::spawn(move || {
            for _ in 0..round * 20 {
                std::hint::spin_loop();
            }
            late.cancel();
        });
        rx = in_time(move || {
            assert_eq!(rx.recv(), Err(RecvError::Cancelled));
            rx
        });
        late.join().unwrap();
    }
}
