//! One sender, one receiver: a sender that has published at a ring that was closed meanwhile,
//! killed and stopped where it is told whether that came in time.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Layout, RecvError, RingKind, Spsc};

use super::cases::{Plan, run_all, title};
use super::program::DOOMED;
use super::scene::{Scene, nothing_is_left, small};
use super::table::{self, Program};

#[derive(Debug)]
struct Case {
    layout: Layout,
    /// The receiver comes to the end first, and the message too late.
    is_late: bool,
    act: Act,
}

fn send(case: &Case) -> Duration {
    let scene = Scene::<Spsc>::new(small(case.layout));
    let mut rx = scene.ring.receiver().expect("a place");
    let before = match case.is_late {
        true => Failpoint::Written,
        false => Failpoint::Published,
    };
    let [point] = table::OF_LATE_SEND;
    let plan = Plan(vec![(before, 1, Act::Stop), (point, 1, case.act)]);
    let child = scene.spawn(Program::SendLate, &plan);
    child.wait_for_state('T');
    scene.ring.close().expect("close the ring");
    if case.is_late {
        assert_eq!(rx.recv(), Err(RecvError::Closed));
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
    let mut received = 0;
    let end = loop {
        match rx.lease() {
            Ok(lease) => {
                lease.release();
                received += 1;
            }
            Err(end) => break end,
        }
    };
    assert_eq!(end, RecvError::Closed);
    // It fixed the end itself, after its message, or was told.
    assert_eq!(received, u64::from(!case.is_late));
    assert!(sent.is_none_or(|sent| sent == received), "{sent:?} sent");
    assert_eq!((scene.ring.len(), scene.ring.stats().sent), (0, received));
    drop(rx);
    nothing_is_left(&scene.ring);
    Duration::ZERO
}

#[test]
fn late_senders() {
    let mut cases = Vec::new();
    for layout in table::layouts(RingKind::Spsc) {
        for is_late in [false, true] {
            for act in [Act::Kill, Act::Stop] {
                cases.push(Case {
                    layout: *layout,
                    is_late,
                    act,
                });
            }
        }
    }
    run_all(&title::<Spsc>("late senders"), &cases, send);
}
