//! Waits for a message, or for room in another ring.

use std::time::Duration;

use memring::{Mpmc, Ring, Spsc, select};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ticks = Ring::<u64, Spsc>::anonymous(8)?;
    let jobs = Ring::<[u8], Mpmc>::anonymous(1)?;
    let (mut tx, mut rx) = (ticks.sender()?, ticks.receiver()?);
    let mut job_tx = jobs.sender()?;
    tx.send(1)?;
    for _ in 0..3 {
        select! {
            recv(rx) -> tick => println!("tick {}", tick?),
            send(job_tx, b"to do") -> sent => println!("sent: {sent:?}"),
            default(Duration::from_millis(10)) => println!("nothing for a while"),
        }
    }
    Ok(())
}
