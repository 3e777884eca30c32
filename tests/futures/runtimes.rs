//! The runtimes: nothing in a future asks for one.

use std::future::Future;
use std::time::Duration;

use memring::{Mpmc, RecvError, Ring, Spsc};
use memring_testkit::time::in_time;

use super::executors::{block_on, raise_cap};

const MESSAGES: u64 = 5000;

/// There and back, by a task that runs beside.
fn answers(
    ring: &str,
) -> (
    impl Future<Output = ()> + Send + 'static,
    impl Future<Output = ()>,
) {
    println!("{ring}");
    let requests = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let replies = Ring::<u64, Mpmc>::anonymous(4).unwrap();
    let (mut asks, mut asked) = (requests.sender().unwrap(), requests.receiver().unwrap());
    let (mut says, mut told) = (replies.sender().unwrap(), replies.receiver().unwrap());
    let serving = async move {
        loop {
            match asked.recv_async().await {
                Ok(number) => says.send_async(number * 2).await.unwrap(),
                Err(RecvError::Disconnected) => break,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let asking = async move {
        for number in 0..MESSAGES {
            asks.send_async(number).await.unwrap();
            assert_eq!(told.recv_async().await, Ok(number * 2));
        }
    };
    (serving, asking)
}

#[test]
fn tokio_with_many_threads() {
    raise_cap();
    in_time(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let (serving, asking) = answers("multi_thread");
            let serving = tokio::spawn(serving);
            asking.await;
            serving.await.unwrap();
        });
    });
}

#[test]
fn tokio_in_one_thread() {
    raise_cap();
    in_time(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        runtime.block_on(async {
            let (serving, asking) = answers("current_thread");
            let serving = tokio::spawn(serving);
            asking.await;
            serving.await.unwrap();
            // Dropped by a time-out, as tokio does.
            let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
            let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
            for number in 0..20 {
                let limit = Duration::from_millis(1);
                assert!(tokio::time::timeout(limit, rx.recv_async()).await.is_err());
                tx.send_async(number).await.unwrap();
                assert_eq!(rx.recv_async().await, Ok(number));
            }
        });
    });
}

/// The executor of smol.
#[test]
fn smol() {
    raise_cap();
    in_time(|| {
        let executor = async_executor::Executor::new();
        block_on(executor.run(async {
            let (serving, asking) = answers("smol");
            let serving = executor.spawn(serving);
            asking.await;
            serving.await;
        }));
    });
}

#[test]
fn no_runtime() {
    raise_cap();
    in_time(|| {
        let (serving, asking) = answers("threads");
        let server = std::thread::spawn(|| block_on(serving));
        block_on(asking);
        server.join().unwrap();
    });
}
