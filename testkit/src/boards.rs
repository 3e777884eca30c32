//! Words in shared memory by which parent and children of a test agree.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::time::LIMIT;
use crate::words::Words;

/// A file of the test's own, mapped by all of its processes: all zero at first.
///
/// It outlives every process, so a killed child's last word is there to read.
pub struct Board(Words);

impl Board {
    /// Makes a board of `words` words.
    pub fn create(path: &Path, words: usize) -> Board {
        let options = File::options().read(true).write(true).to_owned();
        let file = options.clone().create_new(true).open(path);
        let file = file.expect("make a board");
        file.set_len(words as u64 * 8).expect("size a board");
        Board(Words::map(&file, words).expect("map a board"))
    }

    /// Maps a board that was made before.
    pub fn open(path: &Path) -> Board {
        let file = File::options().read(true).write(true).open(path);
        Board(Words::map_all(file.expect("open a board")).expect("map a board"))
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
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Waits for what no process ever writes: to be killed.
    pub fn wait_to_be_killed(&self) -> ! {
        self.wait(0, u64::MAX);
        unreachable!("no process writes this value")
    }

    /// The word at `index`.
    pub fn get(&self, index: usize) -> u64 {
        self[index].load(Ordering::Acquire)
    }

    /// Stores the word at `index`.
    pub fn set(&self, index: usize, value: u64) {
        self[index].store(value, Ordering::Release);
    }

    /// Adds to the word at `index`, and says what it was before.
    pub fn add(&self, index: usize, value: u64) -> u64 {
        self[index].fetch_add(value, Ordering::AcqRel)
    }
}

impl Deref for Board {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        &self.0
    }
}
