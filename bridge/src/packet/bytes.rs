//! Reading and writing bytes of packets.

use std::fmt;

use super::HEADER;

/// What is wrong with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    what: &'static str,
    expected: String,
    found: String,
}

impl Invalid {
    pub(crate) fn new(
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Invalid {
        Invalid {
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Invalid {
            what,
            expected,
            found,
        } = self;
        write!(
            f,
            "invalid packet: {what}: expected {expected}, found {found}"
        )
    }
}

impl std::error::Error for Invalid {}

/// The CRC-32 of a packet, its own field taken as 0.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..HEADER - 4]);
    hasher.update(&[0; 4]);
    hasher.update(&bytes[HEADER..]);
    hasher.finalize()
}

pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn begin(magic: [u8; 4], version: u8, sort: u8) -> Writer {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(magic);
        bytes.extend([version, sort, 0, 0]);
        bytes.extend([0; 8]);
        Writer { bytes }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[8..12].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(&self.bytes);
        self.bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        self.bytes
    }
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks the header; the sort of packet, and its body.
    pub(super) fn begin(
        bytes: &'a [u8],
        magic: [u8; 4],
        version: u8,
    ) -> Result<(u8, Reader<'a>), Invalid> {
        if bytes.len() < HEADER {
            return Err(Invalid::new(
                "length",
                format!("at least {HEADER}"),
                bytes.len(),
            ));
        }
        let mut reader = Reader { rest: bytes };
        let found = reader.take(4)?;
        if found != magic {
            return Err(Invalid::new(
                "magic number",
                "mrbr",
                format!("{found:02x?}"),
            ));
        }
        let found = reader.u8("version")?;
        if found != version {
            return Err(Invalid::new(
                "version (install the same version of memring-bridge on all hosts)",
                version,
                found,
            ));
        }
        let sort = reader.u8("sort")?;
        let reserved = reader.take(2)?;
        if reserved != [0, 0] {
            return Err(Invalid::new("reserved bytes", 0, format!("{reserved:?}")));
        }
        let length = reader.u32("length")?;
        if length as usize != bytes.len() {
            return Err(Invalid::new("length", length, bytes.len()));
        }
        let found = reader.u32("checksum")?;
        let expected = checksum(bytes);
        if found != expected {
            return Err(Invalid::new(
                "checksum",
                format!("{expected:08x}"),
                format!("{found:08x}"),
            ));
        }
        Ok((sort, reader))
    }

    /// Bytes without a header.
    pub(super) fn of(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Invalid> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Invalid::new("bytes left", count, self.rest.len())),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Invalid> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(Invalid::new(what, format!("{N} bytes"), self.rest.len())),
        }
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Invalid> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Invalid> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, Invalid> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A byte of which only `known` bits may be set.
    pub(super) fn flags(&mut self, what: &'static str, known: u8) -> Result<u8, Invalid> {
        let flags = self.u8(what)?;
        match flags & !known {
            0 => Ok(flags),
            _ => Err(Invalid::new(what, format!("bits of {known:#x}"), flags)),
        }
    }

    /// All that is left.
    pub(super) fn remainder(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn finish(self) -> Result<(), Invalid> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(Invalid::new("bytes behind the packet", 0, more)),
        }
    }
}
