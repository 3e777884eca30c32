//! An exhaustive model of rings with few slots, few messages and few deaths.
//!
//! The code is the library's own: the endpoints of a ring, and around them
//! attaching, detaching, scans for the dead, recovery, closing, and the steps that
//! make sure of an end. [`process`] runs it one shared access at a time: a stage is
//! run from its beginning with the results of its earlier accesses replayed, makes
//! one new access, and is suspended at the next. So what a process does next is a
//! function of its local state and of the result of the access, is found out by
//! running the code once, and then looked up. [`engine`] carries the accesses of all
//! processes out in every order on one memory ([`state`]), kills each process at
//! every point, and stores every state that it meets, in full. [`ledger`] says what
//! must hold.
//!
//! [`script`] says which part of the code a process runs after which, as the calls
//! of `channel` do; [`context`] gives that code its table of members, its locks and
//! its recovery.
//!
//! Accesses take effect in the order in which they are made: weak memory is the
//! matter of the loom models. Sleeping is not modelled.

mod codec;
mod context;
mod engine;
mod graph;
mod history;
mod kinds;
mod ledger;
mod mutants;
mod process;
mod receiver;
mod rules;
mod scenario;
mod script;
mod sender;
mod state;
mod trace;

use scenario::{Op, Reception, Scanners, Scenario};

/// An endpoint's private state.
pub(in crate::ring) type Saved = [u64; 11];

/// These numbers, and nothing more.
pub(in crate::ring) fn saved<const N: usize>(numbers: [u64; N]) -> Saved {
    let mut saved = [0; _];
    saved[..N].copy_from_slice(&numbers);
    saved
}

/// An endpoint that can be stopped and gone on with later.
pub(in crate::ring) trait Snapshot {
    fn save(&self) -> Saved;
    fn load(saved: Saved) -> Self;
}
