//! What a set says, without waiting.

use memring::{
    Failure, Kind, Mpmc, Mpsc, ReadyTimeoutError, Receiver, RecvError, RecvTimeoutError, Ring,
    Select, SendTimeoutError, Sender, Spmc, Spsc, TryReadyError, TryRecvError, Wakeups,
};
use memring_testkit::for_each_kind;
use memring_testkit::forks::{in_child, ran_in_own_process};
use std::time::{Duration, Instant};

use super::SHORT;

fn ready_tells_and_takes_nothing<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut select = Select::new();
    let receiver = select.recv(&mut rx);
    assert_eq!(select.try_ready(), Err(TryReadyError));
    let sender = select.send(&mut tx);
    for round in 0..5 {
        for _ in 0..3 {
            assert_eq!(select.try_ready(), Ok(sender.index()));
            assert_eq!(select.ready(), sender.index());
        }
        select[sender].try_send(round).unwrap();
        for _ in 0..3 {
            assert_eq!(select.ready(), receiver.index());
            assert_eq!(select.try_ready(), Ok(receiver.index()));
            assert_eq!(select.ready_timeout(SHORT), Ok(receiver.index()));
        }
        assert_eq!(select[receiver].try_recv(), Ok(round));
    }
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (0, 0));
}

fn ends_are_ready<K: Kind>() {
    // Closed: after the last message.
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(1).unwrap();
    ring.close().unwrap();
    let mut select = Select::new();
    let receiver = select.recv(&mut rx);
    assert_eq!(select.ready(), receiver.index());
    assert_eq!(select[receiver].recv(), Ok(1));
    assert_eq!(select.ready(), receiver.index());
    assert_eq!(select[receiver].recv(), Err(RecvError::Closed));
    select.remove(receiver).unwrap();
    let sender = select.send(&mut tx);
    assert_eq!(select.ready(), sender.index());
    assert!(select[sender].send(2).unwrap_err().is_closed());

    // Disconnected: the other side was there.
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut select = Select::new();
    let receiver = select.recv(&mut rx);
    assert_eq!(select.try_ready(), Err(TryReadyError));
    drop(tx);
    assert_eq!(select.ready(), receiver.index());
    assert_eq!(select[receiver].recv(), Err(RecvError::Disconnected));
    let mut tx = ring.sender().unwrap();
    assert_eq!(select.try_ready(), Err(TryReadyError));
    tx.send(1).unwrap();
    drop(rx);
    let mut select = Select::new();
    let sender = select.send(&mut tx);
    assert_eq!(select.ready(), sender.index());
    assert!(select[sender].send(2).unwrap_err().is_disconnected());
}

fn nobody_yet_is_no_end<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let mut rx = ring.receiver().unwrap();
    let mut select = Select::new();
    select.recv(&mut rx);
    assert_eq!(select.ready_timeout(SHORT), Err(ReadyTimeoutError));
}

fn a_removed_ring_is_ready<K: Kind>() {
    let home = memring_testkit::homes::Home::new();
    let ring = Ring::<u64, K>::create(home.ring(), 2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    memring::remove(home.ring()).unwrap();
    let mut select = Select::new();
    let (receiver, sender) = (select.recv(&mut rx), select.send(&mut tx));
    assert_eq!(select.ready(), receiver.index());
    assert_eq!(select[receiver].recv(), Err(RecvError::Removed));
    assert_eq!(select.ready(), sender.index());
    assert!(select[sender].send(1).unwrap_err().is_removed());
}

fn times_out<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut select = Select::new();
    let receiver = select.recv(&mut rx);
    for timeout in [Duration::ZERO, SHORT] {
        let start = Instant::now();
        assert_eq!(select.ready_timeout(timeout), Err(ReadyTimeoutError));
        assert!(start.elapsed() >= timeout);
        let deadline = Instant::now() + timeout;
        assert_eq!(select.ready_deadline(deadline), Err(ReadyTimeoutError));
        assert!(Instant::now() >= deadline);
    }
    tx.send(1).unwrap();
    let past = Instant::now();
    assert_eq!(select.ready_deadline(past), Ok(receiver.index()));
    assert_eq!(select.ready_timeout(Duration::ZERO), Ok(receiver.index()));
    assert_eq!(select.ready_timeout(Duration::MAX), Ok(receiver.index()));
}

/// A lease that was leaked is given back when the receiver is looked at.
fn a_leaked_guard_is_given_back<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(1).unwrap();
    std::mem::forget(rx.lease().unwrap());
    let mut select = Select::new();
    let receiver = select.recv(&mut rx);
    assert_eq!(select.ready(), receiver.index());
    assert_eq!(select[receiver].recv(), Ok(1));
    std::mem::forget(tx.reserve().unwrap());
    let mut select = Select::new();
    let sender = select.send(&mut tx);
    // With many senders the place is used up until a receiver passes it.
    let _ = rx.try_recv();
    assert_eq!(select.ready(), sender.index());
    select[sender].try_send(2).unwrap();
    let _ = rx.try_recv();
}

for_each_kind!(
    ready_tells_and_takes_nothing,
    ends_are_ready,
    nobody_yet_is_no_end,
    a_removed_ring_is_ready,
    times_out,
    a_leaked_guard_is_given_back,
);

/// With many receivers another one may be quicker: then the call does not wait.
#[test]
fn readiness_is_no_claim() {
    let ring = Ring::<u64, Mpmc>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut other = rx.clone();
    tx.send(1).unwrap();
    let mut select = Select::new();
    let receiver = select.recv(&mut rx);
    assert_eq!(select.ready(), receiver.index());
    assert_eq!(other.try_recv(), Ok(1));
    let late = Err(RecvTimeoutError::Timeout(None));
    assert_eq!(select[receiver].recv_timeout(Duration::ZERO), late);
    assert_eq!(select.try_ready(), Err(TryReadyError));
}

/// A hint that lags must not make a full ring look ready, nor an empty one.
#[test]
fn one_of_many_is_not_ready_by_a_stale_hint() {
    let ring = Ring::<u64, Mpmc>::anonymous(64).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let (mut other_tx, mut other_rx) = (tx.clone(), rx.clone());
    let mut select = Select::new();
    let (receiver, sender) = (select.recv(&mut rx), select.send(&mut tx));
    for count in (0..64).chain([64, 64]) {
        for number in 0..count {
            other_tx.send(number).unwrap();
        }
        let is_full = select[sender].is_full();
        assert_eq!(is_full, count == 64);
        let mut readies = [0, 0];
        for _ in 0..8 {
            if let Ok(ready) = select.try_ready() {
                readies[ready] += 1;
            }
        }
        let expected = [count > 0, !is_full].map(u32::from);
        assert_eq!(
            readies.map(|count| u32::from(count > 0)),
            expected,
            "{count} messages"
        );
        assert_eq!(select[receiver].slots() as u64, count);
        for number in 0..count {
            assert_eq!(other_rx.recv(), Ok(number));
        }
    }
}

#[test]
fn any_kinds_and_messages_stand_in_one_set() {
    let first = Ring::<u64, Spsc>::anonymous(1).unwrap();
    let second = Ring::<[u8], Mpsc>::anonymous(1).unwrap();
    let third = Ring::<[u64; 9], Spmc>::anonymous(1).unwrap();
    let fourth = Ring::<u8, Mpmc>::anonymous(1).unwrap();
    let mut txs = (
        first.sender().unwrap(),
        second.sender().unwrap(),
        third.sender().unwrap(),
        fourth.sender().unwrap(),
    );
    let mut rxs = (
        first.receiver().unwrap(),
        second.receiver().unwrap(),
        third.receiver().unwrap(),
        fourth.receiver().unwrap(),
    );
    let mut select = Select::new();
    let tokens = (
        select.recv(&mut rxs.0),
        select.recv(&mut rxs.1),
        select.recv(&mut rxs.2),
        select.recv(&mut rxs.3),
    );
    txs.1.send(b"bytes").unwrap();
    assert_eq!(select.ready(), tokens.1.index());
    assert_eq!(select[tokens.1].recv(), Ok(b"bytes".to_vec()));
    txs.3.send(3).unwrap();
    assert_eq!(select.ready(), tokens.3.index());
    assert_eq!(select[tokens.3].recv(), Ok(3));
    txs.2.send([4; 9]).unwrap();
    assert_eq!(select.ready(), tokens.2.index());
    assert_eq!(select[tokens.2].recv(), Ok([4; 9]));
    txs.0.send(5).unwrap();
    assert_eq!(select.ready(), tokens.0.index());
    assert_eq!(select[tokens.0].recv(), Ok(5));
}

#[test]
fn endpoints_come_and_go() {
    let ring = Ring::<u64, Mpmc>::anonymous(4).unwrap();
    let (mut tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut receivers = [rx.clone(), rx.clone(), rx];
    let mut select = Select::new();
    assert!(select.is_empty());
    assert_eq!(select.try_ready(), Err(TryReadyError));
    let tokens: Vec<_> = receivers.iter_mut().map(|rx| select.recv(rx)).collect();
    let sender = select.send(&mut tx);
    assert_eq!((select.len(), sender.index()), (4, 3));
    let taken: &mut Sender<u64, Mpmc> = select.remove(sender).unwrap();
    taken.send(7).unwrap();
    assert!(select.remove(sender).is_none() && select.get(sender).is_none());
    assert_eq!(select.len(), 3);
    // The indices of the others stay.
    for at in [0, 1] {
        assert!(select.remove(tokens[at]).is_some());
    }
    assert_eq!(select.ready(), tokens[2].index());
    assert!(select.get_mut(tokens[0]).is_none());
    assert_eq!(select[tokens[2]].recv(), Ok(7));
    // The token of another set, of another type, or beyond the end.
    let mut other: Select<'_> = Select::with_strategy(memring::WaitStrategy::Park);
    assert!(other.get(tokens[2]).is_none());
    let mut late = memring::after(SHORT);
    other.add(&mut late);
    let mut moment: Select<'_> = Select::new();
    let mut never = memring::never::<u8>();
    let token = moment.add(&mut never);
    assert!(other.get(token).is_none() && other.remove(token).is_none());
    assert_eq!(other.len(), 1);
    assert_eq!(
        format!("{other:?} {token:?}"),
        "Select { len: 1, .. } Token(0)"
    );
}

/// An endpoint that a fork made useless says so, and touches no memory.
#[test]
fn a_forked_child_is_told() {
    if ran_in_own_process() {
        return;
    }
    let ring = Ring::<u64, Mpmc>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let canceller = rx.canceller();
    let mut select = Select::new();
    let (receiver, sender) = (select.recv(&mut rx), select.send(&mut tx));
    in_child(|| {
        canceller.cancel();
        let mut ready = [select.ready(), select.ready_timeout(SHORT).unwrap()];
        ready.sort_unstable();
        assert_eq!(ready, [receiver.index(), sender.index()]);
        let forked = Err(TryRecvError::Failed(Failure::Forked));
        assert_eq!(select[receiver].try_recv(), forked);
        let sent = select[sender].send_timeout(1, SHORT);
        assert_eq!(sent, Err(SendTimeoutError::Failed(1, Failure::Forked)));
    });
    assert!(!canceller.is_cancelled());
}

#[test]
fn a_ring_of_spinners_can_stand_in_a_set() {
    let ring = Ring::<u64, Spsc>::builder().wakeups(Wakeups::SpinOnly);
    let ring = ring.capacity(1).anonymous().unwrap();
    let (mut tx, mut rx): (_, Receiver<u64, Spsc>) =
        (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut select = Select::with_strategy(memring::WaitStrategy::Park);
    let receiver = select.recv(&mut rx);
    assert_eq!(select.ready_timeout(SHORT), Err(ReadyTimeoutError));
    let late = std::thread::spawn(move || {
        std::thread::sleep(SHORT);
        tx.send(1).unwrap();
        tx
    });
    assert_eq!(select.ready(), receiver.index());
    late.join().unwrap();
}

/// At a rendezvous an end is ready that finds the other side waiting in a call.
#[test]
fn rendezvous_in_a_set() {
    let ring = Ring::<u64, Mpmc>::anonymous(0).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut select = Select::new();
    let to = select.send(&mut tx);
    let from = select.recv(&mut rx);
    assert!(select.try_ready().is_err());
    std::thread::scope(|scope| {
        let offer = scope.spawn(|| ring.sender().unwrap().send(7));
        assert_eq!(select.ready(), from.index());
        assert_eq!(select[from].recv(), Ok(7));
        offer.join().unwrap().unwrap();
        let taken = scope.spawn(|| ring.receiver().unwrap().recv());
        assert_eq!(select.ready(), to.index());
        assert_eq!(select[to].try_send(8), Ok(()));
        assert_eq!(taken.join().unwrap(), Ok(8));
    });
    ring.close().unwrap();
    assert!(select.ready() < 2);
}

#[test]
fn rendezvous_in_arms() {
    let ring = Ring::<u64, Mpmc>::anonymous(0).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| ring.sender().unwrap().send(7).unwrap());
        memring::select! {
            recv(rx) -> message => assert_eq!(message, Ok(7)),
            send(tx, 9) -> sent => panic!("{sent:?}"),
        }
        let taken = scope.spawn(|| ring.receiver().unwrap().recv());
        memring::select! {
            recv(rx) -> message => panic!("{message:?}"),
            send(tx, 9) -> sent => assert_eq!(sent, Ok(())),
        }
        assert_eq!(taken.join().unwrap(), Ok(9));
    });
    memring::select! {
        send(tx, 9) -> sent => panic!("{sent:?}"),
        default => {}
    }
}

/// A send that waits for a receiver ends when it is cancelled, and takes its offer back.
#[test]
fn a_rendezvous_is_cancelled() {
    let ring = Ring::<u64, Mpmc>::anonymous(0).unwrap();
    let mut tx = ring.sender().unwrap();
    let canceller = tx.canceller();
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || tx.send(7));
        let mut rx = ring.receiver().unwrap();
        while rx.slots() == 0 {
            std::thread::yield_now();
        }
        canceller.cancel();
        assert_eq!(sent.join().unwrap(), Err(memring::SendError::Cancelled(7)));
        assert!(rx.try_recv().is_err());
    });
}
