//! A service on tokio that goes on when any of its worker processes is killed. Run it with
//! `cargo run --example service` and type numbers, one on a line; anything else ends it. Or
//! let it make requests: `-- --requests 1000`. Kill the workers whose process ids it prints.
//!
//! ```text
//! clients --> dispatch --> ring of requests --> workers --> ring of replies --> collect
//!    ^                                                                             |
//!    +------------------------- pending: id -> oneshot ----------------------------+
//! ```
//!
//! A worker *leases* a request, and releases the lease when its reply is in the ring. If it is
//! killed before it has replied, another worker gets the request. If it is killed between the
//! reply and the release, the request is answered twice: the id of the second reply is not
//! pending any more, so it is dropped.
//!
//! No time-out decides that a worker is dead. The kernel tells its parent, which starts
//! another, and drops its lock, by which the other workers know.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Stdio};
use std::sync::Arc;
use std::{env, io, thread};

use memring::{Mpsc, Receiver, RecvError, Ring, RingBuilder, Spmc};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

const WORKERS: usize = 3;
const CLIENTS: usize = 64; // so many requests are under way at once
const FIRST: u64 = 1_000_000_000_000; // of the numbers that it makes
const GIVE_UP: u8 = 5; // redeliveries: after 8 deliveries the ring drops a message

memring::schema! {
    /// Find the smallest prime factor.
    #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Request {
        id: u64,
        number: u64,
    }

    /// What a worker found, or 1: it has given up.
    #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Reply {
        id: u64,
        factor: u64,
    }
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;
type Input = Arc<Mutex<mpsc::Receiver<u64>>>;
type Requests = Ring<Request, Spmc>;
type Replies = Ring<Reply, Mpsc>;
/// A number, and where the reply goes.
type Ask = (u64, oneshot::Sender<Reply>);
/// By the id of each request that has no reply yet.
type Pending = Arc<Mutex<HashMap<u64, oneshot::Sender<Reply>>>>;

fn requests() -> RingBuilder<Request, Spmc> {
    Ring::builder().capacity(64).schema_of::<Request>()
}

fn replies() -> RingBuilder<Reply, Mpsc> {
    Ring::builder().capacity(16).schema_of::<Reply>()
}

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(None),
        ["--requests", count] => serve(Some(count.parse()?)),
        ["worker", name] => work(name),
        _ => Err("usage: service [--requests NUMBER]".into()),
    }
}

/// Makes the rings, runs the service, and removes the rings whatever came of it.
fn serve(generated: Option<u64>) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let name = format!("service-{}", process::id());
    let (to_workers, from_workers) = (format!("{name}-requests"), format!("{name}-replies"));
    // For a moment all workers may be dead: that is no reason to give up. (Workers, in
    // turn, open the rings without this, and so end if the service is killed.)
    let ring = requests().wait_through_disconnect(true);
    let requests = ring.create(&to_workers)?;
    let ring = replies().wait_through_disconnect(true);
    let replies = ring.create(&from_workers)?;
    let outcome = runtime.block_on(run(name, requests, replies, input(generated)));
    memring::remove(&to_workers)?;
    memring::remove(&from_workers)?;
    outcome
}

async fn run(name: String, ring: Requests, replies: Replies, input: Input) -> Outcome {
    let pending = Pending::default();
    let (asks, asked) = mpsc::channel(1);
    let mut parts = JoinSet::new();
    parts.spawn(collect(replies.receiver()?, pending.clone()));
    parts.spawn(dispatch(ring, asked, pending));
    for _ in 0..WORKERS {
        parts.spawn(keep_worker(name.clone()));
    }
    for _ in 0..CLIENTS {
        parts.spawn(client(input.clone(), asks.clone()));
    }
    drop(asks); // the clients have it: when all of them are done, `dispatch` ends
    // The first part that fails ends the service, and the workers die with their `Child`.
    // The last is `collect`, which has no end of its own.
    while parts.len() > 1
        && let Some(ended) = parts.join_next().await
    {
        ended??;
    }
    Ok(())
}

/// Standard input blocks, so it has a thread of its own.
fn input(generated: Option<u64>) -> Input {
    let (source, input) = mpsc::channel(1);
    let number = |line: io::Result<String>| line.ok()?.parse().ok().filter(|n| *n > 0);
    thread::spawn(move || match generated {
        Some(count) => (FIRST..FIRST + count).try_for_each(|n| source.blocking_send(n)),
        None => (io::stdin().lines().map_while(number)).try_for_each(|n| source.blocking_send(n)),
    });
    Arc::new(Mutex::new(input))
}

/// In the place of a connection, say: asks one thing after the other.
async fn client(input: Input, service: mpsc::Sender<Ask>) -> Outcome {
    while let Some(number) = { input.lock().await.recv().await } {
        let (asker, reply) = oneshot::channel();
        service.send((number, asker)).await?;
        let Reply { factor, .. } = reply.await?;
        println!("{number} = {factor} x {}", number / factor);
    }
    Ok(())
}

/// Gives each request an id, and sends it. The ring has one sender: this task's.
async fn dispatch(ring: Requests, mut asked: mpsc::Receiver<Ask>, pending: Pending) -> Outcome {
    let mut sender = ring.sender()?;
    let mut id = 0;
    while let Some((number, asker)) = asked.recv().await {
        // First, for the reply may be there as soon as the request is sent.
        pending.lock().await.insert(id, asker);
        sender.send_async(Request { id, number }).await?;
        id += 1;
    }
    ring.close()?; // every client has its replies: the workers find the ring drained, and end
    Ok(())
}

/// Takes the replies to those who asked.
async fn collect(mut replies: Receiver<Reply, Mpsc>, pending: Pending) -> Outcome {
    loop {
        let reply = replies.recv_async().await?;
        // `None`: the second reply to a request whose first worker was killed.
        if let Some(asker) = pending.lock().await.remove(&reply.id) {
            let _ = asker.send(reply); // an error: it does not wait any more
        }
    }
}

/// Starts a worker, and another when it is killed.
async fn keep_worker(name: String) -> Outcome {
    loop {
        let mut command = tokio::process::Command::new(env::current_exe()?);
        command.args(["worker", &name]).stdin(Stdio::null());
        let mut worker = command.kill_on_drop(true).spawn()?;
        eprintln!("worker {} started", worker.id().unwrap_or(0));
        let status = worker.wait().await?;
        if status.success() {
            return Ok(()); // it saw the end of the requests
        }
        status.signal().ok_or("a worker failed")?; // it was killed: start another
    }
}

/// A worker process. It has one thing to do at a time, so it needs no runtime.
fn work(name: &str) -> Outcome {
    let mut requests = requests().open(format!("{name}-requests"))?.receiver()?;
    let mut replies = replies().open(format!("{name}-replies"))?.sender()?;
    loop {
        let lease = match requests.lease() {
            Err(RecvError::Closed) => return Ok(()),
            lease => lease?, // `Disconnected`: the service died
        };
        let Request { id, number } = lease.read();
        let divides = |factor: &u64| number.is_multiple_of(*factor);
        let factor = match lease.redeliveries() {
            0..GIVE_UP => (2..=number.isqrt()).find(divides).unwrap_or(number),
            _ => 1,
        };
        replies.send(Reply { id, factor })?; // an error gives the request back
        lease.release(); // and only now is it acknowledged
    }
}
