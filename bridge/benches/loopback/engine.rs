//! Zenoh alone, configured as bridges have it.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use zenoh::qos::CongestionControl;
use zenoh::{Config, Session, Wait};

use crate::measured::{Helper, rate, trips};

const THERE: &str = "loopback/there";
const BACK: &str = "loopback/back";

/// A port of the loopback that nobody listens at.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn open(end: &str, port: u16) -> Result<Session> {
    let mut config = Config::default();
    let mut set = |key: &str, value: &str| {
        let set = config.insert_json5(key, value);
        set.map_err(|error| anyhow!("cannot set {key}: {error}"))
    };
    set("mode", "\"peer\"")?;
    set("scouting/multicast/enabled", "false")?;
    set("scouting/gossip/enabled", "false")?;
    let endpoint = format!("[\"tcp/127.0.0.1:{port}\"]");
    match end {
        "listen" => set("listen/endpoints", &endpoint)?,
        _ => {
            set("listen/endpoints", "[]")?;
            set("connect/endpoints", &endpoint)?;
            set("connect/timeout_ms", "-1")?;
        }
    }
    let opened = zenoh::open(config).wait();
    opened.map_err(|error| anyhow!("cannot open a session: {error}"))
}

/// Messages that another process publishes, one a call, which waits while the link is busy.
pub fn stream<const N: usize>() -> Result<f64> {
    let (count, port) = (std::sync::Arc::new(AtomicU64::new(0)), free_port()?);
    let session = open("listen", port)?;
    let counted = count.clone();
    let subscriber = session.declare_subscriber(THERE).callback(move |sample| {
        std::hint::black_box(sample.payload().to_bytes());
        counted.fetch_add(1, Ordering::Relaxed); // a count
    });
    let _subscriber = subscriber.wait().map_err(|error| anyhow!("{error}"))?;
    let _helper = Helper::start("stream", &[port.to_string(), (N * 8).to_string()])?;
    Ok(rate(&count))
}

/// A message there and back.
pub fn trip<const N: usize>() -> Result<f64> {
    let port = free_port()?;
    let session = open("listen", port)?;
    let (sender, receiver) = mpsc::channel();
    let subscriber = session.declare_subscriber(BACK).callback(move |sample| {
        let _ = sender.send(sample.payload().to_bytes().len());
    });
    let _subscriber = subscriber.wait().map_err(|error| anyhow!("{error}"))?;
    let _helper = Helper::start("echo", &[port.to_string(), (N * 8).to_string()])?;
    let message = vec![1; N * 8];
    let put = || {
        let put = session.put(THERE, message.clone());
        let put = put
            .congestion_control(CongestionControl::Block)
            .express(true);
        put.wait().map_err(|error| anyhow!("{error}"))
    };
    // Until the other end is there.
    loop {
        put()?;
        if receiver.recv_timeout(Duration::from_millis(50)).is_ok() {
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    while receiver.try_recv().is_ok() {}
    trips(|| {
        put()?;
        receiver
            .recv_timeout(Duration::from_secs(5))
            .context("no echo")?;
        Ok(())
    })
}

/// The other process.
pub fn other_end(role: &str, arguments: &[&str]) -> Result<()> {
    let [port, size] = arguments else {
        anyhow::bail!("expected a port and a size");
    };
    let message = vec![1u8; size.parse().context("size")?];
    let session = open("connect", port.parse().context("port")?)?;
    if role == "echo" {
        let back = session.clone();
        let subscriber = session.declare_subscriber(THERE).callback(move |sample| {
            let put = back.put(BACK, sample.payload().clone());
            let put = put
                .congestion_control(CongestionControl::Block)
                .express(true);
            let _ = put.wait();
        });
        let _subscriber = subscriber.wait().map_err(|error| anyhow!("{error}"))?;
        loop {
            std::thread::park();
        }
    }
    let publisher = session.declare_publisher(THERE);
    let publisher = publisher.congestion_control(CongestionControl::Block);
    let publisher = publisher.wait().map_err(|error| anyhow!("{error}"))?;
    loop {
        let put = publisher.put(&message[..]).wait();
        put.map_err(|error| anyhow!("{error}"))?;
    }
}
