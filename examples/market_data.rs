//! A market-data feed: one process writes order books, another reads them, and
//! no book is ever copied. Run it with `cargo run --example market_data`.
//!
//! The feed writes each book straight into shared memory (`reserve`, then
//! `commit`); the reader looks at it there (`lease`, then `release`). Both
//! processes are ours, so the `unsafe` accessors are in order: their one
//! condition is that the peer keeps to the rules of this crate. With a peer
//! that might not, use `Grant::write` and `Lease::read`, which copy.

#![allow(unsafe_code)]

use std::env;
use std::error::Error;
use std::process::Command;
use std::time::Instant;

use memring::{RecvError, Ring, Spsc};

const BOOKS: u64 = 200_000;
const DEPTH: usize = 10;

memring::schema! {
    /// One price level of a book.
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Level {
        price: f64,
        quantity: f64,
    }

    /// An order book, 336 bytes.
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Book {
        sequence: u64,
        instrument: u64,
        bids: [Level; DEPTH],
        asks: [Level; DEPTH],
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(name) => feed(&name),
        None => watch(),
    }
}

/// Makes the ring, starts the feed, and reads until the feed closes the ring.
fn watch() -> Result<(), Box<dyn Error>> {
    let name = format!("market-data-{}", std::process::id());
    let ring = Ring::<Book, Spsc>::builder().schema_of::<Book>();
    let ring = ring.capacity(1024).create(&name)?;
    let mut receiver = ring.receiver()?;
    let mut child = Command::new(env::current_exe()?).arg(&name).spawn()?;
    let start = Instant::now();
    let mut expected = 0;
    let mut widest: f64 = 0.0;
    loop {
        let lease = match receiver.lease() {
            Ok(lease) => lease,
            Err(RecvError::Closed) => break, // the feed has sent all
            Err(error) => return Err(error.into()),
        };
        // SAFETY: the feed is our own program, which writes to a slot only
        // between `reserve` and `commit`.
        let book = unsafe { lease.as_ref() };
        if book.sequence != expected {
            return Err(format!("expected book {expected}, found {}", book.sequence).into());
        }
        widest = widest.max(book.asks[0].price - book.bids[0].price);
        expected += 1;
        lease.release(); // from here on the feed may use the slot again
    }
    let elapsed = start.elapsed();
    // The feed has the ring open, so it can go on; the name is not needed.
    memring::remove(&name)?;
    let status = child.wait()?;
    if !status.success() || expected != BOOKS || widest != 0.5 {
        return Err(format!("{status}; {expected} of {BOOKS} books, widest {widest}").into());
    }
    println!("{expected} books of {DEPTH} levels, none lost, in {elapsed:.1?}");
    Ok(())
}

/// Publishes the books.
fn feed(name: &str) -> Result<(), Box<dyn Error>> {
    let ring = Ring::<Book, Spsc>::builder().schema_of::<Book>();
    let ring = ring.open(name)?;
    let mut sender = ring.sender()?;
    for sequence in 0..BOOKS {
        let mid = 100.0 + (sequence % 64) as f64;
        let mut grant = sender.reserve()?;
        // SAFETY: the reader is our own program, which never writes to a slot.
        let book = unsafe { grant.as_mut() };
        book.sequence = sequence;
        book.instrument = sequence % 7;
        for (depth, (bid, ask)) in book.bids.iter_mut().zip(&mut book.asks).enumerate() {
            let distance = 0.25 + depth as f64 * 0.5;
            bid.price = mid - distance;
            bid.quantity = 1.0 + depth as f64;
            ask.price = mid + distance;
            ask.quantity = 2.0 + depth as f64;
        }
        grant.commit()?;
    }
    ring.close()?;
    Ok(())
}
