//! Processes killed and stopped at every named point of the library: right
//! after each change of shared state, of every kind and on both sides.
//!
//! `table` says which program passes which points; a case whose point is not
//! reached fails. `program` is what the doomed process does, `scene` are those
//! who survive it, and what they must find.

mod absent;
mod cases;
mod departures;
mod files;
mod late;
mod program;
mod rendezvous;
mod repairs;
mod scene;
mod table;
mod traffic;
mod victim;
mod wakeups;

use memring_testkit::children::Role;
use memring_testkit::of_kind;

/// What children of these tests do.
pub const ROLES: [Role; 5] = [
    ("hander", of_kind!(K => rendezvous::hander::<K>)),
    ("doomed", of_kind!(K => program::doomed::<K>)),
    ("victim", of_kind!(K => victim::victim::<K>)),
    ("ring maker", files::maker),
    ("last waiter", of_kind!(K => departures::waiter::<K>)),
];
