//! What a rendezvous is about: rings in shared memory, or sockets; one way, or both.

use std::any::Any;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::error::RendezvousError;
use super::hello::{DATAGRAM, Direction, Hello, SEQ_PACKET, STREAM};
use super::options::RendezvousConfig;
use super::socket::{
    DEFAULT_LIMIT, SocketConfig, SocketReceiver, SocketSender, make_direction, receiver_of,
    sender_of,
};
use crate::channel::{DeathWatch, Receiver, Ring, RingBuilder, Sender};
use crate::error::Side;
use crate::message::Message;
use crate::ring::kind::{Kind, RingKind, Spsc};
use crate::sys::socket::{SocketKind, kind_of};

/// Gives what it is given a ring to live as long as.
type Keeper = Box<dyn FnOnce(Arc<dyn Any + Send + Sync>) + Send>;

/// What is put together at one end, or taken apart at the other.
#[doc(hidden)]
pub struct Assembly<'c> {
    config: &'c RendezvousConfig,
    /// What is passed, or was.
    fds: VecDeque<OwnedFd>,
    watches: Vec<DeathWatch>,
    keepers: Vec<Keeper>,
    schema: u64,
    /// As the listener says.
    limit: usize,
}

/// What is left of it when both ends are made.
#[derive(Default)]
pub(super) struct Finish {
    pub(super) watches: Vec<DeathWatch>,
    pub(super) keepers: Vec<Keeper>,
}

impl<'c> Assembly<'c> {
    pub(super) fn new(config: &'c RendezvousConfig, fds: VecDeque<OwnedFd>) -> Self {
        Assembly {
            config,
            fds,
            watches: Vec::new(),
            keepers: Vec::new(),
            schema: 0,
            limit: 0,
        }
    }

    /// The next direction is this one.
    pub(super) fn turn_to(&mut self, direction: &Direction, schema: u64) {
        self.schema = schema;
        self.limit = usize::try_from(direction.limit).unwrap_or(usize::MAX);
    }

    pub(super) fn finish(self) -> (VecDeque<OwnedFd>, Finish) {
        let finish = Finish {
            watches: self.watches,
            keepers: self.keepers,
        };
        (self.fds, finish)
    }

    fn next_fd(&mut self) -> Result<OwnedFd, RendezvousError> {
        self.fds.pop_front().ok_or(RendezvousError::Protocol {
            what: "fewer descriptors than there should be",
            found: 0,
        })
    }

    fn builder<T: Message + ?Sized, K: Kind>(&self) -> RingBuilder<T, K> {
        let builder = Ring::<T, K>::builder().schema(self.schema);
        match self.config.limit {
            Some(limit) => builder.message_limit(limit),
            None => builder,
        }
    }

    /// Has deaths at the other side of the ring looked for.
    fn join<T: Message + ?Sized, K: Kind>(&mut self, ring: &Ring<T, K>, other: Side) {
        self.watches.push(ring.death_watch(other));
        let ring = ring.clone();
        self.keepers.push(Box::new(move |line| ring.keep(line)));
    }

    fn make_ring<T: Message + ?Sized, K: Kind>(&mut self) -> Result<Ring<T, K>, RendezvousError> {
        let ring = self.builder().capacity(self.config.capacity).anonymous()?;
        let shared = ring.share_fd()?.try_clone_to_owned();
        let shared = shared.map_err(RendezvousError::os("share a ring"))?;
        self.fds.push_back(shared);
        Ok(ring)
    }

    fn take_ring<T: Message + ?Sized, K: Kind>(&mut self) -> Result<Ring<T, K>, RendezvousError> {
        let fd = self.next_fd()?;
        // Whose memory it is was decided by the policy.
        Ok(self.builder().allow_foreign(true).from_fd(fd)?)
    }

    fn socket(&self, kind: SocketKind) -> SocketConfig {
        SocketConfig {
            kind,
            limit: self.limit,
            buffer: self.config.buffer,
        }
    }

    /// The sockets of one direction, of which the first has to be of this kind.
    fn take_sockets(&mut self, kind: SocketKind) -> Result<Vec<OwnedFd>, RendezvousError> {
        let count = 1 + usize::from(kind == SocketKind::Datagram);
        let mut fds = Vec::new();
        for expected in [kind, SocketKind::Stream].into_iter().take(count) {
            let fd = self.next_fd()?;
            if !kind_of(fd.as_fd()).is_ok_and(|found| found == Some(expected)) {
                return Err(RendezvousError::Protocol {
                    what: "a descriptor that is not the socket that it should be",
                    found: 0,
                });
            }
            fds.push(fd);
        }
        Ok(fds)
    }
}

mod sealed {
    pub trait SealedCarrier {}
    impl<K: super::Kind> SealedCarrier for super::Rings<K> {}
    impl SealedCarrier for super::Stream {}
    impl SealedCarrier for super::SeqPacket {}
    impl SealedCarrier for super::Datagram {}
}

/// What carries the messages: [`Rings`], [`Stream`], [`SeqPacket`] or [`Datagram`]. The ends of
/// each have the same verbs and errors, so that a program changes its carrier where it says
/// which. Not for others to implement.
pub trait Carrier: sealed::SealedCarrier + Sized + 'static {
    /// The sending end.
    type Sender<T: Message + ?Sized>;
    /// The receiving end.
    type Receiver<T: Message + ?Sized>;

    /// Its number between processes.
    #[doc(hidden)]
    const CODE: u32;
    /// Bytes of a byte message, at most, where nothing else was asked for.
    #[doc(hidden)]
    const LIMIT: usize;
    /// Descriptors of one direction.
    #[doc(hidden)]
    const FDS: usize;

    #[doc(hidden)]
    fn make_sender<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Sender<T>, RendezvousError>;
    #[doc(hidden)]
    fn make_receiver<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Receiver<T>, RendezvousError>;
    #[doc(hidden)]
    fn take_sender<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Sender<T>, RendezvousError>;
    #[doc(hidden)]
    fn take_receiver<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Receiver<T>, RendezvousError>;
}

/// Rings in shared memory, of this kind: the ends are [`Sender`] and [`Receiver`].
pub struct Rings<K: Kind = Spsc>(PhantomData<K>);

impl<K: Kind> Carrier for Rings<K> {
    type Sender<T: Message + ?Sized> = Sender<T, K>;
    type Receiver<T: Message + ?Sized> = Receiver<T, K>;
    const CODE: u32 = match K::KIND {
        RingKind::Spsc => 1,
        RingKind::Mpsc => 2,
        RingKind::Spmc => 3,
        RingKind::Mpmc => 4,
    };
    const LIMIT: usize = 1024;
    const FDS: usize = 1;

    fn make_sender<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Sender<T, K>, RendezvousError> {
        let ring = assembly.make_ring()?;
        assembly.join(&ring, Side::Receiver);
        Ok(ring.sender()?)
    }

    fn make_receiver<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Receiver<T, K>, RendezvousError> {
        let ring = assembly.make_ring()?;
        assembly.join(&ring, Side::Sender);
        Ok(ring.receiver()?)
    }

    fn take_sender<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Sender<T, K>, RendezvousError> {
        let ring = assembly.take_ring()?;
        assembly.join(&ring, Side::Receiver);
        Ok(ring.sender()?)
    }

    fn take_receiver<T: Message + ?Sized>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Receiver<T, K>, RendezvousError> {
        let ring = assembly.take_ring()?;
        assembly.join(&ring, Side::Sender);
        Ok(ring.receiver()?)
    }
}

macro_rules! socket_carriers {
    ($($(#[$doc:meta])* $name:ident: $code:ident, $fds:literal;)*) => {
        $(
            $(#[$doc])*
            pub enum $name {}

            impl Carrier for $name {
                type Sender<T: Message + ?Sized> = SocketSender<T>;
                type Receiver<T: Message + ?Sized> = SocketReceiver<T>;
                const CODE: u32 = $code;
                const LIMIT: usize = DEFAULT_LIMIT;
                const FDS: usize = $fds;

                fn make_sender<T: Message + ?Sized>(
                    assembly: &mut Assembly<'_>,
                ) -> Result<SocketSender<T>, RendezvousError> {
                    let config = assembly.socket(SocketKind::$name);
                    let [ours, theirs] = make_direction::<T>(&config)?;
                    assembly.fds.extend(theirs);
                    sender_of(&config, ours)
                }

                fn make_receiver<T: Message + ?Sized>(
                    assembly: &mut Assembly<'_>,
                ) -> Result<SocketReceiver<T>, RendezvousError> {
                    let config = assembly.socket(SocketKind::$name);
                    let [theirs, ours] = make_direction::<T>(&config)?;
                    assembly.fds.extend(theirs);
                    receiver_of(&config, ours)
                }

                fn take_sender<T: Message + ?Sized>(
                    assembly: &mut Assembly<'_>,
                ) -> Result<SocketSender<T>, RendezvousError> {
                    let config = assembly.socket(SocketKind::$name);
                    let fds = assembly.take_sockets(config.kind)?;
                    sender_of(&config, fds)
                }

                fn take_receiver<T: Message + ?Sized>(
                    assembly: &mut Assembly<'_>,
                ) -> Result<SocketReceiver<T>, RendezvousError> {
                    let config = assembly.socket(SocketKind::$name);
                    let fds = assembly.take_sockets(config.kind)?;
                    receiver_of(&config, fds)
                }
            }
        )*
    };
}

socket_carriers! {
    /// Sockets of the type `SOCK_STREAM`: see [`SocketType::Stream`](super::SocketType::Stream).
    Stream: STREAM, 1;
    /// Sockets of the type `SOCK_SEQPACKET`: see
    /// [`SocketType::SeqPacket`](super::SocketType::SeqPacket).
    SeqPacket: SEQ_PACKET, 1;
    /// Sockets of the type `SOCK_DGRAM`: see
    /// [`SocketType::Datagram`](super::SocketType::Datagram).
    Datagram: DATAGRAM, 2;
}

/// What goes in one direction: messages of a type `T`, bytes, or [`Nothing`].
pub trait Traffic: 'static {
    /// The end that sends it.
    type Sender<C: Carrier>;
    /// The end that receives it.
    type Receiver<C: Carrier>;

    #[doc(hidden)]
    fn describe(schema: u64, limit: usize) -> DescribedDirection;
    /// Descriptors of it.
    #[doc(hidden)]
    fn fds<C: Carrier>() -> usize;
    #[doc(hidden)]
    fn make_sender<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Sender<C>, RendezvousError>;
    #[doc(hidden)]
    fn make_receiver<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Receiver<C>, RendezvousError>;
    #[doc(hidden)]
    fn take_sender<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Sender<C>, RendezvousError>;
    #[doc(hidden)]
    fn take_receiver<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<Self::Receiver<C>, RendezvousError>;
}

/// A description whose type is private to this crate.
#[doc(hidden)]
pub struct DescribedDirection(pub(super) Direction);

impl<T: Message + ?Sized> Traffic for T {
    type Sender<C: Carrier> = C::Sender<T>;
    type Receiver<C: Carrier> = C::Receiver<T>;

    fn describe(schema: u64, limit: usize) -> DescribedDirection {
        DescribedDirection(Direction::of::<T>(schema, limit))
    }

    fn fds<C: Carrier>() -> usize {
        C::FDS
    }

    fn make_sender<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<C::Sender<T>, RendezvousError> {
        C::make_sender(assembly)
    }

    fn make_receiver<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<C::Receiver<T>, RendezvousError> {
        C::make_receiver(assembly)
    }

    fn take_sender<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<C::Sender<T>, RendezvousError> {
        C::take_sender(assembly)
    }

    fn take_receiver<C: Carrier>(
        assembly: &mut Assembly<'_>,
    ) -> Result<C::Receiver<T>, RendezvousError> {
        C::take_receiver(assembly)
    }
}

/// No messages go in this direction: its end is `()`.
#[derive(Clone, Copy, Debug)]
pub enum Nothing {}

impl Traffic for Nothing {
    type Sender<C: Carrier> = ();
    type Receiver<C: Carrier> = ();

    fn describe(_schema: u64, _limit: usize) -> DescribedDirection {
        DescribedDirection(Direction::NOTHING)
    }

    fn fds<C: Carrier>() -> usize {
        0
    }

    fn make_sender<C: Carrier>(_assembly: &mut Assembly<'_>) -> Result<(), RendezvousError> {
        Ok(())
    }

    fn make_receiver<C: Carrier>(_assembly: &mut Assembly<'_>) -> Result<(), RendezvousError> {
        Ok(())
    }

    fn take_sender<C: Carrier>(_assembly: &mut Assembly<'_>) -> Result<(), RendezvousError> {
        Ok(())
    }

    fn take_receiver<C: Carrier>(_assembly: &mut Assembly<'_>) -> Result<(), RendezvousError> {
        Ok(())
    }
}

/// What an end with these options says of itself.
pub(super) fn hello_of<Out, In, C>(config: &RendezvousConfig) -> Hello
where
    Out: Traffic + ?Sized,
    In: Traffic + ?Sized,
    C: Carrier,
{
    let limit = config.limit.unwrap_or(C::LIMIT);
    let [outgoing, incoming] = config.schemas;
    Hello::new(
        C::CODE,
        Out::describe(outgoing, limit).0,
        In::describe(incoming, limit).0,
    )
}
