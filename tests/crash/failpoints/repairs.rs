//! Those who clear up after the dead, take their place, or close the ring:
//! killed and stopped at it.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Layout, OnDeath, RecvError, Side};
use memring_testkit::for_each_kind;
use memring_testkit::kinds::{Cloning, has_many};

use super::cases::{Plan, run_all, title};
use super::scene::{A_WHILE, Scene, nothing_is_left, small};
use super::table::{self, Dead, Program};
use super::victim::{self, held};

#[derive(Debug)]
struct Case {
    dead: Dead,
    program: Program,
    layout: Layout,
    point: Failpoint,
    act: Act,
}

impl Case {
    /// The doomed one's side.
    fn side(&self) -> Side {
        match self.program {
            Program::Send | Program::RepairAsSender | Program::SucceedAsSender => Side::Sender,
            _ => Side::Receiver,
        }
    }

    fn scene<K: Cloning>(&self) -> Scene<K> {
        let on_death = match self.dead {
            Dead::ReceiverDiscarded => OnDeath::Discard,
            _ => OnDeath::Redeliver,
        };
        Scene::new(small(self.layout).on_receiver_death(on_death))
    }
}

fn repair<K: Cloning>(case: &Case) -> Duration {
    let mut scene = case.scene::<K>();
    let successor = matches!(
        case.program,
        Program::SucceedAsSender | Program::SucceedAsReceiver
    );
    let victim = held(&scene, case.dead, case.side());
    let plan = Plan::of(case.point, 1, case.act);
    let doomed = if successor {
        if case.dead == Dead::Published {
            victim.dies();
        } else {
            victim.kill();
        }
        scene.spawn(case.program, &plan)
    } else {
        // The survivor is there before the death, which it alone can find.
        let ready = scene.progress.readies();
        let doomed = scene.spawn(case.program, &plan);
        scene.progress.wait_ready(ready + 1);
        victim.kill();
        scene.progress.tell_to_go();
        doomed
    };
    let (time, resumed) = match case.act {
        Act::Kill => {
            doomed.dies();
            scene.succeed();
            (scene.all_go_on(), None)
        }
        Act::Stop => {
            doomed.wait_for_state('T');
            scene.is_respected(&doomed, case.side());
            // Others recover past a survivor that is stopped.
            for side in [Side::Sender, Side::Receiver] {
                if side != case.side() || has_many(K::KIND, side) {
                    scene.add(side);
                }
            }
            std::thread::sleep(A_WHILE);
            doomed.resume();
            (scene.all_go_on(), Some(doomed))
        }
    };
    let lost = scene.ring.stats().lost;
    let leased = victim::LEASED as u64;
    match case.dead {
        // One too many at most: a survivor was killed, or came too late.
        Dead::ReceiverDiscarded => assert!((leased..=leased + 1).contains(&lost), "{lost}"),
        _ => assert_eq!(lost, 0),
    }
    scene.settle(resumed, true);
    time
}

fn with_both_acts(points: Vec<Failpoint>) -> impl Iterator<Item = (Failpoint, Act)> {
    let acts = |point| [(point, Act::Kill), (point, Act::Stop)];
    points.into_iter().flat_map(acts)
}

fn survivors<K: Cloning>() {
    let mut cases = Vec::new();
    for dead in [Dead::Sender, Dead::Receiver, Dead::ReceiverDiscarded] {
        let victim = match dead {
            Dead::Sender => Side::Sender,
            _ => Side::Receiver,
        };
        for (program, side) in [
            (Program::RepairAsSender, Side::Sender),
            (Program::RepairAsReceiver, Side::Receiver),
        ] {
            if side == victim && !has_many(K::KIND, side) {
                continue; // that would be its successor
            }
            if dead == Dead::ReceiverDiscarded && !has_many(K::KIND, Side::Receiver) {
                continue; // only a successor can tell what a single receiver held
            }
            for layout in table::layouts(K::KIND) {
                for (point, act) in with_both_acts(table::of_repair(dead, K::KIND)) {
                    cases.push(Case {
                        dead,
                        program,
                        layout: *layout,
                        point,
                        act,
                    });
                }
            }
        }
    }
    run_all(&title::<K>("survivors"), &cases, repair::<K>);
}

fn successors<K: Cloning>() {
    let mut cases = Vec::new();
    let mut add = |dead, program| {
        for layout in table::layouts(K::KIND) {
            for (point, act) in with_both_acts(table::of_successor(dead, K::KIND)) {
                cases.push(Case {
                    dead,
                    program,
                    layout: *layout,
                    point,
                    act,
                });
            }
        }
    };
    if has_many(K::KIND, Side::Sender) {
        add(Dead::AllPlaces, Program::SucceedAsSender);
    } else {
        add(Dead::Published, Program::SucceedAsSender);
    }
    if has_many(K::KIND, Side::Receiver) {
        add(Dead::AllPlaces, Program::SucceedAsReceiver);
    } else {
        add(Dead::Receiver, Program::SucceedAsReceiver);
        add(Dead::ReceiverDiscarded, Program::SucceedAsReceiver);
    }
    run_all(&title::<K>("successors"), &cases, repair::<K>);
}

#[derive(Debug)]
struct Closing {
    layout: Layout,
    point: Failpoint,
    act: Act,
}

fn close<K: Cloning>(case: &Closing) -> Duration {
    let mut scene = Scene::<K>::new(small(case.layout));
    scene.add(Side::Sender);
    let child = scene.spawn(Program::Close, &Plan::of(case.point, 1, case.act));
    let stopped = match case.act {
        Act::Kill => {
            child.dies();
            None
        }
        Act::Stop => {
            child.wait_for_state('T');
            Some(child)
        }
    };
    // Closed, whatever became of the closer.
    if stopped.is_none() || K::KIND.has_many_receivers() {
        scene.add(Side::Receiver);
    }
    if let Some(child) = &stopped {
        std::thread::sleep(A_WHILE);
        child.resume();
    }
    scene.settle(stopped, case.act == Act::Kill);
    Duration::ZERO
}

fn closers<K: Cloning>() {
    let mut cases = Vec::new();
    for layout in table::layouts(K::KIND) {
        for (point, act) in with_both_acts(table::of_closing(K::KIND)) {
            cases.push(Closing {
                layout: *layout,
                point,
                act,
            });
        }
    }
    run_all(&title::<K>("closers"), &cases, close::<K>);
}

/// A survivor stops between its count and its change; another recovers the slot;
/// it goes on, and is killed or stopped when it finds that out.
fn repair_late<K: Cloning>(act: &Act) -> Duration {
    let mut scene = Scene::<K>::new(small(Layout::Auto));
    let victim = held(&scene, Dead::Receiver, Side::Receiver);
    let [late] = table::OF_LATE_REPAIR;
    let plan = Plan(vec![
        (Failpoint::GivenBackCounted, 1, Act::Stop),
        (late, 1, *act),
    ]);
    let ready = scene.progress.readies();
    let doomed = scene.spawn(Program::RepairAsReceiver, &plan);
    scene.progress.wait_ready(ready + 1);
    victim.kill();
    scene.progress.tell_to_go();
    doomed.wait_for_state('T');
    scene.succeed();
    scene.all_go_on(); // so the slot was repaired, and used again
    doomed.resume();
    if *act == Act::Kill {
        doomed.dies();
        let time = scene.all_go_on();
        scene.settle(None, true);
        time
    } else {
        doomed.wait_for_state('T');
        doomed.resume();
        let time = scene.all_go_on();
        scene.settle(Some(doomed), true);
        time
    }
}

fn late_survivors<K: Cloning>() {
    let cases = [Act::Kill, Act::Stop];
    run_all(&title::<K>("late survivors"), &cases, repair_late::<K>);
}

/// A single sender dies inside an operation, and its successor does nothing: then
/// nothing is under way, and a closed ring comes to its end.
fn idle_successors<K: Cloning>() {
    let scene = Scene::<K>::new(small(Layout::Auto));
    let mut rx = scene.ring.receiver().expect("a place");
    held(&scene, Dead::Sender, Side::Sender).kill();
    let successor = scene.ring.sender().expect("the place of the dead");
    scene.ring.close().expect("close the ring");
    assert_eq!(rx.recv(), Err(RecvError::Closed));
    drop((successor, rx));
    nothing_is_left(&scene.ring);
}

for_each_kind!(idle_successors, survivors, successors, closers);
for_each_kind!([spmc mpmc] late_survivors);
