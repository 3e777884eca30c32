//! Calls as futures.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use memring::rpc::CallError;
use memring_testkit::futures::block_on;
use memring_testkit::homes::Home;
use memring_testkit::time::{LONG, await_at_least};

use crate::{Numbers, SERVICE};

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[test]
fn tasks_share_a_client() {
    let home = Home::new();
    let service = Numbers::builder().window(3);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let worker = thread::spawn(move || server.serve(|number| *number + 1));
    let client = service.client().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        // More tasks than the window has places.
        let tasks: Vec<_> = (0..8u64)
            .map(|task| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    for turn in 0..100 {
                        let request = task << 32 | turn;
                        assert_eq!(client.call_async(request).await, Ok(request + 1));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    service.close().unwrap();
    worker.join().unwrap().unwrap();
}

/// Threads that wait and tasks that wait, of one client: none takes the other's wake-up for
/// good.
#[test]
fn threads_and_tasks_share_a_client() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let worker = thread::spawn(move || server.serve(|number| *number + 1));
    let client = service.client().unwrap();
    thread::scope(|scope| {
        for caller in 0..4u64 {
            let mut client = client.clone();
            scope.spawn(move || {
                for turn in 0..300 {
                    let request = caller << 32 | turn;
                    let response = match caller % 2 {
                        0 => client.call_timeout(request, LONG),
                        _ => block_on(client.call_async(request)),
                    };
                    assert_eq!(response, Ok(request + 1));
                }
            });
        }
    });
    service.close().unwrap();
    worker.join().unwrap().unwrap();
}

#[test]
fn a_task_is_woken_by_its_reply() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut call = client.submit(1).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    assert_eq!(Pin::new(&mut call).poll(&mut context), Poll::Pending);
    let (_, responder) = server.recv().unwrap();
    responder.reply(5).unwrap();
    assert!(await_at_least(&count.0, 1), "never woken");
    assert_eq!(Pin::new(&mut call).poll(&mut context), Poll::Ready(Ok(5)));
    assert_eq!(Pin::new(&mut call).poll(&mut context), Poll::Pending); // it is over
}

/// A future that is dropped gives its place back, or has it until the reply has come.
#[test]
fn a_dropped_task_is_a_cancelled_call() {
    let home = Home::new();
    let service = Numbers::builder().window(1);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut other = client.clone();
    let poll_once = |future: Pin<&mut dyn Future<Output = Result<u64, CallError>>>| {
        future.poll(&mut Context::from_waker(Waker::noop()))
    };
    {
        let first = pin!(client.call_async(1));
        assert_eq!(poll_once(first), Poll::Pending);
        let second = pin!(other.call_async(2)); // waits for a place
        assert_eq!(poll_once(second), Poll::Pending);
    }
    assert_eq!(service.queued(), 1);
    let short = Duration::from_millis(10);
    assert_eq!(client.call_timeout(3, short), Err(CallError::Timeout));
    let (request, responder) = server.recv().unwrap();
    assert_eq!(*request, 1);
    responder.reply(1).unwrap();
    let call = client.submit(4).unwrap();
    server.recv().unwrap().1.reply(40).unwrap();
    assert_eq!(call.wait(), Ok(40));
}
