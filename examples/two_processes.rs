//! Two processes, one ring. Run it with `cargo run --example two_processes`.

use std::env;
use std::error::Error;
use std::process::Command;

use memring::{Ring, Spsc};

// Programs that take the fields for others do not get the ring open.
memring::schema! {
    #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Tick {
        id: u64,
        bid: f64,
        ask: f64,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("receive") => receive(),
        _ => send(),
    }
}

/// One process.
fn send() -> Result<(), Box<dyn Error>> {
    let ring = Ring::<Tick, Spsc>::builder().schema_of::<Tick>();
    let ring = ring.capacity(1024).create("ticks")?;
    let mut other = Command::new(env::current_exe()?).arg("receive").spawn()?;
    let mut tx = ring.sender()?;
    for id in 0..10_000 {
        let bid = 99.5 + id as f64;
        tx.send(Tick {
            id,
            bid,
            ask: bid + 0.1,
        })?;
    }
    ring.close()?; // the receiver drains the ring and then sees its end
    let status = other.wait()?;
    memring::remove("ticks")?;
    if !status.success() {
        return Err("the receiver failed".into());
    }
    Ok(())
}

/// The other.
fn receive() -> Result<(), Box<dyn Error>> {
    let ring = Ring::<Tick, Spsc>::builder().schema_of::<Tick>();
    let mut rx = ring.open("ticks")?.receiver()?;
    let mut expected = 0;
    // Until the ring is closed and drained; an error ends the program.
    for tick in &mut rx {
        let tick = tick?;
        if tick.id != expected || tick.ask <= tick.bid {
            return Err(format!("expected tick {expected}, found {tick:?}").into());
        }
        expected += 1;
    }
    if expected != 10_000 {
        return Err(format!("the ring ended after {expected} ticks").into());
    }
    println!("received {expected} ticks, all in order");
    Ok(())
}
