//! A listener whose process has no descriptors left.

use std::fs::File;
use std::time::{Duration, Instant};

use memring::uds::{Rendezvous, RendezvousError};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::raw::{connected, name};

/// Has one connection half made and one that waits, and no descriptor for that.
pub fn listener(_: &Args) {
    let at = name("short");
    let options = Rendezvous::<u64, u64>::new().timeout(Duration::from_millis(200));
    let mut listener = options.bind(&at).expect("listen");
    let _silent = connected(&at);
    assert!(listener.try_accept().expect("there are some").is_none());
    let _waiting = connected(&at);
    let few = Rlimit {
        current: Some(100),
        maximum: Some(100),
    };
    setrlimit(Resource::Nofile, few).expect("limit descriptors");
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let error = listener.try_accept().expect_err("there is none");
    assert!(matches!(error, RendezvousError::Os { .. }), "{error}");
    assert_eq!((listener.half_made(), listener.refused()), (1, 0));
    let late = Instant::now() + LONG;
    while listener.refused() == 0 {
        assert!(Instant::now() < late, "the silent one keeps its descriptor");
        std::thread::sleep(Duration::from_millis(10));
        if let Ok(accepted) = listener.try_accept() {
            assert!(accepted.is_none());
        }
    }
    // By the descriptor that was given back.
    assert_eq!(listener.half_made(), 1);
    drop(taken);
}

#[test]
fn those_half_made_expire_without_descriptors() {
    let home = Home::new();
    home.spawn("uds short", &[]).finish();
}
