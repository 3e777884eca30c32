//! Calls as futures.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use memring::rpc::{CallError, PendingCall};
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

/// A reply wakes the task whose it is; and one that waits for a place in the window, which
/// there is then. Those that wait for other calls are left alone.
#[test]
fn a_reply_wakes_no_other_task() {
    const WINDOW: usize = 4;
    let home = Home::new();
    let service = Numbers::builder().window(WINDOW);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut other = client.clone();
    let mut calls: Vec<_> = (0..WINDOW as u64)
        .map(|number| client.submit(number).unwrap())
        .collect();
    let counts: Vec<_> = (0..=WINDOW).map(|_| Arc::<Count>::default()).collect();
    let wakers: Vec<_> = counts.iter().cloned().map(Waker::from).collect();
    let poll = |call: &mut _, at: usize| {
        let call: Pin<&mut PendingCall<u64>> = Pin::new(call);
        call.poll(&mut Context::from_waker(&wakers[at]))
    };
    for (at, call) in calls.iter_mut().enumerate() {
        assert_eq!(poll(call, at), Poll::Pending);
    }
    let mut late = pin!(other.call_async(70));
    let context = &mut Context::from_waker(&wakers[WINDOW]);
    assert_eq!(late.as_mut().poll(context), Poll::Pending);
    let mut responders: Vec<_> = (0..WINDOW)
        .map(|_| Some(server.recv().unwrap().1))
        .collect();
    let woken = || counts.iter().map(|count| count.0.load(Ordering::Acquire));
    // The last first, one after the other, and nobody polls meanwhile.
    for (turn, at) in (0..WINDOW).rev().enumerate() {
        let before: Vec<_> = woken().collect();
        responders[at].take().unwrap().reply(at as u64).unwrap();
        assert!(await_at_least(&counts[at].0, 1), "{at} is never woken");
        let late = &counts[WINDOW].0;
        assert!(await_at_least(late, turn as u32 + 1), "there is a place");
        let mut expected = before;
        expected[at] += 1;
        expected[WINDOW] += 1;
        assert!(
            woken().eq(expected),
            "{at}: {:?}",
            woken().collect::<Vec<_>>()
        );
        assert_eq!(poll(&mut calls[at], at), Poll::Ready(Ok(at as u64)));
    }
    // It had its turn in the window all the time, and comes through.
    assert_eq!(late.as_mut().poll(context), Poll::Pending);
    let (request, responder) = server.recv().unwrap();
    assert_eq!(*request, 70);
    responder.reply(7).unwrap();
    assert!(await_at_least(&counts[WINDOW].0, WINDOW as u32 + 1));
    assert_eq!(late.as_mut().poll(context), Poll::Ready(Ok(7)));
}

/// Tasks whose replies come while a thread has the ends of the rings are woken by it; and those
/// that it leaves behind are woken all the same.
#[test]
fn a_thread_that_goes_leaves_no_task_asleep() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let mut calls: Vec<_> = (0..3)
        .map(|number| client.submit(number).unwrap())
        .collect();
    let counts: Vec<_> = (0..3).map(|_| Arc::<Count>::default()).collect();
    let mut responders: Vec<_> = (0..3).map(|_| Some(server.recv().unwrap().1)).collect();
    let mut reply = |at: usize| responders[at].take().unwrap().reply(at as u64).unwrap();
    let blocking = calls.remove(0);
    let waits = thread::spawn(move || blocking.wait());
    thread::sleep(Duration::from_millis(50)); // it has the ends
    for (call, count) in calls.iter_mut().zip(&counts[1..]) {
        let waker = Waker::from(Arc::clone(count));
        let polled = Pin::new(call).poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Pending);
    }
    reply(1);
    assert!(await_at_least(&counts[1].0, 1), "by the thread");
    reply(0);
    assert_eq!(waits.join().unwrap(), Ok(0));
    reply(2);
    assert!(await_at_least(&counts[2].0, 1), "when it has gone");
    for (at, call) in calls.into_iter().enumerate() {
        assert_eq!(call.wait(), Ok(at as u64 + 1));
    }
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
