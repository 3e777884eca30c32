//! Opening rings: names and permissions, files that are refused and what the errors say, the
//! format, forks, and a system without `/proc`.

mod access_control;
mod forked;
mod format;
mod names;
mod no_proc;
mod open_errors;

use memring_testkit::{children, holders, of_kind};

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    children::enter(&[("holder", of_kind!(K => holders::holder::<K>))]);
}
