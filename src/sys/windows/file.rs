//! Files and directories.
//!
//! Nothing here follows a link in the last component of a name: links, and whatever else is
//! a reparse point, are opened themselves, and refused by their kind. No handle is inherited.
//!
//! Owners and permissions are not looked at: every file counts as this user's alone. Who may
//! open it, its directory's access control list says.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_NAME_NORMALIZED,
    FILE_READ_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, FileStandardInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetFinalPathNameByHandleW,
    MoveFileExW, VOLUME_NAME_DOS,
};

use super::range_lock;
use crate::sys::clock::MonotonicTime;
use crate::sys::handle::{BorrowedFd, OwnedFd};
pub(crate) use crate::sys::metadata::{FileId, FileKind, Metadata};

/// For links and directories to be opened themselves.
const AS_IT_IS: u32 = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;

/// The user and the mode that all files are said to have.
const USER: u32 = 0;
const MODE: u32 = 0o600;

/// The byte of a file that a remover locks, far beyond its end.
const REMOVAL_BYTE: u64 = 1 << 62;

/// How long to wait before asking for a taken lock again.
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// What the system calls `FILE_STANDARD_INFO`, in integers.
#[repr(C)]
#[derive(Default)]
struct StandardInfo {
    allocated: i64,
    size: i64,
    links: u32,
    is_deleted: u8,
    is_directory: u8,
}

/// The facts of an open file.
pub(crate) fn metadata(fd: BorrowedFd<'_>) -> io::Result<Metadata> {
    let mut facts = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: O2, O3: the handle is open, and `facts` is the whole structure, ours to write to.
    if unsafe { GetFileInformationByHandle(fd.as_raw_handle(), &mut facts) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut standard = StandardInfo::default();
    let (to, bytes) = (&raw mut standard, size_of::<StandardInfo>() as u32);
    // SAFETY: O2, O3: as above, and `bytes` is its size.
    let told = unsafe {
        GetFileInformationByHandleEx(fd.as_raw_handle(), FileStandardInfo, to.cast(), bytes)
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    let has = |attribute| facts.dwFileAttributes & attribute != 0;
    Ok(Metadata {
        device: facts.dwVolumeSerialNumber.into(),
        inode: whole(facts.nFileIndexHigh, facts.nFileIndexLow),
        size: whole(facts.nFileSizeHigh, facts.nFileSizeLow),
        mode: MODE,
        owner: USER,
        kind: if has(FILE_ATTRIBUTE_REPARSE_POINT) {
            FileKind::Symlink
        } else if has(FILE_ATTRIBUTE_DIRECTORY) {
            FileKind::Directory
        } else {
            FileKind::Regular
        },
        // The name of a deleted file may stay until its last handle is closed.
        links: match standard.is_deleted {
            0 => standard.links.into(),
            _ => 0,
        },
    })
}

fn whole(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The facts of what `name` in `dir` stands for; of a link itself, not of what
/// it leads to.
pub(crate) fn metadata_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Metadata> {
    let mut options = OpenOptions::new();
    options
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(AS_IT_IS);
    metadata(&options.open(at(dir, name)?)?)
}

/// Not asked for here.
pub(crate) fn is_sparse(_path: &Path) -> bool {
    false
}

/// Opens a directory, which cannot be renamed or deleted until it is closed. A link as the
/// last component is refused.
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
        .custom_flags(AS_IT_IS);
    let directory = options.open(path)?;
    match metadata(&directory)?.kind {
        FileKind::Directory => Ok(directory),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// Where `name` in `dir` is. The path is good as long as `dir` is open.
fn at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<PathBuf> {
    Ok(path_of(dir)?.join(name))
}

/// Where an open directory is, in the form that is passed to the file system as it stands.
fn path_of(dir: BorrowedFd<'_>) -> io::Result<PathBuf> {
    let form = FILE_NAME_NORMALIZED | VOLUME_NAME_DOS;
    let mut path = vec![0_u16; 512];
    loop {
        let room = u32::try_from(path.len()).map_err(|_| io::ErrorKind::InvalidFilename)?;
        // SAFETY: O2, O3: the handle is open, and `path` is ours, of `room` integers.
        let len = unsafe {
            GetFinalPathNameByHandleW(dir.as_raw_handle(), path.as_mut_ptr(), room, form)
        };
        match len {
            0 => return Err(io::Error::last_os_error()),
            len if len < room => {
                path.truncate(len as usize);
                return Ok(OsString::from_wide(&path).into());
            }
            // So much is needed.
            len => path.resize(len as usize + 1, 0),
        }
    }
}

/// A path as the system takes it: with a zero at the end, and none before.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = path.as_os_str().encode_wide().collect();
    if wide.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    wide.push(0);
    Ok(wide)
}

/// Gives the file that has the name `from` in `dir` the name `to`, in one step: what had
/// that name has it no more.
pub(crate) fn rename(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> io::Result<()> {
    std::fs::rename(at(dir, from)?, at(dir, to)?)
}

/// Gives the file that has the name `from` in `dir` the name `to`, in one step.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when the name is taken (it is never replaced).
pub(crate) fn rename_new(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let (from, to) = (wide(&at(dir, from)?)?, wide(&at(dir, to)?)?);
    // SAFETY: O2: both are ours, of integers, and end with a zero.
    match unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Makes a file that must not exist yet.
pub(crate) fn create_new(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.open(at(dir, name)?)
}

/// There are no modes here.
pub(crate) fn set_mode(_file: BorrowedFd<'_>, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Opens `name` in `dir`, for reading or for both reading and writing. Links and directories
/// are opened themselves: their kind says what they are.
pub(crate) fn open(dir: BorrowedFd<'_>, name: &OsStr, write: bool) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(AS_IT_IS);
    options.open(at(dir, name)?)
}

/// What is there, if [`open`] failed because it opens no such thing: it opens all.
pub(crate) fn refused_kind(_error: &io::Error) -> Option<FileKind> {
    None
}

/// Removes the name; the file lives on for processes that have it open.
pub(crate) fn unlink(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    std::fs::remove_file(at(dir, name)?)
}

/// Takes the lock of an open file that one remover has at a time, and waits for it until
/// `deadline`. It lasts until the file is closed.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when others have it until then.
pub(crate) fn flock_exclusive(file: BorrowedFd<'_>, deadline: MonotonicTime) -> io::Result<()> {
    while !range_lock::take(file, false, REMOVAL_BYTE, 1)? {
        if MonotonicTime::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "expected its lock to be free soon, found that another process keeps it: end \
                 the process that is removing or replacing it",
            ));
        }
        thread::sleep(BETWEEN_TRIES);
    }
    Ok(())
}

/// Gives up what [`flock_exclusive`] took.
///
/// # Errors
/// Those of `UnlockFileEx`.
pub(crate) fn funlock(file: BorrowedFd<'_>) -> io::Result<()> {
    range_lock::give_up(file, REMOVAL_BYTE, 1)
}

/// Reads the first bytes of a file, as many as there are, into `bytes`.
///
/// # Errors
/// Those of `ReadFile`.
pub(crate) fn read_start(file: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<usize> {
    read_at(file, bytes, 0)
}

/// Reads a file from `offset` on, as much as there is, into `bytes`.
///
/// # Errors
/// As [`read_start`].
pub(crate) fn read_at(file: BorrowedFd<'_>, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.seek_read(&mut bytes[read..], offset + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

/// Writes all of `bytes` to the start of a file.
///
/// # Errors
/// As [`write_at`].
pub(crate) fn write_start(file: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    write_at(file, bytes, 0)
}

/// Writes all of `bytes` to a file, from `offset` on.
///
/// # Errors
/// Those of `WriteFile`; [`io::ErrorKind::WriteZero`].
pub(crate) fn write_at(file: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => {
                bytes = &bytes[more..];
                offset += more as u64;
            }
        }
    }
    Ok(())
}

/// The names in a directory, without `.` and `..`, in no order.
///
/// # Errors
/// Those of `FindFirstFile`.
pub(crate) fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let entries = std::fs::read_dir(path_of(dir)?)?;
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

/// Makes a directory, to which its parent's access control list passes.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`]; those of `CreateDirectory`.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// A path's directory, if it names one, and what comes after it: all after the last
/// separator or drive, which may be nothing.
pub(crate) fn split(path: &Path) -> (Option<&Path>, &OsStr) {
    let bytes = path.as_os_str().as_encoded_bytes();
    // What the path ends with, if that is a name: no separator and no lone dot after it.
    let last = path.components().next_back().filter(|last| {
        let is_name = matches!(
            last,
            Component::Normal(_) | Component::CurDir | Component::ParentDir
        );
        is_name && bytes.ends_with(last.as_os_str().as_encoded_bytes())
    });
    match last {
        Some(name) => {
            let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
            (parent, name.as_os_str())
        }
        None if path.as_os_str().is_empty() => (None, path.as_os_str()),
        None => (Some(path), OsStr::new("")),
    }
}

/// Why a name without a separator cannot be a file's here, beside what every system refuses.
pub(crate) fn name_problem(name: &OsStr) -> Option<&'static str> {
    let bytes = name.as_encoded_bytes();
    if bytes.contains(&b':') {
        return Some("it has a colon in it, which on Windows begins the name of a stream");
    }
    // Most programs could not name such a file.
    match bytes.last() {
        Some(b'.' | b' ') => Some("it ends with a dot or a space, which Windows drops"),
        _ => None,
    }
}

/// The user that all files are said to have.
pub(crate) fn effective_user() -> u32 {
    USER
}
