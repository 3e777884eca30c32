//! No descriptor is left behind: counted in `/proc/self/fd`, by a process that does nothing
//! else.

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use memring::uds::{
    self, Carrier, Datagram, Listener, Rendezvous, Rings, SeqPacket, SocketType, Stream,
    socket_pair_with,
};
use memring::{Ring, Select, Spsc, WaitStrategy};
use memring_testkit::children::Args;
use memring_testkit::futures::block_on;
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;

use crate::conformance::{ReceivingEnd, SendingEnd};
use crate::raw::{
    ACCEPT, accepted, connected, hear, honest_hello, listening, name, say, say_passing, saying,
};

fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Does it, and waits until no more descriptors are open than before: the watching thread
/// stays for a second.
fn leaves_none(what: &str, act: impl Fn()) {
    act(); // what is made once in a process
    let late = Instant::now() + LONG;
    let settled = |most: usize| {
        while open() > most && Instant::now() < late {
            thread::sleep(Duration::from_millis(10));
        }
        open()
    };
    thread::sleep(Duration::from_millis(1500));
    let before = open();
    for _ in 0..5 {
        act();
    }
    let after = settled(before);
    assert!(after <= before, "{what}: {before} before, {after} after");
}

fn meets<C: Carrier>()
where
    C::Sender<u64>: SendingEnd,
    C::Receiver<u64>: ReceivingEnd,
{
    let name = name("meets");
    let mut listener = Rendezvous::<u64, u64, C>::new().bind(&name).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let options = Rendezvous::<u64, u64, C>::new();
            options.connect(&name).expect("connect")
        });
        let mut here = listener.accept().unwrap();
        let mut there = client.join().unwrap();
        here.tx.send_later(1).unwrap();
        assert_eq!(there.rx.recv_later(), Ok(1));
        there.tx.send_one(2).unwrap();
        assert_eq!(here.rx.recv_one(), Ok(2));
        // One is left alone by the other, in each order.
        drop(there.tx);
        drop(here.tx);
    });
}

/// Descriptors that nobody asked for, in every message that has some.
fn surplus() {
    let null = std::fs::File::open("/dev/null").unwrap();
    let hello = honest_hello();
    // To a listener, which takes none.
    let at = name("surplus");
    let mut listener = Listener::<u64, u64>::bind(&at).unwrap();
    let peer = connected(&at);
    say_passing(&peer, &hello, &[null.as_fd(); 50]);
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!(
        listener.half_made(),
        1,
        "what came along is not its business"
    );
    let refused = connected(&at);
    say_passing(&refused, b"what?", &[null.as_fd(); 50]);
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!(listener.refused(), 1);
    drop((peer, refused, listener));
    // From a listener: more than agreed, more than there is room for, and what is no ring.
    for count in [1, 2, 3, 8, 9, 50] {
        let at = name("surplus-listener");
        let lying = listening(&at);
        thread::scope(|scope| {
            scope.spawn(|| {
                let peer = accepted(&lying);
                let hello = hear(&peer);
                say_passing(&peer, &saying(&hello, ACCEPT), &vec![null.as_fd(); count]);
                hear(&peer);
            });
            uds::connect::<u64, u64>(&at).expect_err("it lies");
        });
    }
    // Over a stream of messages.
    let (one, other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let mut rx = uds::SocketReceiver::<u64>::from_fd(other.into(), 0).unwrap();
    let frame = [&b"mrM1"[..], &8u32.to_le_bytes(), &[0; 8]].concat();
    say_passing(&one.into(), &frame, &[null.as_fd(); 50]);
    assert_eq!(rx.recv(), Ok(0));
}

/// What is half made, refused, timed out.
fn abandoned() {
    let at = name("abandoned");
    let options = Rendezvous::<u64, u64>::new().timeout(Duration::from_millis(20));
    let mut listener = options.clone().bind(&at).unwrap();
    let silent = connected(&at);
    let slow = connected(&at);
    say(&slow, &honest_hello());
    while listener.refused() < 2 {
        assert!(
            listener
                .accept_timeout(Duration::from_millis(5))
                .unwrap()
                .is_none()
        );
    }
    // One that is left while it waits.
    options.connect(&at).expect_err("nobody accepts");
    drop((silent, slow));
    let half = connected(&at);
    say(&half, &honest_hello());
    assert!(listener.try_accept().unwrap().is_none());
    drop(listener);
}

/// Sends what has no room, closes, and leaves futures behind.
fn tails() {
    let pair = socket_pair_with::<[u8]>(SocketType::Stream, 1 << 20, Some(4608));
    let (mut tx, mut rx) = pair.unwrap();
    tx.try_send(&[1; 1 << 20]).unwrap();
    tx.close().unwrap();
    drop(tx);
    assert_eq!(rx.recv().unwrap().len(), 1 << 20);
    let pair = socket_pair_with::<[u8]>(SocketType::Stream, 1 << 20, Some(4608));
    let (mut tx, rx) = pair.unwrap();
    tx.try_send(&[1; 1 << 20]).unwrap();
    drop(rx); // it never will be received
    drop(tx);
    for kind in [SocketType::Stream, SocketType::Datagram] {
        let (tx, mut rx) = socket_pair_with::<u64>(kind, 0, None).unwrap();
        block_on(async {
            let mut future = Box::pin(rx.recv_async());
            std::future::poll_fn(|context| {
                assert!(future.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        });
        drop((tx, rx));
    }
}

/// Sets that wait to no effect, with sockets of all sorts and a ring.
fn sets() {
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let mut ring_rx = ring.receiver().unwrap();
    for kind in [SocketType::Stream, SocketType::Datagram] {
        let (mut tx, mut rx) = socket_pair_with::<u64>(kind, 0, Some(4608)).unwrap();
        while tx.try_send(1).is_ok() {}
        let (_kept, mut quiet) = socket_pair_with::<u64>(kind, 0, None).unwrap();
        let canceller = quiet.canceller();
        let mut select = Select::with_strategy(WaitStrategy::Park);
        select.recv(&mut ring_rx);
        select.send(&mut tx);
        let token = select.recv(&mut quiet);
        select.ready_timeout(Duration::from_millis(5)).unwrap_err();
        canceller.cancel();
        assert_eq!(select.ready_timeout(LONG), Ok(token.index()));
        select.remove(token);
        drop(quiet);
        assert_eq!(rx.recv(), Ok(1));
    }
}

/// Futures of a rendezvous: done, and left at each step.
fn meetings() {
    let at = name("meetings");
    let options = Rendezvous::<u64, u64>::new();
    let mut listener = options.clone().bind(&at).unwrap();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..2 {
        let mut left = std::pin::pin!(options.clone().connect_async(&at));
        assert!(left.as_mut().poll(&mut context).is_pending());
        let mut accepting = listener.accept_async();
        let accepted = std::pin::Pin::new(&mut accepting).poll(&mut context);
        assert!(accepted.is_pending());
    }
    thread::scope(|scope| {
        let connecting = scope.spawn(|| block_on(options.clone().connect_async(&at)));
        let mut here = block_on(listener.accept_async()).unwrap();
        let mut there = connecting.join().unwrap().unwrap();
        here.tx.send(1).unwrap();
        assert_eq!(there.rx.recv(), Ok(1));
    });
    drop(listener);
    let mut nobody = std::pin::pin!(options.connect_async(&at));
    assert!(nobody.as_mut().poll(&mut context).is_ready());
}

pub fn counting(_: &Args) {
    leaves_none("rings", meets::<Rings>);
    leaves_none("streams", meets::<Stream>);
    leaves_none("packets", meets::<SeqPacket>);
    leaves_none("datagrams", meets::<Datagram>);
    leaves_none("surplus descriptors", surplus);
    leaves_none("what is abandoned", abandoned);
    leaves_none("tails", tails);
    leaves_none("sets", sets);
    leaves_none("meetings", meetings);
}

#[test]
fn none_is_left_behind() {
    let home = Home::new();
    home.spawn("uds counting", &[]).finish();
}
