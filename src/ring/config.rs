//! What is fixed when a ring is made: building its header, and checking one that
//! others wrote.

use super::kind::RingKind;
use super::layout::{
    self, Arrangement, Frame, MAX_CAPACITY, MAX_HANDOVERS, RING, RING_VERSION, RingHeader,
};
use super::options::{Layout, OnDeath, Wakeups};
use super::side::RedeliveryPolicy;
use super::slot::MAX_DELIVERIES;
use super::spsc::LINE_ROOM;
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

    fn frame(self, arrangement: Arrangement, capacity: u64) -> Option<Frame> {
        match self {
            MessageKind::Typed { size, align } => Frame::typed(arrangement, size, align, capacity),
            MessageKind::Bytes { limit } => Frame::bytes(arrangement, limit, capacity),
        }
    }

    /// Bytes that a message takes in a line.
    fn bytes_in_line(self) -> Option<usize> {
        match self {
            MessageKind::Typed { size, align } => Some(layout::room_of(size, align)),
            MessageKind::Bytes { limit } => limit
                .checked_next_multiple_of(8)?
                .checked_add(layout::LENGTH_SIZE),
        }
    }

    fn fits_line(self) -> bool {
        self.bytes_in_line().is_some_and(|bytes| bytes <= LINE_ROOM)
    }

    /// The most that a line holds, in the words of a user.
    fn most_in_line(self) -> String {
        match self {
            MessageKind::Typed { .. } => format!("messages of up to {LINE_ROOM} bytes"),
            MessageKind::Bytes { .. } => {
                format!(
                    "byte messages of up to {} bytes",
                    LINE_ROOM - layout::LENGTH_SIZE
                )
            }
        }
    }
}

impl Arrangement {
    /// That of a rendezvous ring.
    fn of_rendezvous(kind: RingKind) -> Arrangement {
        match kind.is_one_to_one() {
            true => Arrangement::Dense,
            false => Arrangement::Slots,
        }
    }

    /// What `layout` means for a ring like this, and an error if that cannot be.
    pub(crate) fn of(
        layout: Layout,
        kind: RingKind,
        message: MessageKind,
    ) -> Result<Arrangement, RingError> {
        match (layout, message.fits_line()) {
            _ if !kind.is_one_to_one() => Ok(Arrangement::Slots),
            (Layout::Auto | Layout::Lines, true) => Ok(Arrangement::Lines),
            (Layout::Auto, false) | (Layout::Dense, _) => Ok(Arrangement::Dense),
            (Layout::Lines, false) => Err(RingError::InvalidOption {
                what: "layout",
                expected: format!(
                    "`dense` or `auto`, for lines hold {}",
                    message.most_in_line()
                ),
                found: layout.to_string(),
            }),
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
    pub arrangement: Arrangement,
    /// The most messages in the ring; 0: a rendezvous ring.
    pub capacity: u64,
    /// Of a rendezvous ring: slots. Else 0.
    pub handovers: u64,
    pub schema: u64,
    pub start: u64,
}

/// What an opener insists on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub kind: RingKind,
    /// `None`: byte messages of whatever limit,
    pub fixed: Option<(usize, usize)>,
    /// or typed messages of whatever size.
    pub untyped: bool,
    pub schema: u64,
}

impl Config {
    /// Where everything lies. Configurations are only used where that can be told.
    pub(crate) fn frame(&self) -> Frame {
        let frame = self.message.frame(self.arrangement, self.places());
        frame.unwrap_or(Frame::NONE)
    }

    /// Whether messages pass directly from sender to receiver.
    pub(crate) fn is_rendezvous(&self) -> bool {
        self.capacity == 0
    }

    /// Messages that there is memory for.
    fn places(&self) -> u64 {
        match self.is_rendezvous() {
            true => self.handovers,
            false => self.capacity,
        }
    }

    /// The same as a rendezvous ring: of capacity 0.
    pub(crate) fn as_rendezvous(self) -> Config {
        Config {
            capacity: 0,
            handovers: layout::slots_for(self.message.size()),
            arrangement: Arrangement::of_rendezvous(self.kind),
            ..self
        }
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
        if self.capacity > MAX_CAPACITY {
            let expected = format!("0 to {MAX_CAPACITY}");
            return Err(invalid("capacity", &expected, self.capacity.to_string()));
        }
        if self.max_deliveries == 0 || self.max_deliveries > MAX_DELIVERIES {
            let expected = format!("1 to {MAX_DELIVERIES}");
            let found = self.max_deliveries.to_string();
            return Err(invalid("limit of deliveries", &expected, found));
        }
        if self.message.frame(self.arrangement, 1).is_none() {
            let expected = "a size that fits an address space, an alignment up to 4096";
            let found = format!("{:?}", self.message);
            return Err(invalid("message", expected, found));
        }
        let frame = self.message.frame(self.arrangement, self.places());
        let frame = frame.ok_or_else(|| {
            let found = format!("{} of {:?}", self.capacity, self.message);
            invalid("size", "a ring that fits an address space", found)
        })?;
        let header = RingHeader {
            kind: self.kind.to_bits(),
            wakeups: (self.wakeups == Wakeups::Blocking).into(),
            on_death: (self.on_death == OnDeath::Discard).into(),
            max_deliveries: self.max_deliveries.into(),
            shape: matches!(self.message, MessageKind::Bytes { .. }).into(),
            arrangement: self.arrangement as u32,
            capacity: self.capacity,
            message_size: self.message.size() as u64,
            message_align: self.message.align() as u64,
            stride: frame.slot.stride as u64,
            schema: self.schema,
            start: self.start,
            handovers: self.handovers,
            reserved_words: [0; 6],
        };
        Ok(Description {
            object: RING,
            object_version: RING_VERSION,
            fences: self.fences,
            size: frame.size,
            contents: bytemuck::cast(header),
        })
    }

    /// What was chosen, as far as it is a choice.
    pub(crate) fn layout(&self) -> Option<Layout> {
        match self.arrangement {
            _ if self.is_rendezvous() => None,
            Arrangement::Slots => None,
            Arrangement::Lines => Some(Layout::Lines),
            Arrangement::Dense => Some(Layout::Dense),
        }
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
        let arrangement = pick(
            "arrangement",
            header.arrangement,
            [Arrangement::Slots, Arrangement::Lines, Arrangement::Dense],
        )?;
        if kind.is_one_to_one() == (arrangement == Arrangement::Slots) {
            return Err(Mismatch::Field {
                field: "arrangement",
                expected: kind.is_one_to_one().into(),
                found: header.arrangement.into(),
            });
        }
        let is_rendezvous = header.capacity == 0;
        if is_rendezvous {
            check_handovers(&header, arrangement)?;
        } else if header.handovers != 0 {
            return Err(Mismatch::Field {
                field: "slots of a rendezvous ring",
                expected: 0,
                found: header.handovers,
            });
        }
        let is_capacity = header.capacity <= MAX_CAPACITY;
        let is_exact = is_rendezvous || kind.is_one_to_one();
        if !is_capacity || !is_exact && !header.capacity.is_power_of_two() {
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
        if message.frame(arrangement, 1).is_none() {
            return Err(Mismatch::Field {
                field: "message alignment",
                expected: layout::MAX_ALIGN as u64,
                found: header.message_align,
            });
        }
        let places = header.capacity.max(header.handovers);
        let frame = message.frame(arrangement, places);
        let frame = frame.ok_or(Mismatch::Field {
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
            ("stride", frame.slot.stride as u64, header.stride),
            ("total size", frame.size, region.size),
        ])?;
        check_fields(header.reserved_words.map(|word| ("reserved", 0, word)))?;
        Ok(Config {
            kind,
            wakeups,
            fences: region.fences,
            on_death,
            max_deliveries,
            message,
            arrangement,
            capacity: header.capacity,
            handovers: header.handovers,
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
            (None, MessageKind::Typed { .. }) if expected.untyped => {}
            (None, MessageKind::Bytes { .. }) if !expected.untyped => {}
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
                    None if expected.untyped => MessageKind::Typed { size: 0, align: 1 },
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

/// Of a rendezvous ring: how many slots it has, and how its messages lie.
fn check_handovers(header: &RingHeader, arrangement: Arrangement) -> Result<(), Mismatch> {
    let handovers = header.handovers;
    if !(1..=MAX_HANDOVERS).contains(&handovers) || !handovers.is_power_of_two() {
        return Err(Mismatch::Field {
            field: "slots of a rendezvous ring",
            expected: MAX_HANDOVERS,
            found: handovers,
        });
    }
    if arrangement == Arrangement::Lines {
        return Err(Mismatch::Field {
            field: "arrangement",
            expected: Arrangement::Dense as u64,
            found: header.arrangement.into(),
        });
    }
    Ok(())
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
