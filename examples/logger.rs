//! One log, many processes. Run it with `cargo run --example logger`.
//!
//! Clients send lines of any length through a ring of byte messages with many
//! senders. The one writer takes them in batches, writes the batch to a file,
//! flushes it, and only then acknowledges: should the writer die, its successor
//! gets the batch again.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::process::Command;
use std::thread;

use memring::{Mpsc, RecvError, Ring};

const CLIENTS: usize = 4;
const LINES: usize = 2_000;
/// Longer lines are refused, and nothing of them is sent.
const LIMIT: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    match &arguments[..] {
        [_, ring, client] => log(ring, client.parse()?),
        _ => write(),
    }
}

/// The writer: makes the ring, starts the clients, keeps the log.
fn write() -> Result<(), Box<dyn Error>> {
    let name = format!("logger-{}", std::process::id());
    let path = env::temp_dir().join(format!("{name}.log"));
    let ring = Ring::<[u8], Mpsc>::builder()
        .capacity(256)
        .message_limit(LIMIT)
        // Clients come and go; the log ends when the ring is closed.
        .wait_through_disconnect(true)
        .create(&name)?;
    let mut receiver = ring.receiver()?;

    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let mut command = Command::new(env::current_exe()?);
        clients.push(command.args([&name, &client.to_string()]).spawn()?);
    }
    let closer = thread::spawn({
        let ring = ring.clone();
        move || -> io::Result<bool> {
            let mut all_well = true;
            for mut client in clients {
                all_well &= client.wait()?.success();
            }
            ring.close().map_err(io::Error::other)?;
            Ok(all_well)
        }
    });

    let mut file = File::create(&path)?;
    let mut batch_bytes = Vec::new();
    let end = loop {
        let batch = match receiver.lease_batch(64) {
            Ok(batch) => batch,
            Err(end) => break end,
        };
        batch_bytes.clear();
        for line in batch.iter() {
            batch_bytes.extend_from_slice(&line.read());
            batch_bytes.push(b'\n');
        }
        file.write_all(&batch_bytes)?; // an error gives the batch back
        file.sync_data()?;
        batch.release(); // it is on the disk, and only now acknowledged
    };
    let all_well = closer.join().map_err(|_| "the closing thread failed")??;
    memring::remove(&name)?;
    let log = fs::read_to_string(&path)?;
    fs::remove_file(&path)?;
    if end != RecvError::Closed || !all_well {
        return Err(format!("a client failed, or the log ended early: {end}").into());
    }
    check(&log)
}

/// Every line of every client, each client's in order.
fn check(log: &str) -> Result<(), Box<dyn Error>> {
    let mut next = [0; CLIENTS];
    for found in log.lines() {
        let client: usize = found
            .strip_prefix("client ")
            .and_then(|rest| rest.split(' ').next())
            .ok_or("a line that no client wrote")?
            .parse()?;
        let expected = line(client, next[client]);
        if found != expected {
            return Err(format!("expected {expected:?}, found {found:?}").into());
        }
        next[client] += 1;
    }
    if next != [LINES; CLIENTS] {
        return Err(format!("lines of each client: {next:?}, expected {LINES}").into());
    }
    println!(
        "{} lines of {CLIENTS} processes in one log",
        log.lines().count()
    );
    Ok(())
}

/// A client process.
fn log(ring: &str, client: usize) -> Result<(), Box<dyn Error>> {
    let mut sender = Ring::<[u8], Mpsc>::open(ring)?.sender()?;
    for number in 0..LINES {
        sender.send(line(client, number).as_bytes())?;
    }
    Ok(())
}

fn line(client: usize, number: usize) -> String {
    let detail = "x".repeat(number % 100);
    format!("client {client} line {number} {detail}")
}
