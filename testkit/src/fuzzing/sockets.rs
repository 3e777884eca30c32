//! Arbitrary bytes over sockets: as greetings to a listener, and to one that connects; and as
//! frames of messages.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use arbitrary::Arbitrary;
use memring::Message;
use memring::uds::{Rendezvous, SocketReceiver};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};
use tempfile::TempDir;

/// The longest byte message.
const LIMIT: usize = 24;
/// How long a half-made connection may take. The fuzzer's peer says all at once.
const SHORT: Duration = Duration::from_millis(50);

/// Bytes, and what they are said to.
#[derive(Arbitrary, Debug)]
pub struct Input(Said);

#[derive(Arbitrary, Debug)]
enum Said {
    /// Messages to a listener: bytes, or what an honest one says with some of them changed.
    ToListener(Vec<Greeting>),
    /// Pieces of a stream of frames.
    Stream { typed: bool, pieces: Vec<Frame> },
    /// Frames of a datagram socket.
    Datagrams { typed: bool, frames: Vec<Frame> },
}

#[derive(Arbitrary, Debug)]
enum Greeting {
    Raw(Vec<u8>),
    Nearly { verdict: u8, changes: Vec<(u8, u8)> },
}

#[derive(Arbitrary, Debug)]
enum Frame {
    Raw(Vec<u8>),
    Message { length: Option<u16>, body: Vec<u8> },
    End { length: u8 },
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Frame::Raw(bytes) => bytes.clone(),
            Frame::Message { length, body } => {
                let length = length.map_or(body.len() as u32, u32::from);
                [&b"mrM1"[..], &length.to_le_bytes(), body].concat()
            }
            Frame::End { length } => {
                [&b"mrE1"[..], &u32::from(length / 128).to_le_bytes()].concat()
            }
        }
    }
}

/// Says it.
///
/// # Panics
/// If a call does something that it must not do.
pub fn run(input: Input) {
    match input.0 {
        Said::ToListener(greetings) => greet(&greetings),
        Said::Stream { typed, pieces } => {
            let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
            for piece in &pieces {
                ours.write_all(&piece.bytes()).expect("room for it");
            }
            drop(ours);
            read_all(typed, theirs.into());
        }
        Said::Datagrams { typed, frames } => {
            let (ours, theirs) = UnixDatagram::pair().expect("a pair of sockets");
            // More than the system keeps would block.
            for frame in frames.iter().take(8) {
                ours.send(&frame.bytes()).expect("room for it");
            }
            drop(ours);
            read_all(typed, theirs.into());
        }
    }
}

fn read_all(typed: bool, socket: OwnedFd) {
    match typed {
        true => read_messages::<u64>(socket, |_| {}),
        false => read_messages::<[u8]>(socket, |message| assert!(message.len() <= LIMIT)),
    }
}

fn read_messages<T: Message + ?Sized>(socket: OwnedFd, check: fn(T::Received)) {
    let mut receiver = SocketReceiver::<T>::from_fd(socket, LIMIT).expect("a socket");
    // An end is told again and again; a message comes once.
    for _ in 0..2000 {
        match receiver.try_recv() {
            Ok(message) => check(message),
            Err(_) => break,
        }
    }
    let _ = receiver.try_recv().map(check);
    let _ = receiver.recv_timeout(Duration::ZERO).map(check);
    let _ = (receiver.is_closed(), receiver.close());
}

fn seqpacket() -> OwnedFd {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    socket_with(family, kind, SocketFlags::CLOEXEC, None).expect("a socket")
}

/// What an honest program says first to a listener of the same options.
fn honest() -> &'static [u8] {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    HELLO.get_or_init(|| {
        let place = TempDir::new_in("/dev/shm").expect("temporary directory");
        let path = place.path().join("socket");
        let listener = seqpacket();
        let address = SocketAddrUnix::new(&path).expect("a short path");
        rustix::net::bind(&listener, &address).expect("bind");
        rustix::net::listen(&listener, 1).expect("listen");
        thread::scope(|scope| {
            let client = scope.spawn(|| memring::uds::connect::<u64, u64>(&path).is_ok());
            let peer = rustix::net::accept(&listener).expect("accept");
            let mut bytes = [0; 1000];
            let (_, count) = recv(&peer, &mut bytes[..], RecvFlags::empty()).expect("a greeting");
            drop(peer);
            assert!(!client.join().expect("a thread"), "nobody answered");
            bytes[..count].to_vec()
        })
    })
}

fn greet(greetings: &[Greeting]) {
    let place = TempDir::new_in("/dev/shm").expect("temporary directory");
    let path = place.path().join("socket");
    let options = Rendezvous::<u64, u64>::new().timeout(SHORT).capacity(2);
    let mut listener = options.bind(&path).expect("a listener");
    let peer = seqpacket();
    let address = SocketAddrUnix::new(&path).expect("a short path");
    connect(&peer, &address).expect("connect");
    for greeting in greetings.iter().take(4) {
        let bytes = match greeting {
            Greeting::Raw(bytes) => bytes.clone(),
            Greeting::Nearly { verdict, changes } => {
                let mut bytes = honest().to_vec();
                bytes[16] = *verdict;
                for (at, byte) in changes {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *byte;
                }
                bytes
            }
        };
        // It may have hung up meanwhile.
        let _ = send(&peer, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        if let Ok(Some(mut accepted)) = listener.try_accept() {
            let _ = accepted.tx.try_send(7);
            let _ = accepted.rx.try_recv();
        }
    }
    let _ = listener.try_accept().map(drop);
    drop(peer);
    let _ = listener.try_accept().map(drop);
    assert!(listener.half_made() <= 1);
}
