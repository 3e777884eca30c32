//! Every verb, within one process.

use std::thread;
use std::time::Duration;

use memring::rpc::{CallError, Postcard, ReplyError, Service, ServiceError, ServiceRing, remove};
use memring::{RecvError, RecvTimeoutError, RingError, TryRecvError};
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;

use crate::{Numbers, SERVICE, leftovers};

#[test]
fn calls_of_each_sort_of_payload() {
    let home = Home::new();
    let typed = Service::<[u64; 3], [u8; 5]>::open_or_create(home.named("typed")).unwrap();
    let bytes = Service::<[u8], [u8]>::open_or_create(home.named("bytes")).unwrap();
    type Texts = Service<Postcard<(String, usize)>, Postcard<Option<String>>>;
    let serde = Texts::open_or_create(home.named("serde")).unwrap();
    thread::scope(|scope| {
        let mut server = typed.server().unwrap();
        scope.spawn(move || {
            server.serve(|request| {
                request.map(|it| it as u8)[..1]
                    .repeat(5)
                    .try_into()
                    .unwrap()
            })
        });
        let mut server = bytes.server().unwrap();
        scope.spawn(move || server.serve(|request| request.iter().rev().copied().collect()));
        let mut server = serde.server().unwrap();
        scope.spawn(move || server.serve(|request| request.0.get(..request.1).map(String::from)));

        let mut client = typed.client().unwrap();
        assert_eq!(client.call([7, 8, 9]), Ok([7; 5]));
        let mut client = bytes.client().unwrap();
        for length in [0, 1, 500, bytes.request_limit()] {
            let request: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let response: Vec<u8> = request.iter().rev().copied().collect();
            assert_eq!(client.call_timeout(&request, LONG), Ok(response));
        }
        let mut client = serde.client().unwrap();
        assert_eq!(client.call(&("abc".into(), 2)), Ok(Some("ab".into())));
        assert_eq!(client.call(&("abc".into(), 9)), Ok(None));
        for close in [typed.close(), bytes.close(), serde.close()] {
            close.unwrap();
        }
    });
    assert_eq!(typed.queued() + bytes.queued() + serde.queued(), 0);
}

#[test]
fn many_clients_and_servers_in_threads() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    thread::scope(|scope| {
        let servers: Vec<_> = (0..2)
            .map(|_| {
                let mut server = service.server().unwrap();
                scope.spawn(move || {
                    server.serve(|number| *number + 1).unwrap();
                    server.stats().handed_out
                })
            })
            .collect();
        let shared = service.client().unwrap();
        let clients: Vec<_> = (0..4u64)
            .map(|number| {
                // Two have a ring of their own, and two share one.
                let mut client = match number {
                    0 | 1 => service.client().unwrap(),
                    _ => shared.clone(),
                };
                scope.spawn(move || {
                    for turn in 0..500 {
                        let request = number << 32 | turn;
                        assert_eq!(client.call(request), Ok(request + 1));
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|it| it.join().unwrap());
        service.close().unwrap();
        let handed_out: u64 = servers.into_iter().map(|it| it.join().unwrap()).sum();
        assert_eq!(handed_out, 2000);
    });
    assert_eq!(leftovers(&home), [""; 0]);
}

#[test]
fn answers_come_in_any_order() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut calls: Vec<_> = (0..8).map(|it| client.submit(it).unwrap()).collect();
    let mut responders: Vec<_> = (0..8)
        .map(|expected| {
            let (request, responder) = server.recv_timeout(LONG).unwrap();
            assert_eq!((*request, request.attempt()), (expected, 1));
            Some((request.into_inner(), responder))
        })
        .collect();
    assert_eq!(service.queued(), 0); // all are in hand
    assert!(calls[5].try_wait().is_none());
    assert_eq!(
        calls[5].wait_timeout(Duration::ZERO),
        Err(CallError::Timeout)
    );
    for at in [5, 0, 7, 3] {
        let (number, responder) = responders[at].take().unwrap();
        // From another thread.
        thread::scope(|scope| scope.spawn(|| responder.reply(10 * number)).join().unwrap())
            .unwrap();
    }
    assert_eq!(calls[5].try_wait(), Some(Ok(50)));
    assert!(calls[4].try_wait().is_none());
    for at in [4, 6, 2, 1] {
        let (number, responder) = responders[at].take().unwrap();
        responder.reply(10 * number).unwrap();
    }
    for (at, call) in calls.into_iter().enumerate().filter(|(at, _)| *at != 5) {
        assert_eq!(call.wait(), Ok(10 * at as u64));
    }
    assert_eq!(service.queued(), 0);
    assert!(matches!(server.try_recv(), Err(TryRecvError::Empty)));
    let nothing = server.recv_timeout(Duration::from_millis(1));
    assert!(matches!(nothing, Err(RecvTimeoutError::Timeout(None))));
}

/// Nothing is lost of a call that is given up: the next server has it, marked.
#[test]
fn a_responder_that_is_dropped_gives_its_call_back() {
    let home = Home::new();
    let builder = Numbers::builder().max_attempts(2);
    let service = builder.open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let call = client.submit(1).unwrap();
    let (request, responder) = server.recv().unwrap();
    assert_eq!((request.attempt(), responder.attempt()), (1, 1));
    drop(responder);
    let (request, responder) = server.recv().unwrap();
    assert_eq!((*request, request.attempt()), (1, 2));
    responder.reply(2).unwrap();
    assert_eq!(call.wait(), Ok(2));

    let call = client.submit(3).unwrap();
    drop(server.recv().unwrap());
    drop(server.recv().unwrap());
    assert!(matches!(server.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!(call.wait(), Err(CallError::ServerDied));
    assert_eq!(server.stats().given_up, 1);
}

#[test]
fn errors_and_panics_are_values() {
    let home = Home::new();
    let service = Service::<u64, [u8]>::builder().response_limit(300);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    thread::scope(|scope| {
        let mut server = service.server().unwrap();
        let stats = scope.spawn(move || {
            let served = server.try_serve(|number| match *number {
                0 => Err("no zero".to_string()),
                1 => panic!("one"),
                2 => panic!("{} is two", *number),
                3 => std::panic::panic_any(3),
                4 => Err("é".repeat(1000)),
                5 => Ok(vec![5; 301]),
                number => Ok(vec![6; number as usize]),
            });
            served.unwrap();
            server.stats()
        });
        let mut client = service.client().unwrap();
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut call = |number| client.call_timeout(number, LONG);
        assert_eq!(call(0), Err(CallError::Failed("no zero".into())));
        assert_eq!(call(1), Err(CallError::Panicked("one".into())));
        assert_eq!(call(2), Err(CallError::Panicked("2 is two".into())));
        assert!(matches!(call(3), Err(CallError::Panicked(_))));
        assert_eq!(call(4), Err(CallError::Failed("é".repeat(150))));
        let too_long = call(5);
        assert!(
            matches!(&too_long, Err(CallError::Invalid(text)) if text.contains("response_limit")),
            "{too_long:?}"
        );
        assert_eq!(call(300), Ok(vec![6; 300]));
        std::panic::set_hook(hook);
        service.close().unwrap();
        let stats = stats.join().unwrap();
        assert_eq!((stats.handed_out, stats.unsent), (7, 1));
    });
}

#[test]
fn responders_fail_too() {
    let home = Home::new();
    let service = Service::<u64, [u8]>::builder().response_limit(8);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let call = client.submit(0).unwrap();
    server.recv().unwrap().1.fail("not today").unwrap();
    assert_eq!(call.wait(), Err(CallError::Failed("not today".into())));
    // Errors have room for some text in any case.
    let call = client.submit(0).unwrap();
    let error = server.recv().unwrap().1.reply(&[0; 1000]).unwrap_err();
    assert!(
        matches!(
            error,
            ReplyError::TooLong {
                length: 1000,
                limit: 224
            }
        ),
        "{error}"
    );
    assert!(matches!(call.wait(), Err(CallError::Invalid(_))));
}

#[test]
fn a_request_that_is_too_long_is_not_sent() {
    let home = Home::new();
    let service = Service::<[u8], u64>::builder().request_limit(10);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    let mut client = service.client().unwrap();
    let error = client.call(&[0; 11]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has 11 bytes, and the service takes 10"),
        "{error}"
    );
    assert_eq!(service.queued(), 0);
    let _call = client.submit(&[0; 10]).unwrap();
    assert_eq!(service.queued(), 1);
}

#[test]
fn an_end_is_told_to_all() {
    let home = Home::new();
    let name = home.named(SERVICE);
    let service = Numbers::open_or_create(&name).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let call = client.submit(1).unwrap();
    service.close().unwrap();
    assert_eq!(client.call(2), Err(CallError::Closed));
    let (_, responder) = server.recv().unwrap(); // what was called before
    responder.reply(7).unwrap();
    assert_eq!(call.wait(), Ok(7));
    assert!(matches!(server.recv(), Err(RecvError::Closed)));
    assert_eq!(server.serve(|_| 0), Ok(()));
    drop((client, server, service));

    let service = Numbers::open_or_create(&name).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    remove(&name).unwrap();
    assert_eq!(client.call(1), Err(CallError::Removed));
    assert!(matches!(server.recv(), Err(RecvError::Removed)));
    drop(client);
    assert_eq!(leftovers(&home), [""; 0]);
}

#[test]
fn a_server_is_cancelled() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let canceller = server.canceller();
    let worker = thread::spawn(move || server.serve(|_| 0));
    canceller.cancel();
    assert_eq!(worker.join().unwrap(), Ok(()));
}

#[test]
fn services_are_told_apart() {
    let home = Home::new();
    let name = home.named(SERVICE);
    let service = Numbers::builder().queue(100).create(&name).unwrap();
    assert_eq!(service.request_limit(), 8);
    let mismatch = |error| matches!(error, ServiceError::Ring(RingError::Mismatch { .. }));
    assert!(mismatch(Service::<u64, u32>::open(&name).unwrap_err()));
    assert!(mismatch(Service::<u32, u64>::open(&name).unwrap_err()));
    assert!(mismatch(Service::<[u8], u64>::open(&name).unwrap_err()));
    assert!(mismatch(
        Numbers::builder().schema(1).open(&name).unwrap_err()
    ));
    assert!(mismatch(
        Numbers::builder()
            .queue(300)
            .open_or_create(&name)
            .unwrap_err()
    ));
    Numbers::builder().queue(128).open_or_create(&name).unwrap();
    let none = Numbers::open(home.named("none")).unwrap_err();
    assert!(matches!(
        none,
        ServiceError::Ring(RingError::NotFound { .. })
    ));
    for builder in [
        Numbers::builder().window(0),
        Numbers::builder().window(65537),
        Numbers::builder().max_attempts(0),
        Numbers::builder().max_attempts(9),
        Numbers::builder().queue(0),
    ] {
        let error = builder.open_or_create(&name).unwrap_err();
        assert!(
            matches!(error, ServiceError::InvalidOption { .. }),
            "{error}"
        );
    }
    let longest = "n".repeat(216);
    let service = Numbers::open_or_create(home.named(&longest)).unwrap();
    service.client().unwrap();
    let error = Numbers::open_or_create(home.named(&(longest + "n"))).unwrap_err();
    assert!(error.to_string().contains("216"), "{error}");
}

/// A look from outside tells the rings of a service from others.
#[test]
fn the_rings_of_a_service_are_told_from_others() {
    let home = Home::new();
    let name = home.named("told");
    let service = Service::<[u8], u64>::builder()
        .request_limit(500)
        .create(&name);
    let _client = service.unwrap().client().unwrap();
    let requests = memring::inspect(&name).unwrap().service_ring();
    assert_eq!(requests, Some(ServiceRing::Requests { limit: 500 }));
    let files = std::fs::read_dir(name.rsplit_once('/').unwrap().0).unwrap();
    let files = files.map(|file| file.unwrap().path().to_str().unwrap().to_owned());
    let replies: Vec<_> = files.filter(|file| file.contains(".reply-")).collect();
    let [replies] = &replies[..] else {
        panic!("{replies:?}");
    };
    let replies = memring::inspect(replies).unwrap().service_ring();
    assert_eq!(replies, Some(ServiceRing::Replies));
    let other = home.named("other");
    drop(memring::Ring::<[u8], memring::Mpmc>::create(&other, 4).unwrap());
    assert_eq!(memring::inspect(&other).unwrap().service_ring(), None);
}
