//! Processes that come together: rings and sockets in both hands, one way and both ways.

use std::thread;
use std::time::Duration;

use memring::uds::{
    self, Carrier, Connection, Datagram, Listener, Nothing, Rendezvous, RendezvousError, Rings,
    SeqPacket, Stream,
};
use memring::{Mismatch, Mpmc, Mpsc, Receiver, RecvError, Sender, Spsc};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;

use crate::conformance::{ReceivingEnd, SendingEnd};
use crate::raw;

const MESSAGES: u64 = 500;

/// Sends numbers, and receives each of them back, and one more.
fn echo<C: Carrier>(address: &str)
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let connection = Rendezvous::<u64, u64, C>::new().connect(address);
    let Connection { mut tx, mut rx, .. } = connection.expect("connect");
    for number in 0..MESSAGES {
        tx.send_one(number).expect("send");
        assert_eq!(rx.recv_one(), Ok(number + 1));
    }
    tx.close_end();
}

pub fn client(args: &Args) {
    let address: String = args.get("address");
    match args.get::<String>("carrier").as_str() {
        "rings" => echo::<Rings>(&address),
        "many" => echo::<Rings<Mpmc>>(&address),
        "stream" => echo::<Stream>(&address),
        "packets" => echo::<SeqPacket>(&address),
        _ => echo::<Datagram>(&address),
    }
}

fn answers_another_process<C: Carrier>(carrier: &'static str)
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let home = Home::new();
    let address = home.path("meet.sock");
    let mut listener = Rendezvous::<u64, u64, C>::new().bind(&address).unwrap();
    let child = home.spawn(
        "uds client",
        &[("address", &address.display()), ("carrier", &carrier)],
    );
    let connection = listener.accept().expect("accept");
    assert_eq!(connection.peer.pid, child.pid());
    let Connection { mut tx, mut rx, .. } = connection;
    let mut received = 0;
    while let Ok(number) = rx.recv_one() {
        tx.send_one(number + 1).expect("send");
        received += 1;
    }
    assert_eq!(received, MESSAGES);
    child.finish();
    assert_eq!(listener.refused(), 0);
    drop(listener);
    assert!(!address.exists(), "the path is left behind");
}

#[test]
fn rings_go_both_ways() {
    answers_another_process::<Rings>("rings");
}

#[test]
fn rings_of_many_go_both_ways() {
    answers_another_process::<Rings<Mpmc>>("many");
}

#[test]
fn streams_go_both_ways() {
    answers_another_process::<Stream>("stream");
}

#[test]
fn packets_go_both_ways() {
    answers_another_process::<SeqPacket>("packets");
}

#[test]
fn datagrams_go_both_ways() {
    answers_another_process::<Datagram>("datagrams");
}

/// The longest time limit that there is: none.
#[test]
fn a_time_limit_beyond_the_clock_is_none() {
    let name = raw::name("patient");
    let options = Rendezvous::<u64, u64>::new().timeout(Duration::MAX);
    let mut listener = options.clone().bind(&name).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| options.connect(&name).expect("connect"));
        // The client has nothing to hear for a while.
        thread::sleep(Duration::from_millis(50));
        let here = listener.accept_timeout(LONG).expect("accept");
        let mut here = here.expect("it is not refused");
        let mut there = client.join().unwrap();
        here.tx.send(7).unwrap();
        assert_eq!(there.rx.recv(), Ok(7));
    });
    let silent = raw::connected(&name);
    let limit = Duration::from_millis(20);
    assert!(listener.accept_timeout(limit).unwrap().is_none());
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!((listener.half_made(), listener.refused()), (1, 0));
    drop(silent);
}

#[test]
fn one_way_is_enough() {
    let name = raw::name("one-way");
    let mut listener = Listener::<Nothing, [u8]>::bind(&name).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let connection = uds::connect::<[u8], Nothing>(&name).expect("connect");
            let mut tx: Sender<[u8], Spsc> = connection.tx;
            let () = connection.rx;
            tx.send(b"hello").unwrap();
        });
        let connection = listener.accept().expect("accept");
        let mut rx: Receiver<[u8], Spsc> = connection.rx;
        assert_eq!(rx.recv().unwrap(), b"hello");
        assert_eq!(rx.recv(), Err(RecvError::Disconnected));
    });
}

/// Connects with other options than the listener has; both errors.
fn both_errors<A, B>(
    listens: Rendezvous<u64, [u8], A>,
    connects: impl FnOnce(&str) -> Result<(), RendezvousError> + Send,
    marker: std::marker::PhantomData<B>,
) -> (RendezvousError, String)
where
    A: Carrier,
{
    let _ = marker;
    let name = raw::name("differs");
    let (told, why) = std::sync::mpsc::channel();
    let listens = listens.on_refused(move |peer, error| {
        assert_eq!(peer.expect("known").pid, std::process::id());
        let _ = told.send(error.to_string());
    });
    let mut listener = listens.bind(&name).unwrap();
    let error = thread::scope(|scope| {
        let client = scope.spawn(|| connects(&name).expect_err("they differ"));
        while listener.refused() == 0 {
            let accepted = listener.accept_timeout(Duration::from_millis(20)).unwrap();
            assert!(accepted.is_none());
        }
        client.join().unwrap()
    });
    (
        error,
        why.recv_timeout(LONG).expect("the listener knows why"),
    )
}

#[test]
fn a_difference_is_named_at_both_ends() {
    let listens = Rendezvous::<u64, [u8]>::new;
    let marker = std::marker::PhantomData::<()>;
    let mismatch = |error: RendezvousError| match error {
        RendezvousError::Mismatch { mismatch, .. } => mismatch,
        other => panic!("{other}"),
    };
    // A type of another size.
    let (here, there) = both_errors(
        listens(),
        |name| uds::connect::<[u8], u32>(name).map(drop),
        marker,
    );
    assert_eq!(
        mismatch(here),
        Mismatch::MessageSize {
            expected: 4,
            found: 8
        }
    );
    assert!(there.contains("of 4 bytes, expected 8"), "{there}");
    // Bytes against a type.
    let (here, there) = both_errors(
        listens(),
        |name| uds::connect::<u64, u64>(name).map(drop),
        marker,
    );
    assert!(matches!(mismatch(here), Mismatch::Shape { .. }));
    assert!(there.contains("messages that this end receives"), "{there}");
    // One way against both.
    let (here, _) = both_errors(
        listens(),
        |name| uds::connect::<[u8], Nothing>(name).map(drop),
        marker,
    );
    assert!(matches!(mismatch(here), Mismatch::Shape { .. }));
    // Another kind, and another carrier.
    let (here, there) = both_errors(
        listens(),
        |name| {
            let connects = Rendezvous::<[u8], u64, Rings<Mpsc>>::new();
            connects.connect(name).map(drop)
        },
        marker,
    );
    assert!(matches!(mismatch(here), Mismatch::Kind { .. }));
    assert!(there.contains("many to one"), "{there}");
    let (here, _) = both_errors(
        listens(),
        |name| {
            let connects = Rendezvous::<[u8], u64, Stream>::new();
            connects.connect(name).map(drop)
        },
        marker,
    );
    assert!(matches!(mismatch(here), Mismatch::Kind { .. }));
    // Another schema.
    let (here, there) = both_errors(
        listens().schemas(1, 2),
        |name| {
            let connects = Rendezvous::<[u8], u64>::new().schemas(2, 3);
            connects.connect(name).map(drop)
        },
        marker,
    );
    assert_eq!(
        mismatch(here),
        Mismatch::Schema {
            expected: 3,
            found: 1
        }
    );
    assert!(there.contains("schema tag 0x3, expected 0x1"), "{there}");
}

#[test]
fn many_connect_at_once() {
    let name = raw::name("many");
    let mut listener = Rendezvous::<u64, Nothing>::new()
        .max_half_made(64)
        .bind(&name)
        .unwrap();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..40)
            .map(|_| {
                scope.spawn(|| {
                    let connection = uds::connect::<Nothing, u64>(&name);
                    connection.expect("connect").rx.recv().unwrap()
                })
            })
            .collect();
        for number in 0..40 {
            let mut connection = listener.accept().expect("accept");
            connection.tx.send(number).unwrap();
        }
        let mut got: Vec<u64> = clients.into_iter().map(|it| it.join().unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, (0..40).collect::<Vec<_>>());
    });
}

#[test]
fn what_does_not_wait_says_so() {
    let name = raw::name("waits");
    let mut listener = Listener::<u64, u64>::bind(&name).unwrap();
    assert!(listener.try_accept().unwrap().is_none());
    let short = Duration::from_millis(5);
    assert!(listener.accept_timeout(short).unwrap().is_none());
    // Nobody calls `accept`.
    let connects = Rendezvous::<u64, u64>::new().timeout(short);
    let error = connects.connect(&name).unwrap_err();
    assert!(matches!(error, RendezvousError::Timeout { .. }), "{error}");
    let error = uds::connect::<u64, u64>(raw::name("nobody")).unwrap_err();
    assert!(
        matches!(error, RendezvousError::NotListening { .. }),
        "{error}"
    );
}
