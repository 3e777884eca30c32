//! Rings and their members: the real attaching, detaching and scanning, and the real
//! recovery of what a dead member held.

use super::endpoint::{ModelConnection, Peers, Receive, wake_all};
use super::*;
use crate::members::models::{LoomTable, Process};
use crate::members::{Admits, Attached, Members, Observed, Presence, Recover, Role, Scan, Table};
use crate::models::{Witness, explore, spawn};
use crate::ring::end::End;
use crate::ring::multi::MultiReceiver;
use crate::ring::single::SingleSender;
use crate::ring::{Arity, Multi, Single};
use crate::wait::models::Futex;

/// A ring whose members are all of one role: those of the side that is modelled.
struct RingWorld {
    memory: Arc<LoomMemory>,
    table: LoomTable,
    park: Futex,
}

impl RingWorld {
    fn new(memory: Arc<LoomMemory>, first: u16) -> RingWorld {
        RingWorld {
            memory,
            table: LoomTable::new(Role {
                index: 0,
                first,
                end: first + 1,
            }),
            park: Futex::default(),
        }
    }

    /// What the process of this number does.
    fn at<R>(
        &self,
        number: u64,
        act: impl FnOnce(Members<'_, LoomTable, Process<'_>, RingWorld>) -> R,
    ) -> R {
        let table = &self.table;
        act(Members {
            table,
            liveness: &Process { table, number },
            recover: self,
        })
    }

    fn attach(&self, number: u64, admits: Admits) -> Option<Attached> {
        let role = self.table.role();
        self.at(number, |members| {
            members.attach(role, admits, number as u32)
        })
        .ok()
    }

    fn scan(&self, number: u64) -> Scan {
        self.at(number, |members| members.scan(&mut 0, usize::MAX))
    }
}

/// As `channel::segment`.
impl Recover for RingWorld {
    fn recover(&self, dead: &mut MemberSet, is_dead: impl FnMut(MemberId) -> bool) {
        recover::recover_held(&*self.memory, dead, POLICY, is_dead);
    }

    fn wake_all(&self) {
        wake_all(&self.memory, &self.park);
    }
}

/// Process numbers.
const DEAD: u64 = 1;
const SUCCESSOR: u64 = 2;
const SURVIVORS: [u64; 2] = [3, 4];

/// A receiver of many has died with a message in its hands. Two survivors scan while a
/// successor attaches on its id and receives: it gets the message, marked, once, keeps
/// what it holds, and is found by a later scan when it dies too (M2, M3, R13, R14).
/// Two preemptions.
///
/// Seen to fail: `attach` that does not recover its id; `reap` that does not probe
/// again for each slot; `reap` that cleans the entry of an id that has a successor;
/// `clean` that does not compare.
#[test]
fn models_two_scan_while_a_successor_attaches() {
    let by_survivor = Witness::of("recovered by a survivor");
    let by_successor = Witness::of("recovered by the successor");
    let (noted, told) = (by_survivor.clone(), by_successor.clone());
    explore("two scan, a successor attaches", Some(2), move || {
        const ID: MemberId = MemberId(512);
        let memory = LoomMemory::new(1, 0, Fences::Membarrier, SlotWords);
        let world = Arc::new(RingWorld::new(Arc::clone(&memory), ID.0));
        let mut single = sender::<SingleSender>(&*memory, 1);
        assert_eq!(send(&*memory, &mut single, 11), Ok(()));
        world.attach(DEAD, Admits::Many).expect("the id is free");
        let mut dead = receiver::<MultiReceiver<Single>>(&*memory, ID.0);
        possible(dead.claim(&*memory)).expect("a message");
        world.table.free_locks_of(DEAD);

        let successor = {
            let (world, memory) = (Arc::clone(&world), Arc::clone(&memory));
            spawn(move || {
                let attached = world.attach(SUCCESSOR, Admits::Many)?;
                let mut side = receiver::<MultiReceiver<Single>>(&*memory, attached.id.0);
                let claim = possible(side.claim(&*memory));
                // It may be in no survivor's hands: they hold nothing.
                let claim = claim.expect("what the predecessor held");
                assert_eq!(claim.redeliveries, 1);
                Some((side, claim))
            })
        };
        let survivor = {
            let world = Arc::clone(&world);
            spawn(move || world.scan(SURVIVORS[1]))
        };
        let first = world.scan(SURVIVORS[0]);
        let second = survivor.join();
        assert_eq!((first, second), (Scan::Complete, Scan::Complete));
        let (mut side, claim) = successor.join().expect("the id is free");
        let redelivered = memory.cell(Cell::Redelivered).load(Ordering::Relaxed);
        assert_eq!(redelivered, 1);
        // Scans after this find it, for it is alive, and then dead.
        assert!(world.table.is_dirty(ID));
        assert_eq!(world.scan(SURVIVORS[0]), Scan::Complete);
        assert_eq!(receive(&*memory, &mut side), Err(ClaimError::NotReady));
        assert_eq!(memory.payload(claim.position).get(), 11);
        let epoch = world.table.epoch(world.table.role());
        let epoch = epoch.load(Ordering::Relaxed);
        noted.note_if(epoch > 2);
        told.note_if(epoch == 2);
        world.table.free_locks_of(SUCCESSOR);
        assert_eq!(world.scan(SURVIVORS[0]), Scan::Complete);
        assert_eq!(receive(&*memory, &mut side), Ok((11, 2)));
    });
    by_survivor.check();
    by_successor.check();
}

/// The senders of a ring, as a receiver sees them.
struct Senders {
    world: Arc<RingWorld>,
    known: Observed,
}

/// The receiver's process.
const RECEIVER: u64 = 2;

impl Peers for Senders {
    fn presence(&mut self) -> (u64, Presence) {
        let role = self.world.table.role();
        self.world.at(RECEIVER, |members| {
            members.presence_since(role, &mut self.known)
        })
    }

    fn scan_all(&mut self) -> Scan {
        self.world.scan(RECEIVER)
    }
}

/// The only sender sends a message and detaches, or dies and is found by a third party:
/// a receiver that sleeps in between gets the message, and then the end (R19).
/// Two preemptions.
///
/// Seen to fail: `detach` that wakes nobody; `conclude` that does not attempt again.
#[test]
fn models_asleep_until_disconnected() {
    for dies in [false, true] {
        let name = format!("asleep until disconnected, dies: {dies}");
        explore(&name, Some(2), move || {
            let memory = LoomMemory::of::<(Single, Single)>(1, 0, Fences::Full, Nothing);
            let world = Arc::new(RingWorld::new(Arc::clone(&memory), 1));
            let attached = world.attach(DEAD, Admits::One).expect("the id is free");
            let sender = {
                let (world, memory) = (Arc::clone(&world), Arc::clone(&memory));
                spawn(move || {
                    let mut side =
                        sender::<<Single as Arity>::Sender<Single>>(&*memory, attached.id.0);
                    assert_eq!(send(&*memory, &mut side, 11), Ok(()));
                    ModelConnection::alone(&memory, &world.park).notify(Side::Receiver);
                    if dies {
                        world.table.free_locks_of(DEAD);
                        assert_eq!(world.scan(SURVIVORS[0]), Scan::Complete);
                    } else {
                        world.at(DEAD, |members| members.detach(&attached, true));
                    }
                })
            };
            let mut side = receiver::<<Single as Arity>::Receiver<Single>>(&*memory, 512);
            let peers = Senders {
                world: Arc::clone(&world),
                known: Observed::default(),
            };
            let mut connection = ModelConnection::with_peers(&memory, &world.park, peers);
            let received = connection.wait(Receive::<Single, Single>(&mut side));
            assert_eq!(received, Ok(11));
            let end = connection.wait(Receive::<Single, Single>(&mut side));
            assert!(matches!(end, Err(End::Disconnected(_))), "{end:?}");
            sender.join();
        });
    }
}
