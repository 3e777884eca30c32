//! The memory that a ring lives in, as the protocols see it, and the copying
//! of messages into and out of it.
//!
//! Nothing in here, or above, makes a `&T` or `&[u8]` into memory that a peer
//! can write: control words are atomics, messages are moved by [`Payload`].

#![allow(unsafe_code)]

mod fetch;
pub(crate) mod handover;

use core::marker::PhantomData;

use fetch::fetch;

use super::layout::{Cell, Frame, LENGTH_SIZE, SlotLayout, room_of};
use super::pairing::Pairing;
use super::payload::Payload;
use super::slot::Geometry;
use super::spsc::Places;
use crate::error::Side;
use crate::message::Message;
use crate::shm::layout::{DATA_OFFSET, LINE, wait_word_offset};
use crate::sys::atomic::{AtomicU8, AtomicU32, AtomicU64, Fences, Ordering};
use crate::sys::failpoints::failpoint;

/// What the protocols need of memory: mapped, on the heap, or loom's.
pub trait Memory {
    /// The arithmetic of this ring; private, never re-read from the segment.
    fn geometry(&self) -> Geometry;
    /// How this ring orders its store-then-load races.
    fn fences(&self) -> Fences;
    /// The slot word of `position`, where many are on a side.
    fn word(&self, position: u64) -> &AtomicU64;
    /// Where messages lie, with one endpoint on either side.
    fn places(&self) -> Places;
    /// There, the word that tells whether `position` is published: that of its line, or
    /// of the ring.
    fn publication(&self, position: u64) -> &AtomicU64;
    /// There, how often the message at `position` was given back.
    fn attempts(&self, position: u64) -> &AtomicU8;
    /// A control word.
    fn cell(&self, cell: Cell) -> &AtomicU64;
    /// The word that the endpoints of `side` sleep on.
    fn wait_word(&self, side: Side) -> &AtomicU32;
    /// A receiver has come to the message at `position`, and will go on.
    fn will_read(&self, _position: u64) {}
    /// The one receiver of one sender takes `count` positions from `first` on, and what
    /// lies [`STREAM_AHEAD`] bytes ahead of them is likely to be published already.
    fn will_stream(&self, _first: u64, _count: u64) {}
    /// The one receiver of one sender waits for the message at `position`.
    fn will_poll(&self, _position: u64) {}
    /// The one sender will write at `position` next, and will go on; `many`
    /// receivers write to slots, too.
    fn will_write(&self, _position: u64, _many: bool) {}
    /// One of many, which writes to slots whatever its side, will claim at
    /// `position` next, and will go on.
    fn will_claim(&self, _position: u64) {}
}

/// A block of raw memory that holds a ring, whatever its messages.
///
/// V1: from construction until the block and all copies of it are gone, the
/// memory is mapped readable (and, unless the block is only read, writable),
/// page-aligned, and as long as `frame.size` says.
///
/// V2: the frame and the limit are private to this process;
/// no value read from the memory takes part in an address or a length.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    base: *mut u8,
    frame: Frame,
    fences: Fences,
}

// SAFETY: a block is an address and private numbers; the memory behind it is
// reached only through atomics and `Payload`, whose accesses are the same from
// any thread, and V1 holds wherever the block goes.
unsafe impl Send for Block {}
// SAFETY: O7, as above; a shared block offers nothing more than an owned one.
unsafe impl Sync for Block {}

impl Block {
    /// Looks at memory as a ring.
    ///
    /// # Safety
    /// V1 must hold for `base` and `frame`.
    pub(crate) unsafe fn new(base: *mut u8, frame: Frame, fences: Fences) -> Self {
        debug_assert!(base.addr().is_multiple_of(4096));
        Block {
            base,
            frame,
            fences,
        }
    }

    /// Address of a slot. In bounds by V1 and V2 if `stride` is the slot's:
    /// the index is masked.
    #[inline(always)]
    fn slot_at(&self, position: u64, stride: usize) -> *mut u8 {
        let offset = self.frame.geometry.index(position) as usize * stride;
        self.base.wrapping_add(DATA_OFFSET + offset)
    }

    #[inline(always)]
    fn word_at(&self, position: u64, stride: usize) -> &AtomicU64 {
        debug_assert!(stride == self.frame.slot.stride && self.frame.places.is_none());
        // SAFETY: in bounds and aligned to 8 by V1 and V2 (strides are
        // multiples of 8); the word is only ever accessed as an atomic of this
        // width, here and in every peer.
        unsafe { &*self.slot_at(position, stride).cast::<AtomicU64>() }
    }

    /// The word of the line of `position`: its last eight bytes.
    #[inline(always)]
    fn line_word_at(&self, position: u64, stride: usize) -> &AtomicU64 {
        debug_assert!(stride == self.frame.slot.stride);
        let offset = self.frame.geometry.index(position) as usize * stride;
        let word = (offset | (LINE - 1)) & !(WORD - 1);
        let word = self.base.wrapping_add(DATA_OFFSET + word);
        // SAFETY: the slots begin and end at a line's boundary (V1), so the line of a
        // slot is in bounds, and its last eight bytes are aligned; they hold no message
        // (V2), and are only ever accessed as an atomic of this width.
        unsafe { &*word.cast::<AtomicU64>() }
    }

    #[inline(always)]
    fn is_dense(&self) -> bool {
        self.frame.places.is_none_or(Places::is_dense)
    }
}

impl Memory for Block {
    #[inline(always)]
    fn geometry(&self) -> Geometry {
        self.frame.geometry
    }

    #[inline(always)]
    fn places(&self) -> Places {
        // (Of a ring of slots no caller asks.)
        self.frame.places.unwrap_or(Places::dense(1))
    }

    #[inline(always)]
    fn publication(&self, position: u64) -> &AtomicU64 {
        match self.is_dense() {
            true => self.cell(Cell::Sent),
            false => self.line_word_at(position, self.frame.slot.stride),
        }
    }

    #[inline(always)]
    fn attempts(&self, position: u64) -> &AtomicU8 {
        let index = self.frame.geometry.index(position) as usize;
        // SAFETY: V1: where there are places, a byte for each position of a lap lies
        // behind the slots; the index is masked (V2). It is only ever an atomic byte.
        unsafe {
            &*self
                .base
                .add(self.frame.attempts + index)
                .cast::<AtomicU8>()
        }
    }

    #[inline(always)]
    fn fences(&self) -> Fences {
        self.fences
    }

    #[inline(always)]
    fn word(&self, position: u64) -> &AtomicU64 {
        self.word_at(position, self.frame.slot.stride)
    }

    #[inline(always)]
    fn cell(&self, cell: Cell) -> &AtomicU64 {
        // SAFETY: the offsets are constants below the slots, multiples of
        // 8, so in bounds and aligned by V1; only ever accessed as atomics.
        unsafe { &*self.base.add(cell as usize).cast::<AtomicU64>() }
    }

    #[inline(always)]
    fn wait_word(&self, side: Side) -> &AtomicU32 {
        let offset = wait_word_offset(side.role().index);
        // SAFETY: V1, as for `cell`; this word is only ever a 32-bit atomic.
        unsafe { &*self.base.add(offset).cast::<AtomicU32>() }
    }
}

/// A block whose messages are `T`.
///
/// V3: a slot holds a message of `limit` bytes, rounded up to 8-byte words,
/// after its payload offset (and after the length, in byte rings).
/// `P` says how many endpoints are on either side.
pub(crate) struct View<T: ?Sized, P> {
    block: Block,
    limit: usize,
    /// As the block says; a constant within `arranged!`.
    is_dense: bool,
    message: PhantomData<fn(&T, P)>,
}

impl<T: ?Sized, P> Clone for View<T, P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized, P> Copy for View<T, P> {}

impl<T: Message + ?Sized, P: Pairing> View<T, P> {
    /// Known while compiling where the message is of one size: the slots of a ring with
    /// many on a side,
    const SLOTS: Option<SlotLayout> = match T::FIXED {
        Some((size, align)) if !P::ONE_TO_ONE => SlotLayout::of(size, align),
        _ => None,
    };
    /// the slots in lines, and the lines,
    const LINES: Option<(SlotLayout, Places)> = match T::FIXED {
        Some((size, align)) if P::ONE_TO_ONE => {
            let size = room_of(size, align);
            match Places::lines(size, 0) {
                Some(places) => Some((SlotLayout::in_line(size), places)),
                None => None,
            }
        }
        _ => None,
    };
    /// and the slots that lie dense.
    const DENSE: Option<SlotLayout> = match T::FIXED {
        Some((size, align)) if P::ONE_TO_ONE => Some(SlotLayout::dense(room_of(size, align))),
        _ => None,
    };

    /// Looks at a block as a ring of `T`.
    ///
    /// # Safety
    /// V3 must hold: the block's frame is that of `T` if `T` is of fixed size, of messages
    /// of size `limit` if `T` is untyped, or else of byte messages up to `limit`.
    pub(crate) unsafe fn new(block: Block, limit: usize) -> Self {
        debug_assert_eq!(block.frame.places.is_some(), P::ONE_TO_ONE);
        let view = View {
            block,
            limit,
            is_dense: block.is_dense(),
            message: PhantomData,
        };
        debug_assert!(view.slot() == block.frame.slot);
        view
    }

    /// Whether messages lie dense.
    #[inline(always)]
    pub(crate) fn is_dense(&self) -> bool {
        P::ONE_TO_ONE && (T::FIXED.is_some() && Self::LINES.is_none() || self.is_dense)
    }

    /// The same, as it is known to be.
    #[inline(always)]
    pub(crate) fn known_to_be(&self, is_dense: bool) -> Self {
        debug_assert_eq!(is_dense, self.is_dense());
        View { is_dense, ..*self }
    }

    #[inline(always)]
    fn slot(&self) -> SlotLayout {
        match (Self::SLOTS, Self::LINES, Self::DENSE) {
            (Some(slot), ..) => slot,
            (_, Some((slot, _)), _) if !self.is_dense() => slot,
            (_, _, Some(slot)) => slot,
            _ => self.block.frame.slot,
        }
    }

    /// The most bytes that a message may have.
    #[inline(always)]
    pub(crate) fn limit(&self) -> usize {
        match T::FIXED {
            Some((size, _)) => size,
            None => self.limit,
        }
    }

    /// Whether a message follows immediately after the one before, wherever positions do,
    /// up to the end of a lap: then several of them are a slice.
    #[inline(always)]
    pub(crate) fn is_contiguous(&self) -> bool {
        T::FIXED.is_some_and(|(size, _)| self.slot().payload == 0 && self.slot().stride == size)
    }

    /// The message area of the slot of `position`.
    #[inline(always)]
    pub(crate) fn payload(&self, position: u64) -> Payload {
        let slot = self.slot();
        let at = self
            .block
            .slot_at(position, slot.stride)
            .wrapping_add(slot.payload);
        let varies = T::FIXED.is_none() && !T::UNTYPED;
        let before = if varies { LENGTH_SIZE } else { 0 };
        Payload {
            start: at.wrapping_add(before),
            length: varies.then_some(at),
            room: self.limit(),
            words: slot.holds_words(self.limit()),
        }
    }
}

impl<T: Message + ?Sized, P: Pairing> Memory for View<T, P> {
    #[inline(always)]
    fn geometry(&self) -> Geometry {
        self.block.frame.geometry
    }

    #[inline(always)]
    fn places(&self) -> Places {
        let places = self.block.places();
        match Self::LINES {
            Some((_, lines)) if !self.is_dense() => lines.with_capacity(places.capacity()),
            None if T::FIXED.is_none() => places,
            _ => Places::dense(places.capacity()),
        }
    }

    #[inline(always)]
    fn publication(&self, position: u64) -> &AtomicU64 {
        match self.is_dense() {
            true => self.block.cell(Cell::Sent),
            false => self.block.line_word_at(position, self.slot().stride),
        }
    }

    #[inline(always)]
    fn attempts(&self, position: u64) -> &AtomicU8 {
        self.block.attempts(position)
    }

    #[inline(always)]
    fn fences(&self) -> Fences {
        self.block.fences
    }

    #[inline(always)]
    fn word(&self, position: u64) -> &AtomicU64 {
        self.block.word_at(position, self.slot().stride)
    }

    #[inline(always)]
    fn cell(&self, cell: Cell) -> &AtomicU64 {
        self.block.cell(cell)
    }

    #[inline(always)]
    fn wait_word(&self, side: Side) -> &AtomicU32 {
        self.block.wait_word(side)
    }

    /// Where several messages share a line, a receiver that lags by more than a
    /// few lines would else wait for each of them.
    #[inline(always)]
    fn will_read(&self, position: u64) {
        let stride = self.slot().stride;
        let per_line = (LINE / stride) as u64;
        if per_line > 1 && position.is_multiple_of(per_line) {
            let ahead = position.wrapping_add(LINES_AHEAD * per_line);
            fetch::<false>(self.block.slot_at(ahead, stride));
        }
    }

    #[inline(always)]
    fn will_stream(&self, first: u64, count: u64) {
        let stride = self.slot().stride;
        if stride > WRITES_WHOLE {
            return;
        }
        // (At the end of the slots some of it leads beyond them, to no effect.)
        let at = self.block.slot_at(first, stride).wrapping_add(STREAM_AHEAD);
        let into_line = at.addr() & (LINE - 1);
        let end = into_line + count as usize * stride;
        // Lines that begin there; the one before was fetched with its first message.
        let mut offset = into_line.next_multiple_of(LINE);
        while offset < end {
            fetch::<false>(at.wrapping_add(offset).wrapping_sub(into_line));
            offset += LINE;
        }
    }

    #[inline(always)]
    fn will_poll(&self, position: u64) {
        // Larger ones are written while they would be fetched.
        let stride = self.slot().stride;
        if stride <= LINE {
            fetch::<false>(self.block.slot_at(position, stride));
        }
    }

    /// So that lines are the sender's when it comes to them. Only few, and none
    /// that several receivers may be writing to: it takes them from them.
    #[inline(always)]
    fn will_write(&self, position: u64, many: bool) {
        let stride = self.slot().stride;
        if stride > WRITES_WHOLE || stride < LINE && many {
            return;
        }
        // Once a line, where several slots share it; all lines of a larger slot.
        let per_line = (LINE / stride).max(1) as u64;
        if position.is_multiple_of(per_line) {
            let ahead = position.wrapping_add((WRITES_AHEAD / stride).max(1) as u64);
            let at = self.block.slot_at(ahead, stride);
            for offset in (0..stride.next_multiple_of(LINE)).step_by(LINE) {
                fetch::<true>(at.wrapping_add(offset));
            }
        }
    }

    #[inline(always)]
    fn will_claim(&self, position: u64) {
        let stride = self.slot().stride;
        // Larger slots: their first line is a small part of the work.
        let per_line = (LINE / stride) as u64;
        if per_line > 0 && position.is_multiple_of(per_line) {
            let ahead = position.wrapping_add(CLAIMS_AHEAD * per_line);
            fetch::<true>(self.block.slot_at(ahead, stride));
        }
    }
}

/// Evaluates an expression with a view: compiled once for each arrangement of messages, so
/// that within it nothing is decided by the arrangement at run time. (A macro, for a closure
/// that is called at two places is not inlined.)
macro_rules! arranged {
    ($view:ident => $result:expr) => {
        match $view.is_dense() {
            false => {
                let $view = $view.known_to_be(false);
                $result
            }
            true => {
                let $view = $view.known_to_be(true);
                $result
            }
        }
    };
}
pub(crate) use arranged;

/// Bytes of a word.
const WORD: usize = 8;

/// How many lines ahead of its position a receiver of small messages fetches.
const LINES_AHEAD: u64 = 8;

/// How many bytes ahead of its position the one receiver of one sender fetches.
pub(crate) const STREAM_AHEAD: usize = 16 * LINE;

/// How many bytes ahead of its position the one sender fetches.
const WRITES_AHEAD: usize = 2 * LINE;

/// Bytes of the largest slot that it fetches.
const WRITES_WHOLE: usize = 512;

/// How many lines ahead of its position one of many fetches.
const CLAIMS_AHEAD: u64 = 2;

/// Prepares fresh (zero) memory so that it counts from `start`.
///
/// A ring that starts at 0 needs nothing: zeroes are `FREE` of lap 0 (R1), and publish
/// nothing (S1).
pub(crate) fn start_at<M: Memory>(memory: &M, start: u64, one_to_one: bool) {
    if start == 0 {
        return;
    }
    let geometry = memory.geometry();
    for offset in 0..geometry.capacity() {
        let position = start.wrapping_add(offset);
        if one_to_one {
            // S1: nothing is published there.
            memory.publication(position).store(start, Ordering::Relaxed);
        } else {
            let free = geometry.free(position).0;
            memory.word(position).store(free, Ordering::Relaxed);
        }
        failpoint!(StartWritten);
    }
    for cell in [
        Cell::Tail,
        Cell::Head,
        Cell::Sent,
        Cell::Taken,
        Cell::Done,
        Cell::Credit,
        Cell::Marked,
    ] {
        // Release: the words above come first for an endpoint that reads these
        // hints.
        memory.cell(cell).store(start, Ordering::Release);
    }
}
