//! Calls that nothing but a look from their own side can end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use memring::rpc::{CallError, PendingCall, Service};
use memring_testkit::futures::block_on;
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, in_time, wait_until};

use crate::{Numbers, SERVICE};

/// A client, and a call of it for which no server ever was there.
fn lonely_call(home: &Home) -> (Numbers, PendingCall<u64>) {
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let call = service.client().unwrap().submit(1).unwrap();
    (service, call)
}

#[test]
fn a_call_ends_when_a_service_without_servers_is_closed() {
    let home = Home::new();
    let (service, call) = lonely_call(&home);
    service.close().unwrap();
    assert_eq!(in_time(|| call.wait()), Err(CallError::Closed));
}

#[test]
fn a_call_ends_when_a_service_without_servers_is_removed() {
    let home = Home::new();
    let (_service, call) = lonely_call(&home);
    memring::rpc::remove(home.named(SERVICE)).unwrap();
    assert_eq!(in_time(|| call.wait()), Err(CallError::Removed));
}

#[test]
fn a_task_ends_when_a_service_without_servers_is_closed_or_removed() {
    for is_removed in [false, true] {
        let home = Home::new();
        let (service, mut call) = lonely_call(&home);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut call).poll(&mut context), Poll::Pending);
        let waiting = thread::spawn(|| block_on(call));
        let expected = match is_removed {
            true => {
                memring::rpc::remove(home.named(SERVICE)).unwrap();
                CallError::Removed
            }
            false => {
                service.close().unwrap();
                CallError::Closed
            }
        };
        assert_eq!(in_time(|| waiting.join().unwrap()), Err(expected));
    }
}

/// As long as a server of a closed service is there, it may answer.
#[test]
fn a_closed_service_answers_what_was_called_before() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut call = client.submit(1).unwrap();
    service.close().unwrap();
    let early = call.wait_timeout(Duration::from_millis(300));
    assert_eq!(early, Err(CallError::Timeout));
    server.recv().unwrap().1.reply(10).unwrap();
    assert_eq!(call.wait(), Ok(10));
}

/// A place that another thread gives back goes to the thread that waits for one, also if that
/// is the one that waits for the replies.
#[test]
fn a_thread_gets_the_place_of_a_call_that_was_not_sent() {
    let home = Home::new();
    let builder = Numbers::builder().window(1).queue(2);
    let service = builder.open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let mut others = [(); 2].map(|()| service.client().unwrap());
    let _full = others.each_mut().map(|it| it.submit(1).unwrap());
    let client = service.client().unwrap();
    let (mut one, mut other) = (client.clone(), client);
    let late = thread::spawn(move || one.call_timeout(2, Duration::from_millis(500)));
    thread::sleep(Duration::from_millis(100)); // so that it has the place, as a rule
    let waiting = thread::spawn(move || other.call(3));
    assert_eq!(late.join().unwrap(), Err(CallError::Timeout));
    for expected in [1, 1, 3] {
        let (request, responder) = server.recv_timeout(LONG).expect("the next request");
        assert_eq!(*request, expected);
        responder.reply(*request * 10).unwrap();
    }
    assert_eq!(in_time(|| waiting.join().unwrap()), Ok(30));
}

struct Ignorant;

impl Wake for Ignorant {
    fn wake(self: Arc<Self>) {}
}

/// A call that was polled, and then ends for a thread, keeps nothing of the task.
#[test]
fn a_waiter_that_was_polled_lets_go_of_its_task() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut call = client.submit(1).unwrap();
    let task = Arc::new(Ignorant);
    let waker = Waker::from(Arc::clone(&task));
    let polled = Pin::new(&mut call).poll(&mut Context::from_waker(&waker));
    assert_eq!(polled, Poll::Pending);
    drop(waker);
    server.recv().unwrap().1.reply(10).unwrap();
    assert_eq!(call.wait_timeout(LONG), Ok(10));
    drop(call);
    // The waiting thread may be waking it right now.
    let is_free = || Arc::strong_count(&task) == 1;
    wait_until(is_free, || "the waker is kept".into());
}

#[test]
fn a_request_that_is_too_long_is_told_so() {
    let home = Home::new();
    let service = Service::<[u8], [u8]>::builder().request_limit(10);
    let service = service.create(home.named(SERVICE)).unwrap();
    let mut client = service.client().unwrap();
    match client.submit(&[0; 1000]) {
        Err(CallError::Invalid(text)) => assert!(text.contains("request_limit"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[cfg(feature = "serde")]
mod decoding {
    use serde::{Deserialize, Deserializer, Serialize};

    use super::*;
    use memring::rpc::Postcard;

    #[derive(Serialize)]
    struct Explosive(u32);

    impl<'de> Deserialize<'de> for Explosive {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            match u32::deserialize(from)? {
                13 => panic!("thirteen"),
                number => Ok(Explosive(number)),
            }
        }
    }

    /// It is the caller's error, and the server goes on.
    #[test]
    fn a_panic_of_a_decoder_is_an_answer() {
        let home = Home::new();
        let service = Service::<Postcard<Explosive>, u64>::open_or_create(home.named(SERVICE));
        let service = service.unwrap();
        let mut server = service.server().unwrap();
        let worker = thread::spawn(move || server.serve(|request| request.0.into()));
        let mut client = service.client().unwrap();
        match client.call_timeout(&Explosive(13), LONG) {
            Err(CallError::Invalid(text)) => assert!(text.contains("thirteen"), "{text}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(client.call_timeout(&Explosive(14), LONG), Ok(14));
        service.close().unwrap();
        worker.join().unwrap().unwrap();
    }
}
