//! What survivors see when processes are killed or stopped: the crash
//! contract, with real signals sent to real processes.

#[path = "../common/mod.rs"]
mod common;

mod asleep;
mod creator;
mod killed_receiver;
mod killed_sender;
mod redelivery;
mod running;
mod stopped;
mod storm;
mod traffic;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    common::child::enter(&[
        ("creator", creator::creator),
        ("holder", common::hold::holder),
        ("paused", asleep::paused),
        ("attaching", running::attaching),
        ("runner", running::runner),
        ("taster", redelivery::taster),
        ("heir", redelivery::heir),
        ("traffic sender", traffic::sender),
        ("traffic receiver", traffic::receiver),
    ]);
}
