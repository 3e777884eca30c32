//! Those who clear up after the dead, take their place, or close the ring:
//! killed and stopped at it.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{OnDeath, RecvError, RingKind, Side};

use crate::cases::{Plan, run_all, title};
use crate::cast::{Cast, Job, dispatch};
use crate::for_each_kind;
use crate::scene::{A_WHILE, Scene, nothing_is_left, small};
use crate::table::{self, Dead, Program};
use crate::victim::held;

#[derive(Debug)]
struct Case {
    kind: RingKind,
    dead: Dead,
    program: Program,
    point: Failpoint,
    act: Act,
}

fn has_many(kind: RingKind, side: Side) -> bool {
    match side {
        Side::Sender => kind.has_many_senders(),
        Side::Receiver => kind.has_many_receivers(),
    }
}

impl Case {
    /// The doomed one's side.
    fn side(&self) -> Side {
        match self.program {
            Program::Send | Program::RepairAsSender | Program::InheritAsSender => Side::Sender,
            _ => Side::Receiver,
        }
    }

    fn scene<K: Cast>(&self) -> Scene<K> {
        let on_death = match self.dead {
            Dead::ReceiverDiscarded => OnDeath::Discard,
            _ => OnDeath::Redeliver,
        };
        Scene::new(small().on_receiver_death(on_death))
    }
}

impl Job for &Case {
    type Result = Duration;

    fn run<K: Cast>(self) -> Duration {
        let case = self;
        let mut scene = case.scene::<K>();
        let heir = matches!(
            case.program,
            Program::InheritAsSender | Program::InheritAsReceiver
        );
        let victim = held(&scene, case.dead, case.side());
        let plan = Plan::of(case.point, 1, case.act);
        let doomed = if heir {
            if case.dead == Dead::Published {
                victim.dies();
            } else {
                victim.kill();
            }
            scene.spawn(case.program, &plan)
        } else {
            // The repairer is there before the death, which it alone can find.
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
                // Others repair past a repairer that is stopped.
                for side in [Side::Sender, Side::Receiver] {
                    if side != case.side() || has_many(case.kind, side) {
                        scene.add(side);
                    }
                }
                std::thread::sleep(A_WHILE);
                doomed.resume();
                (scene.all_go_on(), Some(doomed))
            }
        };
        let lost = scene.ring.stats().lost;
        let leased = crate::victim::LEASED as u64;
        match case.dead {
            // One too many at most: a repairer was killed, or came too late.
            Dead::ReceiverDiscarded => assert!((leased..=leased + 1).contains(&lost), "{lost}"),
            _ => assert_eq!(lost, 0),
        }
        scene.settle(resumed, true);
        time
    }
}

fn with_both_acts(points: Vec<Failpoint>) -> impl Iterator<Item = (Failpoint, Act)> {
    let acts = |point| [(point, Act::Kill), (point, Act::Stop)];
    points.into_iter().flat_map(acts)
}

fn repairers(kind: RingKind) {
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
            if side == victim && !has_many(kind, side) {
                continue; // that would be its heir
            }
            if dead == Dead::ReceiverDiscarded && !has_many(kind, Side::Receiver) {
                continue; // only an heir can tell what a single receiver held
            }
            for (point, act) in with_both_acts(table::of_repair(dead, kind)) {
                cases.push(Case {
                    kind,
                    dead,
                    program,
                    point,
                    act,
                });
            }
        }
    }
    run_all(&title(kind, "repairers"), &cases, |case| {
        dispatch(kind, case)
    });
}

fn heirs(kind: RingKind) {
    let mut cases = Vec::new();
    let mut add = |dead, program| {
        for (point, act) in with_both_acts(table::of_heir(dead)) {
            cases.push(Case {
                kind,
                dead,
                program,
                point,
                act,
            });
        }
    };
    if has_many(kind, Side::Sender) {
        add(Dead::AllPlaces, Program::InheritAsSender);
    } else {
        add(Dead::Published, Program::InheritAsSender);
    }
    if has_many(kind, Side::Receiver) {
        add(Dead::AllPlaces, Program::InheritAsReceiver);
    } else {
        add(Dead::Receiver, Program::InheritAsReceiver);
        add(Dead::ReceiverDiscarded, Program::InheritAsReceiver);
    }
    run_all(&title(kind, "heirs"), &cases, |case| dispatch(kind, case));
}

#[derive(Debug)]
struct Closing {
    point: Failpoint,
    act: Act,
}

impl Job for &Closing {
    type Result = Duration;

    fn run<K: Cast>(self) -> Duration {
        let mut scene = Scene::<K>::new(small());
        scene.add(Side::Sender);
        let child = scene.spawn(Program::Close, &Plan::of(self.point, 1, self.act));
        let stopped = match self.act {
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
        scene.settle(stopped, self.act == Act::Kill);
        Duration::ZERO
    }
}

fn closers(kind: RingKind) {
    let cases: Vec<Closing> = with_both_acts(table::OF_CLOSING.to_vec())
        .map(|(point, act)| Closing { point, act })
        .collect();
    run_all(&title(kind, "closers"), &cases, |case| dispatch(kind, case));
}

/// A repairer stops between its count and its change; somebody else repairs;
/// it goes on, and is killed or stopped when it finds that out.
#[derive(Debug)]
struct Late {
    kind: RingKind,
    act: Act,
}

impl Job for &Late {
    type Result = Duration;

    fn run<K: Cast>(self) -> Duration {
        let mut scene = Scene::<K>::new(small());
        let victim = held(&scene, Dead::Receiver, Side::Receiver);
        let [late] = table::OF_LATE_REPAIR;
        let plan = Plan(vec![
            (Failpoint::GivenBackCounted, 1, Act::Stop),
            (late, 1, self.act),
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
        if self.act == Act::Kill {
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
}

#[test]
fn late_repairers() {
    let mut cases = Vec::new();
    for kind in [RingKind::Spmc, RingKind::Mpmc] {
        for act in [Act::Kill, Act::Stop] {
            cases.push(Late { kind, act });
        }
    }
    run_all("late repairers", &cases, |case| dispatch(case.kind, case));
}

/// A single sender dies inside an operation, and its heir does nothing: then
/// nothing is under way, and a closed ring comes to its end.
fn idle_heirs(kind: RingKind) {
    struct Test;
    impl Job for Test {
        type Result = ();

        fn run<K: Cast>(self) {
            let scene = Scene::<K>::new(small());
            let mut rx = scene.ring.receiver().expect("a place");
            held(&scene, Dead::Sender, Side::Sender).kill();
            let heir = scene.ring.sender().expect("the place of the dead");
            scene.ring.close().expect("close the ring");
            assert_eq!(rx.recv(), Err(RecvError::Closed));
            drop((heir, rx));
            nothing_is_left(&scene.ring);
        }
    }
    dispatch(kind, Test);
}

for_each_kind!(idle_heirs, repairers, heirs, closers);
