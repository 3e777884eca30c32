//! The journal as a file, which one process has at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use super::{Record, Store};

const MAGIC: [u8; 8] = *b"mrbrjrnl";
const VERSION: u32 = 1;
/// Magic, version, role, id, two numbers that identify the ring, progress, reserved, checksum.
const HEADER: usize = 64;
/// Where the progress is: one word, whose upper half is the number of the intent.
const PROGRESS: usize = 40;
/// So many records, and a snapshot is due.
const LONG: usize = 1 << 14;

/// What a journal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A ring that a bridge takes messages from.
    Source,
    /// A ring that a bridge puts messages into.
    Target,
}

impl Role {
    fn suffix(self) -> &'static str {
        match self {
            Role::Source => "source",
            Role::Target => "target",
        }
    }
}

/// The journal of a ring in one of its roles.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Held as long as the journal is open; `flock` ends with the process.
    _lock: File,
    header: Header,
    records: usize,
    /// Intents so far: the progress is of the last.
    intents: u32,
    /// What was there when it was opened.
    found: Found,
}

/// What was there when a journal was opened.
#[derive(Debug, Default)]
struct Found {
    records: Vec<Record>,
    progress: u32,
    same_ring: bool,
    existed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    role: Role,
    id: u64,
    ring: [u64; 2],
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.role as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.id.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.ring[0].to_le_bytes());
        bytes[32..40].copy_from_slice(&self.ring[1].to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// A random number, for a name that nobody else has.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let drawn = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    match drawn {
        Ok(()) => u64::from_le_bytes(bytes),
        // Without /dev: the clock, the process and an address tell runs apart.
        Err(_) => {
            let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
            now.rotate_left(20) ^ u64::from(std::process::id()) ^ (&raw const bytes).addr() as u64
        }
    }
}

/// What tells a ring from another of its name: the number of its file, and when it was made.
fn identity(ring: &Path) -> io::Result<[u64; 2]> {
    let metadata = fs::metadata(ring)?;
    let made = metadata.created().ok();
    let made = made.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok([metadata.ino(), made.unwrap_or_default().as_nanos() as u64])
}

impl Journal {
    /// Opens the journal of the ring at `ring`, or makes it. Waits up to `wait` for another
    /// process to close it.
    ///
    /// # Errors
    /// If another process has it; if it is damaged; of the file system.
    pub fn open(ring: &Path, role: Role, wait: Duration) -> Result<Journal> {
        let name = ring.file_name().context("the ring has no name")?;
        let directory = ring.with_file_name(".bridge");
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let at = directory.display();
                return Err(error)
                    .with_context(|| format!("cannot make {at} for the bridge's state"));
            }
            _ => {}
        }
        let mut file_name = name.to_os_string();
        file_name.push(format!(".{}", role.suffix()));
        let path = directory.join(file_name);
        let lock = lock(&path, ring, role, wait)?;
        let shown = path.display().to_string();
        let ring = identity(ring).with_context(|| format!("cannot look at {}", ring.display()))?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).mode(0o600).open(&path);
        let mut file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let id = random();
                let header = Header { role, id, ring };
                let file =
                    create(&path, header, &[]).with_context(|| format!("cannot make {shown}"))?;
                return Ok(Journal {
                    path,
                    file,
                    _lock: lock,
                    header,
                    records: 0,
                    intents: 0,
                    found: Found::default(),
                });
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open {shown}")),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {shown}"))?;
        let (header, mut found) = parse(&bytes, role).with_context(|| {
            format!(
                "the bridge's state {shown} is damaged. Remove it to go on without: what was \
                 sent or put since may come again, marked as uncertain"
            )
        })?;
        found.same_ring = header.ring == ring;
        found.existed = true;
        // The end of a record that its writer did not finish.
        let whole = HEADER + found.records.len() * Record::SIZE;
        file.set_len(whole as u64)
            .and_then(|()| io::Seek::seek(&mut file, io::SeekFrom::End(0)).map(drop))
            .with_context(|| format!("cannot write {shown}"))?;
        let mut journal = Journal {
            path,
            file,
            _lock: lock,
            header,
            records: found.records.len(),
            intents: intents(&found.records),
            found,
        };
        if !journal.found.same_ring {
            // Positions of another ring mean nothing: a source has a name of its own, too.
            journal.header.ring = ring;
            if role == Role::Source {
                journal.header.id = random();
                journal.found.records.clear();
            }
            let records = journal.found.records.clone();
            journal
                .replace(&records)
                .with_context(|| format!("cannot write {shown}"))?;
        }
        Ok(journal)
    }

    /// Names the ring in its role, for as long as this file is there.
    pub fn id(&self) -> u64 {
        self.header.id
    }

    /// The records that were there.
    pub fn records(&self) -> &[Record] {
        &self.found.records
    }

    /// How many messages of the last intent were put, as its writer noted.
    pub fn progress(&self) -> u32 {
        self.found.progress
    }

    /// Whether the journal was there, and of this very ring.
    pub fn is_of_this_ring(&self) -> bool {
        self.found.existed && self.found.same_ring
    }

    /// Whether the journal was there before.
    pub fn existed(&self) -> bool {
        self.found.existed
    }
}

impl Store for Journal {
    fn append(&mut self, record: Record) -> io::Result<()> {
        self.file.write_all(&record.to_bytes())?;
        self.records += 1;
        self.intents += u32::from(matches!(record, Record::Intent { .. }));
        Ok(())
    }

    fn note_progress(&mut self, count: u32) -> io::Result<()> {
        let word = u64::from(self.intents) << 32 | u64::from(count);
        self.file.write_all_at(&word.to_le_bytes(), PROGRESS as u64)
    }

    fn is_long(&self) -> bool {
        self.records >= LONG
    }

    fn replace(&mut self, records: &[Record]) -> io::Result<()> {
        self.file = create(&self.path, self.header, records)?;
        self.records = 0; // they count from here: the snapshot may be long itself
        self.intents = intents(records);
        Ok(())
    }
}

fn intents(records: &[Record]) -> u32 {
    let is_intent = |record: &&Record| matches!(record, Record::Intent { .. });
    records.iter().filter(is_intent).count() as u32
}

/// Writes a journal beside the one that is there, and then in its place.
fn create(path: &Path, header: Header, records: &[Record]) -> io::Result<File> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    let mut file = options.mode(0o600).open(&beside)?;
    let mut bytes = header.to_bytes().to_vec();
    for record in records {
        bytes.extend(record.to_bytes());
    }
    file.write_all(&bytes)?;
    fs::rename(&beside, path)?;
    Ok(file)
}

fn parse(bytes: &[u8], role: Role) -> Result<(Header, Found)> {
    let Some((start, rest)) = bytes.split_first_chunk::<HEADER>() else {
        bail!("expected {HEADER} bytes at least, found {}", bytes.len());
    };
    if start[..8] != MAGIC {
        bail!("it does not begin as a journal does");
    }
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| start[at + byte]));
    let version = word(8) as u32;
    if version != VERSION {
        bail!("expected version {VERSION}, found {version}");
    }
    let header = Header {
        role,
        id: word(16),
        ring: [word(24), word(32)],
    };
    let mut unchanging = *start;
    unchanging[PROGRESS..PROGRESS + 8].fill(0);
    if header.to_bytes() != unchanging {
        bail!("the checksum of its header is wrong");
    }
    let (chunks, _cut) = rest.as_chunks::<{ Record::SIZE }>();
    let mut records = Vec::with_capacity(chunks.len());
    for (number, chunk) in chunks.iter().enumerate() {
        match Record::from_bytes(chunk) {
            Some(record) => records.push(record),
            None => bail!("record {number} of {} is invalid", chunks.len()),
        }
    }
    let progress = word(PROGRESS);
    let is_of_last = (progress >> 32) as u32 == intents(&records);
    let found = Found {
        records,
        progress: if is_of_last { progress as u32 } else { 0 },
        ..Found::default()
    };
    Ok((header, found))
}

/// Locks the file beside the journal, which is never replaced.
fn lock(path: &Path, ring: &Path, role: Role, wait: Duration) -> Result<File> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".lock");
    let at = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options
        .mode(0o600)
        .open(&at)
        .with_context(|| format!("cannot open {}", at.display()))?;
    let began = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < wait => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let does = match role {
                    Role::Source => "sends",
                    Role::Target => "receives into",
                };
                bail!(
                    "another bridge, process {}, {does} {}: stop it first, or wait for its end \
                     with --wait",
                    holder.trim(),
                    ring.display()
                );
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot lock {}", at.display()));
            }
        }
    }
    let pid = format!("{}\n", std::process::id());
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all_at(pid.as_bytes(), 0));
    written.with_context(|| format!("cannot write {}", at.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
