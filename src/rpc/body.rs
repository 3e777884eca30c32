//! The types of requests and responses.

use bytemuck::AnyBitPattern;

use crate::message::schema::fingerprint;
use crate::message::{Message, Source};

pub(super) mod sealed {
    /// Bodies are what this crate knows how to lay out and to check.
    pub trait SealedBody {}
}

/// A request or a response.
///
/// * A plain `T` of fixed size, as for rings: see [`Message`].
/// * `[u8]`: any bytes, up to the service's limit. Sent as `&[u8]`, received as `Vec<u8>`.
/// * With the feature `serde`, `Postcard<T>`: any serde type, encoded by `postcard`, up to the
///   service's limit. Sent as `&T`, received as `T`.
///
/// Bytes from a peer are checked when they are decoded: lengths, and whatever `serde` checks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can be neither a request nor a response",
    note = "plain data can be: `#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]` and \
            `#[repr(C)]`; so can bytes, `[u8]`",
    note = "for a serde type use `memring::rpc::Postcard<{Self}>`, with the feature `serde`"
)]
pub trait Body: sealed::SealedBody + 'static {
    /// What a caller sends: `T`, `&[u8]`, `&T`.
    type Given<'a>;
    /// What the other side receives: `T`, `Vec<u8>`, `T`.
    type Taken: 'static;

    /// What both sides must agree on.
    #[doc(hidden)]
    const SHAPE: u64;
    /// Bytes, if that is fixed.
    #[doc(hidden)]
    const SIZE: Option<usize>;
    /// Appends the bytes.
    #[doc(hidden)]
    fn put(given: &Self::Given<'_>, bytes: &mut Vec<u8>) -> Result<(), String>;
    /// Appends the bytes of what a handler returned.
    #[doc(hidden)]
    fn put_taken(taken: &Self::Taken, bytes: &mut Vec<u8>) -> Result<(), String>;
    /// Decodes bytes of whatever length and content.
    #[doc(hidden)]
    fn take(bytes: &[u8]) -> Result<Self::Taken, String>;
}

impl<M: Message + ?Sized> sealed::SealedBody for M {}

impl<M: Message + ?Sized> Body for M {
    type Given<'a> = M::Sent<'a>;
    type Taken = M::Received;

    const SHAPE: u64 = match M::FIXED {
        Some((size, align)) => fingerprint(&[("size", size as u64), ("align", align as u64)]),
        None => fingerprint(&[("bytes", 0)]),
    };
    const SIZE: Option<usize> = match M::FIXED {
        Some((size, _)) => Some(size),
        None => None,
    };

    #[inline]
    fn put(given: &M::Sent<'_>, bytes: &mut Vec<u8>) -> Result<(), String> {
        bytes.extend_from_slice(M::encode(given));
        Ok(())
    }

    #[inline]
    fn put_taken(taken: &M::Received, bytes: &mut Vec<u8>) -> Result<(), String> {
        Self::put(&M::as_sent(taken), bytes)
    }

    #[inline]
    fn take(bytes: &[u8]) -> Result<M::Received, String> {
        match Self::SIZE {
            Some(size) if size != bytes.len() => {
                Err(format!("expected {size} bytes, found {}", bytes.len()))
            }
            _ => Ok(M::decode(&PrivateBytes(bytes), bytes.len())),
        }
    }
}

/// Bytes that no other process can change, as long as what is made of them.
struct PrivateBytes<'a>(&'a [u8]);

impl Source for PrivateBytes<'_> {
    fn value<T: AnyBitPattern>(&self) -> T {
        bytemuck::pod_read_unaligned(self.0)
    }

    fn bytes(&self, _length: usize) -> Vec<u8> {
        self.0.to_vec()
    }

    fn copy_to(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_sizes_are_checked() {
        let mut bytes = Vec::new();
        <u64 as Body>::put(&7, &mut bytes).unwrap();
        assert_eq!(<u64 as Body>::take(&bytes), Ok(7));
        assert!(<u64 as Body>::take(&bytes[1..]).is_err());
        bytes.push(0);
        assert!(<u64 as Body>::take(&bytes).is_err());
        assert_eq!(<u64 as Body>::take(&bytes[..8]), Ok(7));
    }

    #[test]
    fn shapes_differ() {
        let shapes = [
            <u32 as Body>::SHAPE,
            <u64 as Body>::SHAPE,
            <[u32; 2] as Body>::SHAPE,
            <[u8] as Body>::SHAPE,
        ];
        for (at, shape) in shapes.iter().enumerate() {
            assert!(!shapes[..at].contains(shape), "{at}");
        }
    }
}
