//! What travels through the rings of these tests.

use std::fmt::Debug;

use bytemuck::{Pod, Zeroable};
use memring::Message;

pub trait Load {
    type Message: Message<Received = Self::Owned> + ?Sized;
    type Owned: Clone + PartialEq + Debug;
    /// Byte messages: the longest.
    const LIMIT: Option<usize>;
    fn make(seed: u64) -> Self::Owned;
    fn borrow(owned: &Self::Owned) -> <Self::Message as Message>::Sent<'_>;
    fn own(sent: <Self::Message as Message>::Sent<'_>) -> Self::Owned;
    /// A message longer than the limit, where there is one.
    fn too_long(more: usize) -> Option<Self::Owned>;
}

macro_rules! typed {
    ($type:ty) => {
        impl Load for $type {
            type Message = $type;
            type Owned = $type;
            const LIMIT: Option<usize> = None;
            fn make(seed: u64) -> $type {
                let mut message = <$type>::zeroed();
                for (index, byte) in bytemuck::bytes_of_mut(&mut message).iter_mut().enumerate() {
                    *byte = (seed.rotate_left(index as u32 % 64) as usize + index) as u8;
                }
                message
            }
            fn borrow(owned: &$type) -> $type {
                *owned
            }
            fn own(sent: $type) -> $type {
                sent
            }
            fn too_long(_: usize) -> Option<$type> {
                None
            }
        }
    };
}

/// As `u128` is on most machines.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct Wide([u64; 2]);

typed!(u64);
typed!([u8; 1]);
typed!([u64; 7]);
typed!([u64; 8]);
typed!([u64; 512]);
typed!(Wide);

/// Byte messages of up to `LIMIT` bytes.
pub struct Bytes<const LIMIT: usize>;

impl<const LIMIT: usize> Load for Bytes<LIMIT> {
    type Message = [u8];
    type Owned = Vec<u8>;
    const LIMIT: Option<usize> = Some(LIMIT);
    fn make(seed: u64) -> Vec<u8> {
        let length = match seed % 8 {
            0 => 0,
            1 => LIMIT,
            _ => (seed as usize).wrapping_mul(31) % (LIMIT + 1),
        };
        (0..length)
            .map(|index| (seed as usize + index) as u8)
            .collect()
    }
    fn borrow(owned: &Vec<u8>) -> &[u8] {
        owned
    }
    fn own(sent: &[u8]) -> Vec<u8> {
        sent.to_vec()
    }
    fn too_long(more: usize) -> Option<Vec<u8>> {
        Some(vec![7; LIMIT + 1 + more])
    }
}
