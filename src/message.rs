//! The messages that a ring can carry: the bound on `T`, and byte messages.

pub(crate) mod schema;

use bytemuck::{AnyBitPattern, NoUninit};

mod sealed {
    pub trait Sealed {}
    impl<T: bytemuck::NoUninit + bytemuck::AnyBitPattern + Send + 'static> Sealed for T {}
    impl Sealed for [u8] {}
    impl Sealed for super::Untyped {}
}

/// A type that a ring can carry.
///
/// Two families implement it, and [`Untyped`] for tools that know no types; it is sealed to
/// them:
///
/// * every fixed-size `T: NoUninit + AnyBitPattern + Send + 'static`
///   ([`bytemuck`]'s traits; derive `Pod`, or these two). No padding byte
///   leaves the process, and whatever bytes a peer writes are a valid `T`;
/// * `[u8]`: messages of varying length, each up to the limit that was fixed
///   when the ring was made.
///
/// A type may be large. If it is sent by value, it is copied to the stack several times on its
/// way. [`send_ref`](crate::Sender::send_ref) and [`recv_into`](crate::Receiver::recv_into) put
/// nothing there.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a message of a ring",
    label = "not a message",
    note = "derive `bytemuck::Pod`, or `bytemuck::NoUninit` and `bytemuck::AnyBitPattern`: \
            `#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]` and `#[repr(C)]`, on a \
            struct of integers, floats and arrays of them",
    note = "in generic code the bound is `T: memring::Message`",
    note = "for text, and what is serialized, use `[u8]`: messages of varying length"
)]
pub trait Message: sealed::Sealed + 'static {
    /// What a sender sends: `T` itself, or a borrowed `&[u8]`.
    type Sent<'a>;
    /// What an error of a sender gives back: `T` itself. For a byte message it is `()`, since the
    /// caller has the bytes.
    type Unsent: 'static;
    /// What a receiver gets: `T` itself, or a `Vec<u8>`.
    type Received;

    /// Size and alignment in bytes, or `None` where the length varies.
    #[doc(hidden)]
    const FIXED: Option<(usize, usize)>;
    /// Whether messages are of one size, which is not known while compiling.
    #[doc(hidden)]
    const UNTYPED: bool = false;

    /// The bytes to store in the slot.
    #[doc(hidden)]
    fn encode<'a>(message: &'a Self::Sent<'_>) -> &'a [u8];

    /// The message, for an error.
    #[doc(hidden)]
    fn unsent(message: Self::Sent<'_>) -> Self::Unsent;

    /// What was received, to be sent on.
    #[doc(hidden)]
    fn as_sent(received: &Self::Received) -> Self::Sent<'_>;

    /// Copies a message of `length` bytes out.
    #[doc(hidden)]
    fn decode(source: &impl Source, length: usize) -> Self::Received;

    /// The bytes of a message that stays where it is.
    #[doc(hidden)]
    fn bytes_of(message: &Self) -> &[u8];

    /// As `decode`, over what is in `message`, and says how many bytes.
    #[doc(hidden)]
    fn decode_into(source: &impl Source, length: usize, message: &mut Self::Received) -> usize;
}

/// Where messages are copied from: see `ring::payload`.
#[doc(hidden)]
pub trait Source {
    /// A message of fixed size.
    fn value<T: AnyBitPattern>(&self) -> T;
    /// A message of `length` bytes.
    fn bytes(&self, length: usize) -> Vec<u8>;
    /// A message of as many bytes as `bytes` has.
    fn copy_to(&self, bytes: &mut [u8]);
}

/// A source of zeroes.
pub(crate) struct Blank;

impl Source for Blank {
    fn value<T: AnyBitPattern>(&self) -> T {
        T::zeroed()
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        vec![0; length]
    }

    fn copy_to(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

// Not recommended: so that the hint above is seen, and not the lack of a trait of bytemuck's.
#[diagnostic::do_not_recommend]
impl<T: NoUninit + AnyBitPattern + Send + 'static> Message for T {
    type Sent<'a> = T;
    type Unsent = T;
    type Received = T;

    const FIXED: Option<(usize, usize)> = Some((size_of::<T>(), align_of::<T>()));

    #[inline(always)]
    fn encode(message: &T) -> &[u8] {
        bytemuck::bytes_of(message)
    }

    #[inline(always)]
    fn unsent(message: T) -> T {
        message
    }

    #[inline(always)]
    fn as_sent(received: &T) -> T {
        *received
    }

    #[inline(always)]
    fn decode(source: &impl Source, _length: usize) -> T {
        source.value()
    }

    #[inline(always)]
    fn bytes_of(message: &T) -> &[u8] {
        bytemuck::bytes_of(message)
    }

    #[inline(always)]
    fn decode_into(source: &impl Source, _length: usize, message: &mut T) -> usize {
        source.copy_to(bytemuck::bytes_of_mut(message));
        size_of::<T>()
    }
}

impl Message for [u8] {
    type Sent<'a> = &'a [u8];
    type Unsent = ();
    type Received = Vec<u8>;

    const FIXED: Option<(usize, usize)> = None;

    #[inline(always)]
    fn encode<'a>(message: &'a &[u8]) -> &'a [u8] {
        message
    }

    #[inline(always)]
    fn unsent(_message: &[u8]) {}

    #[inline(always)]
    fn as_sent(received: &Vec<u8>) -> &[u8] {
        received
    }

    #[inline]
    fn decode(source: &impl Source, length: usize) -> Vec<u8> {
        source.bytes(length)
    }

    #[inline(always)]
    fn bytes_of(message: &[u8]) -> &[u8] {
        message
    }

    #[inline]
    fn decode_into(source: &impl Source, length: usize, message: &mut Vec<u8>) -> usize {
        message.resize(length, 0);
        source.copy_to(message);
        length
    }
}

/// Messages of a typed ring, as bytes, for a tool that does not know their type: one that
/// records, shows or forwards them.
///
/// `Ring::<Untyped, K>` opens every typed ring of kind `K` and of the schema that was asked
/// for, whatever the size of its messages, which
/// [`Ring::message_size`](crate::Ring::message_size) tells. It is sent and received as `[u8]`
/// is, and each message has exactly that many bytes. To make such a ring, name size and
/// alignment by [`message_layout`](crate::RingBuilder::message_layout). (In calls and over
/// sockets it is the same as `[u8]`.)
///
/// **What is sent this way should have come from a program that knows the type:** bytes of any
/// value are a valid message, but only its type tells what they mean.
///
/// ```
/// use memring::{Failure, Ring, SendError, Spsc, Untyped};
///
/// # let name = &format!("doc-untyped-{}", std::process::id());
/// let typed = Ring::<u32, Spsc>::create(name, 8)?;
/// typed.sender()?.send(7)?;
///
/// let ring = Ring::<Untyped, Spsc>::open(name)?;
/// assert_eq!(ring.message_size(), 4);
/// assert_eq!(ring.receiver()?.recv()?, 7u32.to_ne_bytes());
/// ring.sender()?.send(&8u32.to_ne_bytes())?;
/// assert_eq!(typed.receiver()?.recv()?, 8);
/// let wrong = Failure::WrongSize { length: 3, size: 4 };
/// assert_eq!(ring.sender()?.send(&[1, 2, 3]), Err(SendError::Failed((), wrong)));
/// # memring::remove(name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Untyped([u8]);

impl Message for Untyped {
    type Sent<'a> = &'a [u8];
    type Unsent = ();
    type Received = Vec<u8>;

    const FIXED: Option<(usize, usize)> = None;
    const UNTYPED: bool = true;

    #[inline(always)]
    fn encode<'a>(message: &'a &[u8]) -> &'a [u8] {
        message
    }

    #[inline(always)]
    fn unsent(_message: &[u8]) {}

    #[inline(always)]
    fn as_sent(received: &Vec<u8>) -> &[u8] {
        received
    }

    #[inline]
    fn decode(source: &impl Source, length: usize) -> Vec<u8> {
        source.bytes(length)
    }

    #[inline(always)]
    fn bytes_of(message: &Untyped) -> &[u8] {
        &message.0
    }

    #[inline]
    fn decode_into(source: &impl Source, length: usize, message: &mut Vec<u8>) -> usize {
        message.resize(length, 0);
        source.copy_to(message);
        length
    }
}
