//! A hostile process writes whatever it likes over a ring's memory while
//! endpoints of every kind use it: every call comes back in time, with a value
//! in bounds or an error, and nothing panics or faults.
//!
//! `MEMRING_HOSTILE_SECONDS` says for how long (default 5), and
//! `MEMRING_HOSTILE_SEED` makes the choices of an earlier run again; what
//! meets what is up to the scheduler. `.ci/sanitizers` runs this with the
//! address sanitizer.

#[path = "../common/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "../common/sys.rs"]
#[allow(dead_code)]
mod sys;

mod attack;
mod batches;
mod crew;
mod receive;
mod sample;
mod scene;
mod send;
mod watch;

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

const ROLE: &str = "MEMRING_HOSTILE_ROLE";
const SECONDS: &str = "MEMRING_HOSTILE_SECONDS";
const SEED: &str = "MEMRING_HOSTILE_SEED";

/// How long beyond its time the whole may take: to start, to report, and for
/// calls that run into their deadlines.
const PATIENCE: Duration = Duration::from_secs(120);

/// This binary again, to play `role` and to die with this process.
fn again(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this test's own path"));
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role);
    command
}

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    set_parent_process_death_signal(Some(Signal::KILL)).expect("die with the parent");
    match role.as_str() {
        "attacker" => attack::attacker(),
        "victims" => crew::victims(seed(), seconds()),
        _ => panic!("no role {role}"),
    }
}

fn seed() -> u64 {
    let seed = env::var(SEED).expect("the parent has set it");
    seed.parse().expect("a number")
}

fn seconds() -> u64 {
    env::var(SECONDS).map_or(5, |seconds| seconds.parse().expect("a number"))
}

#[test]
fn a_hostile_peer_does_no_worse_than_stall() {
    let seed = env::var(SEED).unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        (now.expect("after 1970").as_nanos() as u64).to_string()
    });
    let home = tempfile::Builder::new()
        .prefix("memring-hostile-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in("/dev/shm")
        .expect("a directory for rings");
    let mut victims = again("victims")
        .env("MEMRING_DIR", home.path())
        .env(SEED, &seed)
        .stdin(Stdio::null())
        .spawn()
        .expect("start the victims");
    let late = Instant::now() + Duration::from_secs(seconds()) + PATIENCE;
    let status = loop {
        if let Some(status) = victims.try_wait().expect("wait for the victims") {
            break status;
        }
        if Instant::now() > late {
            let _ = victims.kill();
            let _ = victims.wait();
            panic!("{SEED}={seed}: the victims hang");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{SEED}={seed}: the victims: {status}");
}
