//! A bare TCP stream.

use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use crate::measured::{Helper, rate, trips};

const BUFFER: usize = 64 << 10;

fn connected<const N: usize>(what: &str) -> Result<(Helper, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port().to_string();
    let arguments = [what.to_string(), port, (N * 8).to_string()];
    let helper = Helper::start("tcp", &arguments)?;
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok((helper, stream))
}

/// Messages that another process writes, which go through buffers at both ends.
pub fn stream<const N: usize>() -> Result<f64> {
    let (helper, stream) = connected::<N>("stream")?;
    let count = AtomicU64::new(0);
    Ok(std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut reader = BufReader::with_capacity(BUFFER, stream);
            let mut message = vec![0; N * 8];
            while reader.read_exact(&mut message).is_ok() {
                count.fetch_add(1, Ordering::Relaxed); // a count
            }
        });
        let rate = rate(&count);
        drop(helper);
        rate
    }))
}

/// A message there and back.
pub fn trip<const N: usize>() -> Result<f64> {
    let (_helper, mut stream) = connected::<N>("echo")?;
    let mut message = vec![1; N * 8];
    trips(|| {
        stream.write_all(&message)?;
        Ok(stream.read_exact(&mut message)?)
    })
}

/// The other process.
pub fn other_end(arguments: &[&str]) -> Result<()> {
    let [what, port, size] = arguments else {
        anyhow::bail!("expected what to do, a port and a size");
    };
    let port: u16 = port.parse().context("port")?;
    let mut message = vec![1; size.parse().context("size")?];
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    if *what == "echo" {
        while stream.read_exact(&mut message).is_ok() && stream.write_all(&message).is_ok() {}
        return Ok(());
    }
    let mut writer = BufWriter::with_capacity(BUFFER, stream);
    while writer.write_all(&message).is_ok() {}
    Ok(())
}
