//! What survivors see when processes are killed or stopped: the crash
//! contract, with real signals sent to real processes.

#[path = "../common/mod.rs"]
mod common;

mod creator;
mod killed_receiver;
mod killed_sender;
mod stopped;
mod storm;
mod traffic;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    common::child::enter(&[
        ("creator", creator::creator),
        ("holder", common::hold::holder),
        ("traffic sender", traffic::sender),
        ("traffic receiver", traffic::receiver),
    ]);
}
