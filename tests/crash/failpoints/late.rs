//! One sender, one receiver: a sender that has published at a ring that was closed meanwhile,
//! killed and stopped where it is told whether that came in time.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Layout, RecvError, RingKind, Spsc};
use memring_testkit::loads::{Load, Pair};

use super::cases::{Plan, run_all, title};
use super::program::DOOMED;
use super::scene::{Scene, nothing_is_left, small};
use super::table::{self, Program};

#[derive(Debug)]
struct Case {
    program: Program,
    layout: Layout,
    /// Where the ring is closed while the sender is stopped there, the how manieth time.
    closed_at: (Failpoint, u64),
    /// Whether the receiver comes to the end before the sender goes on.
    receives: bool,
    act: Act,
    /// How many of its messages are in time.
    sent: u64,
}

fn send(case: &Case) -> Duration {
    let scene = Scene::<Spsc>::new(small(case.layout));
    let mut rx = scene.ring.receiver().expect("a place");
    let (before, nth) = case.closed_at;
    let [point] = table::OF_LATE_SEND;
    let plan = Plan(vec![(before, nth, Act::Stop), (point, 1, case.act)]);
    let child = scene.spawn(case.program, &plan);
    child.wait_for_state('T');
    scene.ring.close().expect("close the ring");
    let mut received = 0;
    let mut receive = || {
        while let Ok(message) = rx.recv() {
            assert_eq!(Pair::stamp(&message).number, received);
            received += 1;
        }
        // Another call says the same.
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    };
    if case.receives {
        receive();
    }
    child.resume();
    let sent = match case.act {
        Act::Kill => {
            child.dies();
            None
        }
        Act::Stop => {
            child.wait_for_state('T');
            child.resume();
            child.finish();
            Some(scene.progress.done_by(DOOMED))
        }
    };
    receive();
    assert_eq!(received, case.sent);
    assert!(sent.is_none_or(|sent| sent == received), "{sent:?} sent");
    assert_eq!((scene.ring.len(), scene.ring.stats().sent), (0, received));
    drop(rx);
    nothing_is_left(&scene.ring);
    Duration::ZERO
}

#[test]
fn late_senders() {
    use Failpoint::{Published, Written};
    let mut cases = Vec::new();
    for layout in table::layouts(RingKind::Spsc) {
        // Three messages lie in a line, and those of a line are published together; dense, all.
        let slice = match layout {
            Layout::Lines => ((Written, 2), 3),
            _ => ((Written, 1), 0),
        };
        for (program, closed_at, receives, sent) in [
            // It ends the ring itself, after its message.
            (Program::SendLate, (Published, 1), false, 1),
            (Program::SendLate, (Written, 1), false, 1),
            (Program::SendLate, (Published, 1), true, 1),
            // The receiver has ended it.
            (Program::SendLate, (Written, 1), true, 0),
            (Program::SendSliceLate, slice.0, false, 8),
            (Program::SendSliceLate, slice.0, true, slice.1),
        ] {
            for act in [Act::Kill, Act::Stop] {
                cases.push(Case {
                    program,
                    layout: *layout,
                    closed_at,
                    receives,
                    act,
                    sent,
                });
            }
        }
    }
    run_all(&title::<Spsc>("late senders"), &cases, send);
}
