//! Whether the standard streams were open when this program was started.
//!
//! The runtime of the standard library opens `/dev/null` in the place of one that was
//! closed, so that no other file gets its number. A program that reads or writes there
//! would carry nothing and call it success. So the streams are looked at before the
//! runtime begins: the loader calls what `.init_array` lists.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;

const INPUT: RawFd = 0;
const OUTPUT: RawFd = 1;

/// A bit for each stream that was closed, or not open for what it is for.
static UNUSABLE: AtomicU8 = AtomicU8::new(0);

// SAFETY: O4: a function without arguments, of the C calling convention: what the loader
// calls there. It needs nothing of the runtime, which has not begun.
#[unsafe(link_section = ".init_array")]
#[used]
static AT_START: extern "C" fn() = look;

/// Notes which streams cannot be used. Runs before `main`, and before the runtime.
extern "C" fn look() {
    for (stream, wrong_mode) in [(INPUT, OFlags::WRONLY), (OUTPUT, OFlags::RDONLY)] {
        // SAFETY: O3: the calls at worst answer that nothing is open there.
        let fd = unsafe { BorrowedFd::borrow_raw(stream) };
        let flags = rustix::fs::fcntl_getfl(fd);
        let unusable = flags.map_or(true, |flags| flags & OFlags::RWMODE == wrong_mode);
        UNUSABLE.fetch_or(u8::from(unusable) << stream, Ordering::Relaxed);
    }
}

fn is_unusable(stream: RawFd) -> bool {
    // Relaxed: written by this thread, before it came here.
    UNUSABLE.load(Ordering::Relaxed) & 1 << stream != 0
}

/// Before anything is sent, or closed at what would look like the end of input.
pub fn check_input() -> Result<()> {
    if is_unusable(INPUT) {
        bail!(
            "standard input is closed, or not open for reading: expected something to send \
             (for nothing at all, give it /dev/null)"
        );
    }
    Ok(())
}

/// Before anything is received, or measured, that could not be written.
pub fn check_output() -> Result<()> {
    if is_unusable(OUTPUT) {
        bail!(
            "standard output is closed, or not open for writing: expected somewhere to write \
             (to throw it away, give it /dev/null)"
        );
    }
    Ok(())
}

/// Standard output, by its descriptor: the standard handle looks for ends of lines.
pub fn output() -> Result<File> {
    let output = io::stdout().as_fd().try_clone_to_owned();
    Ok(File::from(
        output.context("cannot take hold of standard output")?,
    ))
}
