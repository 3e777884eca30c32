//! Servers and clients that are killed right after each change of shared state which a call
//! makes. Calls have no words of their own: what they share are rings and names, so the points
//! are those of rings, passed in the order in which a call passes them.

use std::thread;

use memring::RingError;
use memring::failpoints::{self, Act, Failpoint};
use memring::rpc::{self, CallError, OnServerDeath};
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, in_time, wait_until};

use crate::{Numbers, SERVICE, leftovers};

pub const ROLES: [Role; 4] = [
    ("doomed server", server),
    ("doomed client", client),
    ("doomed closer", closer),
    ("doomed remover", remover),
];

/// A server attaches, takes a request, answers it, sleeps.
const OF_SERVER: [(Failpoint, u64); 21] = [
    (Failpoint::IdLocked, 1),
    (Failpoint::PidEntered, 1),
    (Failpoint::EntryTaken, 1),
    (Failpoint::ArrivalCounted, 1),
    (Failpoint::Taken, 1),
    (Failpoint::Taken, 7),
    (Failpoint::HeadMoved, 1),
    // It opens the client's ring of replies.
    (Failpoint::IdLocked, 2),
    (Failpoint::EntryTaken, 2),
    (Failpoint::ArrivalCounted, 2),
    (Failpoint::Claimed, 1),
    (Failpoint::Claimed, 7),
    (Failpoint::TailMoved, 1),
    (Failpoint::Written, 1),
    (Failpoint::Published, 1),
    (Failpoint::Published, 7),
    (Failpoint::MessageAnnounced, 1),
    (Failpoint::SlotFreed, 1),
    (Failpoint::SlotFreed, 7),
    (Failpoint::RoomAnnounced, 1),
    (Failpoint::SleepRegistered, 1),
];

/// A client makes its ring of replies, attaches, calls, gets the reply, goes.
const OF_CLIENT: [(Failpoint, u64); 21] = [
    (Failpoint::FileMade, 1),
    (Failpoint::FileAllocated, 1),
    (Failpoint::HeaderWritten, 1),
    (Failpoint::UsersLocked, 1),
    (Failpoint::NamePublished, 1),
    (Failpoint::IdLocked, 1),
    (Failpoint::PidEntered, 1),
    (Failpoint::EntryTaken, 2),
    (Failpoint::ArrivalCounted, 2),
    (Failpoint::Claimed, 1),
    (Failpoint::TailMoved, 1),
    (Failpoint::Written, 1),
    (Failpoint::Published, 1),
    (Failpoint::MessageAnnounced, 1),
    (Failpoint::Read, 1),
    (Failpoint::DoneMoved, 1),
    (Failpoint::IdUnlocked, 1),
    (Failpoint::DepartureCounted, 2),
    (Failpoint::Detached, 2),
    (Failpoint::RemovalLocked, 1),
    (Failpoint::NameRemoved, 1),
];

const OF_CLOSING: [(Failpoint, u64); 3] = [
    (Failpoint::ClosedSet, 1),
    (Failpoint::ThoroughBarrier, 1),
    (Failpoint::ClosedFenced, 1),
];

const OF_REMOVAL: [(Failpoint, u64); 3] = [
    (Failpoint::RemovalLocked, 1),
    (Failpoint::NameRemoved, 1),
    (Failpoint::RemovalMarked, 1),
];

fn arm(args: &Args) {
    let name: String = args.get("point");
    let mut all = Failpoint::ALL.iter();
    let point = all.find(|point| format!("{point:?}") == name);
    let point = *point.expect("a point of this name");
    failpoints::arm(&[(point, args.get("nth"), Act::Kill)]);
}

fn start(home: &Home, role: &str, (point, nth): (Failpoint, u64)) -> Child {
    let point = format!("{point:?}");
    home.spawn(role, &[("point", &point), ("nth", &nth)])
}

fn server(args: &Args) {
    let service = Numbers::open(SERVICE).unwrap();
    arm(args);
    let served = service.server().unwrap().serve(|request| *request + 1000);
    served.expect("serve until the end");
}

fn client(args: &Args) {
    let service = Numbers::open(SERVICE).unwrap();
    arm(args);
    let mut client = service.client().unwrap();
    for number in 0..20 {
        assert_eq!(client.call(number), Ok(number + 1000));
    }
}

fn closer(args: &Args) {
    let service = Numbers::open(SERVICE).unwrap();
    arm(args);
    service.close().unwrap();
}

fn remover(args: &Args) {
    arm(args);
    rpc::remove(SERVICE).unwrap();
}

/// Dropped, also when a test fails: the service is closed, and its servers end.
struct Closing<'s>(&'s Numbers);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let _ = self.0.close();
    }
}

/// Calls until the doomed server is dead, eight at a time. How many failed with it.
fn call_until_dead(service: &Numbers, doomed: &mut Child) -> u64 {
    let mut client = service.client().unwrap();
    let (mut number, mut failed) = (0, 0);
    let mut call = |count: u64| {
        let calls: Vec<_> = (0..count)
            .map(|at| client.submit(number + at).unwrap())
            .collect();
        for (call, expected) in calls.into_iter().zip(number + 1000..) {
            match in_time(|| call.wait()) {
                Err(CallError::ServerDied) => failed += 1,
                answer => assert_eq!(answer, Ok(expected)),
            }
        }
        number += count;
    };
    while doomed.is_running() {
        call(8);
    }
    for _ in 0..5 {
        call(8);
    }
    failed
}

#[test]
fn servers_killed_at_each_point() {
    for policy in [OnServerDeath::Redeliver, OnServerDeath::Fail] {
        for point in OF_SERVER {
            let home = Home::new();
            let builder = Numbers::builder().on_server_death(policy).queue(16);
            let service = builder.create(home.named(SERVICE)).unwrap();
            thread::scope(|scope| {
                let mut survivor = service.server().unwrap();
                let served = scope.spawn(move || survivor.serve(|request| *request + 1000));
                let _closing = Closing(&service);
                let mut doomed = start(&home, "doomed server", point);
                let failed = call_until_dead(&service, &mut doomed);
                doomed.dies();
                match policy {
                    OnServerDeath::Redeliver => assert_eq!(failed, 0, "{point:?}"),
                    OnServerDeath::Fail => assert!(failed <= 1, "{point:?}: {failed} failed"),
                    other => panic!("{other:?}"),
                }
                assert_eq!(service.queued(), 0, "{point:?}");
                service.close().unwrap();
                served.join().unwrap().unwrap();
            });
            assert_eq!(leftovers(&home), [""; 0], "{point:?}");
        }
    }
}

#[test]
fn clients_killed_at_each_point() {
    for point in OF_CLIENT {
        let home = Home::new();
        let builder = Numbers::builder().queue(4);
        let service = builder.create(home.named(SERVICE)).unwrap();
        thread::scope(|scope| {
            let mut server = service.server().unwrap();
            scope.spawn(move || server.serve(|request| *request + 1000));
            let _closing = Closing(&service);
            start(&home, "doomed client", point).dies();
            let mut client = service.client().unwrap();
            for number in 0..20 {
                assert_eq!(client.call_timeout(number, LONG), Ok(number + 1000));
            }
            drop(client);
            // The server that is idle, or the next client, removes what it left.
            wait_until(
                || leftovers(&home).is_empty(),
                || format!("{point:?} left {:?}", leftovers(&home)),
            );
        });
    }
}

#[test]
fn killed_while_it_closes_a_service() {
    for point in OF_CLOSING {
        let home = Home::new();
        let service = Numbers::builder().create(home.named(SERVICE)).unwrap();
        let mut client = service.client().unwrap();
        thread::scope(|scope| {
            let mut server = service.server().unwrap();
            let served = scope.spawn(move || server.serve(|request| *request + 1000));
            let _closing = Closing(&service);
            assert_eq!(client.call_timeout(1, LONG), Ok(1001));
            start(&home, "doomed closer", point).dies();
            let answer = client.call_timeout(2, LONG);
            assert!(
                matches!(answer, Ok(1002) | Err(CallError::Closed)),
                "{point:?}: {answer:?}"
            );
            // Another closes it for good.
            service.close().unwrap();
            served.join().unwrap().unwrap();
            let answer = client.call_timeout(3, LONG);
            assert_eq!(answer, Err(CallError::Closed), "{point:?}");
        });
    }
}

#[test]
fn killed_while_it_removes_a_service() {
    for point in OF_REMOVAL {
        let home = Home::new();
        let service = Numbers::builder().create(home.named(SERVICE)).unwrap();
        let client = service.client().unwrap();
        start(&home, "doomed remover", point).dies();
        match rpc::remove(home.named(SERVICE)) {
            Ok(()) | Err(RingError::NotFound { .. }) => {}
            Err(error) => panic!("{point:?}: {error}"),
        }
        drop((client, service));
        let service = Numbers::builder().create(home.named(SERVICE)).unwrap();
        let server = service.server().unwrap();
        assert_eq!(leftovers(&home), [""; 0], "{point:?}");
        drop(server);
    }
}

/// Every change that is made to a ring of many senders and a ring of many of both, on the way
/// of a call, and of names.
#[test]
fn every_step_of_a_call_is_in_a_table() {
    use Failpoint::*;
    let tables = [&OF_SERVER[..], &OF_CLIENT, &OF_CLOSING, &OF_REMOVAL];
    let tried: Vec<_> = tables
        .concat()
        .into_iter()
        .map(|(point, _)| point)
        .collect();
    for point in [
        IdLocked,
        EntryTaken,
        ArrivalCounted,
        Claimed,
        Written,
        Published,
        MessageAnnounced,
        Taken,
        Read,
        SlotFreed,
        RoomAnnounced,
        DoneMoved,
        NamePublished,
        NameRemoved,
        ClosedSet,
    ] {
        assert!(tried.contains(&point), "{point:?} is tried nowhere");
    }
}
