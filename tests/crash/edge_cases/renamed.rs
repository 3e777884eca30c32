//! Names that change hands while processes are attached.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use memring::{Kind, Mpmc, Ring, RingError, Side, TryRecvError, TrySendError};
use memring_testkit::children::{Args, Child};
use memring_testkit::for_each_kind;
use memring_testkit::holders::{Scene, get, get_sorted, put};
use memring_testkit::homes::Home;
use memring_testkit::kinds::peers;
use memring_testkit::loads::Line;
use memring_testkit::random::Random;

fn the_attached_end_with_the_old_ring_and_openers_get_the_new_one<K: Kind>() {
    let scene = Scene::<K>::of(8);
    let name = scene.home.ring();
    let old = &scene.ring;
    let mut old_tx = old.sender().expect("attach a sender");
    put(&mut old_tx, 0..3);
    let old_holder = scene.hold(Side::Receiver, 2);
    memring::remove(&name).expect("remove the ring");
    let gone = Ring::<Line, K>::open(&name);
    assert!(matches!(gone, Err(RingError::NotFound { .. })));
    let new = Ring::<Line, K>::create(&name, 16).expect("make another");
    let opened = Ring::<Line, K>::open(&name).expect("open the other");
    assert_eq!((old.capacity(), opened.capacity()), (8, 16));
    assert_eq!(memring::inspect(&name).expect("look at it").capacity, 16);
    // Nobody is attached to the new one, also on sides of one.
    let mut new_tx = opened.sender().expect("attach to the other");
    put(&mut new_tx, 10..13);
    let new_holder = scene.hold(Side::Receiver, 2);
    let pids = |ring: &Ring<Line, K>| {
        let peers = peers(ring, Side::Receiver).into_iter();
        peers.map(|peer| (peer.pid, peer.alive)).collect::<Vec<_>>()
    };
    assert_eq!(pids(old), [(old_holder.pid(), true)]);
    assert_eq!(pids(&new), [(new_holder.pid(), true)]);

    // A death among the old is noticed by the old, and only by them.
    let old_pid = old_holder.pid();
    old_holder.kill();
    assert_eq!(pids(old), [(old_pid, false)]);
    assert_eq!(pids(&new), [(new_holder.pid(), true)]);
    let mut old_rx = old.receiver().expect("the place is free");
    assert_eq!(get_sorted(&mut old_rx, 3), [(0, 1), (1, 1), (2, 0)]);
    // The old one has ended, which is not the end of the new.
    let sent = old_tx.try_send([3; 8]);
    assert!(matches!(sent, Err(TrySendError::Removed(_))), "{sent:?}");
    assert_eq!(old_rx.try_recv().err(), Some(TryRecvError::Removed));
    assert_eq!((old.stats().redelivered, new.stats().redelivered), (2, 0));
    assert!(old.is_closed() && old.is_removed());
    assert!(!new.is_closed() && !new.is_removed());
    new_holder.kill();
    let mut new_rx = new.receiver().expect("the place is free");
    assert_eq!(get_sorted(&mut new_rx, 3), [(10, 1), (11, 1), (12, 0)]);
    put(&mut new_tx, 13..14);
    assert_eq!(get(&mut new_rx), (13, 0));
    assert_eq!((old.stats().redelivered, new.stats().redelivered), (2, 2));
    assert_eq!((old.stats().lost, new.stats().lost), (0, 0));
}

for_each_kind!(the_attached_end_with_the_old_ring_and_openers_get_the_new_one);

const RACERS: usize = 4;
const KILLS: u64 = 40;
const NAME: &str = "raced";

/// Words of the board: racers started, rounds done, messages of another ring,
/// removals.
const STARTED: usize = 0;
const ROUNDS: usize = 1;
const CROSSED: usize = 2;
const REMOVED: usize = 3;

/// Which file a ring is.
fn inode<K: Kind>(ring: &Ring<u64, K>) -> u64 {
    let fd = ring.share_fd().expect("a descriptor").try_clone_to_owned();
    let file = std::fs::File::from(fd.expect("a second one"));
    file.metadata().expect("look at the file").ino()
}

/// Opens or makes a ring, talks to the peers that are there, and removes it.
pub fn racer(args: &Args) {
    let board = args.board("board");
    board.add(STARTED, 1);
    loop {
        let ring = Ring::<u64, Mpmc>::open_or_create(NAME, 64).expect("have the ring");
        let own = inode(&ring);
        let mut tx = ring.sender().expect("attach a sender");
        let mut rx = ring.receiver().expect("attach a receiver");
        for _ in 0..8 {
            match tx.try_send(own) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Held(..)) => {}
                Err(TrySendError::Removed(_)) => break, // another was faster
                Err(error) => panic!("{error}"),
            }
            match rx.try_recv() {
                Ok(from) => drop(board.add(CROSSED, u64::from(from != own))),
                Err(TryRecvError::Empty | TryRecvError::Held(_)) => {}
                Err(TryRecvError::Removed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        match memring::remove(NAME) {
            Ok(()) => drop(board.add(REMOVED, 1)),
            Err(RingError::NotFound { .. }) => {} // somebody was faster
            Err(error) => panic!("{error}"),
        }
        board.add(ROUNDS, 1);
    }
}

/// A remover killed in the middle leaves neither a lock nor half a ring.
#[test]
fn removers_that_are_killed_hold_nobody_up() {
    let home = Home::new();
    let board = home.board("board", 4);
    let mut random = Random::new();
    let start = || home.spawn("racing remover", &[]);
    let mut racers: Vec<Child> = (0..RACERS).map(|_| start()).collect();
    for kill in 0..KILLS {
        board.wait(STARTED, RACERS as u64 + kill);
        std::thread::sleep(random.up_to(Duration::from_millis(5)));
        let victim = random.below(RACERS as u64) as usize;
        racers.swap_remove(victim).kill();
        // The others go on: each of them does, for the rounds are short.
        board.wait(ROUNDS, board.get(ROUNDS) + RACERS as u64);
        racers.push(start());
    }
    for racer in &mut racers {
        assert!(racer.is_running(), "a racer has failed");
    }
    drop(racers);
    assert_eq!(board.get(CROSSED), 0, "messages went to another ring");
    assert!(board.get(REMOVED) > 0);
    // What is left under the name is a whole ring, or nothing.
    let files = std::fs::read_dir(home.rings()).expect("list the rings");
    let files: Vec<_> = files
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert!(files.is_empty() || files == [NAME], "{files:?}");
    let ring = Ring::<u64, Mpmc>::open_or_create(home.named(NAME), 64).expect("have it");
    let mut rx = ring.receiver().expect("attach a receiver");
    let own = inode(&ring);
    assert!(rx.try_iter().all(|from| from == Ok(own)));
    memring::remove(home.named(NAME)).expect("remove it");
}
