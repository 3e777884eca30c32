//! What lies where in a region of shared objects, and checking what others wrote there.
//!
//! ```text
//! 0x5000  directory: an entry of 128 bytes for each part
//! then    the parts, in the order of their entries, each at a multiple of 128 bytes and
//!         of its value's alignment
//! ```
//!
//! Where a part lies follows from the entries before it and from its own, so an opener
//! works it out again and compares.

use std::ops::RangeInclusive;

use bytemuck::{Pod, Zeroable};

use super::word::barrier::MAX_SEATS;
use super::word::{latest, semaphore};
use crate::error::{Mismatch, RingError};
use crate::members::MemberId;
use crate::shm::Description;
use crate::shm::header::check_fields;
use crate::shm::layout::{Contents, DATA_OFFSET, LINE, ObjectKind, TABLE_ENTRIES};
use crate::sys::atomic::Fences;

/// Shared objects, in a region's header.
pub(crate) const SYNC: ObjectKind = ObjectKind(2);
/// The version of what is described here.
pub(crate) const SYNC_VERSION: u32 = 1;

/// The object's own part of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct SyncHeader {
    /// The most handles that may be open at a time.
    pub handles: u32,
    /// Entries of the directory.
    pub parts: u32,
    reserved: [u64; 15],
}

/// An entry of the directory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct PartEntry {
    /// UTF-8, padded with zeroes.
    name: [u8; 32],
    kind: u32,
    reserved: u32,
    /// Bytes of the value, and its alignment; of what has no value 0 and 1.
    size: u64,
    align: u64,
    /// What the value means, or 0.
    schema: u64,
    /// What else its kind needs to know.
    parameter: u64,
    /// Where the part begins, from the beginning of the region.
    offset: u64,
    length: u64,
    reserved_words: [u64; 5],
}

/// Words of an entry.
pub(super) const ENTRY_WORDS: usize = size_of::<PartEntry>() / 8;

const _: () = {
    assert!(size_of::<SyncHeader>() == size_of::<Contents>());
    assert!(size_of::<PartEntry>() == 128);
};

/// The longest name of a part, in bytes.
pub(super) const MAX_NAME: usize = 31;
/// The most parts of a region.
pub(super) const MAX_PARTS: usize = 1024;
/// The most handles of a region: an id for each, and one that is no member's.
pub(super) const MAX_HANDLES: u16 = TABLE_ENTRIES as u16 - 1;
/// Parts begin at multiples of this.
const GRID: usize = 128;
/// The coarsest alignment of a value.
const MAX_ALIGN: usize = 4096;
/// The most bytes of a region, so that no sum here overflows.
const MAX_SIZE: usize = 1 << 46;

/// Where the words of a semaphore's permits begin, from the beginning of the part.
pub(super) const SLOTS_OFFSET: usize = LINE;

/// Where the cell of this member is in a reader-writer lock, from the beginning of the part:
/// in a line of its own, behind that of the lock's words.
#[inline(always)]
pub(super) fn cell_offset(id: MemberId) -> usize {
    GRID + LINE * (usize::from(id.0) - 1)
}

/// What a part is. The numbers are in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PartKind {
    /// A value under a lock.
    Mutex = 1,
    /// A value that many may read, or one may change.
    RwLock = 2,
    /// Sleepers that wait for a predicate.
    Condvar = 3,
    /// Permits.
    Semaphore = 4,
    /// Parties that wait for one another.
    Barrier = 5,
    /// What is done once, and perhaps a value that comes of it.
    Once = 6,
    /// The last value that one writer has stored.
    Latest = 7,
    /// A number.
    Counter = 8,
}

impl PartKind {
    const ALL: [PartKind; 8] = [
        PartKind::Mutex,
        PartKind::RwLock,
        PartKind::Condvar,
        PartKind::Semaphore,
        PartKind::Barrier,
        PartKind::Once,
        PartKind::Latest,
        PartKind::Counter,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            PartKind::Mutex => "mutex",
            PartKind::Condvar => "condition variable",
            PartKind::Barrier => "barrier",
            PartKind::Once => "once",
            PartKind::RwLock => "reader-writer lock",
            PartKind::Semaphore => "semaphore",
            PartKind::Latest => "latest value",
            PartKind::Counter => "counter",
        }
    }

    /// What the parameter of a part of this kind is, and what it may be.
    pub(super) fn parameter(self) -> (&'static str, RangeInclusive<u64>) {
        match self {
            PartKind::Mutex | PartKind::RwLock | PartKind::Condvar | PartKind::Once => {
                ("parameter", 0..=0)
            }
            PartKind::Semaphore => ("number of permits", 1..=semaphore::MAX_PERMITS),
            PartKind::Barrier => ("number of parties", 1..=MAX_SEATS as u64),
            PartKind::Latest => ("number of slots", latest::MIN_SLOTS..=latest::MAX_SLOTS),
            PartKind::Counter => ("sort of number (0: u64, 1: i64)", 0..=1),
        }
    }

    /// Bytes of a part before its value. `parameter` is one that it may have.
    fn head(self, parameter: u64, handles: u16) -> usize {
        match self {
            PartKind::Mutex | PartKind::Once => 8,
            PartKind::Condvar => 4,
            PartKind::Barrier => SEATS_OFFSET + 8 * parameter as usize,
            PartKind::RwLock => cell_offset(MemberId(handles + 1)),
            // At most 4096 permits: the parameter was checked.
            PartKind::Semaphore => SLOTS_OFFSET + 8 * parameter as usize,
            PartKind::Latest => size_of::<latest::LatestHead>().next_multiple_of(GRID),
            PartKind::Counter => 0, // its word is its value
        }
    }

    /// Bytes from one copy of a value to the next, and how many there are.
    fn copies(self, size: usize, align: usize, parameter: u64) -> (usize, usize) {
        match self {
            // At most 64 slots: the parameter was checked.
            PartKind::Latest => (size.next_multiple_of(align.max(GRID)), parameter as usize),
            _ => (size, 1),
        }
    }
}

/// Where the words of a barrier's seats are, from the part's beginning.
pub(super) const SEATS_OFFSET: usize = 64;

/// A part, in private memory.
///
/// V9: offset, length, size and alignment were checked against the region's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub(super) name: String,
    pub(super) kind: PartKind,
    pub(super) size: usize,
    pub(super) align: usize,
    pub(super) schema: u64,
    pub(super) parameter: u64,
    pub(super) offset: usize,
    /// Where its value begins, from `offset`.
    pub(super) value: usize,
    pub(super) length: usize,
}

impl Part {
    /// Bytes from one copy of its value to the next, and how many there are.
    pub(super) fn copies(&self) -> (usize, usize) {
        self.kind.copies(self.size, self.align, self.parameter)
    }
}

/// A part that is to be made: its place is still to be found.
#[derive(Clone, Debug)]
pub struct PartSpec {
    pub(super) kind: PartKind,
    pub(super) size: usize,
    pub(super) align: usize,
    pub(super) parameter: u64,
    /// The value's bytes at first.
    pub(super) initial: Vec<u8>,
}

impl PartSpec {
    /// One without a value.
    pub(super) fn plain(kind: PartKind, parameter: u64) -> PartSpec {
        PartSpec {
            kind,
            size: 0,
            align: 1,
            parameter,
            initial: Vec::new(),
        }
    }

    /// One with a value `T` that is set later.
    pub(super) fn unset<T>(kind: PartKind) -> PartSpec {
        PartSpec {
            kind,
            size: size_of::<T>(),
            align: align_of::<T>(),
            parameter: 0,
            initial: Vec::new(),
        }
    }

    /// One that starts with `value`.
    pub(super) fn of<T: bytemuck::NoUninit>(kind: PartKind, value: &T) -> PartSpec {
        PartSpec {
            kind,
            size: size_of::<T>(),
            align: align_of::<T>(),
            parameter: 0,
            initial: bytemuck::bytes_of(value).into(),
        }
    }
}

/// What is fixed of a region of shared objects, in private memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegionPlan {
    pub handles: u16,
    pub parts: Vec<Part>,
    /// Bytes of the region.
    pub size: usize,
}

impl RegionPlan {
    /// The plan of a region with `parts`, whose offsets, places of values and lengths are
    /// worked out here; `None`: it is too large.
    fn arrange(handles: u16, mut parts: Vec<Part>) -> Option<RegionPlan> {
        let mut end = DATA_OFFSET + parts.len() * size_of::<PartEntry>();
        for part in &mut parts {
            if !part.align.is_power_of_two()
                || part.align > MAX_ALIGN
                || part.size > MAX_SIZE
                || !part.kind.parameter().1.contains(&part.parameter)
            {
                return None;
            }
            part.offset = end.next_multiple_of(GRID.max(part.align));
            let head = part.kind.head(part.parameter, handles);
            part.value = head.next_multiple_of(part.align);
            let (stride, copies) = part.copies();
            part.length = (part.value + stride * copies).next_multiple_of(GRID);
            end = part.offset + part.length;
            if end > MAX_SIZE {
                return None;
            }
        }
        Some(RegionPlan {
            handles,
            parts,
            size: end.next_multiple_of(4096),
        })
    }

    /// The plan of a region to be made, or what is wrong with it.
    pub(super) fn new(
        handles: u16,
        schema: u64,
        specs: &[(String, PartSpec)],
    ) -> Result<RegionPlan, RingError> {
        let invalid = |what, expected: String, found: String| RingError::InvalidOption {
            what,
            expected,
            found,
        };
        if handles == 0 || handles > MAX_HANDLES {
            let expected = format!("1 to {MAX_HANDLES}");
            let found = handles.to_string();
            return Err(invalid("number of handles", expected, found));
        }
        if specs.is_empty() || specs.len() > MAX_PARTS {
            let expected = format!("1 to {MAX_PARTS}");
            return Err(invalid(
                "number of parts",
                expected,
                specs.len().to_string(),
            ));
        }
        for (at, (name, spec)) in specs.iter().enumerate() {
            let is_single = specs.len() == 1;
            if name.len() > MAX_NAME || name.contains(char::is_control) {
                let expected = format!("up to {MAX_NAME} bytes and no control characters");
                return Err(invalid("name of a part", expected, format!("{name:?}")));
            }
            if name.is_empty() && !is_single {
                let expected = "a name, where there are several".into();
                return Err(invalid("name of a part", expected, "none".into()));
            }
            let (what, range) = spec.kind.parameter();
            if !range.contains(&spec.parameter) {
                let expected = format!("{} to {}", range.start(), range.end());
                return Err(invalid(what, expected, spec.parameter.to_string()));
            }
            if specs[..at].iter().any(|(before, _)| before == name) {
                let expected = "each name once".into();
                return Err(invalid(
                    "name of a part",
                    expected,
                    format!("{name:?} twice"),
                ));
            }
        }
        for (_, spec) in specs {
            let (what, range) = spec.kind.parameter();
            if !range.contains(&spec.parameter) {
                let expected = format!("{} to {}", range.start(), range.end());
                return Err(invalid(what, expected, spec.parameter.to_string()));
            }
        }
        let parts = specs.iter().map(|(name, spec)| Part {
            name: name.clone(),
            kind: spec.kind,
            size: spec.size,
            align: spec.align,
            schema,
            parameter: spec.parameter,
            offset: 0,
            value: 0,
            length: 0,
        });
        RegionPlan::arrange(handles, parts.collect()).ok_or_else(|| {
            let expected = "values that fit an address space, aligned to 4096 bytes at most";
            let largest = specs.iter().map(|(_, spec)| (spec.size, spec.align)).max();
            let (size, align) = largest.unwrap_or_default();
            let found = format!("up to {size} bytes, aligned to {align}");
            invalid("value", expected.into(), found)
        })
    }

    pub(super) fn describe(&self, fences: Fences) -> Description {
        let header = SyncHeader {
            handles: self.handles.into(),
            parts: self.parts.len() as u32, // at most 1024
            reserved: [0; 15],
        };
        Description {
            object: SYNC,
            object_version: SYNC_VERSION,
            fences,
            size: self.size as u64,
            contents: bytemuck::cast(header),
        }
    }

    /// The entries of the directory.
    pub(super) fn directory(&self) -> Vec<PartEntry> {
        let entry = |part: &Part| {
            let mut name = [0; 32];
            name[..part.name.len()].copy_from_slice(part.name.as_bytes());
            PartEntry {
                name,
                kind: part.kind as u32,
                reserved: 0,
                size: part.size as u64,
                align: part.align as u64,
                schema: part.schema,
                parameter: part.parameter,
                offset: part.offset as u64,
                length: part.length as u64,
                reserved_words: [0; 5],
            }
        };
        self.parts.iter().map(entry).collect()
    }

    /// The plan of a region of `size` bytes, by its directory, copied to private memory.
    pub(super) fn of(
        header: &SyncHeader,
        size: usize,
        directory: &[PartEntry],
    ) -> Result<RegionPlan, Mismatch> {
        let parts: Result<Vec<Part>, Mismatch> = directory.iter().map(PartEntry::read).collect();
        let damaged = |field, expected: usize, found: usize| Mismatch::Field {
            field,
            expected: expected as u64,
            found: found as u64,
        };
        // Fits: `header` was checked.
        let plan = RegionPlan::arrange(header.handles as u16, parts?);
        let plan = plan.ok_or(damaged("part size", MAX_SIZE, size))?;
        for (at, (part, entry)) in plan.parts.iter().zip(directory).enumerate() {
            check_fields([
                ("part offset", part.offset as u64, entry.offset),
                ("part length", part.length as u64, entry.length),
            ])?;
            if plan.parts[..at].iter().any(|one| one.name == part.name) {
                return Err(damaged("parts of a name", 1, 2));
            }
        }
        match plan.size == size {
            true => Ok(plan),
            false => Err(damaged("total size", plan.size, size)),
        }
    }
}

impl SyncHeader {
    /// The header of shared objects, if the region is one of these.
    pub(super) fn of(region: &Description) -> Result<SyncHeader, Mismatch> {
        region.check_object("shared objects (locks and the like)", SYNC, SYNC_VERSION)?;
        let header: SyncHeader = bytemuck::cast(region.contents);
        let field = |field, most: usize, found: u32| match found as usize {
            1.. if found as usize <= most => Ok(()),
            _ => Err(Mismatch::Field {
                field,
                expected: most as u64,
                found: found.into(),
            }),
        };
        field("number of handles", MAX_HANDLES.into(), header.handles)?;
        field("number of parts", MAX_PARTS, header.parts)?;
        check_fields(header.reserved.map(|word| ("reserved", 0, word)))?;
        let least = DATA_OFFSET as u64 + u64::from(header.parts) * 128;
        if region.size < least {
            return Err(Mismatch::Field {
                field: "total size",
                expected: least,
                found: region.size,
            });
        }
        Ok(header)
    }
}

impl PartEntry {
    /// The part, before its place is worked out.
    fn read(&self) -> Result<Part, Mismatch> {
        let damaged = |field, expected, found| Mismatch::Field {
            field,
            expected,
            found,
        };
        let end = self.name.iter().position(|byte| *byte == 0);
        let name = end.and_then(|end| str::from_utf8(&self.name[..end]).ok());
        let name = name.ok_or(damaged("part name", 0, self.name[MAX_NAME].into()))?;
        let kinds = PartKind::ALL.into_iter();
        let kind = kinds.clone().find(|kind| *kind as u32 == self.kind);
        let last = PartKind::ALL.len() as u64;
        let kind = kind.ok_or(damaged("kind of a part", last, self.kind.into()))?;
        let (what, range) = kind.parameter();
        if !range.contains(&self.parameter) {
            return Err(damaged(what, *range.end(), self.parameter));
        }
        check_fields([("reserved", 0, self.reserved.into())])?;
        check_fields(self.reserved_words.map(|word| ("reserved", 0, word)))?;
        let size = usize::try_from(self.size).ok();
        let align = usize::try_from(self.align).ok();
        Ok(Part {
            name: name.into(),
            kind,
            size: size.ok_or(damaged("part size", MAX_SIZE as u64, self.size))?,
            align: align.ok_or(damaged("part alignment", MAX_ALIGN as u64, self.align))?,
            schema: self.schema,
            parameter: self.parameter,
            offset: 0,
            value: 0,
            length: 0,
        })
    }
}
