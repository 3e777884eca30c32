//! loom models of the members of an object: the real attaching, detaching, scanning and
//! presence, over a table and lock bytes of loom's atomics.
//!
//! A lock byte is an atomic that holds the number of the process that has the lock. Each
//! call about it is one read-modify-write, as the kernel makes each under a lock of its
//! own. A process that dies ends before its n-th step, for every n that matters; the
//! kernel then frees its locks. See [`models`](crate::models) for the rest.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

use std::convert::Infallible;
use std::sync::Arc;

use super::{
    Admits, Attached, Liveness, MemberId, MemberSet, Members, Observed, Presence, Recover, Role,
    Scan, Table,
};
use crate::models::{Steps, Witness, explore, live, spawn};
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering};
use crate::wait::models::Futex;
use crate::wait::{Operation, Park, Poll, WaitStrategy, WaitWord, block};

/// The table and the lock bytes of an object whose members are all of one role.
pub(crate) struct LoomTable {
    roles: [Role; 1],
    entries: Vec<AtomicU64>,
    pids: Vec<AtomicU64>,
    locks: Vec<AtomicU64>,
    epoch: AtomicU64,
}

impl LoomTable {
    /// A table of the ids in `role`, all never used.
    pub(crate) fn new(role: Role) -> Self {
        let words = || role.ids().map(|_| AtomicU64::new(0)).collect();
        LoomTable {
            roles: [role],
            entries: words(),
            pids: words(),
            locks: words(),
            epoch: AtomicU64::new(0),
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.roles[0]
    }

    fn index(&self, id: MemberId) -> usize {
        usize::from(id.0 - self.role().first)
    }

    /// The kernel frees the locks of a process that has died.
    pub(crate) fn free_locks_of(&self, process: u64) {
        for lock in &self.locks {
            let _ = lock.compare_exchange(process, 0, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Whether a scan will look at the entry of `id`.
    pub(crate) fn is_dirty(&self, id: MemberId) -> bool {
        self.entry(id).load(Ordering::Acquire) & 1 != 0
    }
}

impl Table for LoomTable {
    fn roles(&self) -> &[Role] {
        &self.roles
    }

    fn entry(&self, id: MemberId) -> &AtomicU64 {
        &self.entries[self.index(id)]
    }

    fn pid(&self, id: MemberId) -> &AtomicU64 {
        &self.pids[self.index(id)]
    }

    fn epoch(&self, _role: Role) -> &AtomicU64 {
        &self.epoch
    }
}

/// A process of this number, as the kernel knows it, at a table.
pub(crate) struct Process<'a> {
    pub table: &'a LoomTable,
    pub number: u64,
}

impl Liveness for Process<'_> {
    type Error = Infallible;

    fn try_lock(&self, id: MemberId) -> Result<bool, Infallible> {
        let lock = &self.table.locks[self.table.index(id)];
        let taken = lock.compare_exchange(0, self.number, Ordering::AcqRel, Ordering::Acquire);
        Ok(taken.is_ok())
    }

    fn unlock(&self, id: MemberId) {
        let lock = &self.table.locks[self.table.index(id)];
        assert_eq!(lock.swap(0, Ordering::AcqRel), self.number);
    }

    fn is_alive(&self, id: MemberId) -> bool {
        let lock = &self.table.locks[self.table.index(id)];
        lock.fetch_add(0, Ordering::AcqRel) != 0
    }
}

/// The same as a process sees it that is killed.
struct Mortal<'a> {
    process: Process<'a>,
    object: &'a Object,
    steps: &'a Steps,
}

impl Table for Mortal<'_> {
    fn roles(&self) -> &[Role] {
        self.process.table.roles()
    }

    fn entry(&self, id: MemberId) -> &AtomicU64 {
        self.steps.step();
        self.process.table.entry(id)
    }

    fn pid(&self, id: MemberId) -> &AtomicU64 {
        self.steps.step();
        self.process.table.pid(id)
    }

    fn epoch(&self, role: Role) -> &AtomicU64 {
        self.steps.step();
        self.process.table.epoch(role)
    }
}

impl Liveness for Mortal<'_> {
    type Error = Infallible;

    fn try_lock(&self, id: MemberId) -> Result<bool, Infallible> {
        self.steps.step();
        self.process.try_lock(id)
    }

    fn unlock(&self, id: MemberId) {
        self.steps.step();
        self.process.unlock(id);
    }

    fn is_alive(&self, id: MemberId) -> bool {
        self.steps.step();
        self.process.is_alive(id)
    }
}

impl Recover for Mortal<'_> {
    fn recover(&self, dead: &mut MemberSet, is_dead: impl FnMut(MemberId) -> bool) {
        self.steps.step();
        self.object.recover(dead, is_dead);
    }

    fn wake_all(&self) {
        self.steps.step();
        self.object.wake_all();
    }
}

/// An object in which a member holds nothing; others sleep at it.
#[derive(Default)]
struct Object {
    word: AtomicU32,
    futex: Futex,
}

impl Recover for Object {
    fn recover(&self, _dead: &mut MemberSet, _is_dead: impl FnMut(MemberId) -> bool) {}

    fn wake_all(&self) {
        WaitWord(&self.word).notify_all(&self.futex);
    }
}

/// The one id of these models.
const ID: MemberId = MemberId(1);
const ROLE: Role = Role {
    index: 0,
    first: 1,
    end: 2,
};

/// Process numbers.
const MEMBER: u64 = 1;
const OBSERVER: u64 = 2;
const SURVIVOR: u64 = 3;

struct World {
    table: LoomTable,
    object: Object,
}

impl World {
    /// A table with a member in it, and the member.
    fn with_member() -> (Arc<World>, Attached) {
        let world = World {
            table: LoomTable::new(ROLE),
            object: Object::default(),
        };
        let member = world.at(MEMBER, |members| {
            members.attach(ROLE, Admits::One, MEMBER as u32)
        });
        (Arc::new(world), member.expect("the id is free"))
    }

    /// What the process of this number does.
    fn at<R>(
        &self,
        number: u64,
        act: impl FnOnce(Members<'_, LoomTable, Process<'_>, Object>) -> R,
    ) -> R {
        let table = &self.table;
        act(Members {
            table,
            liveness: &Process { table, number },
            recover: &self.object,
        })
    }

    /// What it does before it is killed, if `steps` are fewer than it makes; says
    /// whether it was.
    fn until_death(
        &self,
        number: u64,
        steps: u32,
        act: impl FnOnce(Members<'_, Mortal<'_>, Mortal<'_>, Mortal<'_>>),
    ) -> bool {
        let killed = live(steps, |steps| {
            let mortal = Mortal {
                process: Process {
                    table: &self.table,
                    number,
                },
                object: &self.object,
                steps,
            };
            act(Members {
                table: &mortal,
                liveness: &mortal,
                recover: &mortal,
            });
        });
        if killed {
            self.table.free_locks_of(number);
        }
        killed
    }

    /// What an observer finds that remembers what it found before.
    fn presence(&self, known: &mut Observed) -> Presence {
        self.at(OBSERVER, |members| members.presence_since(ROLE, known).1)
    }
}

/// An observer beside a process that dies at some step of `act`; whatever is left to do
/// then, one complete scan does it, and the observer knows.
fn dies(
    name: &str,
    steps: u32,
    number: u64,
    prepare: impl Fn(&World, &mut Observed) + Sync + Send + 'static,
    act: impl Fn(Members<'_, Mortal<'_>, Mortal<'_>, Mortal<'_>>, Attached)
    + Copy
    + Sync
    + Send
    + 'static,
) {
    let name = format!("{name} dies after {steps} steps");
    explore(&name, None, move || {
        let (world, member) = World::with_member();
        let mut known = Observed::default();
        prepare(&world, &mut known);
        let dying = {
            let world = Arc::clone(&world);
            spawn(move || world.until_death(number, steps, |members| act(members, member)))
        };
        world.presence(&mut known);
        world.presence(&mut known);
        dying.join();
        let scan = world.at(SURVIVOR, |members| members.scan(&mut 0, usize::MAX));
        assert_eq!(scan, Scan::Complete);
        assert_eq!(world.presence(&mut known), Presence::Gone);
    });
}

/// A member dies at some step of its detaching, beside an observer that remembers whom
/// it found (M5). Exhaustive.
///
/// Seen to fail: `detach` that cleans its entry before it has counted; `presence` that
/// loads the epoch after the entries.
#[test]
fn models_dead_in_detaching() {
    for steps in 0..=4 {
        dies(
            "a detaching member",
            steps,
            MEMBER,
            |_, _| {},
            |members, member| members.detach(&member, true),
        );
    }
}

/// A survivor dies at some step of a scan that has found a dead member, beside the same
/// observer (M5). Exhaustive.
///
/// Seen to fail: `reap` that cleans the entry before it has counted.
#[test]
fn models_dead_in_scanning() {
    for steps in 1..=6 {
        dies(
            "a scanning survivor",
            steps,
            SURVIVOR,
            |world, known| {
                world.presence(known);
                world.table.free_locks_of(MEMBER);
            },
            |members, _| {
                let _ = members.scan(&mut 0, usize::MAX);
            },
        );
    }
}

/// A member comes and goes beside an observer that looks meanwhile: afterwards the
/// observer has seen it, and one that begins to look then has not (M6). Exhaustive.
///
/// Seen to fail: `presence` that asks only who is alive.
#[test]
fn models_who_came_was_seen() {
    explore("a member comes and goes beside an observer", None, || {
        let world = Arc::new(World {
            table: LoomTable::new(ROLE),
            object: Object::default(),
        });
        let mut observed = world.at(OBSERVER, |members| members.observe(ROLE));
        let passing = {
            let world = Arc::clone(&world);
            spawn(move || {
                world.at(MEMBER, |members| {
                    let member = members.attach(ROLE, Admits::One, MEMBER as u32);
                    members.detach(&member.expect("the id is free"), true);
                });
            })
        };
        world.presence(&mut observed);
        world.presence(&mut observed);
        passing.join();
        assert_eq!(world.presence(&mut observed), Presence::Gone);
        let mut observed = world.at(OBSERVER, |members| members.observe(ROLE));
        assert_eq!(world.presence(&mut observed), Presence::Never);
    });
}

/// An observer that sleeps until the member has gone.
struct Observer<'a> {
    world: &'a World,
    known: Observed,
}

impl Operation for Observer<'_> {
    type Output = ();
    type Error = Infallible;
    type Park = Futex;

    fn look(&mut self) -> Option<()> {
        unreachable!("parks at once")
    }

    fn check(&mut self) -> Poll<(), Infallible> {
        match self.world.presence(&mut self.known) {
            Presence::Gone => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    fn register(&mut self) -> u32 {
        let object = &self.world.object;
        WaitWord(&object.word).register(&object.futex, false, &mut false)
    }

    fn reclaim(&mut self) -> bool {
        false
    }

    fn is_blocked(&mut self) -> bool {
        false
    }

    fn sleep(&mut self, registered: u32, (): ()) -> bool {
        let object = &self.world.object;
        object.futex.sleep(&object.word, registered, ())
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {}

    fn timed_out(&mut self) -> Infallible {
        unreachable!("there is no deadline")
    }

    fn park(&mut self) -> Futex {
        self.world.object.futex.clone()
    }
}

/// An observer sleeps until a member has detached, or until a survivor has found it
/// dead. Exhaustive.
///
/// Seen to fail: `detach` that wakes before it has counted, or not at all; `reap` that
/// does not wake.
#[test]
fn models_going_is_announced() {
    for dead in [false, true] {
        let name = format!("an observer sleeps until a member has gone, dead: {dead}");
        explore(&name, None, move || {
            let (world, member) = World::with_member();
            if dead {
                world.table.free_locks_of(MEMBER);
            }
            // As if it had looked before the death.
            let epoch = world.table.epoch(ROLE).load(Ordering::Acquire);
            let mut known = Observed::default();
            known.latest = Some((epoch, Presence::Present));
            let going = {
                let world = Arc::clone(&world);
                spawn(move || match dead {
                    false => world.at(MEMBER, |members| members.detach(&member, true)),
                    true => world.at(SURVIVOR, |members| {
                        let _ = members.scan(&mut 0, usize::MAX);
                    }),
                })
            };
            let mut observer = Observer {
                world: &world,
                known,
            };
            let Ok(()) = block(&mut observer, WaitStrategy::Park.spins(), None);
            going.join();
        });
    }
}
