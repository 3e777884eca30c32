//! Async verbs and descriptors: every verb waits and is woken, by no cap of a sleep; what is
//! dropped loses nothing; every runtime serves; peers are killed, stopped and forked.

mod crowd;
mod descriptors;
mod dropped;
mod ends;
mod executors;
mod forked;
mod handover;
mod idle;
mod peers;
mod runtimes;
mod streams;
mod verbs;

use memring_testkit::children::{self, Role};
use memring_testkit::of_kind;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let roles: Vec<Role> = vec![
        ("async sender", of_kind!(K => peers::sender::<K>)),
        ("async offerer", of_kind!(K => peers::offerer::<K>)),
        ("async receiver", of_kind!(K => peers::receiver::<K>)),
    ];
    children::enter(&roles);
}
