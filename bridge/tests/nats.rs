//! Streams over a real server of NATS, which is killed in the middle. Needs `nats-server` in
//! PATH (`apt-get install nats-server`).
#![cfg(feature = "nats")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use memring::{Ring, Spsc};

const LONG: Duration = Duration::from_secs(50);

/// A child that ends with the test.
struct Tied(Child);

impl Drop for Tied {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server(port: u16) -> Tied {
    let port = port.to_string();
    let mut command = Command::new("nats-server");
    command.args(["--addr", "127.0.0.1", "--port", &port]);
    let child = command.stderr(Stdio::null()).spawn();
    let child = Tied(child.expect("nats-server is in PATH: apt-get install nats-server"));
    let began = Instant::now();
    let address = format!("127.0.0.1:{port}");
    while TcpStream::connect(&address).is_err() {
        assert!(began.elapsed() < LONG, "nats-server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn bridge(arguments: &[&str], server: &str) -> Tied {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memring-bridge"));
    command
        .args(arguments)
        .args(["--engine", "nats", "--server", server]);
    Tied(command.spawn().unwrap())
}

#[test]
fn each_message_arrives_once_though_the_server_and_the_bridges_are_killed() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut nats = Some(server(port));
    let url = format!("nats://127.0.0.1:{port}");
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (home.path().join("from"), home.path().join("to"));
    let source = Ring::<u64, Spsc>::builder()
        .capacity(256)
        .max_deliveries(15);
    let source = source.wait_through_disconnect(true).create(&from).unwrap();
    let target = Ring::<u64, Spsc>::builder()
        .capacity(256)
        .wait_through_disconnect(true);
    let mut receiver = target.create(&to).unwrap().receiver().unwrap();
    let (from, to) = (from.display().to_string(), to.display().to_string());
    let receive = ["receive", "nats/key", "--into", &to, "--wait", "20"];
    let send = ["send", &from, "--to", "nats/key", "--wait", "20"];
    let mut bridges = [bridge(&receive, &url), bridge(&send, &url)];
    let total = 20_000;
    let feeder = std::thread::spawn(move || {
        let mut sender = source.sender().unwrap();
        for number in 0..total {
            sender.send(number).unwrap();
            if number % 100 == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        sender.close().unwrap();
    });
    let mut seen = vec![0u8; total as usize];
    let (mut count, mut events) = (0, 0);
    let began = Instant::now();
    while count < total {
        assert!(
            began.elapsed() < LONG,
            "{count} of {total} after {events} events"
        );
        match receiver.recv_timeout(Duration::from_millis(10)) {
            Ok(number) => {
                seen[number as usize] += 1;
                assert_eq!(seen[number as usize], 1, "{number} came twice");
                count += 1;
            }
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
        let next = [3_000, 8_000, 13_000, u64::MAX][events];
        if count >= next {
            match events {
                0 => {
                    bridges[0].0.kill().unwrap();
                    bridges[0] = bridge(&receive, &url);
                }
                1 => {
                    drop(nats.take());
                    std::thread::sleep(Duration::from_millis(300));
                    nats = Some(server(port));
                }
                _ => {
                    bridges[1].0.kill().unwrap();
                    bridges[1] = bridge(&send, &url);
                }
            }
            events += 1;
        }
    }
    feeder.join().unwrap();
    assert_eq!(events, 3);
    assert!(bridges[1].0.wait().unwrap().success());
    assert!(nats.is_some());
}
