//! Paths and names: what is in the way, and what is left behind.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::thread;

use memring::uds::{self, Listener, Nothing, Rendezvous, RendezvousError};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;

use crate::raw;

/// Listens, and is killed.
pub fn listener(args: &Args) {
    let board = args.board("board");
    let address: String = args.get("address");
    let _listener = Listener::<u64, Nothing>::bind(address).expect("listen");
    board.set(1, 1);
    board.wait_to_be_killed();
}

#[test]
fn the_socket_of_a_dead_listener_is_replaced() {
    let home = Home::new();
    let board = home.board("board", 2);
    let address = home.path("left.sock");
    let child = home.spawn("uds dead listener", &[("address", &address.display())]);
    board.wait(1, 1);
    // As long as it lives, the address is its own.
    let error = Listener::<u64, Nothing>::bind(&address).unwrap_err();
    assert!(
        matches!(error, RendezvousError::AddressInUse { .. }),
        "{error}"
    );
    child.kill();
    assert!(address.exists());
    let error = uds::connect::<Nothing, u64>(&address).unwrap_err();
    assert!(
        matches!(error, RendezvousError::NotListening { .. }),
        "{error}"
    );
    let first = Listener::<u64, Nothing>::bind(&address).expect("take its place");
    let mode = fs::metadata(&address).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // What is another's is not taken away.
    fs::rename(&address, home.path("moved.sock")).unwrap();
    fs::write(&address, "a file").unwrap();
    drop(first);
    assert_eq!(fs::read(&address).unwrap(), b"a file");
    let error = Listener::<u64, Nothing>::bind(&address).unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
}

/// A listener that goes takes no other's path: a process that finds that it does not listen any more
/// finds no path either, and has nothing to replace.
#[test]
fn a_path_goes_before_its_socket() {
    let home = Home::new();
    let address = home.path("turns.sock");
    for _ in 0..1000 {
        let listener = Listener::<u64, Nothing>::bind(&address).expect("the path is free");
        let is_looking = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                is_looking.wait();
                // Of another type: it listens, and does not take it.
                let gone = [ErrorKind::NotFound, ErrorKind::ConnectionRefused];
                let found = || UnixStream::connect(&address).expect_err("another type");
                while !gone.contains(&found().kind()) {}
                assert!(!address.exists(), "it is dead, and its path is there");
            });
            is_looking.wait();
            drop(listener);
        });
    }
}

#[test]
fn modes_are_what_was_asked_for() {
    let home = Home::new();
    let address = home.path("open.sock");
    let listener = Rendezvous::<u64, Nothing>::new().mode(0o666).bind(&address);
    let _listener = listener.unwrap();
    let mode = fs::metadata(&address).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
}

#[test]
fn invalid_addresses_are_refused() {
    let long = "x".repeat(108);
    for address in ["", "@", &long, &format!("@{long}"), "a\0b", "a/"] {
        let error = Listener::<u64, u64>::bind(address).unwrap_err();
        assert!(
            matches!(error, RendezvousError::InvalidAddress { .. }),
            "{address:?}: {error}"
        );
        let error = uds::connect::<u64, u64>(address).unwrap_err();
        assert!(
            matches!(error, RendezvousError::InvalidAddress { .. }),
            "{address:?}: {error}"
        );
    }
    let name = raw::name("twice");
    let _listener = Listener::<u64, u64>::bind(&name).unwrap();
    let error = Listener::<u64, u64>::bind(&name).unwrap_err();
    assert!(
        matches!(error, RendezvousError::AddressInUse { .. }),
        "{error}"
    );
    let options = Rendezvous::<u64, u64>::new();
    for wrong in [options.clone().max_half_made(0), options.mode(0o1777)] {
        let error = wrong.bind(raw::name("options")).unwrap_err();
        assert!(
            matches!(error, RendezvousError::InvalidOption { .. }),
            "{error}"
        );
    }
}
