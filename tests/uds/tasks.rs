//! A rendezvous as futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use memring::uds::{
    Connection, Datagram, Listener, Nothing, Rendezvous, RendezvousError, Rings, SeqPacket, Stream,
    connect_async,
};
use memring_testkit::futures::block_on;
use memring_testkit::time::{LONG, await_at_least, in_time};

use crate::raw::{accepted, connected, hear, honest_hello, listening, name, say};

const CLIENTS: u64 = 20;
const SHORT: Duration = Duration::from_millis(50);

/// Counts how often a task is woken.
#[derive(Default)]
struct Nudges(AtomicU32);

impl Wake for Nudges {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Nudges {
    fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// Waits for the next wake-up.
    #[track_caller]
    fn wait(&self) {
        assert!(await_at_least(&self.0, 1), "never woken");
        self.0.store(0, Ordering::Release);
    }
}

macro_rules! meetings {
    ($($test:ident: $carrier:ty;)*) => {
        $(
            /// Many that connect, by one runtime, to one that accepts, by another.
            #[test]
            fn $test() {
                let at = name("tasks");
                let options = Rendezvous::<u64, u64, $carrier>::new();
                let mut listener = options.clone().bind(&at).unwrap();
                let clients = thread::spawn(move || {
                    let mut runtime = tokio::runtime::Builder::new_multi_thread();
                    let runtime = runtime.worker_threads(2).build().unwrap();
                    runtime.block_on(async {
                        let ask = |number: u64| {
                            let connecting = options.clone().connect_async(&at);
                            async move {
                                let Connection { mut tx, mut rx, .. } = connecting.await.unwrap();
                                tx.send_async(number).await.unwrap();
                                assert_eq!(rx.recv_async().await, Ok(number + 1));
                            }
                        };
                        let tasks: Vec<_> = (0..CLIENTS).map(|at| tokio::spawn(ask(at))).collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    });
                });
                in_time(move || {
                    let executor = async_executor::LocalExecutor::new();
                    block_on(executor.run(async {
                        let mut answers = Vec::new();
                        for _ in 0..CLIENTS {
                            let Connection { mut tx, mut rx, .. } =
                                listener.accept_async().await.unwrap();
                            answers.push(executor.spawn(async move {
                                let number = rx.recv_async().await.unwrap();
                                tx.send_async(number + 1).await.unwrap();
                                assert!(rx.recv_async().await.unwrap_err().is_disconnected());
                            }));
                        }
                        for answer in answers {
                            answer.await;
                        }
                        assert_eq!((listener.half_made(), listener.refused()), (0, 0));
                    }));
                });
                clients.join().unwrap();
            }
        )*
    };
}

meetings! {
    tasks_meet_over_rings: Rings;
    tasks_meet_over_streams: Stream;
    tasks_meet_over_packets: SeqPacket;
    tasks_meet_over_datagrams: Datagram;
}

/// The time of one that is half made is up while the task sleeps.
#[test]
fn a_silent_peer_is_refused_while_the_task_waits() {
    let at = name("silent");
    let options = Rendezvous::<u64, Nothing>::new().timeout(SHORT);
    let mut listener = options.bind(&at).unwrap();
    let nudges = Arc::<Nudges>::default();
    {
        let mut accepting = listener.accept_async();
        assert!(nudges.poll(&mut accepting).is_pending());
        let _silent = connected(&at);
        let begun = Instant::now();
        nudges.wait(); // somebody connects
        assert!(nudges.poll(&mut accepting).is_pending());
        nudges.wait(); // its time is up
        assert!(begun.elapsed() >= SHORT / 2);
        assert!(nudges.poll(&mut accepting).is_pending());
    }
    assert_eq!((listener.half_made(), listener.refused()), (0, 1));
}

/// Dropped at any step, a future leaves everything as it is for the next.
#[test]
fn futures_are_dropped_without_loss() {
    let at = name("dropped");
    let mut listener = Listener::<u64, u64>::bind(&at).unwrap();
    let nudges = Arc::<Nudges>::default();
    for polls in 1..4 {
        // One that connects, and says what it wants, before and after.
        let mut left = connect_async::<u64, u64>(&at);
        let mut kept = connect_async::<u64, u64>(&at);
        assert!(nudges.poll(&mut left).is_pending());
        for _ in 0..polls {
            assert!(nudges.poll(&mut listener.accept_async()).is_pending());
        }
        drop(left);
        assert!(nudges.poll(&mut kept).is_pending());
        // By another verb: the first is forgotten, the second is half made.
        assert!(listener.try_accept().unwrap().is_none());
        assert_eq!(listener.half_made(), 1);
        let connecting = thread::spawn(|| block_on(kept));
        let mut here = block_on(listener.accept_async()).unwrap();
        let mut there = connecting.join().unwrap().unwrap();
        here.tx.send(1).unwrap();
        assert_eq!(there.rx.recv(), Ok(1));
        assert_eq!(listener.half_made(), 0);
        assert_eq!(listener.refused(), polls);
        // It hangs up, which is not the business of the listener any more.
        drop(there);
        thread::sleep(Duration::from_millis(5));
        while nudges.0.swap(0, Ordering::AcqRel) > 0 {}
        let mut accepting = listener.accept_async();
        assert!(nudges.poll(&mut accepting).is_pending());
        thread::sleep(SHORT);
        assert_eq!(nudges.0.load(Ordering::Acquire), 0, "woken for nothing");
        drop(accepting);
        assert!(here.rx.recv().unwrap_err().is_disconnected());
    }
}

/// A listener that does not answer is not waited for beyond the time limit, whether or not it
/// has taken the connection in; nor is one that is not there.
#[test]
fn a_listener_that_says_nothing_is_left_in_time() {
    let at = name("mute");
    let mute = listening(&at);
    let options = Rendezvous::<u64, u64>::new().timeout(SHORT);
    let begun = Instant::now();
    let ended = in_time({
        let (options, at) = (options.clone(), at.clone());
        move || block_on(options.connect_async(at))
    });
    assert!(matches!(ended, Err(RendezvousError::Timeout { .. })));
    assert!(begun.elapsed() >= SHORT);
    drop(accepted(&mute));
    // Its queue is full.
    let mut queued: Vec<_> = (0..9).map(|_| connected(&at)).collect();
    let ended = in_time({
        let (options, at) = (options.clone(), at.clone());
        move || block_on(options.connect_async(at))
    });
    let Err(RendezvousError::Timeout { what }) = ended else {
        panic!("{ended:?}");
    };
    assert!(what.contains("taken"), "{what}");
    // It has room again, and then the answer is no.
    let patient = thread::spawn({
        let (options, at) = (options.clone().timeout(LONG), at.clone());
        move || block_on(options.connect_async(at))
    });
    thread::sleep(SHORT);
    assert!(!patient.is_finished());
    for _ in 0..9 {
        drop(accepted(&mute));
    }
    let last = accepted(&mute);
    assert_eq!(hear(&last).len(), honest_hello().len());
    drop(last);
    let ended = patient.join().unwrap();
    assert!(matches!(ended, Err(RendezvousError::HungUp)), "{ended:?}");
    queued.clear();
    drop(mute);
    let ended = block_on(options.connect_async(&at));
    assert!(matches!(ended, Err(RendezvousError::NotListening { .. })));
}

/// A listener that a task waits for is woken by what those half made say, too.
#[test]
fn a_slow_peer_wakes_the_task_at_each_step() {
    let at = name("steps");
    let mut listener = Listener::<u64, u64>::bind(&at).unwrap();
    let nudges = Arc::<Nudges>::default();
    let mut accepting = listener.accept_async();
    assert!(nudges.poll(&mut accepting).is_pending());
    let peer = connected(&at);
    nudges.wait();
    assert!(nudges.poll(&mut accepting).is_pending());
    say(&peer, &honest_hello());
    nudges.wait();
    assert!(nudges.poll(&mut accepting).is_pending());
    assert_eq!(hear(&peer)[crate::raw::VERDICT_AT], crate::raw::ACCEPT);
    say(
        &peer,
        &crate::raw::saying(&honest_hello(), crate::raw::DONE),
    );
    nudges.wait();
    let accepted = nudges.poll(&mut accepting);
    assert!(matches!(accepted, Poll::Ready(Ok(_))));
    // It is over.
    assert!(nudges.poll(&mut accepting).is_pending());
}
