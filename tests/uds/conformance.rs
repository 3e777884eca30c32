//! The same questions of every carrier: what the verbs of both ends say while messages pass,
//! at a limit, at an end, when they are cancelled. The ends come from one rendezvous, in which
//! the carrier is one word.

mod ends;

use std::thread;
use std::time::Duration;

use memring::Mpmc;
use memring::uds::{Carrier, Connection, Datagram, Nothing, Rendezvous, Rings, SeqPacket, Stream};
use memring_testkit::time::LONG;

use crate::raw;
use ends::{CameTo, Waiting, receives, sends};
pub use ends::{ReceivingEnd, SendingEnd};

const SHORT: Duration = Duration::from_millis(5);

/// Both ends, as two processes would get them.
fn both_ends<C: Carrier>() -> (C::Sender<u64>, C::Receiver<u64>)
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let name = raw::name("conformance");
    let options = Rendezvous::<u64, Nothing, C>::new().capacity(4);
    let mut listener = options.send_buffer(4608).bind(&name).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let Connection { rx, .. } = Rendezvous::<Nothing, u64, C>::new()
                .connect(&name)
                .expect("connect");
            rx
        });
        let Connection { tx, .. } = listener.accept().expect("accept");
        (tx, client.join().unwrap())
    })
}

/// Sends until there is no room; says how many messages that were.
fn fill<E: SendingEnd>(tx: &mut E) -> u64 {
    let mut sent = 0;
    loop {
        match tx.try_one(7) {
            Ok(()) => sent += 1,
            Err(CameTo::NotYet) => return sent,
            Err(other) => panic!("{other:?} after {sent}"),
        }
    }
}

/// Receives what is there; says how much, and what comes then.
fn drain<E: ReceivingEnd>(rx: &mut E) -> (u64, CameTo) {
    let mut received = 0;
    loop {
        match rx.recv_in(SHORT) {
            Ok(message) => {
                assert_eq!(message, 7);
                received += 1;
            }
            Err(other) => return (received, other),
        }
    }
}

fn messages_pass<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let (mut tx, mut rx) = both_ends::<C>();
    for (sending, sends_by, send) in sends() {
        for (receiving, _, receive) in receives() {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..30 {
                        while let Err(other) = send(&mut tx, number, LONG) {
                            let expected = match sends_by {
                                Waiting::Zero => CameTo::NotYet,
                                _ => came_to_of(number),
                            };
                            let may_be = matches!(sends_by, Waiting::Not | Waiting::Zero);
                            assert!(may_be && other == expected, "{sending}: {other:?}");
                            thread::yield_now();
                        }
                    }
                });
                for number in 0..30 {
                    let received = loop {
                        match receive(&mut rx, LONG) {
                            Err(CameTo::NotYet) => thread::yield_now(),
                            other => break other,
                        }
                    };
                    assert_eq!(received, Ok(number), "{sending}, {receiving}");
                }
            });
        }
    }
}

/// Of a full ring, with another message than the tests' own.
fn came_to_of(number: u64) -> CameTo {
    match number {
        7 => CameTo::NotYet,
        _ => CameTo::Other,
    }
}

fn limits_are_kept<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let (mut tx, mut rx) = both_ends::<C>();
    let late = |waits| match waits {
        Waiting::Not | Waiting::Zero => Some(CameTo::NotYet),
        Waiting::Limited => Some(CameTo::Timeout),
        Waiting::Forever => None,
    };
    for (name, waits, receive) in receives() {
        if let Some(late) = late(waits) {
            assert_eq!(receive(&mut rx, SHORT), Err(late), "{name}");
        }
    }
    let sent = fill(&mut tx);
    assert!(sent >= 4, "{sent}");
    for (name, waits, send) in sends() {
        if let Some(late) = late(waits) {
            assert_eq!(send(&mut tx, 7, SHORT), Err(late), "{name}");
        }
    }
    assert_eq!(drain(&mut rx), (sent, CameTo::Timeout));
    // And there is room.
    for (name, _, send) in sends() {
        assert_eq!(send(&mut tx, 7, LONG), Ok(()), "{name}");
        assert_eq!(rx.recv_one(), Ok(7), "{name}");
    }
}

fn what_a_sender_closes_is_drained<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    for is_full in [false, true] {
        let (mut tx, mut rx) = both_ends::<C>();
        let sent = match is_full {
            true => fill(&mut tx),
            false => tx.send_one(7).map(|()| 1).unwrap(),
        };
        tx.close_end();
        tx.close_end();
        for (name, _, send) in sends() {
            assert_eq!(send(&mut tx, 7, LONG), Err(CameTo::Closed), "{name}");
        }
        drop(tx);
        for _ in 0..sent {
            assert_eq!(rx.recv_one(), Ok(7));
        }
        assert_eq!(rx.recv_one(), Err(CameTo::Closed));
        for (name, _, receive) in receives() {
            assert_eq!(receive(&mut rx, LONG), Err(CameTo::Closed), "{name}");
        }
    }
}

fn what_a_receiver_closes_is_drained<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let (mut tx, mut rx) = both_ends::<C>();
    let sent = fill(&mut tx);
    rx.close_end();
    for (name, _, send) in sends() {
        assert_eq!(send(&mut tx, 7, LONG), Err(CameTo::Closed), "{name}");
    }
    for _ in 0..sent {
        assert_eq!(rx.recv_one(), Ok(7));
    }
    for (name, _, receive) in receives() {
        assert_eq!(receive(&mut rx, LONG), Err(CameTo::Closed), "{name}");
    }
}

fn peers_that_have_gone_are_missed<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    for (name, _, send) in sends() {
        let (mut tx, rx) = both_ends::<C>();
        fill(&mut tx);
        drop(rx);
        let came_to = send(&mut tx, 7, LONG);
        assert_eq!(came_to, Err(CameTo::Disconnected), "{name}");
    }
    for (name, _, receive) in receives() {
        let (mut tx, mut rx) = both_ends::<C>();
        let sent = fill(&mut tx);
        drop(tx);
        for _ in 0..sent {
            assert_eq!(rx.recv_one(), Ok(7), "{name}");
        }
        let came_to = receive(&mut rx, LONG);
        assert_eq!(came_to, Err(CameTo::Disconnected), "{name}");
    }
}

fn calls_are_cancelled<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let (mut tx, mut rx) = both_ends::<C>();
    let sent = fill(&mut tx);
    tx.cancel()();
    for (name, waits, send) in sends() {
        let expected = match waits {
            Waiting::Not => CameTo::NotYet,
            Waiting::Zero | Waiting::Limited | Waiting::Forever => CameTo::Cancelled,
        };
        assert_eq!(send(&mut tx, 7, LONG), Err(expected), "{name}");
    }
    rx.cancel()();
    for _ in 0..sent {
        assert_eq!(rx.recv_one(), Ok(7), "what is there is received");
    }
    for (name, waits, receive) in receives() {
        let expected = match waits {
            Waiting::Not => CameTo::NotYet,
            Waiting::Zero | Waiting::Limited | Waiting::Forever => CameTo::Cancelled,
        };
        assert_eq!(receive(&mut rx, LONG), Err(expected), "{name}");
    }
    tx.reset();
    rx.reset();
    assert_eq!(tx.send_one(7), Ok(()));
    assert_eq!(rx.recv_one(), Ok(7));
    // One that waits already.
    let cancel = rx.cancel();
    thread::scope(|scope| {
        let waits = scope.spawn(|| rx.recv_one());
        thread::sleep(SHORT);
        cancel();
        assert_eq!(waits.join().unwrap(), Err(CameTo::Cancelled));
    });
}

/// One that waits is woken by a message, by room, and by each end.
fn one_that_waits_is_woken<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    for (name, waits, receive) in receives() {
        if matches!(waits, Waiting::Not | Waiting::Zero) {
            continue;
        }
        let woken = |wake: &dyn Fn(C::Sender<u64>) -> Option<C::Sender<u64>>| {
            let (tx, mut rx) = both_ends::<C>();
            thread::scope(|scope| {
                let waits = scope.spawn(move || receive(&mut rx, LONG));
                thread::sleep(SHORT);
                let kept = wake(tx);
                let came_to = waits.join().unwrap();
                drop(kept);
                came_to
            })
        };
        let by_a_message = woken(&|mut tx| {
            tx.send_one(7).unwrap();
            Some(tx)
        });
        assert_eq!(by_a_message, Ok(7), "{name}");
        let by_a_close = woken(&|mut tx| {
            tx.close_end();
            Some(tx)
        });
        assert_eq!(by_a_close, Err(CameTo::Closed), "{name}");
        assert_eq!(woken(&|_| None), Err(CameTo::Disconnected), "{name}");
    }
    for (name, waits, send) in sends() {
        if matches!(waits, Waiting::Not | Waiting::Zero) {
            continue;
        }
        let woken = |wake: &dyn Fn(C::Receiver<u64>) -> Option<C::Receiver<u64>>| {
            let (mut tx, rx) = both_ends::<C>();
            fill(&mut tx);
            thread::scope(|scope| {
                let waits = scope.spawn(move || send(&mut tx, 7, LONG));
                thread::sleep(SHORT);
                let kept = wake(rx);
                let came_to = waits.join().unwrap();
                drop(kept);
                came_to
            })
        };
        let by_room = woken(&|mut rx| {
            drain(&mut rx);
            Some(rx)
        });
        assert_eq!(by_room, Ok(()), "{name}");
        let by_a_close = woken(&|mut rx| {
            rx.close_end();
            Some(rx)
        });
        assert_eq!(by_a_close, Err(CameTo::Closed), "{name}");
        assert_eq!(woken(&|_| None), Err(CameTo::Disconnected), "{name}");
    }
}

macro_rules! questions {
    ($($question:ident),+ $(,)?) => {
        $(
            mod $question {
                #[test]
                fn rings() {
                    super::$question::<super::Rings>();
                }

                #[test]
                fn rings_of_many() {
                    super::$question::<super::Rings<super::Mpmc>>();
                }

                #[test]
                fn stream() {
                    super::$question::<super::Stream>();
                }

                #[test]
                fn packets() {
                    super::$question::<super::SeqPacket>();
                }

                #[test]
                fn datagrams() {
                    super::$question::<super::Datagram>();
                }
            }
        )+
    };
}

questions! {
    messages_pass,
    limits_are_kept,
    what_a_sender_closes_is_drained,
    what_a_receiver_closes_is_drained,
    peers_that_have_gone_are_missed,
    calls_are_cancelled,
    one_that_waits_is_woken,
}
