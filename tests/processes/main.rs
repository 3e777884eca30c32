//! Rings between processes: every message arrives once and in order, whatever
//! the kind, the message, the verbs and the way of waiting; rings change hands
//! as descriptors; the ends of a ring are seen as documented.

#[path = "../common/mod.rs"]
mod common;

mod ends;
mod flow;
mod handover;
mod race;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    common::child::enter(&[
        ("flow sender", flow::sender),
        ("flow receiver", flow::receiver),
        ("handed", handover::handed),
        ("asking", handover::asking),
        ("racer", race::racer),
        ("ends sender", ends::sender),
        ("ends receiver", ends::receiver),
    ]);
}
