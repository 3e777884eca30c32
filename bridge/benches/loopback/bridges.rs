//! Bridges, from a ring of this process to another, as on two hosts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use memring::{Receiver, Ring, Sender, Spsc};

use crate::engine::free_port;
use crate::measured::{Helper, rate, trips};

const CAPACITY: usize = 1 << 16;
const BATCH: usize = 256;
const ECHO_TIMEOUT: Duration = Duration::from_secs(10);

struct Way<const N: usize> {
    tx: Sender<[u64; N], Spsc>,
    rx: Receiver<[u64; N], Spsc>,
    source: Ring<[u64; N], Spsc>,
    _bridges: [Helper; 2],
}

fn bridge(arguments: &[&str]) -> Result<Helper> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memring-bridge"));
    let command = command.args(arguments).args(["--quiet", "--log", "warn"]);
    Helper::of(command.stdin(Stdio::null()).stdout(Stdio::null()))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// From the ring `here/KEY` to the ring `there/KEY`, by a sending and a receiving bridge.
fn way<const N: usize>(home: &Path, key: &str) -> Result<Way<N>> {
    let ring = |host: &str| -> Result<(PathBuf, Ring<[u64; N], Spsc>)> {
        std::fs::create_dir_all(home.join(host))?;
        let path = home.join(host).join(key);
        let builder = Ring::builder()
            .capacity(CAPACITY)
            .wait_through_disconnect(true);
        let ring = builder.create(&path)?;
        Ok((path, ring))
    };
    let ((here, source), (there, target)) = (ring("here")?, ring("there")?);
    let endpoint = format!("tcp/127.0.0.1:{}", free_port()?);
    let receive = [
        "receive",
        key,
        "--into",
        text(&there)?,
        "--listen",
        &endpoint,
    ];
    let send = [
        "send",
        text(&here)?,
        "--to",
        key,
        "--connect",
        &endpoint,
        "--window",
        "65536",
    ];
    let bridges = [bridge(&receive)?, bridge(&send)?];
    Ok(Way {
        tx: source.sender()?,
        rx: target.receiver()?,
        source,
        _bridges: bridges,
    })
}

fn home() -> Result<tempfile::TempDir> {
    let home = tempfile::Builder::new()
        .prefix("loopback")
        .tempdir_in("/dev/shm");
    Ok(home.or_else(|_| tempfile::tempdir())?)
}

/// Messages that a thread sends, and another receives.
pub fn stream<const N: usize>() -> Result<f64> {
    let home = home()?;
    let Way {
        mut tx,
        mut rx,
        source,
        _bridges,
    } = way::<N>(home.path(), "stream")?;
    let (count, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let pause = Duration::from_millis(100);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let messages = [[1; N]; BATCH];
            while tx.send_slice(&messages).is_ok() {} // until the ring is closed
        });
        threads.spawn(|| {
            let mut messages = Vec::with_capacity(BATCH);
            while !ended.load(Ordering::Relaxed) {
                messages.clear();
                let received = rx.recv_batch_timeout(&mut messages, BATCH, pause);
                count.fetch_add(received.unwrap_or(0) as u64, Ordering::Relaxed); // a count
            }
        });
        let rate = rate(&count);
        ended.store(true, Ordering::Relaxed); // a flag alone
        source.close()?;
        Ok(rate)
    })
}

/// A message there by two bridges, and back by two others.
pub fn trip<const N: usize>() -> Result<f64> {
    let home = home()?;
    let mut there = way::<N>(home.path(), "there")?;
    let mut back = way::<N>(home.path(), "back")?;
    let ended = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if let Ok(message) = there.rx.recv_timeout(Duration::from_millis(100)) {
                    let _ = back.tx.send(message);
                }
            }
        });
        let found = trips(|| {
            there.tx.send([1; N])?;
            back.rx.recv_timeout(ECHO_TIMEOUT)?;
            Ok(())
        });
        ended.store(true, Ordering::Relaxed); // a flag alone
        found
    })
}
