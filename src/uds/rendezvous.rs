//! The options of a rendezvous.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::address::SocketAddress;
use super::carrier::{Carrier, Rings, Traffic};
use super::connect::connect_with;
use super::connection::Connection;
use super::credentials::{PeerCredentials, Policy};
use super::error::RendezvousError;
use super::listener::Listener;
use super::options::RendezvousConfig;
use crate::message::schema::Schema;

/// How two processes connect: the options of a [`Listener`], or of a process that connects to
/// one.
///
/// `Out` is what this end sends and `In` what it receives: a message type, `[u8]`, or
/// [`Nothing`](super::Nothing). `C` is what carries it. The other end has to have the same types,
/// with `Out` and `In` exchanged. If it has not, both ends get an error that names what each
/// expected.
///
/// The listener chooses capacities, limits and buffers. Options that apply to a listener only are
/// ignored at the end that connects.
///
/// ```
/// use memring::Mpsc;
/// use memring::uds::{Connection, Listener, Nothing, Rendezvous, Rings};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let address = format!("@memring-doc-config-{}", std::process::id());
/// // What comes in are bytes, and nothing goes out.
/// type Log = Rendezvous<Nothing, [u8], Rings<Mpsc>>;
/// let mut listener = Log::new().message_limit(200).capacity(64).bind(&address)?;
///
/// # let other = address.clone();
/// let client = std::thread::spawn(move || {
///     let log = Rendezvous::<[u8], Nothing, Rings<Mpsc>>::new().connect(&other);
///     let Connection { mut tx, .. } = log.expect("a listener");
///     let mut of_another_thread = tx.clone();
///     tx.send(b"hello").unwrap();
///     of_another_thread.send(b"good-bye").unwrap();
/// });
/// let Connection { mut rx, peer, .. } = listener.accept()?;
/// assert_eq!(peer.pid, std::process::id());
/// assert_eq!(rx.recv()?, b"hello");
/// assert_eq!(rx.recv()?, b"good-bye");
/// # client.join().unwrap();
/// assert!(rx.recv().unwrap_err().is_disconnected());
/// # Ok(())
/// # }
/// ```
#[must_use = "options do nothing until they bind or connect"]
pub struct Rendezvous<Out, In, C = Rings>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    pub(super) config: RendezvousConfig,
    marker: PhantomData<fn(&Out, &In, C)>,
}

impl<Out, In, C> Rendezvous<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    /// The default options.
    ///
    /// ```
    /// use memring::uds::{Rendezvous, RendezvousError, SeqPacket};
    /// use std::time::Duration;
    ///
    /// # let address = format!("@memring-doc-options-{}", std::process::id());
    /// let options = || Rendezvous::<[u8], u64, SeqPacket>::new()
    ///     .message_limit(4000)
    ///     .send_buffer(1 << 17)
    ///     .schemas(2, 3) // of what goes out, and of what comes in
    ///     .admit(|peer| peer.uid == 0 || peer.pid == std::process::id())
    ///     .timeout(Duration::from_secs(1))
    ///     .max_half_made(8)
    ///     .mode(0o600)
    ///     .on_refused(|peer, error| eprintln!("refused {peer:?}: {error}"));
    /// let listener = options().bind(&address)?;
    /// let error = options().bind(&address).err().expect("the address is taken");
    /// assert!(matches!(error, RendezvousError::AddressInUse { .. }));
    /// assert!(!error.is_of_peer()); // but a mistake of this process
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[allow(clippy::new_without_default)] // there is one
    pub fn new() -> Self {
        Rendezvous {
            config: RendezvousConfig::default(),
            marker: PhantomData,
        }
    }

    /// How many messages a ring holds. Default 1024. For a listener only.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.config.capacity = messages;
        self
    }

    /// The most bytes of a byte message. Default 1024 in rings, 65,536 over sockets. For a
    /// listener only.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.config.limit = Some(bytes);
        self
    }

    /// Bytes of a socket's send buffer, as the kernel counts them. Default: that of the system.
    /// For a listener only.
    ///
    /// Example: [`new`](Rendezvous::new).
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.config.buffer = Some(bytes);
        self
    }

    /// Tags for the meaning of the messages: of outgoing messages, and of incoming messages. Both
    /// ends must agree. Default 0.
    ///
    /// Example: [`new`](Rendezvous::new).
    pub fn schemas(mut self, outgoing: u64, incoming: u64) -> Self {
        self.config.schemas = [outgoing, incoming];
        self
    }

    /// Sets the tags to the fingerprints of these types: see [`schema!`](crate::schema!).
    ///
    /// ```
    /// use memring::uds::{Connection, Rendezvous};
    ///
    /// # let address = format!("@memring-doc-schemas-{}", std::process::id());
    /// let ours = Rendezvous::<[u8], u64>::new().schemas_of::<[f64; 4], u64>();
    /// let mut listener = ours.bind(&address)?;
    /// # let other = address.clone();
    /// let client = std::thread::spawn(move || {
    ///     let theirs = Rendezvous::<u64, [u8]>::new().schemas_of::<u64, [f64; 4]>();
    ///     theirs.connect(&other).map(|mut connection| connection.rx.recv())
    /// });
    /// let Connection { mut tx, .. } = listener.accept()?;
    /// tx.send(&[0; 32])?;
    /// assert_eq!(client.join().unwrap()?, Ok(vec![0; 32]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn schemas_of<SOut: Schema, SIn: Schema>(self) -> Self {
        self.schemas(SOut::SCHEMA, SIn::SCHEMA)
    }

    /// Admits the processes for which `policy` returns `true`, in place of those of the same
    /// effective user. The policy is asked before anything is read from the other process. At the
    /// end that connects it decides which listener to trust.
    ///
    /// If another user is admitted, it can drop, forge and stall messages, as any peer can. With
    /// a path, also set a [`mode`](Rendezvous::mode) that lets that user connect.
    ///
    /// Example: [`new`](Rendezvous::new).
    pub fn admit(
        mut self,
        policy: impl Fn(&PeerCredentials) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.config.policy = Policy::Asked(Arc::new(policy));
        self
    }

    /// How long one rendezvous may take, at each end. Default 5 seconds. This bounds how long
    /// this end waits for a peer that is silent, or slow. `Duration::MAX` means no limit.
    ///
    /// Example: [`new`](Rendezvous::new).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// How many connections may be half made at once. Each has a descriptor, and, after its peer
    /// has sent its request, rings. Default 32. If there are more, the oldest connection of the
    /// process that has the most of them is refused. For a listener only.
    ///
    /// Example: [`new`](Rendezvous::new).
    pub fn max_half_made(mut self, connections: usize) -> Self {
        self.config.max_half_made = connections;
        self
    }

    /// Permission bits of the path: which users may connect, before the policy is asked. Default
    /// is 0600. For a listener only; an abstract name has no permission bits.
    ///
    /// Example: [`new`](Rendezvous::new).
    pub fn mode(mut self, mode: u32) -> Self {
        self.config.mode = mode;
        self
    }

    /// Sets a function that is called with each peer that is refused, and the reason: for a log,
    /// say. For a listener only; it goes on afterwards.
    ///
    /// Example: [`new`](Rendezvous::new).
    pub fn on_refused(
        mut self,
        told: impl Fn(Option<&PeerCredentials>, &RendezvousError) + Send + Sync + 'static,
    ) -> Self {
        self.config.on_refused = Some(Arc::new(told));
        self
    }

    /// Listens at `address`.
    ///
    /// If a listener has died, its socket is replaced.
    ///
    /// # Errors
    /// [`RendezvousError::AddressInUse`], [`RendezvousError::InvalidAddress`],
    /// [`RendezvousError::InvalidOption`], [`RendezvousError::Os`].
    pub fn bind(
        self,
        address: impl Into<SocketAddress>,
    ) -> Result<Listener<Out, In, C>, RendezvousError> {
        if self.config.max_half_made == 0 {
            return Err(RendezvousError::InvalidOption {
                what: "number of connections that may be half made",
                expected: "at least 1",
                found: 0,
            });
        }
        if self.config.mode & !0o777 != 0 {
            return Err(RendezvousError::InvalidOption {
                what: "mode",
                expected: "permission bits up to 0777",
                found: self.config.mode as usize,
            });
        }
        Listener::with(address.into(), self.config)
    }

    /// Connects to the listener at `address`. Waits until the listener has accepted, for at most
    /// the [`timeout`](Rendezvous::timeout).
    ///
    /// # Errors
    /// Each variant of [`RendezvousError`] says what to do.
    pub fn connect(
        self,
        address: impl Into<SocketAddress>,
    ) -> Result<Connection<Out, In, C>, RendezvousError> {
        connect_with(&address.into(), &self.config)
    }
}

impl<Out, In, C> Clone for Rendezvous<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn clone(&self) -> Self {
        Rendezvous {
            config: self.config.clone(),
            marker: PhantomData,
        }
    }
}

impl<Out, In, C> fmt::Debug for Rendezvous<Out, In, C>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendezvous")
            .field("capacity", &self.config.capacity)
            .field("timeout", &self.config.timeout)
            .finish_non_exhaustive()
    }
}

impl<Out, In> Listener<Out, In, Rings>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
{
    /// Listens at `address`, with the default options: rings of one sender and one receiver, to
    /// and from processes of the same user. To set options, use [`Rendezvous::bind`].
    ///
    /// Example: [`Listener`].
    ///
    /// # Errors
    /// As [`Rendezvous::bind`].
    pub fn bind(address: impl Into<SocketAddress>) -> Result<Self, RendezvousError> {
        Rendezvous::new().bind(address)
    }
}

/// Connects to the listener at `address`, with the default options: rings of one sender and one
/// receiver, to and from a process of the same user. To set options, use [`Rendezvous::connect`].
///
/// ```
/// use memring::uds::{self, Connection, Listener};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let address = format!("@memring-doc-connect-{}", std::process::id());
/// let mut listener = Listener::<u64, [u8]>::bind(&address)?;
/// # let other = address.clone();
/// let client = std::thread::spawn(move || {
///     let mut connection = uds::connect::<[u8], u64>(&other).expect("a listener");
///     connection.tx.send(b"six times seven").unwrap();
///     connection.rx.recv().unwrap()
/// });
/// let Connection { mut tx, mut rx, .. } = listener.accept()?;
/// assert_eq!(rx.recv()?, b"six times seven");
/// tx.send(42)?;
/// assert_eq!(client.join().unwrap(), 42);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Rendezvous::connect`].
pub fn connect<Out, In>(
    address: impl Into<SocketAddress>,
) -> Result<Connection<Out, In, Rings>, RendezvousError>
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
{
    Rendezvous::new().connect(address)
}
