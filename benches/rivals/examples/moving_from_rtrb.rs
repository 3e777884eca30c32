//! Samples from a thread that must not wait, by rtrb and by memring: `docs/moving.md` shows
//! both.

use std::error::Error;
use std::thread;

fn before() -> Result<u64, Box<dyn Error + Send + Sync>> {
    use rtrb::{Consumer, Producer, RingBuffer};

    /// Gives as many of the samples as there is room for; says how many.
    fn give(producer: &mut Producer<u64>, samples: &[u64]) -> usize {
        let room = producer.slots().min(samples.len());
        match producer.write_chunk_uninit(room) {
            Ok(chunk) => chunk.fill_from_iter(samples.iter().copied()),
            Err(_) => 0, // there is never less room than there was
        }
    }

    /// Adds up what is there; `None` when it is over.
    fn take(consumer: &mut Consumer<u64>) -> Option<u64> {
        let is_over = consumer.is_abandoned(); // before the look at what is there
        let there = consumer.slots();
        if there == 0 && is_over {
            return None;
        }
        let chunk = consumer.read_chunk(there).ok()?;
        Some(chunk.into_iter().sum())
    }

    let (mut producer, mut consumer) = RingBuffer::new(64);
    thread::spawn(move || {
        let samples: Vec<u64> = (1..=1000).collect();
        let mut given = 0;
        while given < samples.len() {
            given += give(&mut producer, &samples[given..]);
            thread::yield_now(); // until the next period, say
        }
    });
    let mut sum = 0;
    while let Some(more) = take(&mut consumer) {
        sum += more;
        thread::yield_now();
    }
    Ok(sum)
}

fn after() -> Result<u64, Box<dyn Error + Send + Sync>> {
    use memring::{Receiver, Sender, Spsc, TryRecvError, channel};

    /// Gives as many of the samples as there is room for; says how many.
    fn give(sender: &mut Sender<u64, Spsc>, samples: &[u64]) -> usize {
        match sender.try_send_slice(samples) {
            Ok(sent) => sent,
            Err(error) => error.sent, // `error.cause` says why there were no more
        }
    }

    /// Adds up what is there; `None` when it is over.
    fn take(receiver: &mut Receiver<u64, Spsc>) -> Option<u64> {
        match receiver.try_lease_chunk(64) {
            Ok(chunk) => {
                let sum = chunk.iter().map(|sample| sample.read()).sum();
                chunk.release();
                Some(sum)
            }
            Err(TryRecvError::Empty) => Some(0),
            Err(_) => None, // the ring is drained, and closed or left by its sender
        }
    }

    let (mut sender, mut receiver) = channel::<u64, Spsc>(64)?;
    thread::spawn(move || {
        let samples: Vec<u64> = (1..=1000).collect();
        let mut given = 0;
        while given < samples.len() {
            given += give(&mut sender, &samples[given..]);
            thread::yield_now(); // until the next period, say
        }
    });
    let mut sum = 0;
    while let Some(more) = take(&mut receiver) {
        sum += more;
        thread::yield_now();
    }
    Ok(sum)
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (before, after) = (before()?, after()?);
    assert_eq!(before, after);
    println!("before and after: {after}");
    Ok(())
}
