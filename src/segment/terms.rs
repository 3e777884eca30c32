//! What is fixed when a ring is made: building a header from it, and checking
//! a header against it.

use crate::error::{Mismatch, RingError};
use crate::kind::RingKind;
use crate::layout::{
    self, BYTE_ORDER, Header, MAGIC, MAX_CAPACITY, SLOTS_OFFSET, SlotLayout, TABLE_ENTRIES,
    TABLE_OFFSET, VERSION,
};
use crate::ring;
use crate::ring::position::{Geometry, MAX_ATTEMPTS};
use crate::sys::atomic::Fences;

/// Whether endpoints of a ring may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wakeups {
    /// Endpoints may sleep and are woken. Costs the path of a message one look
    /// at a word that rarely changes.
    #[default]
    Blocking,
    /// Endpoints spin, always.
    SpinOnly,
}

/// How the two sides order what they write against what they look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FenceMode {
    /// `membarrier` where the kernel has it, else fences.
    #[default]
    Auto,
    /// Whoever goes to sleep or closes the ring runs `membarrier`, which
    /// briefly interrupts the other processors that run users of this
    /// facility. Nothing on the path of a message.
    Membarrier,
    /// A full fence for every message, several times the cost of a small one.
    /// For processes that must never be interrupted by another's system call.
    Fence,
}

/// What becomes of a message in the hands of a receiver that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnDeath {
    /// It is received again, by somebody else, marked with how often it was
    /// given back: at least once.
    #[default]
    Redeliver,
    /// It is counted as lost: at most once.
    Discard,
}

/// What a ring carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Messages of one type.
    Typed {
        /// Bytes of a message.
        size: usize,
        /// Its alignment.
        align: usize,
    },
    /// Messages of varying length.
    Bytes {
        /// The most bytes that a message may have.
        limit: usize,
    },
}

impl MessageKind {
    fn name(self) -> &'static str {
        match self {
            MessageKind::Typed { .. } => "fixed-size messages",
            MessageKind::Bytes { .. } => "byte messages",
        }
    }

    fn size(self) -> usize {
        match self {
            MessageKind::Typed { size, .. } => size,
            MessageKind::Bytes { limit } => limit,
        }
    }

    fn align(self) -> usize {
        match self {
            MessageKind::Typed { align, .. } => align,
            MessageKind::Bytes { .. } => 1,
        }
    }

    fn slot(self) -> Option<SlotLayout> {
        match self {
            MessageKind::Typed { size, align } => SlotLayout::of(size, align),
            MessageKind::Bytes { limit } => SlotLayout::of_bytes(limit),
        }
    }
}

/// The terms of one ring, in private memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub kind: RingKind,
    pub wake: Wakeups,
    pub fences: Fences,
    pub on_death: OnDeath,
    pub attempts: u8,
    pub message: MessageKind,
    pub capacity: u64,
    pub schema: u64,
    pub start: u64,
}

/// What an opener insists on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub kind: RingKind,
    /// `None`: byte messages of whatever limit.
    pub fixed: Option<(usize, usize)>,
    pub schema: u64,
}

impl Terms {
    pub(crate) fn geometry(&self) -> Geometry {
        Geometry::new(self.capacity)
    }

    /// The slot layout. Terms are only made where it exists.
    pub(crate) fn slot(&self) -> SlotLayout {
        self.message.slot().unwrap_or(SlotLayout {
            payload: 8,
            stride: 8,
        })
    }

    pub(crate) fn message_limit(&self) -> usize {
        self.message.size()
    }

    pub(crate) fn death(&self) -> ring::Terms {
        ring::Terms {
            redeliver: self.on_death == OnDeath::Redeliver,
            attempts: self.attempts,
        }
    }

    /// The header of a ring on these terms, or what is wrong with them.
    pub(crate) fn to_header(self) -> Result<Header, RingError> {
        let invalid = |what, expected: &str, found: String| RingError::InvalidOption {
            what,
            expected: expected.into(),
            found,
        };
        if !self.capacity.is_power_of_two() || self.capacity > MAX_CAPACITY {
            let expected = format!("a power of two from 1 to {MAX_CAPACITY}");
            return Err(invalid("capacity", &expected, self.capacity.to_string()));
        }
        if self.attempts == 0 || self.attempts > MAX_ATTEMPTS {
            let expected = format!("1 to {MAX_ATTEMPTS}");
            return Err(invalid(
                "limit of attempts",
                &expected,
                self.attempts.to_string(),
            ));
        }
        let slot = self.message.slot().ok_or_else(|| {
            let expected = "a size that fits an address space, an alignment up to 4096";
            invalid("message", expected, format!("{:?}", self.message))
        })?;
        let total_size = slot
            .segment_size(self.capacity)
            .filter(|size| *size <= i64::MAX as u64 && usize::try_from(*size).is_ok())
            .ok_or_else(|| {
                let found = format!("{} slots of {} bytes", self.capacity, slot.stride);
                invalid("size", "a ring that fits an address space", found)
            })?;
        Ok(Header {
            magic: MAGIC,
            version: VERSION,
            byte_order: BYTE_ORDER,
            kind: self.kind.to_bits(),
            wake: (self.wake == Wakeups::Blocking).into(),
            barrier: (self.fences == Fences::Membarrier).into(),
            on_death: (self.on_death == OnDeath::Discard).into(),
            attempts: self.attempts.into(),
            shape: matches!(self.message, MessageKind::Bytes { .. }).into(),
            capacity: self.capacity,
            message_size: self.message.size() as u64,
            message_align: self.message.align() as u64,
            stride: slot.stride as u64,
            table_offset: TABLE_OFFSET as u64,
            table_entries: TABLE_ENTRIES as u64,
            slots_offset: SLOTS_OFFSET as u64,
            total_size,
            schema: self.schema,
            start: self.start,
            reserved: 0,
        })
    }

    /// Checks a header, copied from a file of `file_size` bytes, against
    /// itself; all arithmetic checked.
    pub(crate) fn from_header(header: &Header, file_size: u64) -> Result<Terms, Mismatch> {
        if header.magic != MAGIC {
            return Err(Mismatch::Magic {
                expected: MAGIC,
                found: header.magic,
            });
        }
        // Before the version, which cannot be read in the wrong order.
        if header.byte_order != BYTE_ORDER {
            return Err(Mismatch::ByteOrder {
                expected: BYTE_ORDER,
                found: header.byte_order,
            });
        }
        if header.version != VERSION {
            return Err(Mismatch::Version {
                expected: VERSION,
                found: header.version,
            });
        }
        let kind = RingKind::from_bits(header.kind).ok_or(Mismatch::Field {
            field: "kind",
            expected: 3,
            found: header.kind.into(),
        })?;
        let wake = pick("wake", header.wake, [Wakeups::SpinOnly, Wakeups::Blocking])?;
        let fences = pick(
            "barrier",
            header.barrier,
            [Fences::Full, Fences::Membarrier],
        )?;
        let on_death = pick(
            "receiver-death policy",
            header.on_death,
            [OnDeath::Redeliver, OnDeath::Discard],
        )?;
        let is_bytes = pick("message shape", header.shape, [false, true])?;
        let attempts = u8::try_from(header.attempts)
            .ok()
            .filter(|attempts| (1..=MAX_ATTEMPTS).contains(attempts))
            .ok_or(Mismatch::Field {
                field: "limit of attempts",
                expected: MAX_ATTEMPTS.into(),
                found: header.attempts.into(),
            })?;
        if !header.capacity.is_power_of_two() || header.capacity > MAX_CAPACITY {
            return Err(Mismatch::Capacity {
                max: MAX_CAPACITY,
                found: header.capacity,
            });
        }
        let size = to_usize("message size", header.message_size)?;
        let align = to_usize("message alignment", header.message_align)?;
        let message = if is_bytes {
            MessageKind::Bytes { limit: size }
        } else {
            MessageKind::Typed { size, align }
        };
        let slot = message.slot().ok_or(Mismatch::Field {
            field: "message alignment",
            expected: layout::MAX_ALIGN as u64,
            found: header.message_align,
        })?;
        let total_size = slot.segment_size(header.capacity).ok_or(Mismatch::Field {
            field: "total size",
            expected: u64::MAX,
            found: header.total_size,
        })?;
        for (field, expected, found) in [
            (
                "message alignment",
                message.align() as u64,
                header.message_align,
            ),
            ("stride", slot.stride as u64, header.stride),
            ("table offset", TABLE_OFFSET as u64, header.table_offset),
            ("table entries", TABLE_ENTRIES as u64, header.table_entries),
            ("slots offset", SLOTS_OFFSET as u64, header.slots_offset),
            ("total size", total_size, header.total_size),
            ("reserved", 0, header.reserved),
        ] {
            if expected != found {
                return Err(Mismatch::Field {
                    field,
                    expected,
                    found,
                });
            }
        }
        if file_size < total_size {
            return Err(Mismatch::TooShort {
                expected: total_size,
                found: file_size,
            });
        }
        to_usize("total size", total_size)?;
        Ok(Terms {
            kind,
            wake,
            fences,
            on_death,
            attempts,
            message,
            capacity: header.capacity,
            schema: header.schema,
            start: header.start,
        })
    }

    /// Is this the ring that was asked for?
    pub(crate) fn check(&self, expected: &Expected) -> Result<(), Mismatch> {
        if self.kind != expected.kind {
            return Err(Mismatch::Kind {
                expected: expected.kind.to_string(),
                found: self.kind.to_string(),
            });
        }
        match (expected.fixed, self.message) {
            (None, MessageKind::Bytes { .. }) => {}
            (Some((wanted, _)), MessageKind::Typed { size, .. }) if wanted != size => {
                return Err(Mismatch::MessageSize {
                    expected: wanted as u64,
                    found: size as u64,
                });
            }
            (Some((_, wanted)), MessageKind::Typed { align, .. }) if wanted != align => {
                return Err(Mismatch::MessageAlign {
                    expected: wanted as u64,
                    found: align as u64,
                });
            }
            (Some(_), MessageKind::Typed { .. }) => {}
            (wanted, found) => {
                let wanted = match wanted {
                    Some((size, align)) => MessageKind::Typed { size, align },
                    None => MessageKind::Bytes { limit: 0 },
                };
                return Err(Mismatch::Shape {
                    expected: wanted.name(),
                    found: found.name(),
                });
            }
        }
        if self.schema != expected.schema {
            return Err(Mismatch::Schema {
                expected: expected.schema,
                found: self.schema,
            });
        }
        Ok(())
    }
}

fn pick<T: Copy>(field: &'static str, found: u32, options: [T; 2]) -> Result<T, Mismatch> {
    options.get(found as usize).copied().ok_or(Mismatch::Field {
        field,
        expected: 1,
        found: found.into(),
    })
}

fn to_usize(field: &'static str, found: u64) -> Result<usize, Mismatch> {
    usize::try_from(found)
        .ok()
        .filter(|size| isize::try_from(*size).is_ok())
        .ok_or(Mismatch::Field {
            field,
            expected: isize::MAX as u64,
            found,
        })
}
