//! The worlds that are explored in every run, and larger ones on demand.

use super::engine::Engine;
use super::{
    Errand, LEASE, Mpmc, Mpsc, Patrols, RECV, Reception, Setup, Spmc, Spsc, ring,
};
use Errand::{Abandon, Send};

const ONE: Errand = Send(1);
const BATCH: Reception = Reception { batch: 2, ..LEASE };
const GIVES_BACK: Reception = Reception { requeues: 1, ..LEASE };

fn spsc(n: u64) -> Vec<(&'static str, Setup)> {
    vec![
        ("three, two kills, close", ring(Spsc, n).sender(&[ONE, ONE, ONE]).closer().receivers(1, LEASE).kills_with_heirs(2, &[ONE])),
        ("recv", ring(Spsc, n).sender(&[ONE, ONE, ONE]).closer().receivers(1, RECV).kills_with_heirs(2, &[ONE])),
        ("batches", ring(Spsc, n).sender(&[Send(2), Send(2)]).closer().receivers(1, BATCH).kills_with_heirs(2, &[])),
        ("batches discarded", ring(Spsc, n).sender(&[Send(2), Send(2)]).closer().receivers(1, BATCH).kills_with_heirs(2, &[]).discards()),
        ("batches twice", ring(Spsc, n).sender(&[Send(2), Send(2)]).closer().receivers(1, BATCH).kills_with_heirs(2, &[]).attempts(2)),
        ("given back, abandoned", ring(Spsc, n).sender(&[ONE, Abandon, ONE]).closer().receivers(1, GIVES_BACK).kills_with_heirs(2, &[ONE])),
    ]
}

fn mpsc(n: u64) -> Vec<(&'static str, Setup)> {
    vec![
        ("2+1 close kill", ring(Mpsc, n).sender(&[ONE]).sender(&[ONE]).closer().receivers(1, LEASE).kills_with_heirs(1, &[ONE])),
        ("2+1 two kills", ring(Mpsc, n).sender(&[ONE]).sender(&[ONE]).receivers(1, LEASE).kills_with_heirs(2, &[])),
        ("2+1 two kills, no heirs", ring(Mpsc, n).sender(&[ONE, ONE]).sender(&[ONE, ONE]).receivers(1, LEASE).immortal().kills(2)),
        ("2+1 abandon", ring(Mpsc, n).sender(&[Abandon, ONE]).sender(&[ONE, Abandon]).closer().receivers(1, LEASE).kills_with_heirs(1, &[])),
        ("2+1 batch", ring(Mpsc, n).sender(&[Send(2)]).sender(&[Send(2)]).receivers(1, BATCH).kills_with_heirs(1, &[])),
        ("2+1 batch discard", ring(Mpsc, n).sender(&[Send(2)]).sender(&[Send(2)]).receivers(1, BATCH).kills_with_heirs(1, &[]).discards()),
        ("2+1 gives back", ring(Mpsc, n).sender(&[ONE, ONE]).sender(&[ONE, ONE]).receivers(1, GIVES_BACK).kills_with_heirs(1, &[])),
        ("2+1 everybody patrols", ring(Mpsc, n).sender(&[ONE]).sender(&[ONE]).receivers(1, LEASE).kills_with_heirs(1, &[ONE]).patrols(Patrols::Everybody)),
    ]
}

fn spmc(n: u64) -> Vec<(&'static str, Setup)> {
    vec![
        ("1+2 close kill", ring(Spmc, n).sender(&[ONE, ONE]).closer().receivers(2, LEASE).kills_with_heirs(1, &[ONE])),
        ("1+2 close two kills no heirs", ring(Spmc, n).sender(&[ONE, ONE]).closer().receivers(2, LEASE).kills(2)),
        ("1+2 recv kill", ring(Spmc, n).sender(&[ONE, ONE]).receivers(2, RECV).kills_with_heirs(1, &[ONE])),
        ("1+2 batch kill", ring(Spmc, n).sender(&[Send(2), ONE]).receivers(2, BATCH).kills_with_heirs(1, &[])),
        ("1+2 twice two kills", ring(Spmc, n).sender(&[ONE]).receivers(2, LEASE).kills_with_heirs(2, &[]).attempts(2)),
        ("1+2 discard two kills", ring(Spmc, n).sender(&[ONE, ONE]).receivers(2, LEASE).kills_with_heirs(2, &[]).discards()),
        ("1+2 gives back close", ring(Spmc, n).sender(&[ONE, ONE]).closer().receivers(2, GIVES_BACK).kills(1)),
        ("1+3 two kills, no heirs", ring(Spmc, n).sender(&[ONE]).receivers(3, LEASE).kills(2)),
        ("1+2 sweep at end only", ring(Spmc, n).sender(&[ONE, ONE]).closer().receivers(2, LEASE).kills(1).patrols(Patrols::AtTheEnd)),
    ]
}

fn mpmc(n: u64) -> Vec<(&'static str, Setup)> {
    vec![
        ("1+2 close kill heirs", ring(Mpmc, n).sender(&[ONE, ONE]).closer().receivers(2, LEASE).kills_with_heirs(1, &[])),
        ("2+1 close kill heirs", ring(Mpmc, n).sender(&[ONE]).sender(&[ONE]).closer().receivers(1, LEASE).kills_with_heirs(1, &[ONE])),
        ("2+2 no heirs", ring(Mpmc, n).sender(&[ONE]).sender(&[ONE]).receivers(2, LEASE).kills(1)),
        ("2+2 two each", ring(Mpmc, n).sender(&[ONE, ONE]).sender(&[ONE, ONE]).receivers(2, LEASE)),
        ("2+2 two each, no heirs", ring(Mpmc, n).sender(&[ONE, ONE]).sender(&[ONE, ONE]).receivers(2, LEASE).kills(1)),
        ("2+2 no heirs, two kills", ring(Mpmc, n).sender(&[ONE]).sender(&[ONE]).receivers(2, LEASE).kills(2)),
        ("2+2 close", ring(Mpmc, n).sender(&[ONE]).sender(&[ONE]).closer().receivers(2, LEASE).kills(1)),
        ("2+2 heirs", ring(Mpmc, n).sender(&[ONE]).sender(&[ONE]).receivers(2, LEASE).kills_with_heirs(1, &[])),
        ("1+2 batch", ring(Mpmc, n).sender(&[Send(2)]).receivers(2, BATCH).kills_with_heirs(1, &[])),
        ("1+2 discard two kills", ring(Mpmc, n).sender(&[ONE, ONE]).receivers(2, LEASE).kills(2).discards()),
        ("1+3 two kills, no heirs", ring(Mpmc, n).sender(&[ONE]).receivers(3, LEASE).kills(2)),
        ("1+2 everybody", ring(Mpmc, n).sender(&[ONE, ONE]).receivers(2, LEASE).kills_with_heirs(1, &[]).patrols(Patrols::Everybody)),
        ("1+2 two kills heirs", ring(Mpmc, n).sender(&[ONE]).receivers(2, LEASE).kills_with_heirs(2, &[])),
    ]
}

fn go(kind: &str, n: u64, list: Vec<(&str, Setup)>) {
    for (name, setup) in list {
        let report = Engine::new(setup).run(30_000_000);
        println!("{kind} n={n} {name}: {} states, {} finals, {} edges, {} locals, {:?}", report.states, report.finals, report.edges, report.locals, report.took);
        if let Some((what, trace)) = report.failure { println!("FAIL {kind} n={n} {name}: {what}\n{trace}"); }
    }
}

#[test]
fn a_spsc() { for n in [1, 2, 4] { go("spsc", n, spsc(n)); } }
#[test]
fn b_mpsc() { for n in [1, 2, 4] { go("mpsc", n, mpsc(n)); } }
#[test]
fn c_spmc() { for n in [1, 2] { go("spmc", n, spmc(n)); } }
#[test]
fn d_mpmc() { for n in [1, 2] { go("mpmc", n, mpmc(n)); } }
