//! The worlds that are explored in every run, and larger ones on demand:
//! `cargo test --release -p memring --lib explore -- --ignored --nocapture`.
//!
//! A world is told by its processes and how many may die. Where successors are named,
//! each of the dead has one, on the same id, at any later time; a sender's successor
//! sends what is told. Without, the survivors have to do.

use super::engine::Engine;
use super::scenario::{LEASE, Mpmc, Mpsc, RECV, Shape, Spmc, Spsc, ring};
use super::{Op, Reception, Scanners, Scenario};
use Op::{Abandon, Chunk, Send};

const ONE: Op = Send(1);
const BATCH: Reception = Reception { batch: 2, ..LEASE };
const GIVES_BACK: Reception = Reception {
    requeues: 1,
    ..LEASE
};
/// Keeps two in hand while it goes on.
const KEEPS: Reception = Reception {
    batch: 2,
    keeps: true,
    ..LEASE
};
/// Looks at each message first.
const PEEKS: Reception = Reception {
    peeks: true,
    ..RECV
};
/// So many states at most, to stay within the memory of a small machine.
const LIMIT: usize = 40_000_000;

type Worlds = Vec<(&'static str, Scenario)>;

/// A ring with two senders that do these, one each.
fn two(shape: Shape, capacity: u64, ops: &[Op]) -> Scenario {
    ring(shape, capacity).sender(ops).sender(ops)
}

fn one(shape: Shape, capacity: u64, ops: &[Op]) -> Scenario {
    ring(shape, capacity).sender(ops)
}

fn explore(shape: Shape, capacity: u64, worlds: Worlds) {
    for (name, scenario) in worlds {
        let report = Engine::new(scenario).run(LIMIT);
        let (states, seconds) = (report.states, report.took.as_secs_f32());
        let (finals, edges, locals) = (report.finals, report.edges, report.locals);
        println!(
            "{shape:?} of {capacity}, {name}: {states} states, {edges} edges, \
             {finals} final, {locals} local, {seconds:.1} s"
        );
        if let Some((what, trace)) = report.failure {
            panic!("{shape:?} of {capacity}, {name}: {what}\n{trace}");
        }
    }
}

/// Messages of `size` bytes: three of a line's four places, two of two, one of two, one of
/// one; and dense.
const SIZES: [usize; 5] = [16, 24, 32, 48, 64];

fn spsc(n: u64, size: usize) -> Worlds {
    let one = |ops: &[Op]| ring(Spsc, n).size(size).sender(ops);
    let three = || one(&[ONE, ONE, ONE]).closer();
    let pairs = || {
        let ring = one(&[Send(2), Send(2)]).closer();
        ring.receivers(1, BATCH).kills_with_successors(2, &[])
    };
    let mixed = one(&[ONE, Abandon, ONE]).closer();
    vec![
        ("3 messages, 2 kills, successors send", {
            three().receivers(1, LEASE).kills_with_successors(2, &[ONE])
        }),
        ("the same by recv, over the wrap", {
            let ring = three().receivers(1, RECV).kills_with_successors(2, &[ONE]);
            ring.over_the_wrap()
        }),
        ("the same by credit, looked at before", {
            let ring = three().receivers(1, PEEKS);
            ring.kills_with_successors(1, &[ONE]).fast()
        }),
        ("2 runs of 2, 2 kills", pairs()),
        ("the same discarded", pairs().discards()),
        (
            "the same delivered twice at most",
            pairs().max_deliveries(2),
        ),
        ("a run of 5, 2 in hand, 1 kill, over the wrap", {
            let ring = one(&[Send(5)]).closer().receivers(1, KEEPS);
            ring.kills_with_successors(1, &[]).over_the_wrap()
        }),
        ("2 chunks of 2, 2 kills", {
            let ring = one(&[Chunk(2), Chunk(2)]).closer();
            ring.receivers(1, BATCH).kills_with_successors(2, &[])
        }),
        ("a chunk of 5, 1 kill, successors send, over the wrap", {
            let ring = one(&[Chunk(5)]).closer().receivers(1, KEEPS);
            ring.kills_with_successors(1, &[Chunk(2)]).over_the_wrap()
        }),
        ("2 in hand are given back, 2 kills", {
            let keeps = Reception {
                requeues: 1,
                ..KEEPS
            };
            let ring = one(&[Send(3)]).closer().receivers(1, keeps);
            ring.kills_with_successors(2, &[]).max_deliveries(3)
        }),
        ("2 in hand are given back, detaching, 2 kills", {
            let keeps = Reception {
                requeues: 1,
                ..KEEPS
            };
            let ring = one(&[Send(3)]).immortal().receivers(1, keeps);
            let ring = ring.kills_with_successors(2, &[]).max_deliveries(3);
            ring.detaching()
        }),
        ("detaching, 1 kill, successors send", {
            let ring = one(&[ONE]).receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE]).detaching()
        }),
        ("abandoned and given back, 2 kills", {
            mixed
                .receivers(1, GIVES_BACK)
                .kills_with_successors(2, &[ONE])
        }),
    ]
}

fn mpsc(n: u64) -> Worlds {
    let batches = || {
        let ring = two(Mpsc, n, &[Send(2)]).receivers(1, BATCH);
        ring.kills_with_successors(1, &[])
    };
    vec![
        ("2+1, closed, 1 kill, successors send", {
            let ring = two(Mpsc, n, &[ONE]).closer().receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE])
        }),
        ("2+1, 2 kills, successors", {
            let ring = two(Mpsc, n, &[ONE]).receivers(1, LEASE);
            ring.kills_with_successors(2, &[]).over_the_wrap()
        }),
        ("2+1, 2 messages each, both senders die", {
            let ring = two(Mpsc, n, &[ONE, ONE]).receivers(1, LEASE);
            ring.immortal().kills(2)
        }),
        ("2+1, batches of 2, 1 kill", batches()),
        ("the same discarded", batches().discards()),
        ("2+1, 2 messages each, given back, 1 kill", {
            let ring = two(Mpsc, n, &[ONE, ONE]).receivers(1, GIVES_BACK);
            ring.kills_with_successors(1, &[])
        }),
        ("2+1, 1 kill, all scan", {
            let ring = two(Mpsc, n, &[ONE]).receivers(1, LEASE);
            let ring = ring.kills_with_successors(1, &[ONE]);
            ring.scanners(Scanners::All)
        }),
        ("2+1, fast, closed, 1 kill", {
            let ring = ring(Mpsc, n).sender(&[ONE, ONE]).sender(&[ONE]).closer();
            ring.receivers(1, LEASE).kills(1).fast()
        }),
        ("2+1, fast, abandoned and given back, 1 kill", {
            let ring = ring(Mpsc, n).sender(&[ONE, Abandon, ONE]).sender(&[ONE]);
            ring.receivers(1, GIVES_BACK)
                .kills_with_successors(1, &[])
                .fast()
        }),
    ]
}

fn spmc(n: u64) -> Worlds {
    let closed = || one(Spmc, n, &[ONE, ONE]).closer();
    vec![
        ("1+2, closed, 2 kills", {
            closed().receivers(2, LEASE).kills(2)
        }),
        ("1+2, recv, 1 kill, successors", {
            let ring = one(Spmc, n, &[ONE]).receivers(2, RECV);
            ring.kills_with_successors(1, &[ONE]).over_the_wrap()
        }),
        ("1+2, closed, given back, 1 kill", {
            let ring = one(Spmc, n, &[ONE]).closer();
            ring.receivers(2, GIVES_BACK).kills(1)
        }),
        ("1+3, 2 kills", {
            one(Spmc, n, &[ONE]).receivers(3, LEASE).kills(2)
        }),
        ("1+2, closed, 1 kill, scans only before the end", {
            let ring = closed().receivers(2, LEASE).kills(1);
            ring.scanners(Scanners::Concluding)
        }),
        ("1+2, fast, closed, 1 kill", {
            closed().receivers(2, RECV).kills(1).fast()
        }),
        ("1+2, 3 messages, the sender dies twice, successors send", {
            let ring = one(Spmc, n, &[ONE, ONE, ONE]).receivers(2, LEASE);
            ring.kills_with_successors(2, &[ONE]).immortal_receivers()
        }),
    ]
}

fn mpmc(n: u64) -> Worlds {
    let closed = || one(Mpmc, n, &[ONE]).closer();
    vec![
        ("1+2, closed, 1 kill, scans only before the end", {
            let ring = closed().receivers(2, LEASE).kills(1);
            ring.scanners(Scanners::Concluding)
        }),
        ("2+1, 1 kill, successors send", {
            let ring = two(Mpmc, n, &[ONE]).receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE]).over_the_wrap()
        }),
        ("2+2, 1 kill", {
            two(Mpmc, n, &[ONE]).receivers(2, LEASE).kills(1)
        }),
        ("2+2, 2 messages each", {
            two(Mpmc, n, &[ONE, ONE]).receivers(2, LEASE)
        }),
        ("1+2, discarded, 2 kills", {
            let ring = one(Mpmc, n, &[ONE, ONE]).receivers(2, LEASE);
            ring.kills(2).discards()
        }),
        ("1+2, 1 kill, successors", {
            let ring = one(Mpmc, n, &[ONE]).receivers(2, LEASE);
            ring.kills_with_successors(1, &[])
        }),
        ("2+1, fast, 1 kill, successors send", {
            let ring = two(Mpmc, n, &[ONE]).receivers(1, RECV);
            ring.kills_with_successors(1, &[ONE]).fast().over_the_wrap()
        }),
        ("1+2, fast, abandoned, 1 kill", {
            let ring = one(Mpmc, n, &[ONE, Abandon, ONE]);
            ring.receivers(2, RECV).kills(1).fast()
        }),
        ("1+2, fast, batches of 2, 1 kill", {
            let ring = one(Mpmc, n, &[ONE, ONE]);
            ring.receivers(2, BATCH).kills(1).fast()
        }),
        ("1+1, detaching, 1 kill, successors send", {
            let ring = one(Mpmc, n, &[ONE]).receivers(1, LEASE);
            ring.kills_with_successors(1, &[ONE]).detaching()
        }),
        ("2+2, fast", {
            two(Mpmc, n, &[ONE]).receivers(2, RECV).fast()
        }),
    ]
}

/// Lines of three messages with as much room, and dense messages one at a time.
#[test]
fn spsc_keeps_its_promises() {
    explore(Spsc, 3, spsc(3, 16));
    explore(Spsc, 1, spsc(1, 64));
}

/// The other lines.
#[test]
fn spsc_keeps_its_promises_in_all_layouts() {
    for (size, capacity) in [(24, 3), (32, 2), (48, 1)] {
        let worlds = spsc(capacity, size).into_iter();
        let few = worlds.filter(|(name, _)| name.contains("successors send"));
        explore(Spsc, capacity, few.collect());
    }
}

#[test]
#[ignore = "takes minutes"]
fn large_worlds_of_one_sender_and_one_receiver() {
    for size in SIZES {
        for capacity in 1..=4 {
            explore(Spsc, capacity, spsc(capacity, size));
        }
    }
}

#[test]
fn mpsc_keeps_its_promises() {
    for capacity in [1, 2] {
        explore(Mpsc, capacity, mpsc(capacity));
    }
}

#[test]
fn spmc_keeps_its_promises() {
    for capacity in [1, 2] {
        explore(Spmc, capacity, spmc(capacity));
    }
    let detaching = one(Spmc, 1, &[ONE]).receivers(2, RECV).kills(1);
    explore(
        Spmc,
        1,
        vec![("1+2, detaching, 1 kill", detaching.detaching())],
    );
}

#[test]
fn mpmc_keeps_its_promises() {
    for capacity in [1, 2] {
        explore(Mpmc, capacity, mpmc(capacity));
    }
}

#[test]
#[ignore = "takes minutes"]
fn large_worlds_of_many_senders() {
    explore(Mpsc, 4, mpsc(4));
    for n in [1, 2] {
        let worlds = vec![
            ("2+1, abandoned, closed, 1 kill, successors", {
                let ring = ring(Mpsc, n).sender(&[Abandon, ONE]);
                let ring = ring.sender(&[ONE, Abandon]).closer();
                ring.receivers(1, LEASE).kills_with_successors(1, &[])
            }),
            (
                "2+1, fast, 2 messages each, closed, 1 kill, successors send",
                {
                    let ring = two(Mpsc, n, &[ONE, ONE]).closer().receivers(1, LEASE);
                    ring.kills_with_successors(1, &[ONE]).fast()
                },
            ),
            ("2+1, 2 messages each, 2 kills, successors", {
                let ring = two(Mpsc, n, &[ONE, ONE]).receivers(1, LEASE);
                ring.kills_with_successors(2, &[])
            }),
        ];
        explore(Mpsc, n, worlds);
    }
}

#[test]
#[ignore = "takes minutes"]
fn large_worlds_of_many_receivers() {
    for n in [1, 2] {
        let messages = || one(Spmc, n, &[ONE, ONE]);
        let worlds = vec![
            ("1+2, closed, 1 kill, successors send", {
                let ring = messages().closer().receivers(2, LEASE);
                ring.kills_with_successors(1, &[ONE])
            }),
            ("1+2, detaching, 2 kills", {
                one(Spmc, n, &[ONE])
                    .receivers(2, LEASE)
                    .kills(2)
                    .detaching()
            }),
            ("1+2, 3 messages in batches of 2, 1 kill, successors", {
                let ring = one(Spmc, n, &[Send(2), ONE]).receivers(2, BATCH);
                ring.kills_with_successors(1, &[])
            }),
            ("1+2, delivered twice at most, 2 kills, successors", {
                let ring = one(Spmc, n, &[ONE]).receivers(2, LEASE);
                ring.kills_with_successors(2, &[]).max_deliveries(2)
            }),
            ("1+2, discarded, 2 kills, successors", {
                let ring = messages().receivers(2, LEASE);
                ring.kills_with_successors(2, &[]).discards()
            }),
            ("1+2, closed, all given back, 1 kill", {
                messages().closer().receivers(2, GIVES_BACK).kills(1)
            }),
        ];
        explore(Spmc, n, worlds);
    }
}

#[test]
#[ignore = "takes minutes"]
fn large_worlds_of_many_on_both_sides() {
    for n in [1, 2] {
        let worlds = vec![
            ("1+2, closed, 1 kill, successors", {
                let ring = one(Mpmc, n, &[ONE, ONE]).closer().receivers(2, LEASE);
                ring.kills_with_successors(1, &[])
            }),
            ("2+2, 2 messages each, 1 kill", {
                let ring = two(Mpmc, n, &[ONE, ONE]).receivers(2, LEASE);
                ring.kills(1)
            }),
            ("2+2, 2 kills", {
                two(Mpmc, n, &[ONE]).receivers(2, LEASE).kills(2)
            }),
            ("2+2, closed, 1 kill", {
                let ring = two(Mpmc, n, &[ONE]).closer();
                ring.receivers(2, LEASE).kills(1)
            }),
            ("2+2, 1 kill, successors", {
                let ring = two(Mpmc, n, &[ONE]).receivers(2, LEASE);
                ring.kills_with_successors(1, &[])
            }),
            ("1+3, 2 kills", {
                one(Mpmc, n, &[ONE]).receivers(3, LEASE).kills(2)
            }),
            ("1+2, 1 kill, successors, all scan", {
                let ring = one(Mpmc, n, &[ONE, ONE]).receivers(2, LEASE);
                let ring = ring.kills_with_successors(1, &[]);
                ring.scanners(Scanners::All)
            }),
            ("1+2, 2 kills, successors", {
                let ring = one(Mpmc, n, &[ONE]).receivers(2, LEASE);
                ring.kills_with_successors(2, &[])
            }),
        ];
        explore(Mpmc, n, worlds);
    }
}
