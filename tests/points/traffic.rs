//! Traffic in both directions, with survivors on both sides.

use std::time::Duration;

use memring::points::{Act, Point};
use memring::{RingKind, Side};

use crate::cases::{Plan, run_all, title};
use crate::cast::{Cast, Job, dispatch};
use crate::for_each_kind;
use crate::scene::{Scene, small};
use crate::table::{self, Program};

#[derive(Debug)]
struct Case {
    program: Program,
    point: Point,
    nth: u64,
    act: Act,
}

impl Job for &Case {
    type Result = Duration;

    fn run<K: Cast>(self) -> Duration {
        let case = self;
        let mut scene = Scene::<K>::new(small());
        let sends = case.program == Program::Send;
        if !sends || K::KIND.has_many_senders() {
            scene.add(Side::Sender);
        }
        if sends || K::KIND.has_many_receivers() {
            scene.add(Side::Receiver);
        }
        // Two wherever there may be many, beside the doomed one.
        if !sends && K::KIND.has_many_senders() {
            scene.add(Side::Sender);
        }
        if sends && K::KIND.has_many_receivers() {
            scene.add(Side::Receiver);
        }
        let plan = Plan::of(case.point, case.nth, case.act);
        let child = scene.spawn(case.program, &plan);
        match case.act {
            Act::Kill => {
                child.dies();
                scene.succeed();
                let time = scene.all_go_on();
                scene.settle(None, !sends);
                time
            }
            Act::Stop => {
                child.wait_for_state('T');
                scene.is_respected(&child, if sends { Side::Sender } else { Side::Receiver });
                let stats = scene.ring.stats();
                assert_eq!(stats.lost, 0);
                child.resume();
                let time = scene.all_go_on();
                scene.settle(Some(child), false);
                time
            }
        }
    }
}

fn every_point(kind: RingKind, program: Program) {
    let mut cases = Vec::new();
    for point in table::of_traffic(program, kind) {
        for (act, nth) in [(Act::Kill, 1), (Act::Kill, 5), (Act::Stop, 2)] {
            cases.push(Case {
                program,
                point,
                nth,
                act,
            });
        }
    }
    run_all(&title(kind, program), &cases, |case| dispatch(kind, case));
}

fn senders(kind: RingKind) {
    every_point(kind, Program::Send);
}

fn receivers(kind: RingKind) {
    every_point(kind, Program::Receive);
}

for_each_kind!(senders, receivers);
