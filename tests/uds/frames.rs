//! Messages over sockets keep their boundaries, come whole or not at all, and what is no
//! message is refused.

use std::io::Write;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::Duration;

use memring::uds::{SocketReceiver, SocketSender, SocketType, socket_pair, socket_pair_with};
use memring::{Failure, RecvError, SendError, TryRecvError, TrySendError};
use memring_testkit::children::Args;
use memring_testkit::forks::fork_checked;
use memring_testkit::futures::block_on;
use memring_testkit::homes::Home;
use memring_testkit::processes::processor_time;

const TYPES: [SocketType; 3] = [
    SocketType::Stream,
    SocketType::SeqPacket,
    SocketType::Datagram,
];

/// Numbers that look as if they were no pattern.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn boundaries_are_kept() {
    for kind in TYPES {
        let (mut tx, mut rx) = socket_pair::<[u8]>(kind).unwrap();
        let lengths = [0, 1, 7, 8, 9, 1000, 16_383, 16_384, 65_535, 65_536, 0, 3];
        thread::scope(|scope| {
            scope.spawn(|| {
                for (seed, length) in lengths.iter().cycle().take(200).enumerate() {
                    tx.send(&bytes(*length, seed as u64)).expect("send");
                }
                tx.close().unwrap();
            });
            for (seed, length) in lengths.iter().cycle().take(200).enumerate() {
                let message = rx.recv().expect("receive");
                assert!(message == bytes(*length, seed as u64), "{kind:?}, {seed}");
            }
            assert_eq!(rx.recv(), Err(RecvError::Closed));
        });
        assert_eq!((rx.message_size(), rx.is_closed()), (65_536, true));
    }
}

/// A stream that has taken the beginning of a message sends the rest by itself.
#[test]
fn what_a_stream_has_begun_it_finishes() {
    let long = bytes(3 << 20, 1);
    for is_closed in [false, true] {
        let pair = socket_pair_with::<[u8]>(SocketType::Stream, 4 << 20, Some(4608));
        let (mut tx, mut rx) = pair.unwrap();
        tx.try_send(&long).expect("its begin has room");
        assert_eq!(tx.try_send(&long), Err(TrySendError::Full(())));
        if is_closed {
            tx.close().unwrap();
        }
        drop(tx);
        assert!(rx.recv().expect("whole") == long);
        let end = match is_closed {
            true => RecvError::Closed,
            false => RecvError::Disconnected,
        };
        assert_eq!(rx.recv(), Err(end));
    }
    let pair = socket_pair_with::<[u8]>(SocketType::Stream, 4 << 20, Some(4608));
    let (mut tx, mut rx) = pair.unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for seed in 0..3 {
                tx.send(&bytes(1 << 20, seed)).unwrap();
                block_on(tx.send_async(&bytes(1 << 20, seed))).unwrap();
            }
        });
        let mut message = Vec::new();
        for seed in 0..3 {
            for _ in 0..2 {
                assert_eq!(rx.recv_into(&mut message), Ok(1 << 20));
                assert!(message == bytes(1 << 20, seed));
            }
        }
    });
}

/// This process sleeps while a peer that has shut down its direction reads nothing.
fn sleeps() {
    let before = processor_time(std::process::id());
    thread::sleep(Duration::from_secs(1));
    let used = processor_time(std::process::id()) - before;
    assert!(used < Duration::from_millis(50), "{used:?}");
}

/// Its sender waits for room, in a call and as a future.
pub fn blocked_by_a_deaf_peer(_: &Args) {
    for is_future in [false, true] {
        let (one, other) = UnixStream::pair().unwrap();
        let mut tx = SocketSender::<[u8]>::from_fd(one.into(), 1000).unwrap();
        other.shutdown(Shutdown::Write).unwrap();
        while tx.try_send(&[1; 1000]).is_ok() {}
        thread::scope(|scope| {
            let blocked = scope.spawn(|| match is_future {
                true => block_on(tx.send_async(&[2; 1000])),
                false => tx.send(&[2; 1000]),
            });
            sleeps();
            assert!(!blocked.is_finished());
            // It is woken by the end, all the same.
            drop(other);
            assert_eq!(blocked.join().unwrap(), Err(SendError::Disconnected(())));
        });
    }
}

/// It has left a tail behind.
pub fn a_tail_of_a_deaf_peer(_: &Args) {
    let (one, other) = UnixStream::pair().unwrap();
    let mut tx = SocketSender::<[u8]>::from_fd(one.into(), 4 << 20).unwrap();
    other.shutdown(Shutdown::Write).unwrap();
    let long = bytes(3 << 20, 1);
    tx.try_send(&long).expect("its begin has room");
    drop(tx);
    sleeps();
    let mut rx = SocketReceiver::<[u8]>::from_fd(other.into(), 4 << 20).unwrap();
    assert!(rx.recv().expect("whole") == long);
}

#[test]
fn a_deaf_peer_costs_its_sender_nothing() {
    Home::new().spawn("uds deaf peer", &[]).finish();
}

#[test]
fn a_deaf_peer_costs_a_tail_nothing() {
    Home::new().spawn("uds deaf peer of a tail", &[]).finish();
}

#[test]
fn a_message_that_is_too_long_is_not_sent() {
    for kind in TYPES {
        let (mut tx, mut rx) = socket_pair_with::<[u8]>(kind, 100, None).unwrap();
        let too_long = Failure::TooLong {
            length: 101,
            limit: 100,
        };
        assert_eq!(tx.send(&[0; 101]), Err(SendError::Failed((), too_long)));
        tx.send(&[1; 100]).unwrap();
        assert_eq!(rx.recv().unwrap(), [1; 100]);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        let huge = socket_pair_with::<[u8]>(kind, 17 << 20, None);
        assert!(huge.unwrap_err().to_string().contains("16 MiB"));
    }
    let packets = socket_pair_with::<[u8]>(SocketType::SeqPacket, 16 << 20, None);
    assert!(packets.unwrap_err().to_string().contains("wmem_max"));
}

/// Ends whose limits differ: no message is cut short in silence.
#[test]
fn a_message_is_not_cut_short() {
    let (one, other) = UnixStream::pair().unwrap();
    let mut tx = SocketSender::<[u8]>::from_fd(one.into(), 200).unwrap();
    let mut rx = SocketReceiver::<[u8]>::from_fd(other.into(), 100).unwrap();
    tx.send(&[1; 101]).unwrap();
    tx.send(&[2; 5]).unwrap();
    let too_long = Failure::TooLongToReceive {
        length: 101,
        limit: 100,
    };
    // A stream cannot go on.
    for _ in 0..2 {
        assert_eq!(rx.recv(), Err(RecvError::Failed(too_long)));
    }

    let (one, other) = UnixDatagram::pair().unwrap();
    let mut tx = SocketSender::<[u8]>::from_fd(one.into(), 200).unwrap();
    let mut rx = SocketReceiver::<[u8]>::from_fd(other.into(), 100).unwrap();
    tx.send(&[1; 101]).unwrap();
    tx.send(&[2; 5]).unwrap();
    assert_eq!(rx.recv(), Err(RecvError::Failed(too_long)));
    assert_eq!(rx.recv().unwrap(), [2; 5]);
}

fn frame(tag: &[u8; 4], length: u32, message: &[u8]) -> Vec<u8> {
    [&tag[..], &length.to_le_bytes(), message].concat()
}

#[test]
fn what_is_no_message_is_refused() {
    let wrong = [
        frame(b"GET ", 8, &[0; 8]),
        frame(b"mrM1", 7, &[0; 7]),
        frame(b"mrM1", 9, &[0; 9]),
        frame(b"mrE1", 1, &[0]),
        frame(b"mrM1", u32::MAX, &[0; 8]),
    ];
    for bytes in &wrong {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut rx = SocketReceiver::<u64>::from_fd(other.into(), 0).unwrap();
        one.write_all(bytes).unwrap();
        one.write_all(&frame(b"mrM1", 8, &[1; 8])).unwrap();
        for _ in 0..2 {
            let error = rx.recv().unwrap_err();
            assert!(matches!(error, RecvError::Failed(_)), "{error}");
        }

        let (one, other) = UnixDatagram::pair().unwrap();
        let mut rx = SocketReceiver::<u64>::from_fd(other.into(), 0).unwrap();
        one.send(bytes).unwrap();
        one.send(&[]).unwrap();
        one.send(&frame(b"mrM1", 8, &[0; 7])).unwrap();
        one.send(&frame(b"mrM1", 8, &[0; 9])).unwrap();
        one.send(&frame(b"mrM1", 8, &[1; 8])).unwrap();
        for _ in 0..4 {
            let error = rx.recv().unwrap_err();
            assert!(matches!(error, RecvError::Failed(_)), "{error}");
        }
        assert_eq!(rx.recv(), Ok(0x0101_0101_0101_0101));
    }
}

/// A sender that dies in the middle of a message.
#[test]
fn half_a_message_is_none() {
    for sent in 1..16 {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut rx = SocketReceiver::<u64>::from_fd(other.into(), 0).unwrap();
        one.write_all(&frame(b"mrM1", 8, &[1; 8])).unwrap();
        one.write_all(&frame(b"mrM1", 8, &[2; 8])[..sent]).unwrap();
        assert_eq!(rx.recv(), Ok(0x0101_0101_0101_0101));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        drop(one);
        let error = rx.recv().unwrap_err();
        assert!(error.to_string().contains("cut short"), "{sent}: {error}");
    }
}

/// Frames that come byte by byte.
#[test]
fn pieces_are_put_together() {
    let (mut one, other) = UnixStream::pair().unwrap();
    let mut rx = SocketReceiver::<[u8]>::from_fd(other.into(), 50_000).unwrap();
    let frames: Vec<u8> = (0..40)
        .flat_map(|seed| {
            let message = bytes(seed * 11, seed as u64);
            frame(b"mrM1", message.len() as u32, &message)
        })
        .chain(frame(b"mrE1", 0, &[]))
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for piece in frames.chunks(3) {
                one.write_all(piece).unwrap();
            }
        });
        for seed in 0..40 {
            assert!(
                rx.recv().unwrap() == bytes(seed * 11, seed as u64),
                "{seed}"
            );
        }
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    });
}

/// A receiver that sends back something else than its end does not keep a sender busy.
#[test]
fn a_sender_refuses_what_comes_back() {
    let (one, mut other) = UnixStream::pair().unwrap();
    let mut tx = SocketSender::<[u8]>::from_fd(one.into(), 1 << 16).unwrap();
    other.write_all(&[7; 300]).unwrap();
    let error = loop {
        match tx.send(&[0; 1 << 16]) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    let is_it = matches!(error, SendError::Failed((), Failure::NotAMessage { .. }));
    assert!(is_it, "{error}");
}

#[test]
fn what_is_no_socket_is_refused() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = SocketReceiver::<u64>::from_fd(file.into(), 0).unwrap_err();
    assert!(error.to_string().contains("look at a socket"), "{error}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = OwnedFd::from(listener);
    assert!(SocketSender::<u64>::from_fd(socket, 0).is_err());
}

/// A forked child has no part in it: its parent's death is seen although it lives.
#[test]
fn a_forked_child_has_no_ends() {
    for kind in TYPES {
        let (mut tx, mut rx) = socket_pair::<u64>(kind).unwrap();
        let (there, mut here) = UnixStream::pair().unwrap();
        let child = fork_checked(|| {
            let refused = rx.try_recv() == Err(TryRecvError::Failed(Failure::Forked))
                && tx.try_send(1) == Err(TrySendError::Failed(1, Failure::Forked));
            // Until the parent is done.
            let mut byte = [0];
            let _ = rustix::io::read(there.as_fd(), &mut byte);
            refused
        });
        drop(tx);
        assert_eq!(rx.recv(), Err(RecvError::Disconnected), "{kind:?}");
        here.write_all(&[1]).unwrap();
        assert!(child.succeeded());
    }
}

#[test]
fn descriptors_are_readable_when_there_is_something() {
    use rustix::event::{PollFd, PollFlags, poll};
    for kind in TYPES {
        let (mut tx, mut rx) = socket_pair::<u64>(kind).unwrap();
        let is_ready = |rx: &SocketReceiver<u64>| {
            let fd = rx.poll_fd().unwrap();
            let mut fds = [PollFd::new(&fd, PollFlags::IN)];
            poll(&mut fds, Some(&Default::default())).unwrap() == 1
        };
        assert!(!is_ready(&rx));
        tx.send(1).unwrap();
        assert!(is_ready(&rx));
        assert_eq!(rx.recv_timeout(Duration::ZERO), Ok(1));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert!(!is_ready(&rx));
        tx.close().unwrap();
        assert!(is_ready(&rx));
        assert!(tx.poll_fd().is_ok());
    }
}
