//! The arms of `select!`: what is evaluated, and when; what bodies may do.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use memring::{
    Kind, Message, Mpmc, Receiver, RecvError, Ring, SendError, Sender, Spsc, TryRecvError, select,
};
use memring_testkit::for_each_kind;
use memring_testkit::time::in_time;

use super::SHORT;

fn exactly_one_operation_is_carried_out<K: Kind>() {
    let (first, second) = (Ring::<u64, K>::anonymous(4), Ring::<[u8], K>::anonymous(4));
    let (first, second) = (first.unwrap(), second.unwrap());
    let (mut first_tx, mut rx) = (first.sender().unwrap(), first.receiver().unwrap());
    let (mut tx, mut second_rx) = (second.sender().unwrap(), second.receiver().unwrap());
    let (mut sent, mut received) = (0, 0);
    first_tx.send_batch(0..4).unwrap();
    for _ in 0..8 {
        select! {
            recv(rx) -> message => {
                assert_eq!(message, Ok(received));
                received += 1;
            }
            send(tx, b"bytes") -> result => {
                assert_eq!(result, Ok(()));
                sent += 1;
            }
        }
        assert_eq!(rx.slots() as u64, 4 - received);
        assert_eq!(second_rx.slots(), sent);
    }
    assert_eq!((received, sent), (4, 4));
    assert_eq!(second_rx.recv(), Ok(b"bytes".to_vec()));
}

fn without_an_operation_there_is_the_default<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let which = select! {
        recv(rx) -> _ => 0,
        default => 1,
    };
    assert_eq!(which, 1);
    tx.send(1).unwrap();
    let start = Instant::now();
    // The default may stand anywhere, and needs no comma after a block.
    let which = select! {
        default(SHORT) => { 1 }
        send(tx, 2) -> _ => 0,
    };
    assert_eq!(which, 1);
    assert!(start.elapsed() >= SHORT);
    let which = select! {
        send(tx, 2) -> _ => 0,
        recv(rx) -> message => message.unwrap() + 1,
        default() => 1
    };
    assert_eq!(which, 2);
    let which = select! { default => 3 };
    assert_eq!(which, 3);
}

fn ends_are_results<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(7).unwrap();
    ring.close().unwrap();
    for expected in [Ok(7), Err(RecvError::Closed), Err(RecvError::Closed)] {
        select! {
            recv(rx) -> message => assert_eq!(message, expected),
            default => panic!("it is ready"),
        }
    }
    select! {
        send(tx, 8) -> sent => assert_eq!(sent, Err(SendError::Closed(8))),
    }
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let mut rx = ring.receiver().unwrap();
    drop(ring.sender().unwrap());
    select! {
        recv(rx) -> message => assert_eq!(message, Err(RecvError::Disconnected)),
    }
}

/// A message that its ring cannot hold; a place that is claimed for it is given up.
fn what_cannot_be_sent_is_an_error<K: Kind>() {
    let ring = Ring::<[u8], K>::builder().capacity(2).message_limit(4);
    let ring = ring.anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    select! {
        send(tx, b"too long") -> sent => assert!(matches!(sent, Err(SendError::Failed(..)))),
    }
    tx.send(b"fits").unwrap();
    assert_eq!(rx.recv(), Ok(b"fits".to_vec()));
}

fn a_message_is_made_for_the_arm_that_is_selected<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut made = 0;
    let mut make = || {
        made += 1;
        made
    };
    tx.send(9).unwrap();
    select! {
        send(tx, make()) -> _ => panic!("it is full"),
        default => {}
    }
    assert_eq!(rx.recv(), Ok(9));
    select! {
        send(tx, make()) -> sent => sent.unwrap(),
        recv(rx) -> _ => panic!("it is empty"),
    }
    assert_eq!((rx.recv(), made), (Ok(1), 1));
}

/// Its place is given up at once.
fn no_message_may_come_of_the_expression<K: Kind>() {
    fn give_up<K: Kind>(tx: &mut Sender<u64, K>, message: Option<u64>) -> Option<()> {
        select! {
            send(tx, message?) -> sent => sent.ok(),
        }
    }
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(give_up(&mut tx, None), None);
    // Nobody waits for what is not coming.
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(give_up(&mut tx, Some(5)), Some(()));
    assert_eq!(rx.recv(), Ok(5));
    // A loop around it is left; its own is not.
    let mut rounds = 0;
    loop {
        rounds += 1;
        select! {
            send(tx, if rounds == 2 { break } else { rounds }) -> sent => sent.unwrap(),
        }
    }
    assert_eq!(
        (rx.recv(), rx.try_recv()),
        (Ok(1), Err(TryRecvError::Empty))
    );
}

fn bodies_use_the_endpoints<K: Kind>() {
    let (a, b) = (
        Ring::<u64, K>::anonymous(4).unwrap(),
        Ring::<[u8], K>::anonymous(4).unwrap(),
    );
    let (mut a_tx, mut a_rx) = (a.sender().unwrap(), a.receiver().unwrap());
    let (mut b_tx, mut b_rx) = (b.sender().unwrap(), b.receiver().unwrap());
    a_tx.send_batch([1, 2]).unwrap();
    b_tx.send(b"three").unwrap();
    let mut rounds = 0;
    let last = loop {
        rounds += 1;
        select! {
            recv(a_rx) -> first => {
                assert_eq!((first, a_rx.recv()), (Ok(1), Ok(2)));
                assert_eq!(b_rx.try_recv(), Ok(b"three".to_vec()));
                b_tx.send(b"again").unwrap();
                continue;
            }
            recv(b_rx) -> bytes => {
                let bytes = bytes.unwrap();
                a_tx.send(4).unwrap();
                if bytes == b"again" {
                    break a_rx.recv();
                }
                assert_eq!(a_rx.recv(), Ok(1));
                assert_eq!(a_rx.recv(), Ok(2));
                assert_eq!(a_rx.recv(), Ok(4));
                b_tx.send(b"again").unwrap();
            }
        }
    };
    assert_eq!((last, rounds), (Ok(4), 2));
}

/// Endpoints behind references, in fields, in locks, of any message type.
fn endpoints_are_any_expression<K: Kind>() {
    struct Held<K: Kind> {
        rx: Receiver<u64, K>,
    }
    fn of_any_type<T: Message + ?Sized, K: Kind>(rx: &mut Receiver<T, K>) -> Option<T::Received> {
        select! {
            recv(rx) -> message => message.ok(),
            default => None,
        }
    }
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let (tx, mut held) = (Mutex::new(tx), Held { rx });
    assert_eq!(of_any_type(&mut held.rx), None);
    select! {
        recv(held.rx) -> _ => panic!("it is empty"),
        send(tx.lock().unwrap(), 1) -> sent => sent.unwrap(),
    }
    let by_reference = &mut held;
    select! {
        recv(&mut by_reference.rx) -> message => assert_eq!(message, Ok(1)),
    }
    tx.lock().unwrap().send(2).unwrap();
    assert_eq!(of_any_type(&mut held.rx), Some(2));
}

for_each_kind!(
    exactly_one_operation_is_carried_out,
    without_an_operation_there_is_the_default,
    ends_are_results,
    what_cannot_be_sent_is_an_error,
    a_message_is_made_for_the_arm_that_is_selected,
    no_message_may_come_of_the_expression,
    bodies_use_the_endpoints,
    endpoints_are_any_expression,
);

#[test]
fn many_arms() {
    let rings = [0; 10].map(|_| Ring::<u64, Spsc>::anonymous(1).unwrap());
    let mut txs = rings.each_ref().map(|ring| ring.sender().unwrap());
    let mut rxs = rings.each_ref().map(|ring| ring.receiver().unwrap());
    // Names of the user's that the macro might use itself.
    let (arm, result, claimed) = (1, 2, 3);
    for (at, tx) in txs.iter_mut().enumerate() {
        tx.send(at as u64).unwrap();
        let [a, b, c, d, e, f, g, h, i, j] = &mut rxs;
        let got = select! {
            recv(a) -> message => message.unwrap() + 10 * arm,
            recv(b) -> message => message.unwrap() + 5 * result,
            recv(c) -> message => { message.unwrap() + 10 }
            recv(d) -> message => message.unwrap() + 10,
            recv(e) -> message => message.unwrap() + 10,
            recv(f) -> message => message.unwrap() + 10,
            recv(g) -> message => message.unwrap() + 10,
            recv(h) -> message => message.unwrap() + 10,
            recv(i) -> message => message.unwrap() + 10,
            recv(j) -> message => message.unwrap() + 7 + claimed,
            default => 99,
        };
        assert_eq!(got, at as u64 + 10);
    }
}

/// A ring that others empty all the time: the default comes, or a message.
#[test]
fn a_rival_that_is_quicker_keeps_no_default_from_coming() {
    in_time(|| {
        let ring = Ring::<u64, Mpmc>::anonymous(4).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let mut rival = rx.clone();
        let traffic = std::thread::spawn(move || {
            for number in 0..20_000 {
                tx.send(number).unwrap();
                let _ = rival.try_recv();
            }
            ring.close().unwrap();
            let mut count = 0;
            while rival.try_recv().is_ok() {
                count += 1;
            }
            count
        });
        let mut got = 0;
        loop {
            select! {
                recv(rx) -> message => match message {
                    Ok(_) => got += 1,
                    Err(_) => break,
                },
                default(Duration::ZERO) => {}
            }
        }
        assert!(got <= 20_000);
        traffic.join().unwrap();
    });
}
