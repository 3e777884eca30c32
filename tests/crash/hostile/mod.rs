//! A hostile process writes whatever it likes over a ring's memory while
//! endpoints of every kind use it: every call comes back in time, with a value
//! in bounds or an error, and nothing panics or faults.
//!
//! `MEMRING_HOSTILE_SECONDS` says for how long (default 5), and
//! `MEMRING_HOSTILE_SEED` makes the choices of an earlier run again; what
//! meets what is up to the scheduler. `.ci/sanitizers` runs this with the
//! address sanitizer.

mod attack;
mod batches;
mod chunks;
mod receive;
mod sample;
mod scene;
mod send;
mod victims;
mod watch;

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use memring_testkit::children::{Child, Role, command, without_limit};
use memring_testkit::homes::directory;
use memring_testkit::random::Random;

const SECONDS: &str = "MEMRING_HOSTILE_SECONDS";
const SEED: &str = "MEMRING_HOSTILE_SEED";

/// How long beyond its time the whole may take: to start, to report, and for
/// calls that run into their deadlines.
const GRACE: Duration = Duration::from_secs(120);

/// What children of these tests do.
pub const ROLES: [Role; 2] = [
    ("attacker", attack::attacker),
    ("victims", victims::victims),
];

fn duration() -> Duration {
    let seconds = env::var(SECONDS).map_or(5, |seconds| seconds.parse().expect("a number"));
    Duration::from_secs(seconds)
}

#[test]
fn a_hostile_peer_does_no_worse_than_stall() {
    let seed = env::var(SEED).map_or_else(|_| Random::seed(), |seed| seed.parse().expect("a seed"));
    println!("{SEED}={seed}");
    let place = directory();
    let mut command = command(place.path(), "victims", &[("seed", &seed)]);
    without_limit(&mut command);
    let mut victims = Child::spawn(command, "victims");
    let late = Instant::now() + duration() + GRACE;
    while victims.is_running() {
        assert!(Instant::now() < late, "the victims hang");
        thread::sleep(Duration::from_millis(20));
    }
    victims.finish();
}
