//! Sockets and rings in one set.

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use memring::uds::{
    Carrier, Connection, Datagram, Listener, Rendezvous, SeqPacket, SocketReceiver, SocketSender,
    SocketType, Stream, socket_pair, socket_pair_with,
};
use memring::{
    RecvTimeoutError, Ring, Select, SendTimeoutError, Spsc, WaitStrategy, after, failpoints, select,
};
use memring_testkit::children::{Args, Role};
use memring_testkit::homes::Home;
use memring_testkit::processes::processor_time;
use memring_testkit::time::{LONG, in_time};

pub const ROLES: [Role; 2] = [("uds selects", selects), ("uds selected", selected)];

const KINDS: [SocketType; 3] = [
    SocketType::Stream,
    SocketType::SeqPacket,
    SocketType::Datagram,
];

const CAP: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(3);

// The words of the board.
const MET: usize = 0;
const ORDER: usize = 1;
const CAME: usize = 2;
const FILLED: usize = 3;
const WORDS: usize = 4;

// What is ordered, and what comes of it.
const BY_SOCKET: u64 = 1;
const BY_RING: u64 = 2;
const MAKE_ROOM: u64 = 3;
const CANCEL: u64 = 4;
const GONE: u64 = 5;

/// Waits for a ring, and for both ends of sockets, in one set.
fn selects(args: &Args) {
    match args.get::<String>("carrier").as_str() {
        "stream" => selects_by::<Stream>(args),
        "packets" => selects_by::<SeqPacket>(args),
        _ => selects_by::<Datagram>(args),
    }
}

fn selects_by<C>(args: &Args)
where
    C: Carrier<Sender<u64> = SocketSender<u64>, Receiver<u64> = SocketReceiver<u64>>,
{
    let board = args.board("board");
    failpoints::raise_sleep_cap(CAP);
    let address: String = args.get("address");
    let mut rings = Listener::<u64, u64>::bind(format!("{address}.ring")).expect("listen");
    let options = Rendezvous::<u64, u64, C>::new().send_buffer(4608);
    let mut sockets = options.bind(&address).expect("listen");
    board.set(MET, 1);
    let Connection { mut tx, mut rx, .. } = sockets.accept().expect("accept");
    let mut ring = rings.accept().expect("accept");
    let mut filled = 0;
    while tx.try_send(0).is_ok() {
        filled += 1;
    }
    board.set(FILLED, filled);
    let canceller = rx.canceller();
    let orders = args.board("board");
    thread::spawn(move || {
        orders.wait(ORDER, CANCEL);
        canceller.cancel();
    });
    let mut select = Select::with_strategy(WaitStrategy::Park);
    let by_ring = select.recv(&mut ring.rx);
    let by_socket = select.recv(&mut rx);
    let room = select.send(&mut tx);
    board.set(MET, 2);
    let mut gone = 0;
    while gone < 3 {
        let ready = select.ready();
        let came = if ready == by_ring {
            select[by_ring].recv_timeout(Duration::ZERO)
        } else if ready == by_socket {
            select[by_socket].recv_timeout(Duration::ZERO)
        } else {
            match select[room].send_timeout(0, Duration::ZERO) {
                Ok(()) => {
                    // To the brim again.
                    while select[room].try_send(0).is_ok() {}
                    Ok(MAKE_ROOM)
                }
                Err(SendTimeoutError::Disconnected(0)) => Err(RecvTimeoutError::Disconnected),
                Err(SendTimeoutError::Timeout(..)) => continue,
                Err(other) => panic!("{other}"),
            }
        };
        match came {
            // Room comes more than once.
            Ok(order) => board.set(CAME, order.max(board.get(CAME))),
            Err(RecvTimeoutError::Timeout(_)) => {}
            Err(RecvTimeoutError::Cancelled) => {
                select[by_socket].canceller().reset();
                board.set(CAME, CANCEL);
            }
            Err(RecvTimeoutError::Disconnected) => {
                gone += 1;
                match ready {
                    ready if ready == by_ring => drop(select.remove(by_ring)),
                    ready if ready == by_socket => drop(select.remove(by_socket)),
                    _ => drop(select.remove(room)),
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(select.is_empty());
    board.set(CAME, GONE);
}

/// Connects, does as it is told, and is killed.
fn selected(args: &Args) {
    match args.get::<String>("carrier").as_str() {
        "stream" => selected_by::<Stream>(args),
        "packets" => selected_by::<SeqPacket>(args),
        _ => selected_by::<Datagram>(args),
    }
}

fn selected_by<C>(args: &Args)
where
    C: Carrier<Sender<u64> = SocketSender<u64>, Receiver<u64> = SocketReceiver<u64>>,
{
    let board = args.board("board");
    let address: String = args.get("address");
    let Connection { mut tx, mut rx, .. } = Rendezvous::<u64, u64, C>::new()
        .connect(&address)
        .expect("connect");
    let mut ring = memring::uds::connect::<u64, u64>(format!("{address}.ring")).expect("connect");
    for order in [BY_SOCKET, BY_RING, MAKE_ROOM] {
        board.wait(ORDER, order);
        match order {
            BY_SOCKET => tx.send(order).expect("it waits"),
            BY_RING => ring.tx.send(order).expect("it waits"),
            // As many as there were: the room is filled again meanwhile.
            _ => (0..board.get(FILLED)).for_each(|_| assert_eq!(rx.recv(), Ok(0))),
        }
    }
    board.wait_to_be_killed();
}

/// One process waits, with a cap that is half a minute; another does what it waits for, by a
/// socket, by a ring, by room; and is killed at last.
fn a_set_is_woken(carrier: &str) {
    let home = Home::new();
    let board = home.board("board", WORDS);
    let address = home.path("set.sock");
    let args: [(&str, &dyn std::fmt::Display); 2] =
        [("address", &address.display()), ("carrier", &carrier)];
    let waiter = home.spawn("uds selects", &args);
    board.wait(MET, 1);
    let peer = home.spawn("uds selected", &args);
    board.wait(MET, 2);
    for order in [BY_SOCKET, BY_RING, MAKE_ROOM, CANCEL] {
        thread::sleep(Duration::from_millis(150)); // it sleeps
        let ordered = Instant::now();
        board.set(ORDER, order);
        board.wait(CAME, order);
        let late = ordered.elapsed();
        assert!(late < SOON, "{carrier}: {order} was seen after {late:?}");
    }
    // Nothing happens: it sleeps. (Other threads of it poll a board now and then.)
    let before = processor_time(waiter.pid());
    thread::sleep(Duration::from_millis(500));
    let used = processor_time(waiter.pid()) - before;
    assert!(used < Duration::from_millis(150), "{used:?}");
    let killed = Instant::now();
    peer.kill();
    board.wait(CAME, GONE);
    let late = killed.elapsed();
    assert!(late < SOON, "{carrier}: the death was seen after {late:?}");
    waiter.finish();
}

#[test]
fn a_set_with_streams_is_woken() {
    a_set_is_woken("stream");
}

#[test]
fn a_set_with_packets_is_woken() {
    a_set_is_woken("packets");
}

#[test]
fn a_set_with_datagrams_is_woken() {
    a_set_is_woken("datagrams");
}

/// A ring that always has a message keeps no socket from its turn, nor the other way round.
#[test]
fn nothing_starves() {
    for kind in KINDS {
        let ring = Ring::<u64, Spsc>::anonymous(64).unwrap();
        let (mut ring_tx, mut ring_rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let (mut tx, mut rx) = socket_pair::<u64>(kind).unwrap();
        let (mut room, _kept) = socket_pair::<u64>(kind).unwrap();
        for number in 0..12 {
            ring_tx.send(number).unwrap();
            tx.send(number).unwrap();
        }
        let mut late = after(Duration::ZERO);
        let mut select = Select::new();
        let by_ring = select.recv(&mut ring_rx);
        let by_socket = select.recv(&mut rx);
        let by_room = select.send(&mut room);
        let by_time = select.recv(&mut late);
        let mut turns = [0; 4];
        for _ in 0..40 {
            let ready = select.try_ready().expect("all are ready");
            turns[ready] += 1;
        }
        assert_eq!(turns, [10; 4], "{kind:?}");
        let order = [
            by_ring.index(),
            by_socket.index(),
            by_room.index(),
            by_time.index(),
        ];
        assert_eq!(order, [0, 1, 2, 3]);
        // The macro takes one of them at random.
        drop(select);
        let mut turns = [0; 2];
        for _ in 0..12 {
            select! {
                recv(ring_rx) -> message => turns[0] += u64::from(message.is_ok()),
                recv(rx) -> message => turns[1] += u64::from(message.is_ok()),
            }
        }
        assert!(turns[0] > 0 && turns[1] > 0, "{kind:?}: {turns:?}");
    }
}

#[test]
fn a_socket_that_was_removed_is_not_waited_for() {
    for kind in KINDS {
        let (mut tx, mut rx) = socket_pair::<u64>(kind).unwrap();
        let (mut other_tx, mut other_rx) = socket_pair::<u64>(kind).unwrap();
        let mut select = Select::new();
        let token = select.recv(&mut rx);
        let other = select.recv(&mut other_rx);
        // Announced, to no effect.
        select.ready_timeout(Duration::from_millis(5)).unwrap_err();
        tx.send(1).unwrap();
        let removed = select.remove(token).expect("it is there");
        select.ready_timeout(Duration::from_millis(5)).unwrap_err();
        assert_eq!(removed.recv(), Ok(1));
        assert!(select.remove(token).is_none());
        other_tx.send(2).unwrap();
        assert_eq!(select.ready_timeout(LONG), Ok(other.index()));
        assert_eq!(select.len(), 1);
    }
}

/// No ring among them, and each gets what is its own.
#[test]
fn a_set_of_sockets_alone() {
    let [mut one, mut two, mut three] =
        KINDS.map(|kind| socket_pair::<[u8]>(kind).expect("a pair"));
    let mut got = Vec::new();
    for round in 0..4 {
        select! {
            recv(one.1) -> message => got.push((1, message.unwrap())),
            recv(two.1) -> message => got.push((2, message.unwrap())),
            recv(three.1) -> message => got.push((3, message.unwrap())),
            default(Duration::from_millis(5)) => got.push((0, Vec::new())),
        }
        match round {
            0 => one.0.send(b"one").unwrap(),
            1 => two.0.send(b"two").unwrap(),
            _ => three.0.send(b"three").unwrap(),
        }
    }
    let expected: [(u8, &[u8]); 4] = [(0, b""), (1, b"one"), (2, b"two"), (3, b"three")];
    assert!(got.iter().map(|(by, bytes)| (*by, &bytes[..])).eq(expected));
}

/// The message of an arm is made when there is room for it, and then it is sent.
#[test]
fn an_arm_sends_where_there_is_room() {
    for kind in KINDS {
        let pair = socket_pair_with::<u64>(kind, 0, Some(4608)).unwrap();
        let (mut full, mut rx) = pair;
        let (mut tx, mut other_rx) = socket_pair::<u64>(kind).unwrap();
        while full.try_send(1).is_ok() {}
        let make = |message: u64| message;
        let never_made = || -> u64 { panic!("there is no room") };
        select! {
            send(full, never_made()) -> _ => panic!("sent"),
            send(tx, make(2)) -> sent => sent.unwrap(),
        }
        assert_eq!(other_rx.recv(), Ok(2));
        while rx.recv_timeout(Duration::from_millis(5)).is_ok() {}
        select! {
            send(full, make(3)) -> sent => sent.unwrap(),
            default(LONG) => panic!("there is room"),
        }
        assert_eq!(rx.recv(), Ok(3));
        // Nobody will receive it: that is found out, and not waited for.
        drop(rx);
        select! {
            send(full, make(4)) -> sent => assert!(sent.unwrap_err().is_disconnected()),
            default(LONG) => panic!("it has gone"),
        }
    }
}

/// Room is room: also where the kernel calls the socket writable only when three quarters of
/// its buffer are free.
#[test]
fn room_is_seen_before_the_kernel_says_so() {
    for kind in KINDS {
        let (mut tx, mut rx) = socket_pair::<[u8]>(kind).unwrap();
        // More than a quarter, and less than the half, of the buffer.
        let message = vec![1; tx.message_size()];
        tx.send(&message).unwrap();
        let mut select = Select::new();
        let token = select.send(&mut tx);
        assert_eq!(select.try_ready(), Ok(0), "{kind:?}");
        select[token].try_send(&message).unwrap();
        for _ in 0..2 {
            assert_eq!(rx.recv().unwrap().len(), message.len());
        }
    }
}

/// A part of a message is none.
#[test]
fn a_part_of_a_message_is_not_ready() {
    let (mut raw, other) = UnixStream::pair().unwrap();
    let mut rx = SocketReceiver::<u64>::from_fd(other.into(), 0).unwrap();
    let frame = [&b"mrM1"[..], &8u32.to_le_bytes(), &7u64.to_le_bytes()].concat();
    let mut select = Select::new();
    let token = select.recv(&mut rx);
    for part in [&frame[..3], &frame[3..8], &frame[8..15]] {
        raw.write_all(part).unwrap();
        select.try_ready().unwrap_err();
        select.ready_timeout(Duration::from_millis(2)).unwrap_err();
    }
    raw.write_all(&frame[15..]).unwrap();
    // Looked at often, it is there all the same.
    for _ in 0..3 {
        assert_eq!(select.ready_timeout(LONG), Ok(0));
    }
    assert_eq!(select[token].try_recv(), Ok(7));
    select.try_ready().unwrap_err();
    drop(raw);
    assert_eq!(select.ready_timeout(LONG), Ok(0));
    assert!(select[token].try_recv().unwrap_err().is_disconnected());
}

/// The queue of one that receives from anybody has its own end, whatever room the buffer has: an
/// arm that sends to it does not wait there.
#[test]
fn a_full_queue_of_datagrams_is_no_room() {
    in_time(|| {
        let home = Home::new();
        let at = home.path("queue");
        let receiver = UnixDatagram::bind(&at).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(&at).unwrap();
        let mut tx = SocketSender::<u64>::from_fd(socket.into(), 0).unwrap();
        let mut fill = || {
            let mut sent = 0;
            loop {
                select! {
                    send(tx, sent) -> result => result.unwrap(),
                    default => return sent,
                }
                sent += 1;
            }
        };
        assert!(fill() > 0);
        assert_eq!(fill(), 0);
        receiver.recv(&mut [0; 100]).unwrap();
        assert_eq!(fill(), 1);
    });
}
