//! Traffic in both directions, with survivors on both sides.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Layout, Side};
use memring_testkit::for_each_kind;
use memring_testkit::kinds::Cloning;

use super::cases::{Plan, run_all, title};
use super::scene::{Scene, small};
use super::table::{self, Program};

/// The board on which an unharmed process tells what it has passed.
pub const PASSAGES: &str = "passages";
/// For each cycle of a program, several times over.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

#[derive(Debug)]
struct Case {
    program: Program,
    layout: Layout,
    point: Failpoint,
    nth: u64,
    act: Act,
}

fn meet<K: Cloning>(case: &Case) -> Duration {
    let mut scene = Scene::<K>::new(small(case.layout));
    let sends = case.program == Program::Send;
    scene.succeed_beside(case.program);
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

fn every_point<K: Cloning>(program: Program) {
    let mut cases = Vec::new();
    for layout in table::layouts(K::KIND) {
        for point in table::of_traffic(program, K::KIND, *layout) {
            for (act, nth) in [(Act::Kill, 1), (Act::Kill, 5), (Act::Stop, 2)] {
                cases.push(Case {
                    program,
                    layout: *layout,
                    point,
                    nth,
                    act,
                });
            }
        }
    }
    run_all(&title::<K>(program), &cases, meet::<K>);
}

fn senders<K: Cloning>() {
    every_point::<K>(Program::Send);
}

fn receivers<K: Cloning>() {
    every_point::<K>(Program::Receive);
}

/// The table lists all that such a process passes, of every kind: so that a new
/// point is not tried on one side and forgotten on another.
fn passed_and_listed<K: Cloning>() {
    for layout in table::layouts(K::KIND) {
        passed_by::<K>(Program::Send, *layout);
        passed_by::<K>(Program::Receive, *layout);
    }
}

fn passed_by<K: Cloning>(program: Program, layout: Layout) {
    let mut scene = Scene::<K>::new(small(layout));
    let passages = scene.home.board(PASSAGES, Failpoint::ALL.len());
    let child = scene.spawn(program, &Plan(Vec::new()));
    scene.succeed_beside(program);
    scene.all_go_on();
    std::thread::sleep(LONG_ENOUGH);
    scene.settle(Some(child), false);
    let listed = table::of_traffic(program, K::KIND, layout);
    for (index, point) in Failpoint::ALL.iter().enumerate() {
        assert!(
            passages.get(index) == 0 || listed.contains(point),
            "{program:?} passes {point:?} in {layout}, which is not in the table"
        );
    }
    assert!((0..Failpoint::ALL.len()).any(|index| passages.get(index) > 0));
}

for_each_kind!(senders, receivers, passed_and_listed);
