use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::*;

fn get(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_scraper_gets_the_figures() {
    let status = Arc::new(Status::default());
    let figures = crate::sender::Figures {
        acknowledged: 17,
        round_trip: Some(Duration::from_millis(250)),
        ..crate::sender::Figures::default()
    };
    status.sending(&figures, 3);
    let address = serve("127.0.0.1:0".parse().unwrap(), Arc::clone(&status)).unwrap();
    let answer = get(address, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("\nmemring_bridge_messages_total 17\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\n# TYPE memring_bridge_lag gauge\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\nmemring_bridge_round_trip_seconds 0.25\n"),
        "{answer}"
    );
    assert!(get(address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(get(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    let json: serde_json::Value = serde_json::from_str(&status.json()).unwrap();
    assert_eq!((&json["messages"], &json["lag"]), (&17.into(), &3.into()));
    assert_eq!(json["round_trip_seconds"], 0.25);
}
