//! A client that does not take its replies stalls nobody but itself.

use std::thread;
use std::time::Duration;

use memring::rpc::CallError;
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;

use crate::{Numbers, SERVICE};

const WINDOW: usize = 4;

#[test]
fn a_client_that_takes_no_replies_stalls_only_itself() {
    let home = Home::new();
    let builder = Numbers::builder().window(WINDOW).queue(8);
    let service = builder.open_or_create(home.named(SERVICE)).unwrap();
    thread::scope(|scope| {
        let mut server = service.server().unwrap();
        let stats = scope.spawn(move || {
            server.serve(|number| *number + 1).unwrap();
            server.stats()
        });
        let mut lazy = service.client().unwrap();
        let calls: Vec<_> = (0..WINDOW as u64)
            .map(|it| lazy.submit(it).unwrap())
            .collect();
        // Many laps of the ring of requests.
        let mut busy = service.client().unwrap();
        for number in 0..1000 {
            assert_eq!(busy.call_timeout(number, LONG), Ok(number + 1));
        }
        for (number, call) in calls.into_iter().enumerate() {
            assert_eq!(call.wait(), Ok(number as u64 + 1));
        }
        service.close().unwrap();
        assert_eq!(stats.join().unwrap().unsent, 0);
    });
}

#[test]
fn a_window_that_is_full_waits_for_replies() {
    let home = Home::new();
    let builder = Numbers::builder().window(WINDOW);
    let service = builder.open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut calls: Vec<_> = (0..WINDOW as u64)
        .map(|it| client.submit(it).unwrap())
        .collect();
    let short = Duration::from_millis(10);
    assert_eq!(client.call_timeout(9, short), Err(CallError::Timeout));
    // A call that was dropped has its place until it is answered.
    drop(calls.pop());
    assert_eq!(client.call_timeout(9, short), Err(CallError::Timeout));
    assert_eq!(service.queued(), WINDOW);
    for _ in 0..WINDOW {
        server.recv().unwrap().1.reply(1).unwrap();
    }
    // All have their replies, taken or not: there is room for as many.
    let more: Vec<_> = (0..WINDOW as u64)
        .map(|it| client.submit(it).unwrap())
        .collect();
    assert_eq!(client.call_timeout(9, short), Err(CallError::Timeout));
    calls
        .into_iter()
        .for_each(|call| assert_eq!(call.wait(), Ok(1)));
    assert_eq!(server.stats().unsent, 0);
    drop(more);
}

/// A request that cannot be sent gives its place back.
#[test]
fn what_was_not_sent_has_no_place() {
    let home = Home::new();
    let builder = Numbers::builder().window(64).queue(2);
    let service = builder.open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let first: Vec<_> = (0..2).map(|it| client.submit(it).unwrap()).collect();
    for _ in 0..64 {
        let timeout = Duration::from_millis(1);
        assert_eq!(client.call_timeout(9, timeout), Err(CallError::Timeout));
    }
    for _ in 0..2 {
        server.recv().unwrap().1.reply(1).unwrap();
    }
    first
        .into_iter()
        .for_each(|call| assert_eq!(call.wait(), Ok(1)));
    let call = client.submit(3).unwrap();
    server.recv().unwrap().1.reply(4).unwrap();
    assert_eq!(call.wait(), Ok(4));
}
