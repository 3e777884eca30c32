//! A process that is killed wakes those that wait for it at once, and not by the cap of their
//! sleeps, which is half a minute here.

use std::time::{Duration, Instant};

use memring::uds::{Connection, Listener, Nothing, Rendezvous, Rings};
use memring::{
    Mpmc, Receiver, RecvError, Select, SendError, Sender, Spsc, WaitStrategy, failpoints,
};
use memring_testkit::children::{Args, Role};
use memring_testkit::futures::block_on;
use memring_testkit::homes::Home;
use memring_testkit::processes::processor_time;

pub const ROLES: [Role; 3] = [
    ("uds waits", waits),
    ("uds victim", victim),
    ("uds idle", idle),
];

const CAP: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(3);

// The words of the board.
const MET: usize = 1;
const CAME_TO: usize = 2;
const DISCONNECTED: u64 = 1;

/// Accepts, and waits for a peer that never comes back.
fn waits(args: &Args) {
    let board = args.board("board");
    failpoints::raise_sleep_cap(CAP);
    let address: String = args.get("address");
    let options = Rendezvous::<u64, u64, Rings<Mpmc>>::new().capacity(4);
    let mut listener = options.bind(address).expect("listen");
    board.set(MET, 1);
    let Connection { mut tx, mut rx, .. } = listener.accept().expect("accept");
    board.set(MET, 3);
    let is_over = match args.get::<String>("call").as_str() {
        "recv" => rx.recv() == Err(RecvError::Disconnected),
        "send" => until_disconnected(&mut tx),
        "recv_async" => block_on(rx.recv_async()) == Err(RecvError::Disconnected),
        "select" => {
            let mut select = Select::with_strategy(WaitStrategy::Park);
            let token = select.recv(&mut rx);
            select.ready();
            select[token].recv() == Err(RecvError::Disconnected)
        }
        "parts" => {
            // The ends alone keep the life-line.
            drop((tx, listener));
            let mut clone = rx.clone();
            drop(rx);
            clone.recv() == Err(RecvError::Disconnected)
        }
        other => panic!("no call {other}"),
    };
    assert!(is_over);
    board.set(CAME_TO, DISCONNECTED);
}

fn until_disconnected(tx: &mut Sender<u64, Mpmc>) -> bool {
    loop {
        match tx.send(1) {
            Ok(()) => {}
            Err(error) => return error == SendError::Disconnected(1),
        }
    }
}

/// Connects, and is killed.
fn victim(args: &Args) {
    let board = args.board("board");
    let address: String = args.get("address");
    let options = Rendezvous::<u64, u64, Rings<Mpmc>>::new();
    let _connection = options.connect(address).expect("connect");
    board.set(0, 1);
    board.wait_to_be_killed();
}

fn a_death_wakes(call: &str) {
    let home = Home::new();
    let board = home.board("board", CAME_TO + 1);
    let address = home.path("line.sock");
    let address = address.display();
    let waiter = home.spawn("uds waits", &[("address", &address), ("call", &call)]);
    board.wait(MET, 1);
    let victim = home.spawn("uds victim", &[("address", &address)]);
    board.wait(MET, 3);
    board.wait(0, 1);
    waiter.wait_until_asleep();
    let killed = Instant::now();
    victim.kill();
    board.wait(CAME_TO, DISCONNECTED);
    let late = killed.elapsed();
    assert!(late < SOON, "{call}: woken after {late:?}");
    waiter.finish();
}

#[test]
fn a_receiver_at_once() {
    a_death_wakes("recv");
}

#[test]
fn a_sender_at_once() {
    a_death_wakes("send");
}

#[test]
fn a_future_at_once() {
    a_death_wakes("recv_async");
}

#[test]
fn a_set_at_once() {
    a_death_wakes("select");
}

#[test]
fn what_is_left_of_a_connection_at_once() {
    a_death_wakes("parts");
}

/// Accepts a hundred, and does nothing.
fn idle(args: &Args) {
    let board = args.board("board");
    let address: String = args.get("address");
    let mut listener = Listener::<u64, Nothing>::bind(address).expect("listen");
    board.set(MET, 1);
    let connections: Vec<_> = (0..100)
        .map(|_| listener.accept().expect("accept"))
        .collect();
    board.set(MET, 2);
    board.wait(0, 1);
    drop(connections);
}

/// A hundred life-lines, and nothing happens: the watching thread sleeps.
#[test]
fn life_lines_cost_nothing_while_nothing_happens() {
    let home = Home::new();
    let board = home.board("board", CAME_TO + 1);
    let address = home.path("idle.sock");
    let child = home.spawn("uds idle", &[("address", &address.display())]);
    board.wait(MET, 1);
    let mut ends: Vec<Receiver<u64, Spsc>> = Vec::new();
    for _ in 0..100 {
        let connection = memring::uds::connect::<Nothing, u64>(&address).expect("connect");
        ends.push(connection.rx);
    }
    board.wait(MET, 2);
    let threads = memring_testkit::processes::thread_states(child.pid());
    // Its two, the test's own and this one's; and one for all life-lines.
    assert!(threads.len() <= 4, "{threads:?}");
    let before = processor_time(child.pid());
    std::thread::sleep(Duration::from_secs(1));
    let used = processor_time(child.pid()) - before;
    // Its main thread polls a word every millisecond.
    assert!(used < Duration::from_millis(200), "{used:?}");
    board.set(0, 1);
    child.finish();
    assert!(ends[0].recv().is_err());
}
