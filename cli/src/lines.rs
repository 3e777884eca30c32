//! Standard input by lines.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use anyhow::{Context, Result, anyhow};
use memchr::{memchr_iter, memrchr};

/// Input is read in pieces of up to this many bytes, or one message if that is more.
pub const READ: usize = 256 << 10;

/// Standard input, by its descriptor: the standard handle has a buffer of its own, too small.
pub fn input() -> Result<File> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    Ok(File::from(
        input.context("cannot take hold of standard input")?,
    ))
}

/// Reads what is there, and waits for something; 0: the end of the input.
pub fn read(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.context("cannot read standard input"),
        }
    }
}

/// An input of lines, each of which is to fit into a message.
pub struct Lines<R> {
    /// Where they come from.
    pub input: R,
    /// The most bytes of a line, without its newline.
    pub limit: usize,
    /// What holds no more, in the words of a complaint: `a slot of this ring`.
    pub holder: &'static str,
}

impl<R: Read> Lines<R> {
    /// Hands over whole lines as they come in, several at a time, with their newlines; the last
    /// one may lack it. The number is how many lines were handed over before.
    pub fn pieces(mut self, mut take: impl FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        // Room for a line that is too long as well, so that its length can be shown.
        let mut buffer = vec![0; READ.max(2 * self.limit + 2)];
        let mut filled = 0;
        let mut number = 0;
        loop {
            let added = read(&mut self.input, &mut buffer[filled..])?;
            let whole = memrchr(b'\n', &buffer[filled..filled + added]).map(|at| filled + at + 1);
            filled += added;
            let whole = match whole {
                Some(whole) => whole,
                None if added == 0 && filled == 0 => return Ok(()),
                // The last line lacks its newline: a line all the same.
                None if added == 0 => return take(&buffer[..filled], number),
                None if filled == buffer.len() => {
                    let length = format!("more than {filled}");
                    return Err(self.too_long(number + 1, length));
                }
                None => continue,
            };
            take(&buffer[..whole], number)?;
            number += memchr_iter(b'\n', &buffer[..whole]).count() as u64;
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }

    fn too_long(&self, number: u64, length: String) -> anyhow::Error {
        too_long(number, length, self.holder, self.limit)
    }
}

/// The complaint of a line that is too long.
pub fn too_long(
    number: u64,
    length: impl std::fmt::Display,
    holder: &str,
    limit: usize,
) -> anyhow::Error {
    anyhow!("line {number} has {length} bytes, {holder} holds {limit}")
}

/// The lines of `text` without their newlines. The last one may lack it.
pub fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let unended = !text.ends_with(b"\n") && !text.is_empty();
    let ends = memchr_iter(b'\n', text).chain(unended.then_some(text.len()));
    ends.scan(0, |start, end| {
        let line = &text[*start..end];
        *start = end + 1;
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_at_newlines_only() {
        let split = |text| split_lines(text).collect::<Vec<&[u8]>>();
        assert_eq!(split(b""), Vec::<&[u8]>::new());
        assert_eq!(split(b"\n"), [b""]);
        assert_eq!(split(b"a\n\nbc\n"), [&b"a"[..], b"", b"bc"]);
        assert_eq!(split(b"a\r\nb"), [&b"a\r"[..], b"b"]);
    }

    #[test]
    fn lines_are_counted_over_the_pieces() {
        // A reader that gives a byte at a time.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let few = self.0.len().min(1).min(buffer.len());
                self.0.read(&mut buffer[..few])
            }
        }
        let lines = Lines {
            input: Slow(b"a\nbc\n\nd"),
            limit: 2,
            holder: "a test",
        };
        let mut seen = Vec::new();
        let taken = lines.pieces(|text, number| {
            seen.push((number, text.to_vec()));
            Ok(())
        });
        taken.expect("all fit");
        let expected = [(0, &b"a\n"[..]), (1, b"bc\n"), (2, b"\n"), (3, b"d")];
        assert_eq!(seen, expected.map(|(number, text)| (number, text.to_vec())));
    }
}
