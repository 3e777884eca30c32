//! What the messages of a ring are, as both ends must agree on it.

use std::fmt;

use memring::MessageKind;

use super::bytes::{Invalid, Reader, Writer};

/// What the messages of a ring are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Typed, of one size, or bytes up to a limit.
    pub message: MessageKind,
    /// The ring's schema tag.
    pub schema: u64,
    /// Whether numbers in typed messages are little-endian.
    pub little_endian: bool,
}

/// The largest message that a bridge carries.
pub const MAX_MESSAGE: u64 = 1 << 30;

impl Shape {
    /// That of a ring of this host.
    pub fn of(message: MessageKind, schema: u64) -> Shape {
        Shape {
            message,
            schema,
            little_endian: cfg!(target_endian = "little"),
        }
    }

    /// The most bytes of a message.
    pub fn limit(&self) -> usize {
        match self.message {
            MessageKind::Typed { size, .. } => size,
            MessageKind::Bytes { limit } => limit,
        }
    }

    /// Bytes of each message, where they are all of one size.
    pub fn fixed(&self) -> Option<usize> {
        match self.message {
            MessageKind::Typed { size, .. } => Some(size),
            MessageKind::Bytes { .. } => None,
        }
    }

    /// Whether messages of `self` can be put into a ring of `target`.
    pub fn fits(&self, target: &Shape) -> bool {
        if self.schema != target.schema {
            return false;
        }
        match (self.message, target.message) {
            (MessageKind::Bytes { limit: ours }, MessageKind::Bytes { limit: theirs }) => {
                ours <= theirs
            }
            (ours, theirs) => ours == theirs && self.little_endian == target.little_endian,
        }
    }

    /// A number that tells shapes apart, in each packet of data: of the sender's shape.
    pub fn fingerprint(&self) -> u64 {
        let mut writer = Writer::begin([0; 4], 0, 0);
        self.write(&mut writer);
        // FNV-1a.
        writer
            .finish()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let (kind, size, align) = match self.message {
            MessageKind::Typed { size, align } => (0, size, align),
            MessageKind::Bytes { limit } => (1, limit, 1),
        };
        writer.u8(kind);
        writer.u8(self.little_endian.into());
        writer.u64(size as u64);
        writer.u64(align as u64);
        writer.u64(self.schema);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Shape, Invalid> {
        let kind = reader.flags("kind of message", 1)?;
        let little_endian = reader.flags("byte order", 1)? == 1;
        let size = reader.u64("size of message")?;
        let align = reader.u64("alignment of message")?;
        if size > MAX_MESSAGE {
            return Err(Invalid::new("size of message", MAX_MESSAGE, size));
        }
        if !align.is_power_of_two() || align > 4096 || kind == 1 && align != 1 {
            return Err(Invalid::new(
                "alignment",
                "a power of two up to 4096",
                align,
            ));
        }
        let (size, align) = (size as usize, align as usize);
        Ok(Shape {
            message: match kind {
                0 => MessageKind::Typed { size, align },
                _ => MessageKind::Bytes { limit: size },
            },
            schema: reader.u64("schema")?,
            little_endian,
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message {
            MessageKind::Typed { size, align } => {
                let order = match self.little_endian {
                    true => "little-endian",
                    false => "big-endian",
                };
                write!(
                    f,
                    "typed messages of {size} bytes, alignment {align}, {order}"
                )?;
            }
            MessageKind::Bytes { limit } => write!(f, "byte messages of up to {limit} bytes")?,
        }
        write!(f, ", schema {:#x}", self.schema)
    }
}
