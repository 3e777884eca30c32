//! Unix domain sockets between real processes: how two come together, and how not; messages
//! over sockets, asked the same questions as those in rings; a death that wakes at once.
#![cfg(all(target_os = "linux", not(feature = "portable")))]

mod addresses;
mod conformance;
mod credentials;
mod descriptors;
mod frames;
mod hostile;
mod lifeline;
mod raw;
mod selecting;
mod short;
mod tasks;
mod together;

use memring_testkit::children::{self, Role};

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let mut roles: Vec<Role> = vec![
        ("uds client", together::client),
        ("uds stranger", credentials::stranger),
        ("uds crowd", hostile::crowd),
        ("uds counting", descriptors::counting),
        ("uds dead listener", addresses::listener),
        ("uds short", short::listener),
        ("uds deaf peer", frames::blocked_by_a_deaf_peer),
        ("uds deaf peer of a tail", frames::a_tail_of_a_deaf_peer),
    ];
    roles.extend(lifeline::ROLES);
    roles.extend(selecting::ROLES);
    children::enter(&roles);
}
