//! Packets of a stream: who is there, messages, acknowledgements.

use super::bytes::{Invalid, Reader, Writer};
use super::shape::Shape;

/// The most ranges in an acknowledgement, of each sort.
pub const MAX_RANGES: usize = 512;
/// The most messages in a packet.
pub const MAX_COUNT: u32 = 1 << 20;

/// A sending bridge is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Names the source: a ring, for as long as it is that ring.
    pub source: u64,
    /// Names this run of its bridge.
    pub session: u64,
    /// What its messages are.
    pub shape: Shape,
    /// The ring is closed, and all that was in it is acknowledged.
    pub ended: bool,
}

impl Offer {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.source);
        writer.u64(self.session);
        self.shape.write(writer);
        writer.u8(self.ended.into());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Offer, Invalid> {
        Ok(Offer {
            source: reader.u64("source")?,
            session: reader.u64("session")?,
            shape: Shape::read(reader)?,
            ended: reader.flags("flags", 1)? != 0,
        })
    }
}

/// A receiving bridge is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Names the state of its target: what it has put, it knows by this name.
    pub target: u64,
    /// Names this run of its bridge.
    pub session: u64,
    /// Grows with each hello and acknowledgement of the session.
    pub stamp: u64,
    /// What its ring takes.
    pub shape: Shape,
    /// Bytes that each source may have under way to it.
    pub credit: u64,
}

impl Hello {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.target);
        writer.u64(self.session);
        writer.u64(self.stamp);
        self.shape.write(writer);
        writer.u64(self.credit);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Hello, Invalid> {
        Ok(Hello {
            target: reader.u64("target")?,
            session: reader.u64("session")?,
            stamp: reader.u64("stamp")?,
            shape: Shape::read(reader)?,
            credit: reader.u64("credit")?,
        })
    }
}

/// Messages of consecutive positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Where they come from.
    pub source: u64,
    /// The run of the sending bridge.
    pub session: u64,
    /// Whose they are.
    pub target: u64,
    /// The number of this transmission in its session.
    pub number: u64,
    /// The source will never send a position below this again.
    pub base: u64,
    /// Position of the first message.
    pub first: u64,
    /// That of the sender's shape.
    pub fingerprint: u64,
    /// How many messages.
    pub count: u32,
    /// They may have been put elsewhere before.
    pub uncertain: bool,
    /// The messages: one after the other where they are of one size; else each behind its
    /// length (u32).
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.source);
        writer.u64(self.session);
        writer.u64(self.target);
        writer.u64(self.number);
        writer.u64(self.base);
        writer.u64(self.first);
        writer.u64(self.fingerprint);
        writer.u32(self.count);
        writer.u8(self.uncertain.into());
        writer.bytes(self.payload);
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Data<'a>, Invalid> {
        let data = Data {
            source: reader.u64("source")?,
            session: reader.u64("session")?,
            target: reader.u64("target")?,
            number: reader.u64("number")?,
            base: reader.u64("base")?,
            first: reader.u64("first position")?,
            fingerprint: reader.u64("fingerprint")?,
            count: reader.u32("count")?,
            uncertain: reader.flags("flags", 1)? != 0,
            payload: reader.remainder(),
        };
        if !(1..=MAX_COUNT).contains(&data.count) {
            return Err(Invalid::new(
                "count",
                format!("1 to {MAX_COUNT}"),
                data.count,
            ));
        }
        if data.base > data.first {
            return Err(Invalid::new(
                "base",
                format!("up to {}", data.first),
                data.base,
            ));
        }
        if data.first.checked_add(data.count.into()).is_none() {
            return Err(Invalid::new(
                "first position",
                "room for the count",
                data.first,
            ));
        }
        Ok(data)
    }
}

/// The messages of a payload, each checked against what the shape allows.
///
/// # Errors
/// [`Invalid`] if lengths and count do not agree.
pub fn messages<'a>(
    payload: &'a [u8],
    count: usize,
    fixed: Option<usize>,
    limit: usize,
) -> Result<Vec<&'a [u8]>, Invalid> {
    if let Some(size) = fixed {
        if size.checked_mul(count) != Some(payload.len()) {
            let expected = format!("{count} messages of {size} bytes");
            return Err(Invalid::new("payload", expected, payload.len()));
        }
        return Ok((0..count).map(|at| &payload[at * size..][..size]).collect());
    }
    // Each message has four bytes at least: what a peer says decides no allocation.
    let mut messages: Vec<&'a [u8]> = Vec::with_capacity(count.min(payload.len() / 4));
    let mut reader = Reader::of(payload);
    for _ in 0..count {
        let length = reader.u32("length of a message")? as usize;
        if length > limit {
            return Err(Invalid::new(
                "length of a message",
                format!("up to {limit}"),
                length,
            ));
        }
        messages.push(reader.take(length)?);
    }
    reader.finish()?;
    Ok(messages)
}

/// What has arrived of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// Of which source.
    pub source: u64,
    /// At which target.
    pub target: u64,
    /// The run of the receiving bridge.
    pub session: u64,
    /// Grows with each hello and acknowledgement of the session.
    pub stamp: u64,
    /// The sender's session, and number, of the transmission that is answered.
    pub echo: (u64, u64),
    /// Bytes that the source may have under way to it.
    pub credit: u64,
    /// It has noted that the source has ended.
    pub ended: bool,
    /// Positions that are in the target's ring: first, and one past the last. Rising, and
    /// not all there are, but the first.
    pub put: Vec<(u64, u64)>,
    /// Positions that wait for room there, in memory only.
    pub held: Vec<(u64, u64)>,
}

impl Ack {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.source);
        writer.u64(self.target);
        writer.u64(self.session);
        writer.u64(self.stamp);
        writer.u64(self.echo.0);
        writer.u64(self.echo.1);
        writer.u64(self.credit);
        writer.u8(self.ended.into());
        for ranges in [&self.put, &self.held] {
            let ranges = &ranges[..ranges.len().min(MAX_RANGES)];
            writer.u32(ranges.len() as u32);
            for (first, end) in ranges {
                writer.u64(*first);
                writer.u64(*end);
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Ack, Invalid> {
        Ok(Ack {
            source: reader.u64("source")?,
            target: reader.u64("target")?,
            session: reader.u64("session")?,
            stamp: reader.u64("stamp")?,
            echo: (reader.u64("session")?, reader.u64("number")?),
            credit: reader.u64("credit")?,
            ended: reader.flags("flags", 1)? != 0,
            put: read_ranges(reader)?,
            held: read_ranges(reader)?,
        })
    }
}

fn read_ranges(reader: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, Invalid> {
    let count = reader.u32("ranges")? as usize;
    if count > MAX_RANGES {
        return Err(Invalid::new("ranges", format!("up to {MAX_RANGES}"), count));
    }
    let mut ranges = Vec::with_capacity(count);
    let mut past = 0;
    for _ in 0..count {
        let (first, end) = (reader.u64("range")?, reader.u64("range")?);
        if first < past || end <= first {
            return Err(Invalid::new(
                "range",
                "rising ranges",
                format!("{first} to {end}"),
            ));
        }
        past = end;
        ranges.push((first, end));
    }
    Ok(ranges)
}
