//! Members in different PID namespaces.

use std::fmt::Display;

use memring::{Kind, RecvTimeoutError, RingKind, Side};
use memring_testkit::boards::Board;
use memring_testkit::children::{self, Args, Child, Pairs};
use memring_testkit::for_each_kind;
use memring_testkit::holders::{A_WHILE, Scene, get, get_sorted, put};
use memring_testkit::homes::Home;
use memring_testkit::sys;
use memring_testkit::text::skipped;

use super::waiters::{Outcome, Waits};

/// Words of the board of spaces: what the spaces have come to, what they are to
/// do.
const STEP: usize = 0;
const KILL: usize = 1;

/// A step: it is there, or the system does not permit it; then all is done.
const THERE: u64 = 1;
const NOT_PERMITTED: u64 = 2;
const KILLED: u64 = 3;

/// Has a child in a PID namespace of its own; kills it when told to.
pub fn space(args: &Args) {
    let board = args.board(&args.get::<String>("space"));
    if let Err(error) = sys::unshare_children() {
        skipped(format_args!("a PID namespace is not permitted: {error}"));
        return board.set(STEP, NOT_PERMITTED);
    }
    let role: String = args.get("role");
    let mut command = args.command(&role, &args.pairs());
    children::without_parent(&mut command);
    sys::with_own_proc(&mut command);
    match Child::try_spawn(command, &role) {
        Err(error) => {
            skipped(format_args!("a PID namespace with its own /proc: {error}"));
            board.set(STEP, NOT_PERMITTED);
        }
        Ok(inside) => {
            board.set(STEP, THERE);
            board.wait(KILL, 1);
            inside.kill();
            board.set(STEP, KILLED);
            board.wait_to_be_killed();
        }
    }
}

/// A process in a PID namespace of its own, and the one that made it.
struct Space {
    board: Board,
    process: Child,
}

impl Space {
    /// `None` if that is not possible here.
    fn with(home: &Home, name: &str, role: &str, args: &Pairs<'_>) -> Option<Space> {
        let board = home.board(name, 2);
        let mut args = args.to_vec();
        args.extend([("space", &name as &dyn Display), ("role", &role)]);
        let mut command = home.command("space", &args);
        sys::with_own_mounts(&mut command);
        let process = match Child::try_spawn(command, "space") {
            Ok(process) => process,
            Err(error) => {
                skipped(format_args!("namespaces are not permitted here: {error}"));
                return None;
            }
        };
        board.wait(STEP, THERE);
        if board.get(STEP) == NOT_PERMITTED {
            return None; // the child has said why
        }
        Some(Space { board, process })
    }

    fn with_holder<K: Kind>(
        scene: &Scene<K>,
        name: &str,
        side: Side,
        leases: usize,
    ) -> Option<Space> {
        let spawn = |args: &Pairs<'_>| Space::with(&scene.home, name, "holder", args);
        scene.hold_by(spawn, 0, side, leases)
    }

    fn kill(self) {
        self.board.set(KILL, 1);
        self.board.wait(STEP, KILLED);
        self.process.kill();
    }
}

fn life_and_death_are_seen_across_pid_namespaces<K: Kind>() {
    let scene = Scene::<K>::of(8);
    let mut tx = scene.sender();
    put(&mut tx, 0..4);
    drop(tx);
    let there = |name, side, leases| Space::with_holder(&scene, name, side, leases);
    let Some(receiver) = there("receiver", Side::Receiver, 2) else {
        return;
    };
    let Some(sender) = there("sender", Side::Sender, 0) else {
        return;
    };
    let peers = || {
        let stats = scene.ring.stats();
        (stats.senders[0], stats.receivers[0])
    };
    // Each is the first process where it is: the same number, which
    // says nothing about who lives.
    let (one, other) = peers();
    assert_eq!((one.pid, other.pid), (1, 1));
    assert!(one.alive && other.alive);
    assert!(K::KIND.has_many_senders() || scene.ring.sender().is_err());
    assert!(K::KIND.has_many_receivers() || scene.ring.receiver().is_err());
    // Nobody takes what members that are alive hold.
    std::thread::sleep(A_WHILE);
    assert_eq!(scene.ring.stats().redelivered, 0);

    receiver.kill();
    let (one, other) = peers();
    assert!(one.alive && !other.alive);
    let mut rx = scene.receiver();
    assert_eq!(get_sorted(&mut rx, 4), [(0, 1), (1, 1), (2, 0), (3, 0)]);
    // The sender's grant is waited for as long as it lives; one to one, nothing shows it.
    match rx.recv_timeout(A_WHILE).err() {
        Some(RecvTimeoutError::Timeout(Some(told))) => assert_eq!(told.id, one.id),
        Some(RecvTimeoutError::Timeout(None)) if K::KIND == RingKind::Spsc => {}
        late => panic!("expected the sender to be named, found {late:?}"),
    }
    sender.kill();
    put(&mut scene.sender(), 4..5);
    assert_eq!(get(&mut rx), (4, 0));
    scene.counted(2, 0);
}

for_each_kind!(life_and_death_are_seen_across_pid_namespaces);

/// Those inside find out about deaths outside, asleep as they are.
fn those_in_a_namespace_notice_deaths_outside<K: Kind>() {
    notices_death_of::<K>(Side::Sender);
    if K::KIND.has_many_receivers() {
        notices_death_of::<K>(Side::Receiver);
    }
}

fn notices_death_of<K: Kind>(dead: Side) {
    let scene = Scene::<K>::of(8);
    let mut tx = None;
    if dead == Side::Receiver {
        let tx = tx.insert(scene.sender());
        put(tx, 0..1);
    }
    let outside = scene.hold(dead, 1);
    let waits = Waits::new(&scene.home, "waits", Side::Receiver);
    let args = waits.args::<K>();
    let Some(inside) = Space::with(&scene.home, "inside", "waiter", &args) else {
        return;
    };
    waits.wait_ready();
    // Nobody inside has its number, and yet it lives.
    std::thread::sleep(A_WHILE);
    assert!(waits.is_waiting());
    outside.kill();
    let expected = match dead {
        Side::Sender => Outcome::Disconnected,
        Side::Receiver => Outcome::Received(0, 1),
    };
    assert_eq!(waits.outcome(), expected);
    drop(inside);
}

for_each_kind!(those_in_a_namespace_notice_deaths_outside);
