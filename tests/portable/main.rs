//! The portable backend, and the crate below it: each defect of `shared_memory` and
//! `raw_sync` is shown on the bare crate, and is not seen through this one. Processes are
//! killed for real.

mod kills;
mod memory;
mod waits;

use memring_testkit::children::{self, Role};

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let roles: Vec<Role> = vec![
        ("bare creator", memory::bare_creator),
        ("creator", memory::creator),
        ("closer", memory::closer),
        ("limited", memory::limited),
        ("reader", memory::reader),
        ("bare holder", waits::bare_holder),
        ("holder", kills::holder),
        ("plain sender", kills::sender),
        ("plain receiver", kills::receiver),
    ];
    children::enter(&roles);
}
