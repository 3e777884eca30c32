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

pub const ROLES: [Role; 3] = [
    ("server of few files", of_few_files),
    ("server of fewer files", of_fewer_files),
    ("server of little memory", of_little_memory),
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

/// Has one client's ring open, and its spare descriptor, when it may open no file more.
fn of_fewer_files(args: &Args) {
    let board = args.board("files");
    let mut server = Numbers::open(SERVICE).unwrap().server().unwrap();
    board.add(SERVING, 1);
    let mut kept = Vec::new();
    let served = server.serve(|request| {
        if *request == 0 {
            // What is below the limit is open, all of it.
            let mut fillers = Vec::new();
            let highest = std::fs::read_dir("/proc/self/fd").expect("list them");
            let highest = highest.filter_map(|one| one.ok()?.file_name().to_str()?.parse().ok());
            let highest: i32 = highest.max().expect("at least one");
            loop {
                let filler = File::open("/dev/null").expect("one more");
                let at = filler.as_raw_fd();
                fillers.push(filler);
                if at >= highest {
                    break;
                }
            }
            set(Some(fillers.last().expect("one").as_raw_fd() as u64 + 1));
            kept.push(fillers);
        }
        u64::from(request.attempt()) * 100 + *request
    });
    served.expect("serve until the end");
}

/// Has one client's ring mapped, and has no room in its memory for another's.
fn of_little_memory(args: &Args) {
    let board = args.board("files");
    let mut server = Numbers::open(SERVICE).unwrap().server().unwrap();
    board.add(SERVING, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            board.wait(LIFTED, 1);
            let maximum = getrlimit(Resource::As).maximum;
            let current = maximum;
            setrlimit(Resource::As, Rlimit { current, maximum }).expect("lift the limit");
        });
        let served = server.serve(|request| {
            if *request == 0 {
                let status = std::fs::read_to_string("/proc/self/status").expect("its size");
                let size = status.lines().find(|line| line.starts_with("VmSize:"));
                let size = size.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
                let size: u64 = size.expect("a number of KiB");
                let current = Some(size * 1024 + SPARE_BYTES);
                let maximum = getrlimit(Resource::As).maximum;
                setrlimit(Resource::As, Rlimit { current, maximum }).expect("limit the memory");
            }
            u64::from(request.attempt()) * 100 + *request
        });
        served.expect("serve until the end");
    });
}

/// Less than a ring of replies with a window of this.
const SPARE_BYTES: u64 = 2 << 20;
const LARGE_WINDOW: usize = 1 << 16;

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
#[cfg_attr(
    feature = "portable",
    ignore = "to open a ring takes more descriptors there than another one and the spare one"
)]
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

/// While the calls of some clients wait for room for their rings, those of others go on.
#[test]
fn calls_of_others_go_on_while_one_waits() {
    let home = Home::new();
    let builder = Numbers::builder().on_server_death(OnServerDeath::Fail);
    let service = builder.window(LARGE_WINDOW).create(home.named(SERVICE));
    let service = service.unwrap();
    let board = home.board("files", 2);
    let _server = home.spawn("server of little memory", &[]);
    board.wait(SERVING, 1);
    let mut client = service.client().unwrap();
    assert_eq!(client.call_timeout(0, LONG), Ok(100));
    let mut others: Vec<_> = (0..3).map(|_| service.client().unwrap()).collect();
    let waiting = others.iter_mut().map(|other| other.submit(7).unwrap());
    let mut waiting: Vec<_> = waiting.collect();
    for turn in 1..100 {
        assert_eq!(client.call_timeout(turn, LONG), Ok(100 + turn));
    }
    for call in &mut waiting {
        let early = call.wait_timeout(Duration::from_millis(60));
        assert_eq!(early, Err(CallError::Timeout));
    }
    board.set(LIFTED, 1);
    for mut call in waiting {
        assert_eq!(in_time(move || call.wait_timeout(LONG)), Ok(107));
    }
    assert_eq!(client.call_timeout(1, LONG), Ok(101));
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
