//! The same questions of every carrier: what the verbs of both ends say while messages pass,
//! at a limit, at an end, when they are cancelled. The ends come from one rendezvous, in which
//! the carrier is one word.

use std::thread;
use std::time::{Duration, Instant};

use memring::uds::{
    Carrier, Connection, Datagram, Nothing, Rendezvous, Rings, SeqPacket, SocketReceiver,
    SocketSender, Stream,
};
use memring::{
    Kind, Mpmc, Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender,
    TryRecvError, TrySendError,
};
use memring_testkit::futures::block_on;
use memring_testkit::time::LONG;

use crate::raw;

const SHORT: Duration = Duration::from_millis(5);

/// What a verb came to, in the same words for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameTo {
    NotYet,
    Timeout,
    Closed,
    Disconnected,
    Cancelled,
    Other,
}

macro_rules! came_to {
    ($($error:ty { $($pattern:pat => $came_to:ident),* $(,)? })*) => {
        $(impl From<$error> for CameTo {
            fn from(error: $error) -> CameTo {
                #[allow(unreachable_patterns)]
                match error {
                    $($pattern => CameTo::$came_to,)*
                    _ => CameTo::Other,
                }
            }
        })*
    };
}

came_to! {
    TrySendError<u64> {
        TrySendError::Full(7) | TrySendError::Held(7, _) => NotYet,
        TrySendError::Closed(7) => Closed,
        TrySendError::Disconnected(7) => Disconnected,
    }
    SendError<u64> {
        SendError::Closed(7) => Closed,
        SendError::Disconnected(7) => Disconnected,
        SendError::Cancelled(7) => Cancelled,
    }
    SendTimeoutError<u64> {
        SendTimeoutError::Timeout(7, _) => Timeout,
        SendTimeoutError::Closed(7) => Closed,
        SendTimeoutError::Disconnected(7) => Disconnected,
        SendTimeoutError::Cancelled(7) => Cancelled,
    }
    TryRecvError {
        TryRecvError::Empty | TryRecvError::Held(_) => NotYet,
        TryRecvError::Closed => Closed,
        TryRecvError::Disconnected => Disconnected,
    }
    RecvError {
        RecvError::Closed => Closed,
        RecvError::Disconnected => Disconnected,
        RecvError::Cancelled => Cancelled,
    }
    RecvTimeoutError {
        RecvTimeoutError::Timeout(_) => Timeout,
        RecvTimeoutError::Closed => Closed,
        RecvTimeoutError::Disconnected => Disconnected,
        RecvTimeoutError::Cancelled => Cancelled,
    }
}

/// How a verb of the tables waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    Not,
    Limited,
    Forever,
}

/// The verbs that send, of whatever end.
pub trait SendingEnd: Send + 'static {
    fn try_one(&mut self, message: u64) -> Result<(), CameTo>;
    fn send_one(&mut self, message: u64) -> Result<(), CameTo>;
    fn send_in(&mut self, message: u64, limit: Duration) -> Result<(), CameTo>;
    fn send_until(&mut self, message: u64, limit: Duration) -> Result<(), CameTo>;
    fn send_later(&mut self, message: u64) -> Result<(), CameTo>;
    fn close_end(&mut self);
    fn cancel(&self) -> Box<dyn Fn() + Send>;
    fn reset(&self);
}

/// The verbs that receive.
pub trait ReceivingEnd: Send + 'static {
    fn try_one(&mut self) -> Result<u64, CameTo>;
    fn recv_one(&mut self) -> Result<u64, CameTo>;
    fn recv_in(&mut self, limit: Duration) -> Result<u64, CameTo>;
    fn recv_until(&mut self, limit: Duration) -> Result<u64, CameTo>;
    fn recv_later(&mut self) -> Result<u64, CameTo>;
    fn close_end(&mut self);
    fn cancel(&self) -> Box<dyn Fn() + Send>;
    fn reset(&self);
}

/// One text for the ends of rings and of sockets: their verbs are the same.
macro_rules! ends {
    ($([$($generics:tt)*] $sender:ty, $receiver:ty;)*) => {
        $(
            impl<$($generics)*> SendingEnd for $sender {
                fn try_one(&mut self, message: u64) -> Result<(), CameTo> {
                    Ok(self.try_send(message)?)
                }
                fn send_one(&mut self, message: u64) -> Result<(), CameTo> {
                    Ok(self.send(message)?)
                }
                fn send_in(&mut self, message: u64, limit: Duration) -> Result<(), CameTo> {
                    Ok(self.send_timeout(message, limit)?)
                }
                fn send_until(&mut self, message: u64, limit: Duration) -> Result<(), CameTo> {
                    Ok(self.send_deadline(message, Instant::now() + limit)?)
                }
                fn send_later(&mut self, message: u64) -> Result<(), CameTo> {
                    Ok(block_on(self.send_async(message))?)
                }
                fn close_end(&mut self) {
                    self.close().expect("close");
                }
                fn cancel(&self) -> Box<dyn Fn() + Send> {
                    let canceller = self.canceller();
                    Box::new(move || canceller.cancel())
                }
                fn reset(&self) {
                    self.canceller().reset();
                }
            }

            impl<$($generics)*> ReceivingEnd for $receiver {
                fn try_one(&mut self) -> Result<u64, CameTo> {
                    Ok(self.try_recv()?)
                }
                fn recv_one(&mut self) -> Result<u64, CameTo> {
                    Ok(self.recv()?)
                }
                fn recv_in(&mut self, limit: Duration) -> Result<u64, CameTo> {
                    Ok(self.recv_timeout(limit)?)
                }
                fn recv_until(&mut self, limit: Duration) -> Result<u64, CameTo> {
                    Ok(self.recv_deadline(Instant::now() + limit)?)
                }
                fn recv_later(&mut self) -> Result<u64, CameTo> {
                    Ok(block_on(self.recv_async())?)
                }
                fn close_end(&mut self) {
                    self.close().expect("close");
                }
                fn cancel(&self) -> Box<dyn Fn() + Send> {
                    let canceller = self.canceller();
                    Box::new(move || canceller.cancel())
                }
                fn reset(&self) {
                    self.canceller().reset();
                }
            }
        )*
    };
}

ends! {
    [K: Kind] Sender<u64, K>, Receiver<u64, K>;
    [] SocketSender<u64>, SocketReceiver<u64>;
}

type Sends<E> = (
    &'static str,
    Waiting,
    fn(&mut E, u64, Duration) -> Result<(), CameTo>,
);
type Receives<E> = (
    &'static str,
    Waiting,
    fn(&mut E, Duration) -> Result<u64, CameTo>,
);

fn sends<E: SendingEnd>() -> [Sends<E>; 5] {
    [
        ("try_send", Waiting::Not, |end, message, _| {
            end.try_one(message)
        }),
        ("send", Waiting::Forever, |end, message, _| {
            end.send_one(message)
        }),
        ("send_timeout", Waiting::Limited, |end, message, limit| {
            end.send_in(message, limit)
        }),
        ("send_deadline", Waiting::Limited, |end, message, limit| {
            end.send_until(message, limit)
        }),
        ("send_async", Waiting::Forever, |end, message, _| {
            end.send_later(message)
        }),
    ]
}

fn receives<E: ReceivingEnd>() -> [Receives<E>; 5] {
    [
        ("try_recv", Waiting::Not, |end, _| end.try_one()),
        ("recv", Waiting::Forever, |end, _| end.recv_one()),
        ("recv_timeout", Waiting::Limited, |end, limit| {
            end.recv_in(limit)
        }),
        ("recv_deadline", Waiting::Limited, |end, limit| {
            end.recv_until(limit)
        }),
        ("recv_async", Waiting::Forever, |end, _| end.recv_later()),
    ]
}

/// Both ends, as two processes would get them.
fn ends<C: Carrier>() -> (C::Sender<u64>, C::Receiver<u64>)
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
    let (mut tx, mut rx) = ends::<C>();
    for (sending, _, send) in sends() {
        for (receiving, _, receive) in receives() {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..30 {
                        while let Err(other) = send(&mut tx, number, LONG) {
                            assert_eq!((sending, other), ("try_send", came_to_of(number)));
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
    let (mut tx, mut rx) = ends::<C>();
    let late = |waits| match waits {
        Waiting::Not => Some(CameTo::NotYet),
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
        let (mut tx, mut rx) = ends::<C>();
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
    let (mut tx, mut rx) = ends::<C>();
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
        let (mut tx, rx) = ends::<C>();
        fill(&mut tx);
        drop(rx);
        let came_to = send(&mut tx, 7, LONG);
        assert_eq!(came_to, Err(CameTo::Disconnected), "{name}");
    }
    for (name, _, receive) in receives() {
        let (mut tx, mut rx) = ends::<C>();
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
    let (mut tx, mut rx) = ends::<C>();
    let sent = fill(&mut tx);
    tx.cancel()();
    for (name, waits, send) in sends() {
        let expected = match waits {
            Waiting::Not => CameTo::NotYet,
            Waiting::Limited | Waiting::Forever => CameTo::Cancelled,
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
            Waiting::Limited | Waiting::Forever => CameTo::Cancelled,
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
        if waits == Waiting::Not {
            continue;
        }
        let woken = |wake: &dyn Fn(C::Sender<u64>) -> Option<C::Sender<u64>>| {
            let (tx, mut rx) = ends::<C>();
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
        if waits == Waiting::Not {
            continue;
        }
        let woken = |wake: &dyn Fn(C::Receiver<u64>) -> Option<C::Receiver<u64>>| {
            let (mut tx, rx) = ends::<C>();
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
