//! Vyukov's bounded queue of many senders and receivers, without any thought of crashes, over the
//! same kind of memory as memring: so that the price of crash safety can be seen.

use std::fs::File;
use std::sync::atomic::Ordering;

use anyhow::Result;
use memring_testkit::Words;

use memring_harness::contestant::{Crossing, Link, Made, Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_harness::worker::until;

/// Words of a cell: its turn, and one word of message.
const CELL: usize = 2;
/// Where senders are, in words.
const TAIL: usize = 0;
/// Where receivers are.
const HEAD: usize = 16;
/// The first cell.
const CELLS: usize = 32;

/// The queue.
pub struct Vyukov;

/// Either end of it.
pub struct Queue {
    words: Words,
    mask: u64,
}

impl Profile for Vyukov {
    const NAME: &'static str = "vyukov";
    const HOW: &'static str = "our own, in shared memory, without crash safety; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Many, Skill::Spin];
    fn carries(bytes: usize) -> bool {
        bytes == 8
    }
}

impl Queue {
    fn open(link: &Link) -> Result<Queue> {
        let mut options = File::options();
        let file = options.read(true).write(true).open(&link.path)?;
        Ok(Queue {
            words: Words::map(file, CELLS + link.shape.capacity * CELL)?,
            mask: link.shape.capacity as u64 - 1,
        })
    }

    fn cell(&self, position: u64) -> usize {
        CELLS + (position & self.mask) as usize * CELL
    }

    #[inline(always)]
    fn push(&self, message: u64) -> Option<()> {
        let mut position = self.words[TAIL].load(Ordering::Relaxed);
        loop {
            let cell = self.cell(position);
            // Pairs with the Release store in `pop`.
            let turn = self.words[cell].load(Ordering::Acquire);
            match (turn.wrapping_sub(position) as i64).cmp(&0) {
                std::cmp::Ordering::Less => return None,
                std::cmp::Ordering::Greater => {
                    position = self.words[TAIL].load(Ordering::Relaxed);
                }
                std::cmp::Ordering::Equal => {
                    let claimed = self.words[TAIL].compare_exchange_weak(
                        position,
                        position + 1,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    );
                    match claimed {
                        Ok(_) => {
                            self.words[cell + 1].store(message, Ordering::Relaxed);
                            // Pairs with the Acquire load in `pop`.
                            self.words[cell].store(position + 1, Ordering::Release);
                            return Some(());
                        }
                        Err(found) => position = found,
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn pop(&self) -> Option<u64> {
        let mut position = self.words[HEAD].load(Ordering::Relaxed);
        loop {
            let cell = self.cell(position);
            // Pairs with the Release store in `push`.
            let turn = self.words[cell].load(Ordering::Acquire);
            match (turn.wrapping_sub(position + 1) as i64).cmp(&0) {
                std::cmp::Ordering::Less => return None,
                std::cmp::Ordering::Greater => {
                    position = self.words[HEAD].load(Ordering::Relaxed);
                }
                std::cmp::Ordering::Equal => {
                    let claimed = self.words[HEAD].compare_exchange_weak(
                        position,
                        position + 1,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    );
                    match claimed {
                        Ok(_) => {
                            let message = self.words[cell + 1].load(Ordering::Relaxed);
                            // Pairs with the Acquire load in `push`.
                            self.words[cell].store(position + self.mask + 1, Ordering::Release);
                            return Some(message);
                        }
                        Err(found) => position = found,
                    }
                }
            }
        }
    }
}

impl Crossing for Vyukov {
    type Tx<const N: usize> = Queue;
    type Rx<const N: usize> = Queue;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        let length = (CELLS + link.shape.capacity * CELL) * 8;
        File::create_new(&link.path)?.set_len(length as u64)?;
        let queue = Queue::open(link)?;
        for position in 0..=queue.mask {
            // Nobody else has it yet.
            queue.words[queue.cell(position)].store(position, Ordering::Relaxed);
        }
        Ok(Made::default())
    }

    fn tx<const N: usize>(link: &Link) -> Result<Queue> {
        Queue::open(link)
    }

    fn rx<const N: usize>(link: &Link) -> Result<Queue> {
        Queue::open(link)
    }
}

impl<const N: usize> Tx<N> for Queue {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let [message] = source.next::<1>();
        until(|| self.push(message));
    }
}

impl<const N: usize> Rx<N> for Queue {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        check.take(&[until(|| self.pop())]);
    }
}
