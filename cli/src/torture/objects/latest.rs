//! The last value of one writer: every second process becomes the writer now and then, and all
//! others read.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use memring::sync::{Latest, LatestWriter, ReadError, WaitChangedError, WriterError};

use super::board::Count;
use super::user::{Audit, Shared, User, expect_count};
use crate::torture::order::Sabotage;

/// A value: its number, and words that follow from it.
pub type Value = [u64; 16];

fn made(number: u64) -> Value {
    let mut value = [number; 16];
    for (index, word) in value.iter_mut().enumerate().skip(1) {
        *word = number
            .wrapping_add(index as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    value
}

/// The last value is whole, and none that was there before. Returns its number.
fn look(latest: &Latest<Value>, floor: u64) -> Result<Option<u64>> {
    let (number, value) = match latest.read_numbered() {
        // The writer does nothing else.
        Err(ReadError::Overtaken) => return Ok(None),
        read => read.context("cannot read the value")?,
    };
    if number < floor {
        bail!("value {number} was read after value {floor} had been stored");
    }
    if value != made(number) {
        bail!("value {number} is torn: {value:?}");
    }
    Ok(Some(number))
}

fn write(writer: &mut LatestWriter<Value>, user: &mut User<'_>) -> Result<()> {
    // Another writer may have died, and left its id.
    user.board.enter(user.id, true)?;
    for _ in 0..1 + user.random.below(200) {
        let next = writer.latest().number()? + 1;
        let mut value = made(next);
        if user.breaks(Sabotage::Tear) {
            value[9] ^= 1;
        }
        let number = match user.random.one_in(4) {
            true => writer.update(|last| *last = value)?,
            false => writer.write(value)?,
        };
        if number != next {
            bail!("value {next} was to be stored, and it became value {number}");
        }
        user.board.set_number(number);
        user.count(Count::Changes);
        user.linger();
    }
    user.board.leave(user.id)
}

impl Shared for Latest<Value> {
    fn create(path: &Path, handles: u16, _: usize) -> Result<()> {
        let builder = Latest::builder().max_handles(handles);
        let latest = builder.create(path, made(0))?;
        if latest.number()? != 0 {
            bail!("the first value has number {}", latest.number()?);
        }
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        Ok(Latest::open(path)?)
    }

    fn step(&self, user: &mut User<'_>) -> Result<()> {
        user.hang_if_told();
        if user.place().is_multiple_of(2) {
            if user.breaks(Sabotage::Double) {
                return user.enter_without_lock();
            }
            match self.writer() {
                Ok(mut writer) => return write(&mut writer, user),
                Err(WriterError::Occupied { .. }) => {}
                Err(error) => return Err(error).context("cannot become the writer"),
            }
        }
        let mut floor = user.board.number();
        for _ in 0..1 + user.random.below(100) {
            floor = look(self, floor)?.unwrap_or(floor).max(user.board.number());
            user.count(Count::Looks);
        }
        if user.random.one_in(4) {
            let before = self.number()?;
            let time = Duration::from_micros(user.random.below(3_000));
            match self.wait_changed_timeout(before, time) {
                Ok(number) if number <= before => {
                    bail!("value {before} was followed by value {number}")
                }
                Ok(_) | Err(WaitChangedError::Timeout) => {}
                Err(error) => return Err(error).context("cannot wait for a value"),
            }
        }
        Ok(())
    }

    fn audit(&self, audit: &Audit<'_>) -> Result<()> {
        let stored = audit.board.number();
        let number = look(self, stored)?.context("a value that nobody changes was overtaken")?;
        expect_count("values", number, stored, audit.kills)?;
        if self.has_writer()? {
            bail!("no process writes, but one has the right to");
        }
        drop(self.writer().context("cannot become the writer")?);
        Ok(())
    }

    fn has_dead(&self) -> bool {
        self.handles().iter().any(|peer| !peer.alive)
    }
}
