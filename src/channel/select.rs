//! Waiting for any of many endpoints, in one thread.

mod arms;
mod macros;
mod source;
mod timers;
mod wait;

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};
use std::time::{Duration, Instant};

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use arms::unless_it_waits;
pub use arms::{
    Arm, ClaimedArm, RecvArm, RecvOperand, SelectReceiver, SelectSender, SendArm, SendOperand, run,
};
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use source::SelectSource;
pub(super) use source::{Readiness, ReadyEndpoint};
pub use source::{Selectable, SourceRef};
pub use timers::{After, Never, Ticker, after, at, never, tick};
pub use wait::Limit;

use super::waiting::Wait;
use crate::error::{ReadyTimeoutError, TryReadyError};
use crate::wait::WaitStrategy;
use wait::wait_for_any;

/// A set of endpoints, of any kinds of ring and of any messages. One thread waits until any of
/// them is ready.
///
/// Adding an endpoint returns a [`Token`]. The token identifies the endpoint, and gives access to
/// it while it is in the set:
///
/// ```
/// use memring::{Mpmc, Ring, RecvTimeoutError, Select, Spsc};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (ticks, jobs) = (Ring::<u64, Spsc>::anonymous(4)?, Ring::<[u8], Mpmc>::anonymous(4)?);
/// # let mut tx = ticks.sender()?;
/// # tx.send(7)?;
/// let (mut ticks, mut jobs) = (ticks.receiver()?, jobs.receiver()?);
/// let mut select = Select::new();
/// let ticks = select.recv(&mut ticks);
/// let jobs = select.recv(&mut jobs);
/// # let mut received = 0;
/// loop {
///     match select.ready() {
///         ready if ready == ticks => match select[ticks].recv_timeout(Duration::ZERO) {
///             Ok(tick) => println!("tick {tick}"),
///             Err(RecvTimeoutError::Timeout(_)) => {} // not ready after all
///             Err(error) => return Err(error.into()),
///         },
///         ready if ready == jobs => { /* the same for a job */ }
///         _ => {}
///     }
/// #   received += 1;
/// #   if received == 1 { break }
/// }
/// # Ok(())
/// # }
/// ```
///
/// **Ready** means that a call would not have to wait: a [`Receiver`](crate::Receiver) has a
/// message, a [`Sender`](crate::Sender) has room, a timer is due; or the call would fail, because
/// the ring is closed or removed, because all peers have detached or died, or because the
/// endpoint is [cancelled](crate::Canceller). The call then says why. Such an endpoint stays
/// ready: [`remove`](Select::remove) it. Readiness claims nothing, so nothing is lost if you do
/// not make the call. If a ring has several receivers, or senders, another may be quicker. So
/// make a call that does not wait ([`Receiver::recv_timeout`](crate::Receiver::recv_timeout) with
/// a time of zero, which also says `Cancelled`), and wait again. [`select!`](macro@crate::select)
/// does all this by itself.
///
/// On a [rendezvous](crate::RingBuilder::rendezvous) ring a receiver is ready when a sender
/// offers a message, and a sender when a receiver waits in one of its own calls. A receiver in a
/// set does not count as waiting, since a set takes nothing. Two sets, one at each end, would
/// wait for ever, so one end has to make a call.
///
/// **Fair**: the checks begin behind the endpoint that was ready last, so an endpoint that is
/// always ready keeps no other from its turn.
///
/// **Asleep**: a set that waits spins for a while (its [`WaitStrategy`]) and then sleeps on all
/// its endpoints in one system call, `futex_waitv`, which needs Linux 5.16 and takes up to 128
/// endpoints. With more endpoints, or on an older kernel, the set sleeps in slices of up to 4 ms
/// and checks every endpoint's word between them. This costs some hundred wake-ups a second, and
/// a message is seen up to 4 ms late. A set with an endpoint of a ring of spinners
/// ([`Wakeups::SpinOnly`](crate::Wakeups::SpinOnly)) spins. As in any call that waits, peers that
/// die are found within a second.
///
/// **Sockets** (`SocketReceiver` and `SocketSender` of `memring::uds`) and rings may be in one
/// set. For a socket the set sleeps on a word of this process, which the thread that watches
/// descriptors changes when the socket has something. So each wake-up goes through that thread.
///
/// A set is not faster than a call for one endpoint: each time it checks all of its endpoints.
#[derive(Default)]
pub struct Select<'a> {
    /// By index; removed ones leave a gap.
    entries: Vec<Option<&'a mut dyn Selectable>>,
    /// Where the next look begins.
    first: usize,
    strategy: WaitStrategy,
}

/// Identifies an endpoint of a [`Select`]. A token can be compared with the index that
/// [`Select::ready`] returns.
pub struct Token<E> {
    index: usize,
    endpoint: PhantomData<fn() -> E>,
}

impl<'a> Select<'a> {
    /// Makes an empty set that waits in the default way.
    pub fn new() -> Self {
        Select::default()
    }

    /// Makes an empty set with a wait strategy. The strategies of the endpoints do not apply.
    ///
    /// Example: [`add`](Select::add).
    pub fn with_strategy(strategy: WaitStrategy) -> Self {
        Select {
            strategy,
            ..Select::default()
        }
    }

    /// Adds a receiver. It is ready when there is a message, or when the call would fail.
    pub fn recv<R: SelectReceiver>(&mut self, receiver: &'a mut R) -> Token<R> {
        self.add(receiver)
    }

    /// Adds a sender. It is ready when there is room, or when the call would fail.
    pub fn send<S: SelectSender>(&mut self, sender: &'a mut S) -> Token<S> {
        self.add(sender)
    }

    /// Adds an endpoint, or a timer. Its index is the number of those added before.
    ///
    /// ```
    /// # use memring::{Ring, Select, Spsc, WaitStrategy};
    /// use std::time::Duration;
    ///
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # tx.send(7)?;
    /// let mut late = memring::after(Duration::from_secs(60));
    /// let mut select = Select::with_strategy(WaitStrategy::Park);
    /// let message = select.add(&mut rx);
    /// let late = select.add(&mut late);
    /// assert_eq!((select.len(), late.index()), (2, 1));
    /// assert!(message == select.ready());
    /// assert_eq!(select.get_mut(message).map(|rx| rx.recv()), Some(Ok(7)));
    /// assert!(select.try_ready().is_err());
    /// let rx = select.remove(message).expect("it was there");
    /// assert!(rx.is_empty() && select.get(message).is_none() && !select.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add<E: Selectable>(&mut self, endpoint: &'a mut E) -> Token<E> {
        self.entries.push(Some(endpoint));
        Token {
            index: self.entries.len() - 1,
            endpoint: PhantomData,
        }
    }

    /// Takes an endpoint out of the set and returns it; `None` if it is not in the set. The
    /// indices of the others stay the same.
    ///
    /// Example: [`add`](Select::add).
    pub fn remove<E: Selectable>(&mut self, token: Token<E>) -> Option<&'a mut E> {
        let entry = self.entries.get_mut(token.index)?;
        let is_it = entry
            .as_deref()
            .is_some_and(|entry| (entry as &dyn Any).is::<E>());
        let endpoint: &mut dyn Any = entry.take_if(|_| is_it)?;
        endpoint.downcast_mut()
    }

    /// Returns the endpoint of this token; `None` if it was removed, or has another type. A token
    /// of another set stands for the endpoint at its index here.
    ///
    /// Example: [`add`](Select::add).
    pub fn get<E: Selectable>(&self, token: Token<E>) -> Option<&E> {
        let entry: &dyn Any = self.entries.get(token.index)?.as_deref()?;
        entry.downcast_ref()
    }

    /// As [`Select::get`], mutably, to call the endpoint's verbs.
    ///
    /// Example: [`add`](Select::add).
    pub fn get_mut<E: Selectable>(&mut self, token: Token<E>) -> Option<&mut E> {
        let entry: &mut dyn Any = self.entries.get_mut(token.index)?.as_deref_mut()?;
        entry.downcast_mut()
    }

    /// How many endpoints are in the set.
    ///
    /// Example: [`add`](Select::add).
    pub fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    /// Whether no endpoint is in the set.
    ///
    /// Example: [`add`](Select::add).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until an endpoint is ready, and returns its index. An empty set waits for ever, as
    /// Go's `select {}` does.
    pub fn ready(&mut self) -> usize {
        loop {
            if let Some(ready) = self.wait(Wait::Forever) {
                return ready;
            }
        }
    }

    /// Returns the index of an endpoint that is ready now. Does not wait.
    ///
    /// # Errors
    /// [`TryReadyError`] if no endpoint is ready.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        self.wait(Wait::Not).ok_or(TryReadyError)
    }

    /// As [`Select::ready`], for at most `timeout`.
    ///
    /// # Errors
    /// [`ReadyTimeoutError`] if no endpoint was ready by the deadline.
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.wait(Wait::at_most(timeout)).ok_or(ReadyTimeoutError)
    }

    /// As [`Select::ready`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Select::ready_timeout`].
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.wait(Wait::until(deadline)).ok_or(ReadyTimeoutError)
    }

    fn wait(&mut self, wait: Wait) -> Option<usize> {
        let ready = self.look().or_else(|| self.wait_in_full(wait))?;
        self.first = ready + 1;
        Some(ready)
    }

    /// A look at each.
    fn look(&mut self) -> Option<usize> {
        let count = self.entries.len();
        let first = if self.first < count { self.first } else { 0 };
        let mut order = (first..count).chain(0..first);
        order.find(|at| match &mut self.entries[*at] {
            Some(entry) => entry.source().0.look_once(),
            None => false,
        })
    }

    fn wait_in_full(&mut self, wait: Wait) -> Option<usize> {
        // Of each source, the index of its entry.
        let mut indices = Vec::with_capacity(self.entries.len());
        let entries = self.entries.iter_mut().enumerate();
        let sources = entries.filter_map(|(index, entry)| {
            let entry = entry.as_mut()?;
            indices.push(index);
            Some(entry.source().0)
        });
        let sources: Vec<_> = sources.collect();
        let first = indices.iter().position(|index| *index >= self.first);
        let ready = wait_for_any(sources.into_iter(), first.unwrap_or(0), self.strategy, wait)?;
        indices.get(ready).copied()
    }
}

/// # Panics
/// If the endpoint was removed: [`Select::get`] does not.
impl<E: Selectable> Index<Token<E>> for Select<'_> {
    type Output = E;

    fn index(&self, token: Token<E>) -> &E {
        self.get(token).expect("the endpoint is in this set")
    }
}

/// # Panics
/// If the endpoint was removed: [`Select::get_mut`] does not.
impl<E: Selectable> IndexMut<Token<E>> for Select<'_> {
    fn index_mut(&mut self, token: Token<E>) -> &mut E {
        self.get_mut(token).expect("the endpoint is in this set")
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Select");
        shown.field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<E> Token<E> {
    /// The index that [`Select::ready`] returns for this endpoint.
    ///
    /// Example: [`Select::add`].
    pub fn index(self) -> usize {
        self.index
    }
}

// By hand: derived, they would ask for the same of `E`.
impl<E> Clone for Token<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Token<E> {}

impl<E> fmt::Debug for Token<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.index).finish()
    }
}

impl<E> PartialEq<usize> for Token<E> {
    fn eq(&self, index: &usize) -> bool {
        self.index == *index
    }
}

impl<E> PartialEq<Token<E>> for usize {
    fn eq(&self, token: &Token<E>) -> bool {
        *self == token.index
    }
}
