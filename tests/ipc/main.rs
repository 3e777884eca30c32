//! Rings between processes: every message arrives once and in order, whatever
//! the kind, the message, the verbs and the way of waiting; rings change hands
//! as descriptors; the ends of a ring are seen as documented; what rings take
//! from the system they give back; a sleeper is woken, and not by the cap of its sleep.

mod clones;
mod ends;
mod flow;
mod freed;
mod handlers;
mod handover;
mod idle;
mod interrupted;
mod late;
mod lockstep;
mod race;
mod removed;
mod selecting;
mod wakeups;

use memring_testkit::children::{self, Role};
use memring_testkit::of_kind;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let mut roles: Vec<Role> = vec![
        ("flow sender", of_kind!(T, K => flow::sender::<T, K>)),
        ("flow receiver", of_kind!(T, K => flow::receiver::<T, K>)),
        ("handled", handlers::handled),
        ("handed", handover::handed),
        ("asking", handover::asking),
        ("late sender", late::sender),
        ("racer", race::racer),
        ("ends sender", of_kind!(K => ends::sender::<K>)),
        ("ends receiver", of_kind!(K => ends::receiver::<K>)),
        ("maker", freed::maker),
        ("sleeper", of_kind!(K => idle::sleeper::<K>)),
        ("interrupted sender", interrupted::sender),
        ("interrupted receiver", interrupted::receiver),
        ("interrupted opener", interrupted::opener),
    ];
    roles.extend(lockstep::ROLES);
    roles.extend(removed::ROLES);
    roles.extend(selecting::ROLES);
    roles.extend(wakeups::ROLES);
    children::enter(&roles);
}
