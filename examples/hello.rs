//! A ring that is made by the process that comes first: `cargo run --example hello` waits for
//! a number, and `cargo run --example hello send` sends one.

use memring::{Mpmc, Ring};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Opens the ring, or makes it. It stays, with what is in it, until it is removed.
    let ring = Ring::<u64, Mpmc>::open_or_create("numbers", 1024)?;
    if std::env::args().any(|argument| argument == "send") {
        ring.sender()?.send(42)?;
    } else {
        println!("received {}", ring.receiver()?.recv()?);
    }
    Ok(())
}
