//! What rings take from the system, and give back: processor time, descriptors,
//! mappings and locks; and what the system does to them: signals.

#[path = "../common/mod.rs"]
mod common;

mod freed;
mod idle;
mod interrupted;
mod threads;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    common::child::enter(&[
        ("maker", freed::maker),
        ("sleeper", idle::sleeper),
        ("interrupted sender", interrupted::sender),
        ("interrupted receiver", interrupted::receiver),
        ("interrupted opener", interrupted::opener),
    ]);
}
