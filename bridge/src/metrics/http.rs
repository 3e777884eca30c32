//! The least of HTTP that a scraper needs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::Status;

/// How long a client may take.
const PATIENT_FOR: Duration = Duration::from_secs(2);
/// Bytes of a request that are looked at.
const LONGEST: usize = 8 << 10;

/// Serves the figures at `/metrics`, in a thread of its own; the address that it listens at.
///
/// # Errors
/// If it cannot listen there.
pub fn serve(address: SocketAddr, status: Arc<Status>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    std::thread::Builder::new()
        .name("metrics".into())
        .spawn(move || {
            for stream in listener.incoming() {
                match stream {
                    // One after the other: a scraper comes every few seconds.
                    Ok(stream) => drop(answer(stream, &status)),
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        })?;
    Ok(address)
}

fn answer(mut stream: TcpStream, status: &Status) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENT_FOR))?;
    stream.set_write_timeout(Some(PATIENT_FOR))?;
    let began = std::time::Instant::now();
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut chunk)?;
        request.extend_from_slice(&chunk[..count]);
        if count == 0 || request.len() > LONGEST || began.elapsed() > PATIENT_FOR {
            return Ok(());
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or(&[]);
    let (code, body) = match line {
        line if line.starts_with(b"GET /metrics ") => ("200 OK", status.prometheus()),
        line if line.starts_with(b"GET ") => ("404 Not Found", "see /metrics\n".into()),
        _ => ("405 Method Not Allowed", "GET alone\n".into()),
    };
    write!(
        stream,
        "HTTP/1.1 {code}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
