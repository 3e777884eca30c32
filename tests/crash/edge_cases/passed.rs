//! A descriptor that was passed outlives its giver, and the giver's locks do
//! not.

use std::os::unix::net::{UnixListener, UnixStream};

use memring::{AttachError, Kind, Ring, TryRecvError};
use memring_testkit::children::Args;
use memring_testkit::for_each_kind;
use memring_testkit::holders::{expect, get_sorted, put};
use memring_testkit::homes::Home;
use memring_testkit::loads::Line;
use memring_testkit::sockets::{pass, take};

const SOCKET: &str = "socket";

/// Makes a ring, takes hold on both sides of it, and passes it on.
pub fn giver<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<Line, K>::anonymous(8).expect("make a ring");
    let mut tx = ring.sender().expect("attach a sender");
    let mut rx = ring.receiver().expect("attach a receiver");
    put(&mut tx, 0..4);
    let leased = rx.lease_batch(2).expect("lease");
    assert_eq!(leased.len(), 2);
    let _grant = tx.reserve().expect("reserve");
    let socket = UnixStream::connect(args.path(SOCKET)).expect("call the taker");
    pass(&socket, &[ring.share_fd().expect("a descriptor")]);
    board.set(0, 1);
    board.wait_to_be_killed();
}

/// The giver dies while the descriptor is on its way, or after.
fn passed_on<K: Kind>(on_its_way: bool) {
    let home = Home::new();
    let board = home.board("board", 1);
    let listener = UnixListener::bind(home.path(SOCKET)).expect("listen");
    let giver = home.spawn("giver", &[("kind", &K::KIND)]);
    let (socket, _) = listener.accept().expect("the giver calls");
    board.wait(0, 1);
    let mut giver = Some(giver);
    if on_its_way {
        giver.take().expect("it lives").kill();
    }
    // Held to the end: it says nothing about the giver.
    let [passed] = take(&socket);
    let ring = Ring::<Line, K>::from_fd(&passed).expect("take the ring");
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
    // A process that is given it in turn goes on with it.
    let other = Ring::<Line, K>::from_fd(&passed).expect("take it once more");
    put(&mut other.sender().expect("the place is free"), 4..12);
    expect(&mut rx, 4..12);
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (2, 0));
    assert!(stats.senders.is_empty() && stats.receivers.len() == 1);
}

fn a_passed_ring_outlives_its_giver<K: Kind>() {
    for on_its_way in [false, true] {
        passed_on::<K>(on_its_way);
    }
}

for_each_kind!(a_passed_ring_outlives_its_giver);
