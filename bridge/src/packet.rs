//! What travels between bridges, as bytes. All that a peer wrote is checked here.
//!
//! Numbers are little-endian. A packet begins with 16 bytes: the magic number `mrbr`, the
//! version, the sort of packet, two bytes that are 0, its whole length (u32), and a CRC-32 of
//! everything, taken with that field as 0.

mod bytes;
mod calls;
mod flow;
mod shape;

pub use bytes::Invalid;
pub use calls::{CallOutcome, CallPart, ExportHello, RemoteAnswer, RemoteCall};
pub use flow::{Ack, Data, Hello, MAX_RANGES, Offer, messages};
pub use shape::Shape;

use bytes::{Reader, Writer};

/// The version of this format.
pub const VERSION: u8 = 1;
/// Bytes that a packet begins with.
pub const HEADER: usize = 16;
/// Bytes of messages that a packet is filled up to; one that is longer has a packet of its own.
pub const FILL: usize = 63 << 10;
/// Bytes of a packet of data beside its messages.
pub const DATA_OVERHEAD: usize = HEADER + 8 * 8;
/// Bytes of a packet of a call, or of an answer, beside the body; at most.
pub const CALL_OVERHEAD: usize = HEADER + 8 * 8;

const MAGIC: [u8; 4] = *b"mrbr";

/// A packet, its parts checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A sending bridge is there.
    Offer(Offer),
    /// A receiving bridge is there.
    Hello(Hello),
    /// Messages.
    Data(Data<'a>),
    /// What has arrived.
    Ack(Ack),
    /// An exporting bridge is there.
    Export(ExportHello),
    /// A call.
    Call(RemoteCall<'a>),
    /// What becomes of a call.
    Answer(RemoteAnswer<'a>),
}

impl Packet<'_> {
    /// The packet as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::begin(MAGIC, VERSION, self.sort());
        match self {
            Packet::Offer(offer) => offer.write(&mut writer),
            Packet::Hello(hello) => hello.write(&mut writer),
            Packet::Data(data) => data.write(&mut writer),
            Packet::Ack(ack) => ack.write(&mut writer),
            Packet::Export(hello) => hello.write(&mut writer),
            Packet::Call(call) => call.write(&mut writer),
            Packet::Answer(answer) => answer.write(&mut writer),
        }
        writer.finish()
    }

    fn sort(&self) -> u8 {
        match self {
            Packet::Offer(_) => 1,
            Packet::Hello(_) => 2,
            Packet::Data(_) => 3,
            Packet::Ack(_) => 4,
            Packet::Export(_) => 5,
            Packet::Call(_) => 6,
            Packet::Answer(_) => 7,
        }
    }
}

/// Reads a packet.
///
/// # Errors
/// [`Invalid`], with what was expected and found.
pub fn decode(bytes: &[u8]) -> Result<Packet<'_>, Invalid> {
    let (sort, mut reader) = Reader::begin(bytes, MAGIC, VERSION)?;
    let packet = match sort {
        1 => Packet::Offer(Offer::read(&mut reader)?),
        2 => Packet::Hello(Hello::read(&mut reader)?),
        3 => Packet::Data(Data::read(&mut reader)?),
        4 => Packet::Ack(Ack::read(&mut reader)?),
        5 => Packet::Export(ExportHello::read(&mut reader)?),
        6 => Packet::Call(RemoteCall::read(&mut reader)?),
        7 => Packet::Answer(RemoteAnswer::read(&mut reader)?),
        other => return Err(Invalid::new("sort of packet", "1 to 7", other)),
    };
    reader.finish()?;
    Ok(packet)
}

#[cfg(test)]
mod tests;
