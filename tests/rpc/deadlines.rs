//! Deadlines travel with the call.

use std::future::Future;
use std::thread;
use std::time::{Duration, Instant};

use memring::TryRecvError;
use memring::rpc::CallError;
use memring_testkit::homes::Home;
use memring_testkit::time::LONG;

use crate::{Numbers, SERVICE};

#[test]
fn a_call_that_expired_in_the_queue_is_not_handed_out() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut client = service.client().unwrap();
    let soon = Instant::now() + Duration::from_millis(20);
    let expiring = client.submit_deadline(1, soon).unwrap();
    let other = client.submit_deadline(2, soon + LONG).unwrap();
    assert_eq!(client.call_deadline(3, soon), Err(CallError::Timeout));
    let mut server = service.server().unwrap();
    let (request, responder) = server.recv().unwrap();
    assert_eq!(*request, 2);
    responder.reply(20).unwrap();
    assert_eq!(other.wait(), Ok(20));
    assert_eq!(expiring.wait(), Err(CallError::Timeout));
    assert!(matches!(server.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!(server.stats().expired, 2);
}

/// A late answer is nobody's, and no later call takes it for its own.
#[test]
fn a_late_answer_is_dropped() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let timeout = Duration::from_millis(20);
    assert_eq!(client.call_timeout(1, timeout), Err(CallError::Timeout));
    drop(client.submit(2).unwrap());
    assert!(matches!(server.try_recv(), Ok((request, _)) if *request == 2)); // and gives it back
    let (_, late) = server.recv().unwrap();
    let call = client.submit(3).unwrap();
    late.reply(20).unwrap();
    let (request, responder) = server.recv().unwrap();
    assert_eq!(*request, 3);
    responder.reply(30).unwrap();
    assert_eq!(call.wait(), Ok(30));
}

/// A thread that waits for another thread that waits has its own deadline.
#[test]
fn deadlines_of_threads_that_share_a_client() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut other = client.clone();
    thread::scope(|scope| {
        let patient = scope.spawn(move || other.call_timeout(1, LONG));
        let (_, responder) = server.recv().unwrap();
        let begin = Instant::now();
        let timeout = Duration::from_millis(30);
        assert_eq!(client.call_timeout(2, timeout), Err(CallError::Timeout));
        assert!(begin.elapsed() < LONG / 2);
        responder.reply(7).unwrap();
        assert_eq!(patient.join().unwrap(), Ok(7));
    });
}

/// What a server that passes a call on needs to know of its deadline, and how it passes the end
/// of it back.
#[test]
fn a_server_sees_the_deadline_and_passes_an_error_on() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let until = Instant::now() + LONG;
    let timed = client.submit_deadline(1, until).unwrap();
    let endless = client.submit(2).unwrap();
    let (request, responder) = server.recv().unwrap();
    let deadline = request.deadline().unwrap();
    assert!(deadline.max(until) - deadline.min(until) < LONG / 2);
    assert!(request.remaining().unwrap() <= LONG);
    responder.fail_as(&CallError::Timeout).unwrap();
    let (request, responder) = server.recv().unwrap();
    assert_eq!((request.deadline(), request.remaining()), (None, None));
    let text = CallError::Closed.to_string();
    responder.fail_as(&CallError::Closed).unwrap();
    assert_eq!(timed.wait(), Err(CallError::Timeout));
    assert_eq!(endless.wait(), Err(CallError::Failed(text)));
}

/// The deadline of a future travels with its call, and its client's end is seen.
#[test]
fn a_future_has_a_deadline_and_its_client_may_go() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    {
        let mut call = std::pin::pin!(client.call_deadline_async(1, Instant::now() + LONG));
        assert!(call.as_mut().poll(&mut context).is_pending());
    }
    let (request, responder) = server.recv().unwrap();
    assert!(request.remaining().is_some_and(|left| left <= LONG));
    assert!(!responder.is_client_gone());
    drop(client);
    assert!(responder.is_client_gone());
}
