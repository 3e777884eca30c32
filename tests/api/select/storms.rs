//! Many threads that select over the same rings: no message is lost, none is doubled, and no
//! wake-up is missed.

use std::thread;
use std::time::Duration;

use memring::{Mpmc, RecvError, RecvTimeoutError, Ring, Select, WaitStrategy, failpoints, select};
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::time::{LONG, in_time};

const RINGS: usize = 3;
const SELECTORS: usize = 4;
const MESSAGES: u64 = 4000;

/// Each ring has a sender; each selector receives from all of them until all are closed; half
/// of them by sets, half by the macro.
pub fn each_message_is_received_once() {
    let rings = [0; RINGS].map(|_| Ring::<u64, Mpmc>::anonymous(4).unwrap());
    let selectors = (0..SELECTORS).map(|index| {
        let rxs = rings
            .each_ref()
            .map(|ring| ring.receiver_with(WaitStrategy::Park).unwrap());
        thread::spawn(move || match index % 2 {
            0 => by_a_set(rxs),
            _ => by_the_macro(rxs),
        })
    });
    let selectors: Vec<_> = selectors.collect();
    let senders = rings.into_iter().enumerate().map(|(index, ring)| {
        let mut tx = ring.sender().unwrap();
        thread::spawn(move || {
            for number in 0..MESSAGES {
                tx.send(number * RINGS as u64 + index as u64).unwrap();
                if number % 64 == 0 {
                    thread::sleep(Duration::from_micros(100));
                }
            }
            ring.close().unwrap();
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut got = in_time(move || {
        let got = selectors.into_iter().map(|thread| thread.join().unwrap());
        got.flatten().collect::<Vec<_>>()
    });
    senders
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    got.sort_unstable();
    assert!(
        got.into_iter().eq(0..MESSAGES * RINGS as u64),
        "lost or doubled"
    );
}

fn by_a_set(mut rxs: [memring::Receiver<u64, Mpmc>; RINGS]) -> Vec<u64> {
    let mut got = Vec::new();
    let mut select = Select::with_strategy(WaitStrategy::Park);
    let tokens = rxs.each_mut().map(|rx| select.recv(rx));
    while !select.is_empty() {
        let ready = select.ready();
        match select[tokens[ready]].recv_timeout(Duration::ZERO) {
            Ok(number) => got.push(number),
            Err(RecvTimeoutError::Timeout(_)) => {}
            Err(RecvTimeoutError::Closed) => drop(select.remove(tokens[ready])),
            Err(error) => panic!("{error}"),
        }
    }
    got
}

fn by_the_macro(rxs: [memring::Receiver<u64, Mpmc>; RINGS]) -> Vec<u64> {
    let [mut first, mut second, mut third] = rxs;
    let (mut got, mut open) = (Vec::new(), [true; RINGS]);
    while open.contains(&true) {
        let (index, message) = select! {
            recv(first) -> message => (0, message),
            recv(second) -> message => (1, message),
            recv(third) -> message => (2, message),
        };
        match message {
            Ok(number) => got.push(number),
            Err(RecvError::Closed) => {
                // It stays ready; the others have their turn all the same.
                open[index] = false;
            }
            Err(error) => panic!("{error}"),
        }
    }
    got
}

#[test]
fn each_message_is_received_once_by_many_selectors() {
    each_message_is_received_once();
}

/// Every wake-up arrives: no sleep here is ended by its cap, which would hide one that is lost.
#[test]
fn no_wake_up_is_lost_among_selectors() {
    if ran_in_own_process() {
        return;
    }
    failpoints::raise_sleep_cap(2 * LONG);
    each_message_is_received_once();
    wake_ups_that_are_not_used_are_passed_on();
}

/// W3: of two that sleep at a ring one selects, and is woken for what it does not take.
fn wake_ups_that_are_not_used_are_passed_on() {
    for _ in 0..200 {
        let rings = [0; 2].map(|_| Ring::<u64, Mpmc>::anonymous(4).unwrap());
        let [mut first_tx, mut second_tx] = rings.each_ref().map(|ring| ring.sender().unwrap());
        let [mut first, mut second] = rings
            .each_ref()
            .map(|ring| ring.receiver_with(WaitStrategy::Park).unwrap());
        let mut other = first.clone();
        let selecting = thread::spawn(move || {
            let mut select = Select::with_strategy(WaitStrategy::Park);
            select.recv(&mut first);
            select.recv(&mut second);
            // It takes nothing at all.
            select.ready()
        });
        let waiting = thread::spawn(move || other.recv());
        thread::sleep(Duration::from_micros(300));
        first_tx.send(1).unwrap();
        second_tx.send(2).unwrap();
        assert_eq!(in_time(move || waiting.join().unwrap()), Ok(1));
        selecting.join().unwrap();
    }
}
