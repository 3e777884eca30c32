//! A rendezvous as futures: the task is woken by the watching thread, which keeps the time
//! limits, too.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, io};

use super::address::SocketAddress;
use super::carrier::{Carrier, Rings, Traffic};
use super::connect::{Introduced, not_connected, unanswered, unix_of};
use super::connection::Connection;
use super::error::RendezvousError;
use super::listener::Listener;
use super::options::RendezvousConfig;
use super::rendezvous::Rendezvous;
use super::watcher::{FdRegistration, Interest, WakeSlot, Watch};
use crate::channel::Wait;
use crate::sys::clock::MonotonicTime;
use crate::sys::socket;

/// A listener whose queue is full is asked again after so long: the kernel tells nobody when it
/// has room.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

impl<Out, In, C> Listener<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// As [`Listener::accept`], as a future. It needs no runtime, and works in any: a thread of
    /// this process wakes the task. Time limits of half-made connections also apply while it
    /// waits.
    ///
    /// **Cancel-safe**: if the future is dropped before it is ready, it has accepted no
    /// connection, and half-made connections stay as they are.
    ///
    /// # Errors
    /// As [`Listener::accept`].
    ///
    /// ```
    /// use memring::uds::{Connection, Listener, connect_async};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let address = format!("@memring-doc-accept-async-{}", std::process::id());
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut listener = Listener::<u64, [u8]>::bind(&address)?;
    /// let client = tokio::spawn(connect_async::<[u8], u64>(&address));
    /// let Connection { mut tx, mut rx, .. } = listener.accept_async().await?;
    /// let mut client = client.await??;
    /// client.tx.send_async(b"six times seven").await?;
    /// assert_eq!(rx.recv_async().await?, b"six times seven");
    /// tx.send_async(42).await?;
    /// assert_eq!(client.rx.recv_async().await?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept_async(&mut self) -> AcceptFuture<'_, Out, In, C> {
        AcceptFuture {
            listener: Some(self),
        }
    }
}

/// Waits for a connection: see [`Listener::accept_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct AcceptFuture<'l, Out, In, C = Rings>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// `None`: it is over.
    listener: Option<&'l mut Listener<Out, In, C>>,
}

impl<Out, In, C> Future for AcceptFuture<'_, Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    type Output = Result<Connection<Out, In, C>, RendezvousError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(listener) = &mut this.listener else {
            return Poll::Pending;
        };
        let Some(accepted) = listener.accept_within(Wait::Not).transpose() else {
            // What has happened since wakes at once.
            return pending(listener.wait_for_wake(context.waker()), context);
        };
        listener.stop_waiting();
        this.listener = None;
        Poll::Ready(accepted)
    }
}

impl<Out, In, C> Drop for AcceptFuture<'_, Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn drop(&mut self) {
        if let Some(listener) = &mut self.listener {
            listener.stop_waiting();
        }
    }
}

/// To be polled again.
fn pending<R>(waits: io::Result<()>, context: &Context<'_>) -> Poll<R> {
    if waits.is_err() {
        // No thread or descriptor: the runtime polls instead.
        context.waker().wake_by_ref();
    }
    Poll::Pending
}

impl<Out, In, C> Rendezvous<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// As [`Rendezvous::connect`], as a future; as [`Listener::accept_async`] otherwise. The
    /// [`timeout`](Rendezvous::timeout) begins with the first poll.
    ///
    /// **Cancel-safe**: if the future is dropped before it is ready, it hangs up, and the
    /// listener forgets the connection.
    ///
    /// # Errors
    /// As [`Rendezvous::connect`].
    pub fn connect_async(self, address: impl Into<SocketAddress>) -> ConnectFuture<Out, In, C> {
        ConnectFuture {
            address: address.into(),
            config: self.config,
            deadline: None,
            step: ConnectStep::New,
            waiter: ConnectWaiter::default(),
            marker: PhantomData,
        }
    }
}

/// As [`connect()`](super::connect()), as a future: see [`Rendezvous::connect_async`], and
/// [`Listener::accept_async`] for an example.
///
/// # Errors
/// As [`Rendezvous::connect`].
pub fn connect_async<Out, In>(address: impl Into<SocketAddress>) -> ConnectFuture<Out, In, Rings>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
{
    Rendezvous::new().connect_async(address)
}

/// Connects to a listener: see [`Rendezvous::connect_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct ConnectFuture<Out, In, C = Rings>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    address: SocketAddress,
    config: RendezvousConfig,
    /// `None`: never, or not begun.
    deadline: Option<MonotonicTime>,
    step: ConnectStep,
    waiter: ConnectWaiter,
    marker: PhantomData<fn(&Out, &In, C)>,
}

enum ConnectStep {
    New,
    /// The listener's queue has no room.
    Queueing,
    /// The listener has to answer.
    Waiting(Introduced),
    Over,
}

/// Wakes the task.
#[derive(Default)]
struct ConnectWaiter {
    slot: Arc<WakeSlot>,
    registration: Option<FdRegistration>,
}

impl ConnectWaiter {
    /// When the listener has said something, or at `until`.
    fn arm(
        &mut self,
        introduced: Option<&Introduced>,
        until: Option<MonotonicTime>,
        waker: &Waker,
    ) -> io::Result<()> {
        self.slot.set(waker);
        let fd = introduced.map(|introduced| introduced.line.get());
        let fd = fd
            .map(|fd| fd.ok_or(io::ErrorKind::Unsupported))
            .transpose()?;
        let registration = match &mut self.registration {
            Some(registration) => {
                if let Some(fd) = fd {
                    registration.arm(fd, Interest::Readable)?;
                }
                registration
            }
            None => {
                let watch: Arc<dyn Watch> = Arc::clone(&self.slot) as _;
                self.registration.insert(match fd {
                    Some(fd) => FdRegistration::new(fd, Interest::Readable, watch)?,
                    None => FdRegistration::of_time(watch)?,
                })
            }
        };
        if let Some(until) = until {
            registration.call_at(until);
        }
        Ok(())
    }

    /// Before the socket is closed, or used elsewhere.
    fn end(&mut self, introduced: Option<&Introduced>) {
        drop(self.slot.take());
        if let Some(registration) = self.registration.take() {
            registration.end(introduced.and_then(|introduced| introduced.line.get()));
        }
    }
}

impl<Out, In, C> ConnectFuture<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn step(
        &mut self,
        context: &Context<'_>,
    ) -> Result<Poll<Connection<Out, In, C>>, RendezvousError> {
        let is_late = |deadline: Option<MonotonicTime>| {
            deadline.is_some_and(|deadline| deadline <= MonotonicTime::now())
        };
        loop {
            match &mut self.step {
                ConnectStep::New => {
                    self.deadline = self.config.deadline();
                    self.step = ConnectStep::Queueing;
                }
                ConnectStep::Queueing => match socket::connect_now(&unix_of(&self.address)?) {
                    Ok(connected) => {
                        self.waiter.end(None);
                        let introduced = Introduced::new::<Out, In, C>(connected, &self.config)?;
                        self.step = ConnectStep::Waiting(introduced);
                    }
                    Err(error)
                        if error.kind() == io::ErrorKind::WouldBlock && !is_late(self.deadline) =>
                    {
                        let again = MonotonicTime::now().checked_add(QUEUE_PAUSE);
                        let until = again.into_iter().chain(self.deadline).min();
                        let waits = self.waiter.arm(None, until, context.waker());
                        return Ok(pending(waits, context));
                    }
                    Err(error) => return Err(not_connected(&self.address, error)),
                },
                ConnectStep::Waiting(introduced) => {
                    let Some(answer) = introduced.hear()? else {
                        if is_late(self.deadline) {
                            return Err(unanswered());
                        }
                        let waker = context.waker();
                        let waits = self.waiter.arm(Some(introduced), self.deadline, waker);
                        return Ok(pending(waits, context));
                    };
                    self.waiter.end(Some(introduced));
                    let step = std::mem::replace(&mut self.step, ConnectStep::Over);
                    if let ConnectStep::Waiting(introduced) = step {
                        return introduced.conclude(answer, &self.config).map(Poll::Ready);
                    }
                }
                ConnectStep::Over => return Ok(Poll::Pending),
            }
        }
    }

    /// Hangs up, if it is not over.
    fn give_up(&mut self) {
        let step = std::mem::replace(&mut self.step, ConnectStep::Over);
        self.waiter.end(match &step {
            ConnectStep::Waiting(introduced) => Some(introduced),
            _ => None,
        });
    }
}

impl<Out, In, C> Future for ConnectFuture<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    type Output = Result<Connection<Out, In, C>, RendezvousError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match this.step(context) {
            Ok(Poll::Ready(connection)) => Poll::Ready(Ok(connection)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(error) => {
                this.give_up();
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<Out, In, C> Drop for ConnectFuture<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<Out, In, C> fmt::Debug for AcceptFuture<'_, Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptFuture").finish_non_exhaustive()
    }
}

impl<Out, In, C> fmt::Debug for ConnectFuture<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectFuture")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
