//! Sets that sleep, and are woken. Also run with the fallback of kernels that cannot sleep on
//! many words.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use memring::{Kind, Mpmc, ReadyTimeoutError, RecvError, Ring, Select, WaitStrategy, select};
use memring_testkit::for_each_kind;
use memring_testkit::time::{LONG, in_time};

use super::SHORT;

const STRATEGIES: [WaitStrategy; 3] = [
    WaitStrategy::Spin,
    WaitStrategy::SpinThenPark { spins: 100 },
    WaitStrategy::Park,
];

/// As many rings as one call of the kernel does not take.
const MANY: usize = 150;

pub fn any_of_them_wakes<K: Kind>() {
    for strategy in STRATEGIES {
        for woken in 0..3 {
            let rings = [0; 3].map(|_| Ring::<u64, K>::anonymous(1).unwrap());
            let [mut first_tx, mut second_tx, mut full] =
                rings.each_ref().map(|ring| ring.sender().unwrap());
            let [mut first, mut second, mut third] =
                rings.each_ref().map(|ring| ring.receiver().unwrap());
            // The third is full: what is waited for there is room.
            full.send(9).unwrap();
            let late = thread::spawn(move || {
                thread::sleep(SHORT);
                match woken {
                    0 => first_tx.send(0).unwrap(),
                    1 => second_tx.send(1).unwrap(),
                    _ => assert_eq!(third.recv(), Ok(9)),
                }
                (first_tx, second_tx, third)
            });
            in_time(move || {
                let mut select = Select::with_strategy(strategy);
                let (first, second) = (select.recv(&mut first), select.recv(&mut second));
                let sender = select.send(&mut full);
                let ready = select.ready_timeout(LONG).unwrap();
                match ready {
                    0 => assert_eq!(select[first].recv(), Ok(0)),
                    1 => assert_eq!(select[second].recv(), Ok(1)),
                    _ => select[sender].send(8).unwrap(),
                }
                assert_eq!(ready, woken);
            });
            late.join().unwrap();
        }
    }
}

pub fn an_end_wakes<K: Kind>() {
    let rings = [0; 2].map(|_| Ring::<u64, K>::anonymous(1).unwrap());
    let txs = rings.each_ref().map(|ring| ring.sender().unwrap());
    let [mut first, mut second] = rings.each_ref().map(|ring| ring.receiver().unwrap());
    let [gone, _there] = txs;
    let late = thread::spawn(move || {
        thread::sleep(SHORT);
        drop(gone);
    });
    in_time(move || {
        let mut select = Select::with_strategy(WaitStrategy::Park);
        let (first, second) = (select.recv(&mut first), select.recv(&mut second));
        assert_eq!(select.ready(), first.index());
        assert_eq!(select[first].recv(), Err(RecvError::Disconnected));
        select.remove(first).unwrap();
        let ring = rings[1].clone();
        let late = thread::spawn(move || {
            thread::sleep(SHORT);
            ring.close().unwrap();
        });
        assert_eq!(select.ready(), second.index());
        assert_eq!(select[second].recv(), Err(RecvError::Closed));
        late.join().unwrap();
    });
    late.join().unwrap();
}

pub fn the_macro_waits<K: Kind>() {
    let rings = [0; 2].map(|_| Ring::<u64, K>::anonymous(1).unwrap());
    let [mut first_tx, mut second_tx] = rings.each_ref().map(|ring| ring.sender().unwrap());
    let [mut first, mut second] = rings.each_ref().map(|ring| ring.receiver().unwrap());
    let sender = thread::spawn(move || {
        for number in 0..20 {
            thread::sleep(Duration::from_millis(2));
            match number % 3 {
                0 => first_tx.send(number).unwrap(),
                _ => second_tx.send(number).unwrap(),
            }
        }
        (first_tx, second_tx)
    });
    let mut got = in_time(move || {
        let mut got = Vec::new();
        while got.len() < 20 {
            select! {
                recv(first) -> number => got.push(number.unwrap()),
                recv(second) -> number => got.push(number.unwrap()),
            }
        }
        got
    });
    got.sort_unstable();
    assert!(got.into_iter().eq(0..20));
    sender.join().unwrap();
}

pub fn more_than_the_kernel_takes_at_once() {
    let rings: Vec<_> = (0..MANY)
        .map(|_| Ring::<u64, Mpmc>::anonymous(1).unwrap())
        .collect();
    let mut txs: Vec<_> = rings.iter().map(|ring| ring.sender().unwrap()).collect();
    let mut rxs: Vec<_> = rings.iter().map(|ring| ring.receiver().unwrap()).collect();
    let mut select = Select::with_strategy(WaitStrategy::Park);
    let tokens: Vec<_> = rxs.iter_mut().map(|rx| select.recv(rx)).collect();
    let start = Instant::now();
    assert_eq!(select.ready_timeout(SHORT), Err(ReadyTimeoutError));
    assert!(start.elapsed() >= SHORT);
    let order = [MANY - 1, 0, 127, 128, 1];
    // One at a time, however late this thread wakes: of several that are ready any may be first.
    let (received, next) = mpsc::channel();
    let sender = thread::spawn(move || {
        for at in order {
            thread::sleep(Duration::from_millis(5));
            txs[at].send(at as u64).unwrap();
            next.recv().unwrap();
        }
        txs
    });
    for expected in order {
        let ready = select.ready_timeout(LONG).expect("woken in time");
        assert_eq!(select[tokens[ready]].recv(), Ok(expected as u64));
        received.send(()).unwrap();
    }
    sender.join().unwrap();
}

for_each_kind!(any_of_them_wakes, an_end_wakes, the_macro_waits);

#[test]
fn of_more_than_the_kernel_takes_at_once_each_wakes() {
    more_than_the_kernel_takes_at_once();
}
