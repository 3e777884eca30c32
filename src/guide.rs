//! A step-by-step guide. This module has no items.
//!
//! 1. [Making a ring](#making-a-ring)
//! 2. [Sending and receiving](#sending-and-receiving)
//! 3. [Waiting](#waiting)
//! 4. [In place](#in-place)
//! 5. [Batches](#batches)
//! 6. [When a process dies](#when-a-process-dies)
//! 7. [Starting again](#starting-again)
//! 8. [How large a ring](#how-large-a-ring)
//! 9. [Which strategy](#which-strategy)
//!
//! # Making a ring
//!
//! A message is plain data: derive `Pod` of [`bytemuck`]. The kind says how many endpoints each
//! side may have: [`Spsc`](crate::Spsc) is the fastest, [`Mpmc`](crate::Mpmc) admits many of
//! both. With [`schema!`](macro@crate::schema), the names and types of the fields are compared
//! when a ring is opened.
//!
//! ```
//! use memring::{Mpsc, Ring};
//!
//! memring::schema! {
//!     #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
//!     #[repr(C)]
//!     struct Order {
//!         id: u64,
//!         price: f64,
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("doc-guide-make-{}", std::process::id());
//! // Each process: the first one makes the ring, the others open it.
//! let ring = Ring::<Order, Mpsc>::builder().schema_of::<Order>().capacity(1024);
//! let ring = ring.open_or_create(name)?; // "orders", say
//! let mut tx = ring.sender()?;
//! tx.send(Order { id: 1, price: 9.5 })?;
//! # assert_eq!(ring.receiver()?.recv()?.id, 1);
//! # memring::remove(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! A ring with a name stays until it is [removed](crate::remove). A ring without one,
//! [`Ring::anonymous`](crate::Ring::anonymous), is freed with its last handle. A child process
//! opens it by [a descriptor](crate::Ring::share_fd) that the child inherits. Another process
//! gets it over a socket (the module `uds`). For threads, [`channel`](fn@crate::channel) makes a
//! ring and both its ends.
//!
//! # Sending and receiving
//!
//! A verb comes in four forms. `send` waits, `try_send` does not, `send_timeout` and
//! `send_deadline` give up. `recv` has the same four.
//!
//! ```
//! use memring::{RecvError, Ring, Spsc};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ring = Ring::<[u8], Spsc>::builder().message_limit(200).anonymous()?;
//! let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
//! tx.send(b"a line")?; // bytes, as many as there are
//! match tx.try_send(b"another") {
//!     Err(error) if error.is_full() => println!("no room now"),
//!     sent => sent?,
//! }
//! ring.close()?; // no more is sent; what was sent is received
//! for line in &mut rx {
//!     println!("{} bytes", line?.len());
//! }
//! assert_eq!(rx.recv(), Err(RecvError::Closed));
//! # Ok(())
//! # }
//! ```
//!
//! [`Sender`](crate::Sender) and [`Receiver`](crate::Receiver) list the verbs.
//!
//! # Waiting
//!
//! A call that waits ends when a message comes, when its time is over, when the ring is closed or
//! removed, or when the last peer detaches or dies. Another thread can end it with a
//! [`Canceller`](crate::Canceller). One thread waits for several endpoints by
//! [`select!`](macro@crate::select) or [`Select`](crate::Select), and a task by `recv_async`.
//!
//! ```
//! use memring::{Ring, Spsc, select};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (ticks, orders) = (Ring::<u64, Spsc>::anonymous(8)?, Ring::<u64, Spsc>::anonymous(8)?);
//! ticks.sender()?.send(7)?;
//! let (mut ticks, mut orders) = (ticks.receiver()?, orders.receiver()?);
//! let seen = select! {
//!     recv(ticks) -> tick => Some(tick?),
//!     recv(orders) -> order => Some(order?),
//!     default(Duration::from_secs(1)) => None,
//! };
//! assert_eq!(seen, Some(7));
//! # Ok(())
//! # }
//! ```
//!
//! # In place
//!
//! [`reserve`](crate::Sender::reserve) returns the place of a message to write to, and
//! [`commit`](crate::Grant::commit) sends the message. [`lease`](crate::Receiver::lease) returns
//! a message to read where it lies, and only [`release`](crate::Lease::release) acknowledges it.
//! If a panic, a `?` or the death of the process drops a lease, its message is given back.
//!
//! ```
//! use memring::{Receiver, Ring, Spsc};
//! use std::io::Write;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ring = Ring::<[u8], Spsc>::anonymous(8)?;
//! let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
//! let mut grant = tx.reserve()?;
//! write!(grant, "order {}", 17)?; // straight into the ring
//! grant.commit()?;
//!
//! fn work(rx: &mut Receiver<[u8], Spsc>) -> Result<u64, Box<dyn std::error::Error>> {
//!     let lease = rx.lease()?;
//!     let number = String::from_utf8(lease.read())?.replace("order ", "").parse()?;
//!     lease.release(); // done; the `?` above give the message back
//!     Ok(number)
//! }
//! assert_eq!(work(&mut rx)?, 17);
//! # Ok(())
//! # }
//! ```
//!
//! # Batches
//!
//! The fastest way to send many messages that you already have is a slice. Messages of an
//! iterator are sent one by one, so a slow iterator delays no message that it gave before. A
//! batch of leases is acknowledged from the front.
//!
//! ```
//! use memring::{Ring, Spsc};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ring = Ring::<u64, Spsc>::anonymous(64)?;
//! let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
//! tx.send_slice(&[1, 2, 3])?;
//! tx.send_batch((4..).take(3))?;
//! let mut received = [0; 4];
//! assert_eq!(rx.recv_into_slice(&mut received)?, 4); // at most what fits
//! let mut batch = rx.lease_batch(16)?;
//! assert_eq!(batch.get(0).map(|message| message.read()), Some(5));
//! batch.release_first(1); // the other one is given back
//! drop(batch);
//! assert_eq!(rx.recv()?, 6);
//! # Ok(())
//! # }
//! ```
//!
//! # When a process dies
//!
//! If a process dies, the kernel frees its lock. Peers find that out, and recover what the
//! process held.
//!
//! | a process dies | then |
//! |---|---|
//! | after `send` returned | the message is received |
//! | during `send` | the message is received, or was never sent |
//! | with a message that `recv` returned | the message is gone: at most once |
//! | with a lease | the message is delivered again, marked: at least once |
//! | while it waits | nothing is held |
//!
//! A message that kills its receivers is dropped after
//! [`max_deliveries`](crate::RingBuilder::max_deliveries) attempts, and counted in
//! [`Stats::lost`](crate::Stats::lost). When the last peer is gone, calls that would wait return
//! `Disconnected`. That is not final: the calls work again when a peer attaches.
//!
//! ```
//! use memring::{RecvError, Ring, Spsc};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ring = Ring::<u64, Spsc>::anonymous(8)?;
//! let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
//! tx.send(1)?;
//! drop(tx); // or its process dies
//! assert_eq!(rx.recv()?, 1); // what it sent stays
//! assert_eq!(rx.recv(), Err(RecvError::Disconnected));
//! let mut successor = ring.sender()?;
//! rx.wait_for_peer(Duration::from_secs(1))?;
//! successor.send(2)?;
//! assert_eq!(rx.recv()?, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Starting again
//!
//! A program that may be killed at any time starts with
//! [`open_or_create`](crate::Ring::open_or_create): it finds what its predecessor left. A ring
//! that is closed, empty and unused is replaced by a fresh one. To start with an empty ring in
//! any case, use [`recreate`](crate::Ring::recreate): endpoints of the old ring get `Removed`.
//!
//! ```
//! use memring::{AttachError, Mpsc, Ring, RingError};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("doc-guide-restart-{}", std::process::id());
//! # Ring::<u64, Mpsc>::create(name, 64)?.sender()?.send(7)?;
//! # Ring::<u64, Mpsc>::open(name)?.close()?;
//! let jobs = Ring::<u64, Mpsc>::builder().capacity(64).wait_through_disconnect(true);
//! let ring = match jobs.clone().open_or_create(name) {
//!     // It was closed before all was done: its messages come first.
//!     Err(RingError::Closed { messages: 1.., .. }) => {
//!         for job in jobs.clone().open(name)?.receiver()? {
//!             println!("left over: {}", job?);
//!         }
//!         jobs.open_or_create(name)?
//!     }
//!     opened => opened?,
//! };
//! match ring.receiver() {
//!     Ok(_receiver) => println!("serving"),
//!     Err(AttachError::Occupied { holder, .. }) => println!("{holder:?} serves already"),
//!     Err(error) => return Err(error.into()),
//! }
//! # assert!(!ring.is_closed());
//! # memring::remove(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! The repository's `docs/restart.md` tells what each side sees, in every order of events.
//!
//! # How large a ring
//!
//! A ring does not grow. Its memory is allocated when it is made, so a full disk or `/dev/shm` is
//! an error then, and not a SIGBUS later. The capacity is how far senders may be ahead of
//! receivers:
//!
//! * For a steady stream, twice as many messages as arrive while the receiver pauses: at 100,000
//!   messages a second and pauses of 10 ms, 2048.
//! * For bursts, the largest burst.
//! * For work that takes long, few: messages in the ring wait. A
//!   [rendezvous](crate::RingBuilder::rendezvous) ring holds nothing.
//!
//! Each message of a byte ring has room for the longest: set
//! [`message_limit`](crate::RingBuilder::message_limit) to what is needed.
//! [`Stats`](crate::Stats) says how full the ring is, and
//! [`inspect`](fn@crate::inspect) how many bytes it takes.
//!
//! ```
//! use memring::{Ring, Spmc, Spsc};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("doc-guide-size-{}", std::process::id());
//! assert_eq!(Ring::<u64, Spsc>::anonymous(100)?.capacity(), 100); // exactly
//! assert_eq!(Ring::<u64, Spmc>::anonymous(100)?.capacity(), 128); // a power of two
//! let lines = Ring::<[u8], Spsc>::builder().message_limit(200).capacity(1000).create(name)?;
//! assert!(memring::inspect(name)?.file_size > 200_000);
//! # memring::remove(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Which strategy
//!
//! Each endpoint chooses how it waits, when it attaches.
//!
//! | [`WaitStrategy`](crate::WaitStrategy) | choose it |
//! |---|---|
//! | `SpinThenPark` (the default) | unless there is a reason for another |
//! | `Spin` | for the lowest latency, on a processor that the thread has to itself |
//! | `Park` | for many endpoints that mostly wait, and to save energy |
//!
//! ```
//! use memring::{Ring, Spsc, WaitStrategy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ring = Ring::<u64, Spsc>::anonymous(8)?;
//! let mut tx = ring.sender_with(WaitStrategy::Park)?;
//! let mut rx = ring.receiver_with("spin-then-park:200".parse()?)?; // from a configuration
//! tx.send(7)?;
//! assert_eq!(rx.recv()?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! A ring whose endpoints all spin is made with [`Wakeups::SpinOnly`](crate::Wakeups::SpinOnly),
//! which saves a check of each message. To wait in your own way, implement
//! [`IdleStrategy`](crate::IdleStrategy).
