//! What survivors see when processes are killed or stopped: the crash contract, with real signals
//! sent to real processes; at every failpoint, in edge cases, and beside a process that writes
//! over the ring.

mod all_killed;
mod asleep;
mod creator;
mod edge_cases;
#[cfg(debug_assertions)] // without them the library has no failpoints
mod failpoints;
mod hostile;
mod killed_receiver;
mod killed_sender;
mod redelivery;
mod running;
mod selecting;
mod stopped;
mod traffic;

use memring_testkit::children::{self, Role};
use memring_testkit::{holders, of_kind};

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let mut roles: Vec<Role> = vec![
        ("creator", creator::creator),
        ("holder", of_kind!(K => holders::holder::<K>)),
        ("paused", of_kind!(K => asleep::paused::<K>)),
        ("attaching", of_kind!(K => running::attaching::<K>)),
        ("runner", of_kind!(K => running::runner::<K>)),
        ("taster", of_kind!(K => redelivery::taster::<K>)),
        ("successor", of_kind!(K => redelivery::successor::<K>)),
        ("traffic sender", of_kind!(T, K => traffic::sender::<T, K>)),
        (
            "traffic receiver",
            of_kind!(T, K => traffic::receiver::<T, K>),
        ),
    ];
    roles.extend(edge_cases::ROLES);
    roles.extend(selecting::ROLES);
    roles.extend(hostile::ROLES);
    #[cfg(debug_assertions)]
    roles.extend(failpoints::ROLES);
    children::enter(&roles);
}
