//! Who is admitted.

use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

use memring::uds::{self, Nothing, Rendezvous, RendezvousError};
use memring_testkit::children::{Args, Child};
use memring_testkit::forks::is_root;
use memring_testkit::homes::Home;

use crate::raw;

/// The user of the process that is none of ours.
const STRANGER: u32 = 65_534;

/// Of another user: connects, and is refused; or is admitted, if it admits the listener.
pub fn stranger(args: &Args) {
    let address: String = args.get("address");
    let admits: bool = args.get("admits");
    let connects = Rendezvous::<u64, Nothing>::new();
    match args.get::<bool>("is_refused") {
        true => {
            // By this end, which does not trust the listener, or by the listener.
            let connects = connects.admit(move |_| admits);
            let error = connects.connect(address.as_str()).unwrap_err();
            match admits {
                true => assert!(
                    matches!(error, RendezvousError::RefusedByListener { .. }),
                    "{error}"
                ),
                false => assert!(
                    matches!(error, RendezvousError::NotAdmitted { .. }),
                    "{error}"
                ),
            }
        }
        false => {
            let connection = connects
                .admit(|peer| peer.uid == 0)
                .connect(address.as_str());
            connection.expect("admitted").tx.send(7).expect("send");
        }
    }
}

fn spawn_stranger(home: &Home, address: &str, admits: bool, is_refused: bool) -> Child {
    let mut command = home.command(
        "uds stranger",
        &[
            ("address", &address),
            ("admits", &admits),
            ("is_refused", &is_refused),
        ],
    );
    command.uid(STRANGER).gid(STRANGER);
    Child::spawn(command, "uds stranger")
}

#[test]
fn processes_of_other_users_are_refused() {
    if !is_root() {
        return; // it takes root to have a process of another user
    }
    let home = Home::new();
    let name = raw::name("stranger");
    let mut listener = Rendezvous::<Nothing, u64>::new()
        .on_refused(|peer, error| {
            assert_eq!(peer.expect("known").uid, STRANGER);
            assert!(
                matches!(error, RendezvousError::NotAdmitted { .. }),
                "{error}"
            );
        })
        .bind(&name)
        .unwrap();
    let child = spawn_stranger(&home, &name, true, true);
    while listener.refused() == 0 {
        let accepted = listener.accept_timeout(Duration::from_millis(20)).unwrap();
        assert!(accepted.is_none(), "a process of another user was admitted");
        assert_eq!(listener.half_made(), 0);
    }
    child.finish();
    // And it refuses us, by default.
    let child = spawn_stranger(&home, &name, false, true);
    child.finish();
}

#[test]
fn the_policy_decides() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let name = raw::name("policy");
    let admits = Rendezvous::<Nothing, u64>::new().admit(|peer| {
        assert_eq!(peer.gid, STRANGER);
        peer.uid == STRANGER
    });
    let mut listener = admits.bind(&name).unwrap();
    let child = spawn_stranger(&home, &name, true, false);
    let mut connection = listener.accept().expect("accept");
    assert_eq!(
        (connection.peer.uid, connection.peer.pid),
        (STRANGER, child.pid())
    );
    assert_eq!(connection.rx.recv(), Ok(7));
    child.finish();
}

#[test]
fn both_ends_have_a_policy() {
    let name = raw::name("neither");
    let mut listener = Rendezvous::<u64, u64>::new()
        .admit(|_| false)
        .bind(&name)
        .unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| uds::connect::<u64, u64>(&name).unwrap_err());
        while listener.refused() == 0 {
            let accepted = listener.accept_timeout(Duration::from_millis(20)).unwrap();
            assert!(accepted.is_none());
        }
        let error = client.join().unwrap();
        assert!(
            matches!(error, RendezvousError::RefusedByListener { .. }),
            "{error}"
        );
    });
    let refuses = Rendezvous::<u64, u64>::new().admit(|_| false);
    let error = refuses.connect(&name).unwrap_err();
    assert!(
        matches!(error, RendezvousError::NotAdmitted { .. }),
        "{error}"
    );
}
