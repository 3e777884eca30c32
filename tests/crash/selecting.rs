//! Sets whose peers are killed or stopped, and processes that are killed or stopped while they
//! wait in one.

use std::time::{Duration, Instant};

use memring::{Kind, Mpmc, RecvError, RecvTimeoutError, Ring, Select, SendError, Side, select};
use memring_testkit::children::{Args, Role};
use memring_testkit::holders::Scene;
use memring_testkit::homes::Home;
use memring_testkit::loads::{Line, Load};
use memring_testkit::time::LONG;
use memring_testkit::{for_each_kind, of_kind};

pub const ROLES: [Role; 2] = [
    ("silent peer", of_kind!(K => silent_peer::<K>)),
    ("select taker", taker),
];

const FIRST: &str = "first";
const SECOND: &str = "second";

/// Words of a board: that a child is there; how many messages it took.
const READY: usize = 0;
const TAKEN: usize = 1;

/// Attaches, and does nothing.
fn silent_peer<K: Kind>(args: &Args) {
    let ring = Ring::<u64, K>::open(FIRST).expect("open the ring");
    let endpoints = match args.get::<String>("side") == Side::Sender.to_string() {
        true => (ring.sender().ok(), None),
        false => (None, ring.receiver().ok()),
    };
    assert!(endpoints.0.is_some() || endpoints.1.is_some());
    let board = args.board("board");
    board.add(READY, 1);
    board.wait_to_be_killed();
}

/// The only sender dies: the set finds that out after a sleep, and says `Disconnected`.
fn a_killed_sender_makes_its_ring_ready<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let [ring, quiet] =
        [FIRST, SECOND].map(|name| Ring::<u64, K>::create(home.named(name), 4).expect("make it"));
    let (mut rx, mut quiet_rx) = (ring.receiver().unwrap(), quiet.receiver().unwrap());
    let _quiet_tx = quiet.sender().unwrap();
    let args = [("kind", &K::KIND as _), ("side", &Side::Sender as _)];
    let child = home.spawn("silent peer", &args);
    board.wait(READY, 1);
    let mut select = Select::new();
    let (_, receiver) = (select.recv(&mut quiet_rx), select.recv(&mut rx));
    assert!(select.ready_timeout(Duration::from_millis(150)).is_err());
    child.kill();
    assert_eq!(select.ready_timeout(LONG), Ok(receiver.index()));
    assert_eq!(select[receiver].recv(), Err(RecvError::Disconnected));
    select! {
        recv(quiet_rx) -> _ => panic!("nothing is there"),
        recv(rx) -> message => assert_eq!(message, Err(RecvError::Disconnected)),
    }
}

fn a_killed_receiver_makes_its_ring_ready<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = Ring::<u64, K>::create(home.named(FIRST), 1).expect("make it");
    let mut tx = ring.sender().unwrap();
    tx.send(1).unwrap();
    let args = [("kind", &K::KIND as _), ("side", &Side::Receiver as _)];
    let child = home.spawn("silent peer", &args);
    board.wait(READY, 1);
    let mut select = Select::new();
    let sender = select.send(&mut tx);
    assert!(select.ready_timeout(Duration::from_millis(150)).is_err());
    child.kill();
    assert_eq!(select.ready_timeout(LONG), Ok(sender.index()));
    assert_eq!(select[sender].send(2), Err(SendError::Disconnected(2)));
}

/// What a dead receiver had leased makes its ring ready again.
fn what_a_dead_receiver_held_makes_its_ring_ready<K: Kind>() {
    let scene = Scene::<K>::of(4);
    let mut tx = scene.sender();
    tx.send(Line::numbered(3)).unwrap();
    let holder = scene.hold(Side::Receiver, 1);
    if !memring_testkit::kinds::has_many(K::KIND, Side::Receiver) {
        // Its successor has it.
        holder.kill();
        let mut rx = scene.receiver();
        select! {
            recv(rx) -> message => assert_eq!(Line::stamp(&message.unwrap()).number, 3),
        }
        return;
    }
    let mut rx = scene.receiver();
    let mut select = Select::new();
    let receiver = select.recv(&mut rx);
    assert!(select.ready_timeout(Duration::from_millis(150)).is_err());
    holder.kill();
    assert_eq!(select.ready_timeout(LONG), Ok(receiver.index()));
    let message = select[receiver].recv_timeout(Duration::ZERO).unwrap();
    assert_eq!(Line::stamp(&message).number, 3);
}

for_each_kind!(
    a_killed_sender_makes_its_ring_ready,
    a_killed_receiver_makes_its_ring_ready,
    what_a_dead_receiver_held_makes_its_ring_ready,
);

/// Takes from two rings until both are closed.
fn taker(args: &Args) {
    let board = args.board("board");
    let [first, second] = [FIRST, SECOND].map(|name| Ring::<u64, Mpmc>::open(name).expect("open"));
    let (mut first, mut second) = (first.receiver().unwrap(), second.receiver().unwrap());
    let mut select = Select::new();
    let tokens = [select.recv(&mut first), select.recv(&mut second)];
    board.add(READY, 1);
    while !select.is_empty() {
        let ready = select.ready();
        match select[tokens[ready]].recv_timeout(Duration::ZERO) {
            Ok(_) => drop(board.add(TAKEN, 1)),
            Err(RecvTimeoutError::Timeout(_)) => {}
            Err(RecvTimeoutError::Closed) => drop(select.remove(tokens[ready])),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A process that is stopped, or killed, while it sleeps in a set has taken nothing: the others
/// get every message.
fn nothing_is_robbed(kills: bool) {
    const MESSAGES: u64 = 40;
    let home = Home::new();
    let board = home.board("board", 2);
    let [first, second] = [FIRST, SECOND]
        .map(|name| Ring::<u64, Mpmc>::create(home.named(name), 64).expect("make it"));
    let mut txs = [first.sender().unwrap(), second.sender().unwrap()];
    let child = home.spawn("select taker", &[]);
    board.wait(READY, 1);
    child.wait_until_asleep();
    child.stop();
    let mut child = Some(child);
    if kills {
        child.take().expect("it was there").kill();
    }
    let (mut first_rx, mut second_rx) = (first.receiver().unwrap(), second.receiver().unwrap());
    let taking = std::thread::spawn(move || {
        let mut got = Vec::new();
        let late = Instant::now() + LONG;
        while (got.len() as u64) < MESSAGES && Instant::now() < late {
            select! {
                recv(first_rx) -> message => got.push(message.unwrap()),
                recv(second_rx) -> message => got.push(message.unwrap()),
                default(LONG) => {}
            }
        }
        got
    });
    for number in 0..MESSAGES {
        txs[number as usize % 2].send(number).unwrap();
        if number % 8 == 0 {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
    let mut got = taking.join().unwrap();
    got.sort_unstable();
    assert!(got.into_iter().eq(0..MESSAGES), "robbed");
    assert_eq!(board.get(TAKEN), 0);
    for ring in [&first, &second] {
        let stats = ring.stats();
        assert_eq!((stats.redelivered, stats.lost), (0, 0));
    }
    if let Some(child) = child {
        // It goes on where it was.
        child.resume();
        txs[1].send(1).unwrap();
        board.wait(TAKEN, 1);
        first.close().unwrap();
        second.close().unwrap();
        child.finish();
    }
}

#[test]
fn a_stopped_selector_robs_nothing() {
    nothing_is_robbed(false);
}

#[test]
fn a_killed_selector_robs_nothing() {
    nothing_is_robbed(true);
}
