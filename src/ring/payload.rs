//! Copying messages into and out of shared memory.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::mem::MaybeUninit;

use bytemuck::AnyBitPattern;

use crate::message::Source;

/// The message area of one slot: moves bytes in and out of shared memory.
///
/// The area starts on an 8-byte boundary and spans whole 8-byte words, of which
/// `room` bytes are the message's (V1, V3), if `words` says so. Else it is as long as the
/// message, and starts wherever its size allows.
pub(crate) struct Payload {
    pub(super) start: *mut u8,
    pub(super) length: Option<*mut u8>,
    pub(super) room: usize,
    pub(super) words: bool,
}

/// Up to this many bytes move as relaxed atomic words, which compile to plain
/// moves; more go through an opaque block move, whose stores are wider: a sender
/// that misses has only so many stores under way.
const WORDWISE: usize = 64;

impl Payload {
    /// Address of the message's first byte.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.start
    }

    /// Stores a message. More than `room` bytes are cut off; the
    /// caller has refused them before.
    #[inline(always)]
    pub(crate) fn store(&self, bytes: &[u8]) {
        let length = bytes.len();
        let bytes = &bytes[..length.min(self.room)];
        if !self.words {
            // SAFETY: V1: as for the block below.
            unsafe { store_small(bytes.as_ptr(), self.start, bytes.len()) }
        } else if bytes.len() <= WORDWISE {
            let (words, rest) = bytes.as_chunks::<8>();
            // From the end, for the line of the slot word comes last then: a receiver
            // waits at it, and takes it away from a sender that goes on to another.
            if !rest.is_empty() {
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                self.store_word(words.len(), u64::from_ne_bytes(last));
            }
            for (index, word) in words.iter().enumerate().rev() {
                self.store_word(index, u64::from_ne_bytes(*word));
            }
        } else {
            // SAFETY: `bytes` is private and readable; the area has `room`
            // bytes from `start` (V1), of which `bytes.len()` or fewer are used.
            unsafe { block_move(bytes.as_ptr(), self.start, bytes.len()) }
        }
        self.set_length(length);
    }

    /// Loads the first `bytes.len()` bytes, at most `room`.
    #[inline(always)]
    pub(crate) fn load(&self, bytes: &mut [u8]) {
        let length = bytes.len().min(self.room);
        // SAFETY: V3: `bytes` is private, writable, and no shorter than `length`,
        // which is within the room.
        unsafe { self.load_to(bytes.as_mut_ptr(), length) }
    }

    /// Loads the first `length` bytes to `to`.
    ///
    /// # Safety
    /// `to` is private and writable for `length` bytes, and `length` is no more
    /// than `room`.
    #[inline(always)]
    unsafe fn load_to(&self, to: *mut u8, length: usize) {
        debug_assert!(length <= self.room);
        if !self.words {
            // SAFETY: V4: as for the block below.
            unsafe { load_small(self.start, to, length) }
        } else if length <= WORDWISE {
            for index in 0..length / 8 {
                let word = self.load_word(index);
                // SAFETY: V4: within `length`; unaligned, for `to` may be.
                unsafe { to.add(index * 8).cast::<u64>().write_unaligned(word) }
            }
            let rest = length % 8;
            if rest > 0 {
                let last = self.load_word(length / 8).to_ne_bytes();
                // SAFETY: V4: the last bytes within `length`.
                unsafe { to.add(length - rest).copy_from(last.as_ptr(), rest) }
            }
        } else {
            // SAFETY: V4: the caller's promise for `to`; the area has `room` bytes
            // from `start` (V1), of which `length` are read.
            unsafe { block_move(self.start, to, length) }
        }
    }

    /// Stores `bytes` from `offset` on, as many as there is room for, and says how many.
    pub(crate) fn store_at(&self, offset: usize, bytes: &[u8]) -> usize {
        let offset = offset.min(self.room);
        let length = bytes.len().min(self.room - offset);
        // SAFETY: V4: `bytes` is private and readable; the area has `room` bytes from
        // `start` (V1), and `offset + length` are no more.
        unsafe { block_move(bytes.as_ptr(), self.start.add(offset), length) }
        length
    }

    /// Loads the bytes from `offset` on, as many as there are and fit, and says how many.
    pub(crate) fn load_at(&self, offset: usize, bytes: &mut [u8]) -> usize {
        let offset = offset.min(self.room);
        let length = bytes.len().min(self.room - offset);
        // SAFETY: V4: `bytes` is private and writable; the area has `room` bytes from
        // `start` (V1), and `offset + length` are no more.
        unsafe { block_move(self.start.add(offset), bytes.as_mut_ptr(), length) }
        length
    }

    /// Length of the message: the whole room, or what the slot says, loaded
    /// once. A peer may have written anything: `Err` is an invalid length.
    #[inline(always)]
    pub(crate) fn length(&self) -> Result<usize, u64> {
        let Some(length) = self.length else {
            return Ok(self.room);
        };
        // SAFETY: the length lies in the slot, before the bytes, 8-aligned (V1).
        let found = unsafe { load_relaxed(length) };
        match usize::try_from(found) {
            Ok(length) if length <= self.room => Ok(length),
            _ => Err(found),
        }
    }

    /// Sets the length of a byte message; nothing for a fixed-size one.
    #[inline(always)]
    pub(crate) fn set_length(&self, length: usize) {
        if let Some(at) = self.length {
            // SAFETY: V1, as in `length`.
            unsafe { store_relaxed(at, length as u64) }
        }
    }

    #[inline(always)]
    fn store_word(&self, index: usize, word: u64) {
        // SAFETY: `index` counts words within the room rounded up to words,
        // which the slot holds (V1, V3).
        unsafe { store_relaxed(self.start.add(index * 8), word) }
    }

    #[inline(always)]
    fn load_word(&self, index: usize) -> u64 {
        // SAFETY: V1, V3, as in `store_word`.
        unsafe { load_relaxed(self.start.add(index * 8)) }
    }
}

impl Source for Payload {
    #[inline(always)]
    fn value<T: AnyBitPattern>(&self) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        assert!(size_of::<T>() <= self.room); // known while compiling
        // SAFETY: V3: `value` is private, and as long as what is loaded; then it
        // is initialised whole, and any bytes are a valid `T`.
        unsafe {
            self.load_to(value.as_mut_ptr().cast(), size_of::<T>());
            value.assume_init()
        }
    }

    #[inline]
    fn bytes(&self, length: usize) -> Vec<u8> {
        let length = length.min(self.room);
        let mut bytes = Vec::with_capacity(length);
        // SAFETY: V3: the allocation is private and has room for `length` bytes,
        // which are all initialised before they count.
        unsafe {
            self.load_to(bytes.as_mut_ptr(), length);
            bytes.set_len(length);
        }
        bytes
    }

    #[inline(always)]
    fn copy_to(&self, bytes: &mut [u8]) {
        self.load(bytes);
    }
}

/// A word of payload. The slot word's acquire and release order it; relaxed
/// keeps a misbehaving peer from being a data race.
#[inline(always)]
unsafe fn load_relaxed(at: *mut u8) -> u64 {
    use core::sync::atomic::{AtomicU64, Ordering};
    // SAFETY: the caller vouches for 8 aligned bytes in the block (V1).
    unsafe { AtomicU64::from_ptr(at.cast()) }.load(Ordering::Relaxed)
}

/// As [`load_relaxed`].
#[inline(always)]
unsafe fn store_relaxed(at: *mut u8, word: u64) {
    use core::sync::atomic::{AtomicU64, Ordering};
    // SAFETY: the caller vouches for 8 aligned bytes in the block (V1).
    unsafe { AtomicU64::from_ptr(at.cast()) }.store(word, Ordering::Relaxed)
}

/// Stores what is not made of whole words: the sizes of the small integers by one access
/// each, if they are aligned, and all others as a block.
///
/// # Safety
/// As [`block_move`], to shared memory.
#[inline(always)]
unsafe fn store_small(from: *const u8, to: *mut u8, length: usize) {
    use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};
    macro_rules! as_one {
        ($number:ty, $atomic:ident) => {{
            // SAFETY: V4: the caller's contract; `from` is private, `to` is aligned.
            // Relaxed, as whole words.
            unsafe {
                let value = from.cast::<$number>().read_unaligned();
                $atomic::from_ptr(to.cast()).store(value, Ordering::Relaxed);
            }
        }};
    }
    match length {
        1 => as_one!(u8, AtomicU8),
        2 if to.addr().is_multiple_of(2) => as_one!(u16, AtomicU16),
        4 if to.addr().is_multiple_of(4) => as_one!(u32, AtomicU32),
        // SAFETY: V4: the caller's contract.
        _ => unsafe { block_move(from, to, length) },
    }
}

/// Loads what is not made of whole words, as [`store_small`] stores it.
///
/// # Safety
/// As [`block_move`], from shared memory.
#[inline(always)]
unsafe fn load_small(from: *mut u8, to: *mut u8, length: usize) {
    use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};
    macro_rules! as_one {
        ($number:ty, $atomic:ident) => {{
            // SAFETY: V4: the caller's contract; `from` is aligned, `to` is private.
            // Relaxed, as whole words.
            unsafe {
                let value = $atomic::from_ptr(from.cast()).load(Ordering::Relaxed);
                to.cast::<$number>().write_unaligned(value);
            }
        }};
    }
    match length {
        1 => as_one!(u8, AtomicU8),
        2 if from.addr().is_multiple_of(2) => as_one!(u16, AtomicU16),
        4 if from.addr().is_multiple_of(4) => as_one!(u32, AtomicU32),
        // SAFETY: V4: the caller's contract.
        _ => unsafe { block_move(from, to, length) },
    }
}

/// Moves a block in a way that the compiler cannot see into, so that it can
/// assume nothing about bytes that a peer may be writing: by the C library's
/// `memcpy`, behind an address that the optimiser is told nothing about.
///
/// # Safety
/// `from` is readable and `to` writable for `length` bytes; no overlap.
#[inline(always)]
unsafe fn block_move(from: *const u8, to: *mut u8, length: usize) {
    type Move = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void;
    let opaque: Move = core::hint::black_box(libc::memcpy);
    // SAFETY: V4: the caller's contract is that of `memcpy`.
    unsafe {
        opaque(to.cast(), from.cast(), length);
    }
}
