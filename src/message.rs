//! The messages that a ring can carry: the bound on `T`, and byte messages.

pub(crate) mod schema;

use bytemuck::{AnyBitPattern, NoUninit};

mod sealed {
    pub trait Sealed {}
    impl<T: bytemuck::NoUninit + bytemuck::AnyBitPattern + Send + 'static> Sealed for T {}
    impl Sealed for [u8] {}
}

/// A type that a ring can carry.
///
/// Two families implement it, and it is sealed to them:
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
