//! What is fixed when a ring is made: building its header, and checking one that
//! others wrote.

use super::kind::RingKind;
use super::layout::{self, MAX_CAPACITY, RING, RING_VERSION, RingHeader, SlotLayout};
use super::options::{OnDeath, Wakeups};
use super::side::RedeliveryPolicy;
use super::slot::{Geometry, MAX_DELIVERIES};
use crate::error::{Mismatch, RingError};
use crate::shm::Description;
use crate::shm::header::{check_fields, pick};
use crate::sys::atomic::Fences;

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

/// What is fixed of one ring, in private memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub kind: RingKind,
    pub wakeups: Wakeups,
    pub fences: Fences,
    pub on_death: OnDeath,
    pub max_deliveries: u8,
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

impl Config {
    pub(crate) fn geometry(&self) -> Geometry {
        Geometry::new(self.capacity)
    }

    /// The slot layout. Configurations are only made where it exists.
    pub(crate) fn slot(&self) -> SlotLayout {
        self.message.slot().unwrap_or(SlotLayout {
            payload: 8,
            stride: 8,
        })
    }

    pub(crate) fn message_limit(&self) -> usize {
        self.message.size()
    }

    pub(crate) fn policy(&self) -> RedeliveryPolicy {
        RedeliveryPolicy {
            redeliver: self.on_death == OnDeath::Redeliver,
            max_deliveries: self.max_deliveries,
        }
    }

    /// The region of a ring like this, or what is wrong with it.
    pub(crate) fn describe(&self) -> Result<Description, RingError> {
        let invalid = |what, expected: &str, found: String| RingError::InvalidOption {
            what,
            expected: expected.into(),
            found,
        };
        if !self.capacity.is_power_of_two() || self.capacity > MAX_CAPACITY {
            let expected = format!("a power of two from 1 to {MAX_CAPACITY}");
            return Err(invalid("capacity", &expected, self.capacity.to_string()));
        }
        if self.max_deliveries == 0 || self.max_deliveries > MAX_DELIVERIES {
            let expected = format!("1 to {MAX_DELIVERIES}");
            let found = self.max_deliveries.to_string();
            return Err(invalid("limit of deliveries", &expected, found));
        }
        let slot = self.message.slot().ok_or_else(|| {
            let expected = "a size that fits an address space, an alignment up to 4096";
            invalid("message", expected, format!("{:?}", self.message))
        })?;
        let size = slot
            .region_size(self.capacity)
            .filter(|size| *size <= i64::MAX as u64 && usize::try_from(*size).is_ok())
            .ok_or_else(|| {
                let found = format!("{} slots of {} bytes", self.capacity, slot.stride);
                invalid("size", "a ring that fits an address space", found)
            })?;
        let header = RingHeader {
            kind: self.kind.to_bits(),
            wakeups: (self.wakeups == Wakeups::Blocking).into(),
            on_death: (self.on_death == OnDeath::Discard).into(),
            max_deliveries: self.max_deliveries.into(),
            shape: matches!(self.message, MessageKind::Bytes { .. }).into(),
            reserved: 0,
            capacity: self.capacity,
            message_size: self.message.size() as u64,
            message_align: self.message.align() as u64,
            stride: slot.stride as u64,
            schema: self.schema,
            start: self.start,
            reserved_words: [0; 7],
        };
        Ok(Description {
            object: RING,
            object_version: RING_VERSION,
            fences: self.fences,
            size,
            contents: bytemuck::cast(header),
        })
    }

    /// Checks a region's description against itself; all arithmetic checked.
    pub(crate) fn of(region: &Description) -> Result<Config, Mismatch> {
        region.check_object("a ring", RING, RING_VERSION)?;
        let header: RingHeader = bytemuck::cast(region.contents);
        let kind = RingKind::from_bits(header.kind).ok_or(Mismatch::Field {
            field: "kind",
            expected: 3,
            found: header.kind.into(),
        })?;
        let wakeups = pick(
            "wake-ups",
            header.wakeups,
            [Wakeups::SpinOnly, Wakeups::Blocking],
        )?;
        let on_death = pick(
            "receiver-death policy",
            header.on_death,
            [OnDeath::Redeliver, OnDeath::Discard],
        )?;
        let is_bytes = pick("message shape", header.shape, [false, true])?;
        let max_deliveries = u8::try_from(header.max_deliveries)
            .ok()
            .filter(|deliveries| (1..=MAX_DELIVERIES).contains(deliveries))
            .ok_or(Mismatch::Field {
                field: "limit of deliveries",
                expected: MAX_DELIVERIES.into(),
                found: header.max_deliveries.into(),
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
        let total_size = slot.region_size(header.capacity).ok_or(Mismatch::Field {
            field: "total size",
            expected: u64::MAX,
            found: region.size,
        })?;
        check_fields([
            (
                "message alignment",
                message.align() as u64,
                header.message_align,
            ),
            ("stride", slot.stride as u64, header.stride),
            ("total size", total_size, region.size),
            ("reserved", 0, header.reserved.into()),
        ])?;
        check_fields(header.reserved_words.map(|word| ("reserved", 0, word)))?;
        Ok(Config {
            kind,
            wakeups,
            fences: region.fences,
            on_death,
            max_deliveries,
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
