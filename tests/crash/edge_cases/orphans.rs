//! Children that outlive a killed parent: whatever they have inherited, they
//! do not keep it alive, and what it had is not theirs.

use memring::{
    AttachError, Failure, Kind, Receiver, Ring, SendError, Sender, Side, TryRecvError, TrySendError,
};
use memring_testkit::boards::Board;
use memring_testkit::children::Args;
use memring_testkit::for_each_kind;
use memring_testkit::forks::fork;
use memring_testkit::holders::{counted, expect, get_sorted, put};
use memring_testkit::homes::{Home, RING};
use memring_testkit::loads::{Line, Load};
use rustix::process::set_parent_process_death_signal;

/// Words of the board: what the orphan has come to, what it may go on to, and
/// who it is.
const STEP: usize = 0;
const GO: usize = 1;
const WHO: usize = 2;

/// Its steps: it is there; it has tried what it inherited, after others took
/// over; it has opened the ring itself, and is done.
const THERE: u64 = 1;
const TRIED: u64 = 2;
const DONE: u64 = 3;

/// The number of the message that it sends in the end, where it may.
const OWN: u64 = 77;
const LEASES: usize = 2;

/// How the orphan came to be.
const BY_FORK: &str = "fork";
const BY_EXEC: &str = "exec";

/// Takes hold of a grant and leases, has a child, and waits to be killed.
pub fn parent<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let mut rx = ring.receiver().expect("attach a receiver");
    let mut tx = ring.sender().expect("attach a sender");
    let leased = rx.lease_batch(LEASES).expect("lease");
    assert_eq!(leased.len(), LEASES);
    let mut grant = tx.reserve().expect("reserve");
    let made = Line::numbered(99);
    grant.write(made).expect("write in place");
    // This process keeps them, for the endpoints are not called again.
    std::mem::forget((leased, grant));
    let mut inherited = Some((ring, tx, rx));
    if args.get::<String>("by") == BY_FORK {
        fork(|| {
            let (ring, tx, rx) = inherited.take().expect("once");
            forked(&board, ring, tx, rx);
        })
        .leave();
    } else {
        let ring = inherited.as_ref().map(|(ring, ..)| ring);
        let fd = ring.map(|ring| ring.share_fd().expect("a descriptor"));
        let fd = fd.expect("a ring").try_clone_to_owned();
        let mut command = args.command("executed orphan", &[("kind", &K::KIND)]);
        command.stdin(fd.expect("a second one"));
        drop(command.spawn().expect("start a child"));
    }
    board.wait_to_be_killed();
}

/// The orphan that has its parent's endpoints.
fn forked<K: Kind>(
    board: &Board,
    ring: Ring<Line, K>,
    mut tx: Sender<Line, K>,
    mut rx: Receiver<Line, K>,
) {
    are_refused(&ring, &mut tx, &mut rx); // while the parent lives
    board.set(WHO, std::process::id().into());
    board.set(STEP, THERE);
    board.wait(GO, TRIED);
    are_refused(&ring, &mut tx, &mut rx); // now that others have its place
    drop((tx, rx, ring));
    board.set(STEP, TRIED);
    board.wait(GO, DONE);
    use_own(&Ring::<Line, K>::open(RING).expect("open the ring itself"));
    board.set(STEP, DONE);
}

/// The orphan that was executed: it has a descriptor of the ring.
pub fn executed<K: Kind>(args: &Args) {
    set_parent_process_death_signal(None).expect("outlive the parent");
    let board = args.board("board");
    board.set(WHO, std::process::id().into());
    board.set(STEP, THERE);
    board.wait(GO, TRIED);
    board.set(STEP, TRIED);
    board.wait(GO, DONE);
    use_own(&Ring::<Line, K>::from_fd(std::io::stdin()).expect("open the ring itself"));
    board.set(STEP, DONE);
}

fn are_refused<K: Kind>(
    ring: &Ring<Line, K>,
    tx: &mut Sender<Line, K>,
    rx: &mut Receiver<Line, K>,
) {
    let made = Line::numbered(OWN);
    let sent = tx.try_send(made);
    assert!(matches!(
        sent,
        Err(TrySendError::Failed(_, Failure::Forked))
    ));
    let sent = tx.send(made);
    assert!(matches!(sent, Err(SendError::Failed(_, Failure::Forked))));
    let got = rx.try_lease().map(drop);
    assert_eq!(got, Err(TryRecvError::Failed(Failure::Forked)));
    assert_eq!(ring.close(), Err(Failure::Forked));
    let attached = ring.sender().err();
    assert!(matches!(
        attached,
        Some(AttachError::Failed(Failure::Forked))
    ));
}

/// What is the child's own works, within the rules: single sides are taken.
fn use_own<K: Kind>(ring: &Ring<Line, K>) {
    let sender = ring.sender();
    if K::KIND.has_many_senders() {
        put(&mut sender.expect("attach a sender"), OWN..OWN + 1);
    } else {
        assert!(matches!(sender, Err(AttachError::Occupied { .. })));
    }
    let receiver = ring.receiver();
    if !K::KIND.has_many_receivers() {
        assert!(matches!(receiver, Err(AttachError::Occupied { .. })));
    }
}

fn outlive<K: Kind>(by: &str) {
    let home = Home::new();
    let board = home.board("board", 3);
    let ring = Ring::<Line, K>::create(home.ring(), 4).expect("make a ring");
    put(&mut ring.sender().expect("attach a sender"), 0..3);
    let parent = home.spawn("forking parent", &[("kind", &K::KIND), ("by", &by)]);
    board.wait(STEP, THERE);
    let stats = ring.stats();
    assert!(stats.senders[0].alive && stats.receivers[0].alive);
    parent.kill();
    // At once, for the kernel says so, and not only in a while.
    let stats = ring.stats();
    assert!(!stats.senders[0].alive, "{by}: {:?}", stats.senders);
    assert!(!stats.receivers[0].alive, "{by}: {:?}", stats.receivers);
    let mut tx = ring.sender().expect("the place is free");
    let mut rx = ring.receiver().expect("the place is free");
    assert_eq!(get_sorted(&mut rx, 3), [(0, 1), (1, 1), (2, 0)]);
    counted(&ring, LEASES as u64, 0);

    // The copies of what it had touch nothing of its successors'.
    put(&mut tx, 3..7);
    board.set(GO, TRIED);
    board.wait(STEP, TRIED);
    let orphan = std::path::PathBuf::from(format!("/proc/{}", board.get(WHO)));
    assert!(orphan.exists(), "the child lives on");
    let stats = ring.stats();
    for (side, peers) in [
        (Side::Sender, &stats.senders),
        (Side::Receiver, &stats.receivers),
    ] {
        assert_eq!(peers.len(), 1, "{side}: {peers:?}");
        assert_eq!(peers[0].pid, std::process::id());
        assert!(peers[0].alive);
    }
    assert!(!stats.closed);
    expect(&mut rx, 3..7);
    board.set(GO, DONE);
    board.wait(STEP, DONE);
    if K::KIND.has_many_senders() {
        assert_eq!(get_sorted(&mut rx, 1), [(OWN, 0)]);
    }
    assert_eq!(rx.try_recv().err(), Some(TryRecvError::Empty));
    counted(&ring, LEASES as u64, 0);
}

fn a_forked_child_keeps_nothing_of_a_dead_parent<K: Kind>() {
    outlive::<K>(BY_FORK);
}

fn an_executed_child_keeps_nothing_of_a_dead_parent<K: Kind>() {
    outlive::<K>(BY_EXEC);
}

for_each_kind!(
    a_forked_child_keeps_nothing_of_a_dead_parent,
    an_executed_child_keeps_nothing_of_a_dead_parent,
);
