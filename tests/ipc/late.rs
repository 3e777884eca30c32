//! One sender, one receiver, in two processes: what a batch says of a ring that is closed while it
//! is sent, is what is received.

use memring::{Layout, Ring, SendError, Spsc};
use memring_testkit::boards::Board;
use memring_testkit::children::Args;
use memring_testkit::homes::Home;

const ROUNDS: u64 = 150;
/// Messages of a slice: more than the ring holds.
const MESSAGES: u64 = 1 << 20;

// The words of the board.
const ROUND: usize = 0;
const ANSWERED: usize = 1;
const SENT: usize = 2;

fn name(round: u64) -> String {
    format!("late-{round}")
}

/// How a round sends: one by one, by an iterator, or in runs.
fn sends_in_runs(round: u64) -> bool {
    round % 4 != 3
}

/// Sends to the ring of each round until it is closed, and says how many were sent.
pub fn sender(args: &Args) {
    let board = args.board("board");
    let all: Vec<u64> = (0..MESSAGES).collect();
    for round in 0..ROUNDS {
        board.wait(ROUND, round + 1);
        let ring = Ring::<u64, Spsc>::open(name(round)).expect("open the ring");
        let mut tx = ring.sender().expect("attach a sender");
        let (sent, cause) = if sends_in_runs(round) {
            let error = tx.send_slice(&all).expect_err("the ring is closed");
            (error.sent, error.cause)
        } else {
            let mut sent = 0;
            loop {
                match tx.send(sent) {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        assert_eq!(error, SendError::Closed(sent));
                        break (sent as usize, SendError::Closed(()));
                    }
                }
            }
        };
        assert_eq!(cause, SendError::Closed(()));
        board.set(SENT, sent as u64);
        board.set(ANSWERED, round + 1);
    }
}

fn round(board: &Board, home: &Home, number: u64) {
    let layout = [Layout::Lines, Layout::Dense][number as usize % 2];
    let builder = Ring::<u64, Spsc>::builder().layout(layout);
    // From a few to more than are ever under way.
    let builder = builder.capacity(3 + (number as usize * 97) % 5000);
    let ring = builder.create(home.named(&name(number)));
    let ring = ring.expect("make the ring");
    let mut rx = ring.receiver().expect("attach a receiver");
    board.set(ROUND, number + 1);
    let closes_at = 1 + number * 61;
    let mut received = 0;
    while let Ok(message) = rx.recv() {
        assert_eq!(message, received, "round {number}");
        received += 1;
        if received == closes_at {
            ring.close().expect("close the ring");
        }
    }
    board.wait(ANSWERED, number + 1);
    let sent = board.get(SENT);
    assert_eq!(
        sent, received,
        "round {number}, {layout}, closed at {closes_at}"
    );
    assert_eq!((rx.len(), ring.len()), (0, 0));
}

#[test]
fn a_batch_says_exactly_how_many_a_closing_ring_took() {
    let home = Home::new();
    let board = home.board("board", SENT + 1);
    let child = home.spawn("late sender", &[]);
    for number in 0..ROUNDS {
        round(&board, &home, number);
    }
    child.finish();
}
