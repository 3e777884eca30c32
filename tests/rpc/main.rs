//! Calls between processes: every verb; servers and clients that are killed or stopped; peers
//! that do not keep to the rules; futures.

mod clients;
mod deadlines;
mod descriptors;
mod ends;
mod failpoints;
mod hostile;
mod servers;
mod tasks;
mod verbs;
mod window;

use memring_testkit::children::{self, Role};

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let mut roles: Vec<Role> = Vec::new();
    roles.extend(clients::ROLES);
    roles.extend(descriptors::ROLES);
    roles.extend(failpoints::ROLES);
    roles.extend(hostile::ROLES);
    roles.extend(servers::ROLES);
    children::enter(&roles);
}

/// How tests name the service to children.
const SERVICE: &str = "service";

/// What most tests call: numbers, and what comes of them.
type Numbers = memring::rpc::Service<u64, u64>;

/// The files of a directory of rings, but for the service itself; and for what the portable
/// backend has beside each ring, which goes with that, or with the next creation.
fn leftovers(home: &memring_testkit::homes::Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.rings()).expect("read the directory of rings");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.into_string().expect("names of ASCII"))
        .filter(|name| name != SERVICE)
        .filter(|name| cfg!(not(feature = "portable")) || !name.starts_with(".memring-"))
        .collect()
}
