//! Processes killed while they make a ring.

use std::time::Duration;

use memring::{Mpmc, Ring};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;
use memring_testkit::random::Random;

const KILLS: usize = 100;
const CAPACITY: usize = 1 << 12;
/// Not zero: then every slot is written before the ring is whole.
const START: u64 = 1 << 40;

type Made = Ring<u64, Mpmc>;

/// Makes and removes one ring after the other.
pub fn creator(args: &Args) {
    let board = args.board("board");
    board.add(0, 1);
    for number in 0u64.. {
        let name = format!("made-{number}");
        let builder = Made::builder().capacity(CAPACITY).start_position(START);
        let ring = match number % 2 {
            0 => builder.create(&name),
            _ => builder.open_or_create(&name),
        };
        drop(ring.expect("make a ring"));
        board.add(1, 1);
        memring::remove(&name).expect("remove the ring");
    }
}

#[test]
fn a_killed_creator_leaves_a_whole_ring_or_nothing() {
    let home = Home::new();
    let board = home.board("board", 2);
    let mut random = Random::new();
    let mut left = 0;
    for kill in 0..KILLS {
        let child = home.spawn("creator", &[]);
        board.wait(0, kill as u64 + 1);
        // The first `membarrier` of a process with threads takes 10 to 30 ms.
        std::thread::sleep(random.up_to(Duration::from_millis(60)));
        child.kill();
        let files = std::fs::read_dir(home.rings()).expect("list the rings");
        for file in files {
            let path = file.expect("a file").path();
            let path = path.to_str().expect("a path of ASCII");
            let ring = Made::open(path).expect("a whole ring");
            assert_eq!(ring.capacity(), CAPACITY);
            let mut tx = ring.sender().expect("attach a sender");
            let mut rx = ring.receiver().expect("attach a receiver");
            for number in 0..2 * CAPACITY as u64 {
                tx.try_send(number).expect("an empty ring");
                assert_eq!(rx.try_recv(), Ok(number));
            }
            let inspection = memring::inspect(path).expect("look at the ring");
            assert_eq!(inspection.stats.sent, 2 * CAPACITY as u64);
            memring::remove(path).expect("remove the ring");
            left += 1;
        }
    }
    println!(
        "{} rings made, {left} whole ones left by {KILLS} killed",
        board.get(1)
    );
    assert!(board.get(1) > 0);
}
