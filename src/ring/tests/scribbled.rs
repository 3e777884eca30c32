//! Threads at work on a ring on the heap while another writes whatever it likes
//! over the memory: under the address sanitizer a step beyond the ring is seen,
//! which mapped memory would hide, and under the thread sanitizer a plain access
//! to what others write.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use super::hostile::within_30_s;
use super::*;
use crate::ring::{Multi, Pairing, Single};
use crate::sys::atomic::AtomicU64 as WatchedWord;

const TERMS: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 3,
};

/// What moves as words: a block move is a plain access to the thread sanitizer.
const WORDS: usize = 64;
/// What lies in lines, with its length.
const LINES: [usize; 2] = [40, 16];
/// What moves as a block.
const BLOCK: usize = 700;

/// How long for each kind.
const TIME: Duration = Duration::from_millis(300);
/// And for so long at most if nothing was sent or received by then: threads have
/// to wait for a processor.
const LONGEST: Duration = Duration::from_secs(6);

/// Marsaglia's xorshift64, from a seed that is told when a test fails.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % end
    }
}

const CELLS: [Cell; 11] = [
    Cell::Tail,
    Cell::Head,
    Cell::Sent,
    Cell::Busy,
    Cell::Taken,
    Cell::Done,
    Cell::Credit,
    Cell::Requeues,
    Cell::Closed,
    Cell::Marked,
    Cell::Final,
];

/// The word that tells of a position, and what it says when that is free: afresh, or at a
/// later lap, where the kind has laps in its words.
fn word<S: Arity, R: Arity>(view: &View<[u8], (S, R)>, position: u64) -> (&WatchedWord, u64) {
    match <(S, R)>::ONE_TO_ONE {
        true => (view.publication(position), position),
        false => (view.word(position), view.geometry().free(position).0),
    }
}

fn scribble<S: Arity, R: Arity>(view: &View<[u8], (S, R)>, random: &mut Random) {
    let geometry = view.geometry();
    let capacity = geometry.capacity();
    let position = random.below(4 * capacity);
    match random.below(8) {
        0..4 => {
            let (word, near) = word(view, position);
            let value = match <(S, R)>::ONE_TO_ONE {
                true => near.wrapping_add(random.below(4)),
                false => near | random.below(1 << 16),
            };
            word.store(value, Ordering::Relaxed);
            if <(S, R)>::ONE_TO_ONE {
                let attempts = random.below(1 << 8) as u8;
                view.attempts(position).store(attempts, Ordering::Relaxed);
            }
        }
        4..6 => {
            let lengths = [0, BLOCK, BLOCK + 1, 1 << 32, usize::MAX];
            let length = lengths[random.below(lengths.len() as u64) as usize];
            view.payload(position).set_length(length);
        }
        6 => {
            let cell = CELLS[random.below(CELLS.len() as u64) as usize];
            let value = if random.below(4) == 0 {
                random.below(u64::MAX)
            } else {
                position
            };
            view.cell(cell).store(value, Ordering::Relaxed);
        }
        _ => {
            // A new ring, or there would soon be nothing to do on this one.
            for position in 0..capacity {
                let (word, _) = word(view, position);
                let fresh = match <(S, R)>::ONE_TO_ONE {
                    true => 0,
                    false => geometry.free(position).0,
                };
                word.store(fresh, Ordering::Relaxed);
            }
            for cell in CELLS {
                view.cell(cell).store(0, Ordering::Relaxed);
            }
        }
    }
}

/// How much was sent and received, and for how long there has been work.
struct Account {
    since: Instant,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Account {
    fn is_open(&self) -> bool {
        let moved = [&self.sent, &self.received].map(|count| count.load(Ordering::Relaxed) > 0);
        let enough = if moved == [true; 2] { TIME } else { LONGEST };
        self.since.elapsed() < enough
    }
}

/// A sender's work. (Two of a single side at once, which locks prevent elsewhere,
/// are one more kind of invalid value.)
fn sends<S: Arity, R: Arity>(view: &View<[u8], (S, R)>, random: &mut Random, account: &Account) {
    let bytes = [7; BLOCK];
    while account.is_open() {
        let Ok(mut side) = S::Sender::<R>::attach(view, MemberId(1)) else {
            continue;
        };
        for _ in 0..100 {
            if side.begin(view).is_err() {
                break;
            }
            match side.claim(view) {
                Ok(position) => {
                    let length = random.below(view.limit() as u64 + 1) as usize;
                    view.payload(position).store(&bytes[..length]);
                    side.publish(view, position);
                    account.sent.fetch_add(1, Ordering::Relaxed);
                }
                Err(ClaimError::Held(held)) => drop(recover::recover_slot(view, held, TERMS)),
                Err(_) => {}
            }
            side.end(view);
        }
    }
}

/// A receiver's work.
fn receives<S: Arity, R: Arity>(view: &View<[u8], (S, R)>, random: &mut Random, account: &Account) {
    while account.is_open() {
        let Ok(mut side) = R::Receiver::<S>::attach(view, MemberId(600), TERMS) else {
            continue;
        };
        for _ in 0..100 {
            let mut claims = Vec::new();
            for _ in 0..1 + random.below(3) {
                match side.claim(view) {
                    Ok(claim) => claims.push(claim),
                    Err(ClaimError::Held(held)) => drop(recover::recover_slot(view, held, TERMS)),
                    Err(_) => {}
                }
            }
            side.hand_out(view);
            for claim in &claims {
                let payload = view.payload(claim.position);
                if let Ok(length) = payload.length() {
                    assert!(length <= view.limit());
                    let mut bytes = vec![0; length];
                    payload.load(&mut bytes);
                    account.received.fetch_add(1, Ordering::Relaxed);
                }
            }
            if random.below(4) == 0 {
                side.requeue(view, claims.into_iter(), TERMS);
            } else {
                claims.into_iter().for_each(|c| side.release(view, c));
            }
            let _ = side.has_message(view);
        }
    }
}

fn under_attack<S: Arity, R: Arity>(limit: usize, seed: u64) {
    let ring = &HeapRing::<[u8], (S, R)>::new(4, limit, 0);
    let stop = &AtomicBool::new(false);
    let account = &Account {
        since: Instant::now(),
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
    };
    thread::scope(|threads| {
        let scribbler = threads.spawn(move || {
            let mut random = Random(seed | 1);
            while !stop.load(Ordering::Relaxed) {
                scribble::<S, R>(ring.view(), &mut random);
            }
        });
        let [one, other] = [seed ^ 3, seed ^ 5].map(|seed| {
            threads.spawn(move || sends::<S, R>(ring.view(), &mut Random(seed | 1), account))
        });
        let [third, fourth] = [seed ^ 9, seed ^ 17].map(|seed| {
            threads.spawn(move || receives::<S, R>(ring.view(), &mut Random(seed | 1), account))
        });
        for worker in [one, other, third, fourth] {
            worker.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        // By its handle, which the thread sanitizer can follow.
        scribbler.join().unwrap();
    });
    let [sent, received] =
        [&account.sent, &account.received].map(|count| count.load(Ordering::Relaxed));
    assert!(sent > 0 && received > 0, "{sent} sent, {received} received");
}

fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.unwrap().as_nanos() as u64;
    println!("seed {seed}");
    seed
}

fn all_kinds(limit: usize) {
    let seed = seed();
    within_30_s(move || {
        under_attack::<Single, Single>(limit, seed);
        under_attack::<Multi, Single>(limit, seed);
        under_attack::<Single, Multi>(limit, seed);
        under_attack::<Multi, Multi>(limit, seed);
    });
}

/// Lines of one and of two messages; those of all others lie dense here.
#[test]
fn no_word_leads_out_of_a_ring_in_lines() {
    let seed = seed();
    within_30_s(move || {
        under_attack::<Single, Single>(LINES[0], seed);
        under_attack::<Single, Single>(LINES[1], seed);
    });
}

#[test]
fn no_word_leads_out_of_the_ring() {
    all_kinds(WORDS);
}

#[test]
fn no_word_leads_a_block_move_out_of_the_ring() {
    all_kinds(BLOCK);
}
