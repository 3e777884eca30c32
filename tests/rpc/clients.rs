//! Clients that are killed leave nothing.

use std::thread;
use std::time::Duration;

use memring::RecvTimeoutError;
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, wait_until};

use crate::{Numbers, SERVICE, leftovers};

pub const ROLES: [Role; 1] = [("client", client)];

/// Clients that are killed, and how many at a time.
const CLIENTS: usize = 200;
const AT_A_TIME: usize = 20;

/// Words of the board.
const READY: usize = 0;

/// Calls and gets its answer, or has calls under way, and is killed.
fn client(args: &Args) {
    let board = args.board("clients");
    let mut client = Numbers::open(SERVICE).unwrap().client().unwrap();
    let answered: u64 = args.get("answered");
    for number in 0..answered {
        assert_eq!(client.call(number), Ok(number + 1));
    }
    let _pending: Vec<_> = (0..args.get("pending"))
        .map(|it| client.submit(it).unwrap())
        .collect();
    board.add(READY, 1);
    board.wait_to_be_killed();
}

fn start(home: &Home, board: &Board, answered: u64, pending: u64, clients: usize) -> Vec<Child> {
    let before = board.get(READY);
    let args: [(&str, &dyn std::fmt::Display); 2] =
        [("answered", &answered), ("pending", &pending)];
    let children = (0..clients).map(|_| home.spawn("client", &args)).collect();
    board.wait(READY, before + clients as u64);
    children
}

#[test]
fn killed_clients_leave_nothing() {
    let home = Home::new();
    let board = home.board("clients", 1);
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    thread::scope(|scope| {
        let mut server = service.server().unwrap();
        scope.spawn(move || server.serve(|number| *number + 1));
        let mut left = 0;
        for _ in 0..CLIENTS / AT_A_TIME {
            let children = start(&home, &board, 3, 0, AT_A_TIME);
            children.into_iter().for_each(Child::kill);
            left = left.max(leftovers(&home).len());
        }
        assert!(left >= AT_A_TIME, "{left}: they left nothing to remove");
        // The server is idle now. No other process looks.
        wait_until(
            || leftovers(&home).is_empty(),
            || format!("left: {:?}", leftovers(&home)),
        );
        // It goes on.
        let mut client = service.client().unwrap();
        assert_eq!(client.call_timeout(1, LONG), Ok(2));
        service.close().unwrap();
    });
}

/// Without a server, the next client removes what is left, and nothing of those that are alive.
#[test]
fn the_next_client_removes_what_is_left() {
    let home = Home::new();
    let board = home.board("clients", 1);
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let alive = service.client().unwrap();
    let stopped = start(&home, &board, 0, 0, 2);
    stopped.iter().for_each(Child::stop);
    let dead = start(&home, &board, 0, 2, 5);
    dead.into_iter().for_each(Child::kill);
    assert_eq!(leftovers(&home).len(), 8);
    let next = service.client().unwrap();
    assert_eq!(leftovers(&home).len(), 4);
    drop((alive, next));
    assert_eq!(leftovers(&home).len(), 2);
    stopped.into_iter().for_each(Child::kill);
    let _server = service.server().unwrap();
    assert_eq!(leftovers(&home), [""; 0]);
}

/// A server that waits for a moment again and again is idle too.
#[test]
fn a_server_of_short_waits_removes_what_is_left() {
    let home = Home::new();
    let board = home.board("clients", 1);
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    start(&home, &board, 0, 0, 2)
        .into_iter()
        .for_each(Child::kill);
    assert_eq!(leftovers(&home).len(), 2);
    let is_clean = || {
        let received = server.recv_timeout(Duration::from_millis(5));
        assert!(matches!(received, Err(RecvTimeoutError::Timeout(_))));
        leftovers(&home).is_empty()
    };
    wait_until(is_clean, || format!("left: {:?}", leftovers(&home)));
}

/// The calls that dead clients left in the queue are not handed out, and replies to those in
/// hand are dropped.
#[test]
fn calls_of_dead_clients_are_dropped() {
    let home = Home::new();
    let board = home.board("clients", 1);
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let victims = start(&home, &board, 0, 3, 1);
    let (request, responder) = server.recv().unwrap();
    assert_eq!(*request, 0);
    victims.into_iter().for_each(Child::kill);
    responder.reply(1).unwrap(); // it is sent, to nobody
    let dead = start(&home, &board, 0, 3, 1);
    dead.into_iter().for_each(Child::kill);
    let mut client = service.client().unwrap();
    let call = client.submit(77).unwrap();
    loop {
        let (request, responder) = server.recv().unwrap();
        // The client that was known to be there is found out only when its ring is full.
        let is_last = *request == 77;
        responder.reply(1).unwrap();
        if is_last {
            break;
        }
    }
    assert_eq!(call.wait(), Ok(1));
    assert_eq!(server.stats().orphaned, 3);
}
