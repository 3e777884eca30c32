//! An exhaustive model of rendezvous rings with one or two slots, one or two waiter words, few
//! messages and few deaths.
//!
//! The code is the library's own. As in [`explore`](super::explore) it runs one shared access
//! at a time, by replay: a stage is run from its beginning with the results of its earlier
//! accesses, makes one new access, and is suspended at the next. Between two accesses any
//! other process may make one, die, take the place of a dead one, or recover what one held.
//! Every state is visited, and from each of them a final one must be in reach.
//!
//! [`script`] says which part of the code a process runs after which, as the calls of
//! `channel` do; [`world`] has the memory and the ledger, which says what must hold;
//! [`rules`] takes the rules out one at a time, and sees each found broken. Accesses take
//! effect in the order in which they are made: weak memory is the matter of the loom model.

mod engine;
mod rules;
mod script;
mod world;

use engine::HandoverEngine;
use script::{HandoverPlan, HandoverVerb};
use world::HandoverScenario;

/// So many states at most.
const LIMIT: usize = 3_000_000;

fn explore(name: &str, scenario: HandoverScenario) {
    let report = HandoverEngine::new(scenario).run(LIMIT);
    let (states, finals) = (report.states, report.finals);
    println!("{name}: {states} states, {finals} final");
    if let Some(failure) = report.failure {
        panic!("{name}: {failure}");
    }
    assert!(finals > 0, "{name} comes to no end");
}

use HandoverVerb::{Lease, Recv, RecvDropped, RecvTimed, Send, SendTimed, TryRecv, TrySend};

#[test]
fn a_message_is_taken_or_taken_back() {
    for slots in [1, 2] {
        let ring = || HandoverScenario::new(slots, 1);
        explore("send, recv, 2 kills", {
            ring().sender(&[Send]).receiver(&[Recv]).kills(2)
        });
        explore("timed send and recv, 1 kill", {
            ring().sender(&[SendTimed]).receiver(&[RecvTimed]).kills(1)
        });
        explore("two timed senders, recv, 1 kill", {
            let ring = ring().sender(&[SendTimed]).sender(&[SendTimed]);
            ring.receiver(&[Recv]).kills(1)
        });
        explore("timed send, two receivers", {
            let ring = ring().sender(&[SendTimed, Send]);
            ring.receiver(&[Recv]).receiver(&[RecvTimed])
        });
        explore("timed send, leases that are given back, 1 kill", {
            ring()
                .sender(&[SendTimed])
                .receiver(&[Lease, Recv])
                .kills(1)
        });
    }
}

#[test]
fn a_receiver_that_waits_is_bound() {
    for slots in [1, 2] {
        let ring = || HandoverScenario::new(slots, 1);
        explore("try_send, timed recv, 1 kill", {
            ring().sender(&[TrySend]).receiver(&[RecvTimed]).kills(1)
        });
        explore("try_send twice, timed recv twice", {
            let ring = ring().sender(&[TrySend, TrySend]);
            ring.receiver(&[RecvTimed, RecvTimed])
        });
        explore("try_send, timed send, timed recv", {
            let ring = ring().sender(&[TrySend]).sender(&[SendTimed]);
            ring.receiver(&[RecvTimed])
        });
        explore("two of try_send, timed recv", {
            let ring = ring().sender(&[TrySend]).sender(&[TrySend]);
            ring.receiver(&[RecvTimed])
        });
        explore("try_send, timed recv, try_recv", {
            let ring = ring().sender(&[TrySend]);
            ring.receiver(&[RecvTimed]).receiver(&[TryRecv])
        });
    }
    for slots in [1, 2] {
        let ring = || HandoverScenario::new(slots, 1);
        explore("try_send, recv that is dropped, recv, 1 kill", {
            let ring = ring().sender(&[TrySend]);
            ring.receiver(&[RecvDropped, RecvTimed]).kills(1)
        });
        explore("try_send twice, recv that is dropped, another receiver", {
            let ring = ring().sender(&[TrySend, TrySend]);
            ring.receiver(&[RecvDropped]).receiver(&[RecvTimed])
        });
        explore("timed send, recv that is dropped twice", {
            let ring = ring().sender(&[SendTimed]);
            ring.receiver(&[RecvDropped, RecvDropped]).kills(1)
        });
    }
    explore("try_send, two timed receivers, two waiter words, 1 kill", {
        let ring = HandoverScenario::new(1, 2).sender(&[TrySend]);
        ring.receiver(&[RecvTimed]).receiver(&[RecvTimed]).kills(1)
    });
}

#[test]
fn the_end_of_the_ring_gives_messages_back() {
    for slots in [1, 2] {
        let ring = || HandoverScenario::new(slots, 1).closer();
        explore("send, recv, closed, 1 kill", {
            ring().sender(&[Send]).receiver(&[Recv]).kills(1)
        });
        explore("send, lease that is given back, closed", {
            ring().sender(&[Send]).receiver(&[Lease, Recv])
        });
        explore("try_send, recv, closed, 1 kill", {
            ring().sender(&[TrySend]).receiver(&[Recv]).kills(1)
        });
    }
}

#[test]
fn successors_find_nothing_of_the_dead() {
    let ring = || HandoverScenario::new(1, 1).successors();
    explore("send, recv, 1 kill, successors", {
        ring().sender(&[Send]).receiver(&[Recv]).kills(1)
    });
    explore("timed send, timed recv, 1 kill, successors", {
        ring().sender(&[SendTimed]).receiver(&[RecvTimed]).kills(1)
    });
    explore("try_send, timed recv, 1 kill, successors", {
        ring().sender(&[TrySend]).receiver(&[RecvTimed]).kills(1)
    });
}

#[test]
fn what_is_discarded_is_counted() {
    let ring = || HandoverScenario::new(1, 1).discards();
    explore("send, recv, 1 kill, discarded", {
        ring()
            .sender(&[Send])
            .receiver(&[Recv])
            .receiver(&[Recv])
            .kills(1)
    });
    explore("timed send, recv, 2 kills, discarded", {
        ring().sender(&[SendTimed]).receiver(&[Recv]).kills(2)
    });
}

/// Of a sender or a receiver that does these, one after the other.
fn plan(sends: bool, verbs: &[HandoverVerb]) -> HandoverPlan {
    HandoverPlan {
        sends,
        verbs: verbs.to_vec(),
    }
}
