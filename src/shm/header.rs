//! Building a region's header, and checking one that others wrote.

use super::layout::{
    BYTE_ORDER, Contents, DATA_OFFSET, Header, MAGIC, ObjectKind, TABLE_ENTRIES, TABLE_OFFSET,
    VERSION,
};
use crate::error::Mismatch;
use crate::sys::atomic::Fences;

/// What is fixed when a region is made, in private memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub object: ObjectKind,
    pub object_version: u32,
    pub fences: Fences,
    /// Bytes of the whole region.
    pub size: u64,
    /// What the object says of itself.
    pub contents: Contents,
}

impl Description {
    pub(crate) fn to_header(self) -> Header {
        Header {
            magic: MAGIC,
            version: VERSION,
            byte_order: BYTE_ORDER,
            object: self.object.0,
            object_version: self.object_version,
            fences: (self.fences == Fences::Membarrier).into(),
            reserved: 0,
            total_size: self.size,
            table_offset: TABLE_OFFSET as u64,
            table_entries: TABLE_ENTRIES as u64,
            data_offset: DATA_OFFSET as u64,
            contents: self.contents,
        }
    }

    /// Checks a header, copied from a file of `file_size` bytes.
    pub(crate) fn from_header(header: &Header, file_size: u64) -> Result<Self, Mismatch> {
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
        let fences = pick("barrier", header.fences, [Fences::Full, Fences::Membarrier])?;
        check_fields([
            ("table offset", TABLE_OFFSET as u64, header.table_offset),
            ("table entries", TABLE_ENTRIES as u64, header.table_entries),
            ("data offset", DATA_OFFSET as u64, header.data_offset),
            ("reserved", 0, header.reserved.into()),
        ])?;
        if header.total_size < DATA_OFFSET as u64 || isize::try_from(header.total_size).is_err() {
            return Err(Mismatch::Field {
                field: "total size",
                expected: DATA_OFFSET as u64,
                found: header.total_size,
            });
        }
        if file_size < header.total_size {
            return Err(Mismatch::TooShort {
                expected: header.total_size,
                found: file_size,
            });
        }
        Ok(Description {
            object: ObjectKind(header.object),
            object_version: header.object_version,
            fences,
            size: header.total_size,
            contents: header.contents,
        })
    }

    /// Is this an object of this kind, in the layout that this program knows?
    pub(crate) fn check_object(
        &self,
        name: &'static str,
        object: ObjectKind,
        version: u32,
    ) -> Result<(), Mismatch> {
        if self.object != object {
            return Err(Mismatch::Object {
                expected: name,
                found: self.object.0,
            });
        }
        if self.object_version != version {
            return Err(Mismatch::ObjectVersion {
                object: name,
                expected: version,
                found: self.object_version,
            });
        }
        Ok(())
    }
}

/// The option that a field of a header names by its index.
pub(crate) fn pick<T: Copy, const N: usize>(
    field: &'static str,
    found: u32,
    options: [T; N],
) -> Result<T, Mismatch> {
    options.get(found as usize).copied().ok_or(Mismatch::Field {
        field,
        expected: N as u64 - 1,
        found: found.into(),
    })
}

/// Fields (name, expected, found) that follow from others.
pub(crate) fn check_fields(
    fields: impl IntoIterator<Item = (&'static str, u64, u64)>,
) -> Result<(), Mismatch> {
    for (field, expected, found) in fields {
        if expected != found {
            return Err(Mismatch::Field {
                field,
                expected,
                found,
            });
        }
    }
    Ok(())
}
