//! Servers that have no descriptor left for the next client.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

use memring::rpc::{CallError, OnServerDeath};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Role};
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, in_time};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Numbers, SERVICE};

pub const ROLES: [Role; 2] = [
    ("server of few files", of_few_files),
    ("server of fewer files", of_fewer_files),
];

/// Words of the board: servers that serve, and whether they may open files again.
const SERVING: usize = 0;
const LIFTED: usize = 1;

/// Has this process open no file more than it has.
fn limit() {
    let next = File::open("/dev/null").expect("the last one").as_raw_fd();
    set(Some(next as u64));
}

fn set(current: Option<u64>) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = current.or(maximum);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("limit the open files");
}

fn of_few_files(args: &Args) {
    let board = args.board("files");
    let mut server = Numbers::open(SERVICE).unwrap().server().unwrap();
    limit();
    board.add(SERVING, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            board.wait(LIFTED, 1);
            set(None);
        });
        let served = server.serve(|request| u64::from(request.attempt()) * 100 + *request);
        served.expect("serve until the end");
    });
}

/// Has one client's ring open when it may open no file more.
fn of_fewer_files(args: &Args) {
    let board = args.board("files");
    let mut server = Numbers::open(SERVICE).unwrap().server().unwrap();
    board.add(SERVING, 1);
    let served = server.serve(|request| {
        if *request == 0 {
            limit();
        }
        u64::from(request.attempt()) * 100 + *request
    });
    served.expect("serve until the end");
}

fn scene() -> (Home, Board, Numbers) {
    let home = Home::new();
    // So no call is handed out twice.
    let builder = Numbers::builder().on_server_death(OnServerDeath::Fail);
    let service = builder.create(home.named(SERVICE)).unwrap();
    let board = home.board("files", 2);
    (home, board, service)
}

/// A server that can open one client's ring at a time serves them by turns: no call waits for
/// another client's to be let go, and none is handed out twice.
#[test]
fn clients_share_the_descriptors_that_there_are() {
    let (home, board, service) = scene();
    let _server = home.spawn("server of fewer files", &[]);
    board.wait(SERVING, 1);
    let mut clients: Vec<_> = (0..3).map(|_| service.client().unwrap()).collect();
    assert_eq!(clients[0].call_timeout(0, LONG), Ok(100));
    for turn in 1..5 {
        for client in &mut clients {
            assert_eq!(client.call_timeout(turn, LONG), Ok(100 + turn));
        }
    }
}

/// The call of a client that the only server cannot open the ring of waits until it can.
#[test]
fn a_call_waits_for_a_descriptor() {
    let (home, board, service) = scene();
    let _server = home.spawn("server of few files", &[]);
    board.wait(SERVING, 1);
    let mut client = service.client().unwrap();
    let mut call = client.submit(1).unwrap();
    let early = call.wait_timeout(Duration::from_millis(300));
    assert_eq!(early, Err(CallError::Timeout));
    board.set(LIFTED, 1);
    assert_eq!(in_time(|| call.wait()), Ok(101));
    assert_eq!(client.call_timeout(2, LONG), Ok(102));
}
