//! A descriptor that was passed outlives its giver, and the giver's locks do
//! not.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use memring::{AttachError, Kind, Ring, RingKind, TryRecvError};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::common::child::Args;
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{Line, get_sorted, put};
use crate::common::home::Home;
use crate::common::load::Load;

const SOCKET: &str = "socket";

/// Makes a ring, takes hold on both sides of it, and passes it on.
pub fn giver(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board("board");
            let ring = Ring::<T, K>::anonymous(8).expect("make a ring");
            let mut tx = ring.sender().expect("attach a sender");
            let mut rx = ring.receiver().expect("attach a receiver");
            put(&mut tx, 0..4);
            let leased = rx.lease_batch(2).expect("lease");
            assert_eq!(leased.len(), 2);
            let _grant = tx.reserve().expect("reserve");
            let socket = UnixStream::connect(args.path(SOCKET)).expect("call the taker");
            let fds = [ring.as_fd().expect("a descriptor")];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
            let byte = [IoSlice::new(b"1")];
            sendmsg(&socket, &byte, &mut control, SendFlags::empty()).expect("pass it");
            board.set(0, 1);
            board.wait(0, 2); // which nobody says
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

fn take(socket: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).expect("be given");
    let passed = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    passed.expect("a descriptor")
}

/// Whether the giver dies while the descriptor is on its way, or after.
struct Test {
    on_its_way: bool,
}

impl Job for Test {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let home = Home::new();
        let board = home.board("board", 1);
        let listener = UnixListener::bind(home.path(SOCKET)).expect("listen");
        let giver = home.spawn("giver", &[("kind", &K::KIND)]);
        let (socket, _) = listener.accept().expect("the giver calls");
        board.wait(0, 1);
        let mut giver = Some(giver);
        if self.on_its_way {
            giver.take().expect("it lives").kill();
        }
        // Held to the end: it says nothing about the giver.
        let passed = take(&socket);
        let ring = Ring::<T, K>::from_fd(&passed).expect("take the ring");
        if let Some(giver) = giver {
            let stats = ring.stats();
            for peers in [stats.senders, stats.receivers] {
                assert!(peers.len() == 1 && peers[0].alive, "{peers:?}");
                assert_eq!(peers[0].pid, giver.pid());
            }
            if !K::KIND.has_many_receivers() {
                let taken = ring.receiver().err();
                assert!(matches!(taken, Some(AttachError::Occupied { .. })));
            }
            giver.kill();
        }
        let stats = ring.stats();
        for peers in [stats.senders, stats.receivers] {
            assert!(peers.len() == 1 && !peers[0].alive, "{peers:?}");
        }
        let mut rx = ring.receiver().expect("the place is free");
        assert_eq!(get_sorted(&mut rx, 4), [(0, 1), (1, 1), (2, 0), (3, 0)]);
        assert_eq!(rx.try_recv().err(), Some(TryRecvError::Disconnected));
        // Whoever is given it in turn goes on with it.
        let other = Ring::<T, K>::from_fd(&passed).expect("take it once more");
        put(&mut other.sender().expect("the place is free"), 4..12);
        let got = get_sorted(&mut rx, 8);
        assert!(got.into_iter().eq((4..12).map(|number| (number, 0))));
        let stats = ring.stats();
        assert_eq!((stats.redelivered, stats.lost), (2, 0));
        assert!(stats.senders.is_empty() && stats.receivers.len() == 1);
    }
}

#[test]
fn a_passed_ring_outlives_its_giver() {
    for kind in RingKind::ALL {
        for on_its_way in [false, true] {
            dispatch(kind, Line::NAME, Test { on_its_way });
        }
    }
}
