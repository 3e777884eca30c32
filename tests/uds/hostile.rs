//! Peers that are silent, slow, that lie, hang up in the middle, and are many: an honest
//! process is accepted all the same, and soon.

use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use memring::uds::{self, Listener, Rendezvous, RendezvousError};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, in_time};
use rustix::net::{Shutdown, shutdown};

use crate::raw::{
    ACCEPT, DONE, accepted, connected, hear, honest_hello, listening, name, say, say_passing,
    saying,
};

/// A listener that tells whom it refused, and why.
fn telling(options: Rendezvous<u64, u64>, name: &str) -> (Listener<u64, u64>, Receiver<String>) {
    let (told, why) = channel();
    let options = options.on_refused(move |_, error| {
        let _ = told.send(error.to_string());
    });
    (options.bind(name).unwrap(), why)
}

/// An honest process is accepted, whatever is half made.
fn accepts_an_honest_one(listener: &mut Listener<u64, u64>, name: &str) {
    thread::scope(|scope| {
        let client = scope.spawn(|| uds::connect::<u64, u64>(name).expect("connect"));
        let mut here = listener
            .accept_timeout(LONG)
            .unwrap()
            .expect("an honest one is accepted");
        let mut there = client.join().unwrap();
        here.tx.send(7).unwrap();
        assert_eq!(there.rx.recv(), Ok(7));
    });
}

/// Accepts nobody until so many were refused.
fn refuses(listener: &mut Listener<u64, u64>, count: u64) {
    let late = Instant::now() + LONG;
    while listener.refused() < count {
        assert!(Instant::now() < late, "nobody is refused");
        let accepted = listener.accept_timeout(Duration::from_millis(10)).unwrap();
        assert!(accepted.is_none(), "a hostile peer was accepted");
    }
    assert_eq!(listener.refused(), count);
}

#[test]
fn a_silent_peer_delays_nobody_and_is_dropped() {
    let name = name("silent");
    let options = Rendezvous::new().timeout(Duration::from_secs(3));
    let (mut listener, why) = telling(options, &name);
    let silent = connected(&name);
    let slow = connected(&name);
    say(&slow, &honest_hello()); // and never says that it has what it got
    accepts_an_honest_one(&mut listener, &name);
    refuses(&mut listener, 2);
    assert_eq!(listener.half_made(), 0);
    for _ in 0..2 {
        let why = why.recv_timeout(LONG).unwrap();
        assert!(why.contains("has not said all in time"), "{why}");
    }
    assert!(!hear(&slow).is_empty(), "it was offered rings");
    assert!(hear(&slow).is_empty(), "and then hung up on");
    assert!(hear(&silent).is_empty());
    accepts_an_honest_one(&mut listener, &name);
}

#[test]
fn a_peer_that_lies_is_refused() {
    let name = name("lying");
    let (mut listener, why) = telling(Rendezvous::new(), &name);
    let hello = honest_hello();
    let long = [&hello[..], &[0; 40]].concat();
    let mut other_magic = hello.clone();
    other_magic[0] ^= 1;
    let lies = [
        vec![0; 3],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        long,
        other_magic,
        saying(&hello, DONE),
        saying(&hello, ACCEPT),
        saying(&hello, 99),
        hello[..87].to_vec(),
    ];
    for (count, lie) in lies.iter().enumerate() {
        let peer = connected(&name);
        say(&peer, lie);
        refuses(&mut listener, count as u64 + 1);
        let why = why.recv_timeout(LONG).unwrap();
        assert!(why.contains("does not speak the protocol"), "{why}");
        // It is told, and hung up on.
        assert_eq!(hear(&peer).len(), hello.len());
        assert!(hear(&peer).is_empty());
    }
    // Twice the same.
    let peer = connected(&name);
    say(&peer, &hello);
    say(&peer, &hello);
    refuses(&mut listener, lies.len() as u64 + 1);
    accepts_an_honest_one(&mut listener, &name);
}

/// Bytes at random, in messages at random.
#[test]
fn arbitrary_bytes_are_refused() {
    let name = name("arbitrary");
    let (mut listener, _why) = telling(Rendezvous::new(), &name);
    let hello = honest_hello();
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for count in 1..=300 {
        let peer = connected(&name);
        let mut bytes = hello.clone();
        if count % 2 == 0 {
            bytes = (0..1 + random() % 120).map(|_| random() as u8).collect();
        } else {
            // In the fields that count: the limits are the listener's.
            let at = [0, 8, 12, 16, 20, 24, 28, 32, 48, 56, 60, 64, 80][random() as usize % 13];
            bytes[at] ^= 1 + (random() % 255) as u8;
            if bytes[16] == 16 {
                bytes[16] = 77;
            }
        }
        say(&peer, &bytes);
        refuses(&mut listener, count);
    }
    accepts_an_honest_one(&mut listener, &name);
}

#[test]
fn a_peer_that_hangs_up_is_forgotten() {
    let name = name("half-closed");
    let (mut listener, why) = telling(Rendezvous::new(), &name);
    let hello = honest_hello();
    for says_hello in [false, true] {
        for is_half in [false, true] {
            let peer = connected(&name);
            if says_hello {
                say(&peer, &hello);
            }
            let kept: Option<OwnedFd> = match is_half {
                true => {
                    shutdown(&peer, Shutdown::Write).unwrap();
                    Some(peer)
                }
                false => {
                    drop(peer);
                    None
                }
            };
            let count = listener.refused() + 1;
            refuses(&mut listener, count);
            let why = why.recv_timeout(LONG).unwrap();
            assert!(
                why.contains("hung up before"),
                "{says_hello}, {is_half}: {why}"
            );
            drop(kept);
        }
    }
    assert_eq!(listener.half_made(), 0);
    accepts_an_honest_one(&mut listener, &name);
}

/// Connects very often, and says nothing.
pub fn crowd(args: &Args) {
    let board = args.board("board");
    let address: String = args.get("address");
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(connected(&address));
    }
    board.set(1, 1);
    board.wait_to_be_killed();
}

#[test]
fn a_crowd_of_one_process_keeps_no_other_out() {
    let home = Home::new();
    let board = home.board("board", 2);
    let name = name("crowd");
    // Longer than the test.
    let options = Rendezvous::new().max_half_made(5).timeout(10 * LONG);
    let (mut listener, why) = telling(options, &name);
    let child = home.spawn("uds crowd", &[("address", &name)]);
    board.wait(1, 1);
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!((listener.half_made(), listener.refused()), (5, 95));
    assert!(why.recv().unwrap().contains("this process had the most"));
    for _ in 0..3 {
        accepts_an_honest_one(&mut listener, &name);
    }
    assert_eq!(listener.half_made(), 4);
    child.kill();
    while listener.half_made() > 0 {
        let accepted = listener.accept_timeout(Duration::from_millis(10)).unwrap();
        assert!(accepted.is_none());
    }
}

/// What one that connects makes of a listener's answer.
fn answered(answer: impl FnOnce(&OwnedFd, Vec<u8>) + Send) -> RendezvousError {
    answered_within(LONG, answer)
}

fn answered_within(
    timeout: Duration,
    answer: impl FnOnce(&OwnedFd, Vec<u8>) + Send,
) -> RendezvousError {
    let name = name("listener");
    let listener = listening(&name);
    thread::scope(|scope| {
        scope.spawn(|| {
            let peer = accepted(&listener);
            let hello = hear(&peer);
            answer(&peer, hello);
            // Not hung up on before it has understood.
            hear(&peer);
        });
        let options = Rendezvous::<u64, u64>::new().timeout(timeout);
        options.connect(&name).expect_err("a listener that lies")
    })
}

#[test]
fn a_listener_that_lies_is_refused() {
    let null = || std::fs::File::open("/dev/null").unwrap();
    let protocol = |error: RendezvousError| {
        assert!(matches!(error, RendezvousError::Protocol { .. }), "{error}");
    };
    protocol(answered(|peer, _| say(peer, b"what?")));
    protocol(answered(|peer, hello| say(peer, &hello))); // a greeting
    protocol(answered(|peer, hello| say(peer, &saying(&hello, ACCEPT)))); // and no rings
    protocol(answered(|peer, hello| say(peer, &saying(&hello, 16)))); // no difference
    protocol(answered(|peer, hello| {
        let null = null();
        say_passing(peer, &saying(&hello, ACCEPT), &[null.as_fd(); 7]);
    }));
    protocol(answered(|peer, hello| {
        let null = null();
        say_passing(peer, &saying(&hello, ACCEPT), &[null.as_fd(); 60]);
    }));
    let error = answered(|peer, hello| {
        let null = null();
        say_passing(peer, &saying(&hello, ACCEPT), &[null.as_fd(); 2]);
    });
    assert!(matches!(error, RendezvousError::Ring(_)), "{error}");
    // Memory that its giver can still shrink.
    let error = answered(|peer, hello| {
        let file = tempfile::tempfile().unwrap();
        say_passing(peer, &saying(&hello, ACCEPT), &[file.as_fd(); 2]);
    });
    assert!(matches!(error, RendezvousError::Ring(_)), "{error}");
    let error = answered_within(Duration::from_millis(100), |_, _| ());
    assert!(matches!(error, RendezvousError::Timeout { .. }), "{error}");
    let error = answered(|peer, _| shutdown(peer, Shutdown::Both).unwrap());
    assert!(matches!(error, RendezvousError::HungUp), "{error}");
}

/// A crowd that comes as quickly as it is refused: whenever one is, another connects.
#[test]
fn a_crowd_without_an_end_keeps_no_call() {
    in_time(|| {
        let at = name("endless");
        let again = at.clone();
        let options = Rendezvous::<u64, u64>::new();
        let options = options.on_refused(move |_, _| drop(connected(&again)));
        let mut listener = options.bind(&at).unwrap();
        for _ in 0..40 {
            drop(connected(&at));
        }
        assert!(listener.try_accept().unwrap().is_none());
        let short = Duration::from_millis(1);
        assert!(listener.accept_timeout(short).unwrap().is_none());
        let mut accepts = pin!(listener.accept_async());
        let context = &mut Context::from_waker(Waker::noop());
        assert!(accepts.as_mut().poll(context).is_pending());
    });
}
