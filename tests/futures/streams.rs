//! Receivers as streams, senders as sinks.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use memring::{Kind, RecvError, RecvStream, Ring, SendError};
use memring_testkit::for_each_kind;
use memring_testkit::time::in_time;

use super::executors::{block_on, raise_cap};

async fn next<K: Kind>(stream: &mut RecvStream<u64, K>) -> Option<Result<u64, RecvError>> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

fn streams_end_as_iterators<K: Kind>() {
    raise_cap();
    in_time(|| {
        let ring = Ring::<u64, K>::anonymous(2).unwrap();
        let (mut tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let mut stream = rx.into_stream();
        let sender = thread::spawn(move || {
            for number in 0..100 {
                tx.send(number).unwrap();
            }
        });
        for number in 0..100 {
            assert_eq!(block_on(next(&mut stream)), Some(Ok(number)));
        }
        sender.join().unwrap();
        // Once, and then it waits for another sender.
        let gone = Some(Err(RecvError::Disconnected));
        assert_eq!(block_on(next(&mut stream)), gone);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let polled = Pin::new(&mut stream).poll_next(&mut context);
            assert_eq!(polled, Poll::Pending);
        }
        let mut tx = ring.sender().unwrap();
        tx.send(7).unwrap();
        assert_eq!(block_on(next(&mut stream)), Some(Ok(7)));
        drop(tx);
        assert_eq!(block_on(next(&mut stream)), gone);
        ring.close().unwrap();
        assert!(!stream.is_terminated());
        assert_eq!(block_on(next(&mut stream)), None);
        assert!(stream.is_terminated());
        assert_eq!(block_on(next(&mut stream)), None);
        let mut rx = stream.into_inner();
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    });
}

fn sinks_wait_for_room<K: Kind>() {
    raise_cap();
    in_time(|| {
        let ring = Ring::<[u8], K>::anonymous(2).unwrap();
        let (tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let receiver = thread::spawn(move || {
            for number in 0..100u8 {
                assert_eq!(rx.recv().unwrap(), [number]);
            }
            rx
        });
        let mut sink = tx.into_sink();
        block_on(async {
            for number in 0..100u8 {
                poll_fn(|context| Pin::new(&mut sink).poll_ready(context)).await?;
                Pin::new(&mut sink).start_send(vec![number])?;
            }
            poll_fn(|context| Pin::new(&mut sink).poll_close(context)).await
        })
        .unwrap();
        let rx = receiver.join().unwrap();
        // What there is no room for stays in the sink, and comes back.
        for number in 0..3 {
            Pin::new(&mut sink).start_send(vec![number]).unwrap();
        }
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut sink).poll_flush(&mut context).is_pending());
        assert!(Pin::new(&mut sink).poll_ready(&mut context).is_pending());
        let (tx, unsent) = sink.into_inner();
        assert_eq!(unsent, [vec![2]]);
        let mut sink = tx.into_sink();
        drop(rx);
        ring.close().unwrap();
        let ready = block_on(poll_fn(|context| Pin::new(&mut sink).poll_ready(context)));
        assert_eq!(ready, Err(SendError::Closed(())));
        let sent = Pin::new(&mut sink).start_send(vec![4]);
        assert_eq!(sent, Err(SendError::Closed(())));
    });
}

for_each_kind! {
    streams_end_as_iterators,
    sinks_wait_for_room,
}
