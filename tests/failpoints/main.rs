//! Processes killed and stopped at every named point of the library: right
//! after each change of shared state, of every kind and on both sides.
//!
//! `table` says which program passes which points; a case whose point is not
//! reached fails. `program` is what the doomed process does, `scene` are those
//! who survive it, and what they must find.
//!
//! Without debug assertions the library has no points: then there is nothing
//! here to run.
#![cfg(debug_assertions)]

#[path = "../common/mod.rs"]
mod common;

mod absent;
mod cases;
mod cast;
mod departures;
mod files;
mod program;
mod repairs;
mod scene;
mod table;
mod traffic;
mod victim;
mod wakeups;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    common::child::enter(&[
        ("doomed", program::doomed),
        ("victim", victim::victim),
        ("maker", files::maker),
        ("waiter", departures::waiter),
    ]);
}
