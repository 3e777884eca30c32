//! Words in shared memory by which parent and children of a test agree.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::child::LIMIT;
use super::sys::Words;

/// A file of the test's own, mapped by all of its processes: all zero at first.
///
/// It outlives every process, so a killed child's last word is there to read.
pub struct Board(Words);

impl Board {
    pub fn create(path: &Path, words: usize) -> Board {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .expect("make a board");
        file.set_len(words as u64 * 8).expect("size a board");
        Board(Words::map(&file).expect("map a board"))
    }

    pub fn open(path: &Path) -> Board {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .expect("open a board");
        Board(Words::map(&file).expect("map a board"))
    }

    /// Waits until the word at `index` is at least `value`.
    pub fn wait(&self, index: usize, value: u64) {
        let late = Instant::now() + LIMIT;
        while self.get(index) < value {
            assert!(
                Instant::now() < late,
                "word {index} of the board stayed {}, expected {value}",
                self.get(index)
            );
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    pub fn get(&self, index: usize) -> u64 {
        self[index].load(Ordering::Acquire)
    }

    pub fn set(&self, index: usize, value: u64) {
        self[index].store(value, Ordering::Release);
    }

    pub fn add(&self, index: usize, value: u64) -> u64 {
        self[index].fetch_add(value, Ordering::AcqRel)
    }
}

impl Deref for Board {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        self.0.as_slice()
    }
}
