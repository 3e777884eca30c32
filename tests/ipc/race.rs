//! Many processes make or open one name at the same moment.

use std::os::unix::fs::MetadataExt;

use memring::{Mpsc, Ring};
use memring_testkit::children::{Args, Child};
use memring_testkit::homes::Home;

const RACERS: usize = 64;
const ROUNDS: usize = 100;

/// Words of the board: who is ready for a round, then which file each racer of
/// each round ended on.
const READY: usize = 0;

fn inode_word(round: usize, racer: usize) -> usize {
    1 + round * RACERS + racer
}

fn name(round: usize) -> String {
    format!("race-{round}")
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn all_racers_end_on_the_same_ring() {
    let home = Home::new();
    let board = home.board("board", inode_word(ROUNDS, 0));
    let racers = (0..RACERS).map(|racer| home.spawn("racer", &[("racer", &racer)]));
    let racers: Vec<Child> = racers.collect();
    racers.into_iter().for_each(Child::finish);
    for round in 0..ROUNDS {
        let path = home.named(&name(round));
        let inode = std::fs::metadata(&path).expect("the ring's file").ino();
        for racer in 0..RACERS {
            let found = board.get(inode_word(round, racer));
            assert_eq!(found, inode, "round {round}: racer {racer} has another");
        }
        let ring = Ring::<u64, Mpsc>::open(&path).expect("open the ring");
        let mut rx = ring.receiver().expect("attach a receiver");
        let mut sent: Vec<u64> = rx.try_iter().map(Result::unwrap).collect();
        sent.sort_unstable();
        assert!(sent.into_iter().eq(0..RACERS as u64), "round {round}");
    }
}

pub fn racer(args: &Args) {
    let racer: usize = args.get("racer");
    let board = args.board("board");
    for round in 0..ROUNDS {
        let ready = (round + 1) * RACERS;
        board.add(READY, 1);
        while board.get(READY) < ready as u64 {
            std::thread::yield_now();
        }
        let ring = Ring::<u64, Mpsc>::open_or_create(name(round), RACERS).expect("have the ring");
        let mut tx = ring.sender().expect("attach a sender");
        tx.try_send(racer as u64).expect("there is room for all");
        let fd = ring.share_fd().expect("a descriptor").try_clone_to_owned();
        let file = std::fs::File::from(fd.expect("a second one"));
        let inode = file.metadata().expect("look at the file").ino();
        board.set(inode_word(round, racer), inode);
    }
}
