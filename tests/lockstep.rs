//! `ipc/lockstep.rs`, as a test of its own.

#[path = "ipc/lockstep.rs"]
mod lockstep;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    memring_testkit::children::enter(&lockstep::ROLES);
}
