//! Sockets without the library: what a hostile peer has.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, listen, recvmsg,
    sendmsg, socket_with,
};

/// An abstract name that no other test has.
pub fn name(test: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("@memring-test-{test}-{}-{number}", std::process::id())
}

fn socket() -> OwnedFd {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    socket_with(family, kind, SocketFlags::CLOEXEC, None).expect("make a socket")
}

fn address(name: &str) -> SocketAddrUnix {
    let name = name.strip_prefix('@').expect("an abstract name");
    SocketAddrUnix::new_abstract_name(name.as_bytes()).expect("a short name")
}

/// Connects, and says nothing.
pub fn connected(name: &str) -> OwnedFd {
    let socket = socket();
    connect(&socket, &address(name)).expect("connect");
    socket
}

/// Listens, and accepts nobody.
pub fn listening(name: &str) -> OwnedFd {
    let socket = socket();
    bind(&socket, &address(name)).expect("bind");
    listen(&socket, 8).expect("listen");
    socket
}

/// The next connection.
pub fn accepted(listener: &OwnedFd) -> OwnedFd {
    accept(listener).expect("accept")
}

/// Sends one message.
pub fn say(socket: &OwnedFd, bytes: &[u8]) {
    say_passing(socket, bytes, &[]);
}

/// Sends one message, and descriptors.
pub fn say_passing(socket: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    }
    let parts = [IoSlice::new(bytes)];
    sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL).expect("send");
}

/// Receives one message; none: the other end has hung up.
pub fn hear(socket: impl AsFd) -> Vec<u8> {
    let mut bytes = vec![0; 1000];
    let mut control = RecvAncillaryBuffer::default();
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let heard = recvmsg(socket, &mut parts, &mut control, RecvFlags::empty());
    let heard = heard.map_or(0, |heard| heard.bytes);
    bytes.truncate(heard);
    bytes
}

/// What an honest program with these options says first.
pub fn honest_hello() -> Vec<u8> {
    let name = name("honest");
    let listener = listening(&name);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| memring::uds::connect::<u64, u64>(&name));
        let socket = accepted(&listener);
        let hello = hear(&socket);
        drop(socket);
        client.join().unwrap().expect_err("nobody answers");
        hello
    })
}

/// The word at `at` of a message: what it means is 1 in a greeting.
pub const VERDICT_AT: usize = 16;
/// It is accepted.
pub const ACCEPT: u8 = 2;
/// The descriptors were received.
pub const DONE: u8 = 3;

/// The same, with another meaning.
pub fn saying(hello: &[u8], verdict: u8) -> Vec<u8> {
    let mut bytes = hello.to_vec();
    bytes[VERDICT_AT] = verdict;
    bytes
}
