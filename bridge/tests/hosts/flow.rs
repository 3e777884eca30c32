//! Streams that nobody disturbs, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memring::{Mpmc, Ring, Spsc};

use crate::bridges::{Bridge, World, endpoint, free_port, run, wait_until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn byte_messages_arrive_in_order_and_the_end_is_told() {
    let world = World::new();
    let (from, to) = (world.ring("here", "lines"), world.ring("there", "lines"));
    let source = Ring::<[u8], Spsc>::builder()
        .message_limit(300)
        .capacity(64);
    let source = source.create(&from).unwrap();
    let port = free_port();
    let ends = ["--create", "--capacity", "100", "--until-end"];
    let mut receiving = Bridge::receive("flow/lines", &to, port, &ends);
    let mut sending = Bridge::send(&from, "flow/lines", port, &[]);
    let lines: Vec<Vec<u8>> = (0..2000usize).map(|n| vec![n as u8; n % 301]).collect();
    let mut sender = source.sender().unwrap();
    let sent = lines.clone();
    let feeder = std::thread::spawn(move || {
        for line in &sent {
            sender.send(line).unwrap();
        }
        sender.close().unwrap();
    });
    wait_until("the target is made", || memring::inspect(&to).is_ok());
    let target = Ring::<[u8], Spsc>::builder()
        .wait_through_disconnect(true)
        .open(&to)
        .unwrap();
    assert_eq!((target.message_size(), target.capacity()), (300, 100));
    let mut receiver = target.receiver().unwrap();
    for line in &lines {
        assert_eq!(&receiver.recv_timeout(crate::bridges::LONG).unwrap(), line);
    }
    feeder.join().unwrap();
    assert!(sending.wait().success());
    assert!(receiving.wait().success());
    assert_eq!(receiver.recv(), Err(memring::RecvError::Closed));
}

/// From here on numbers are sent until all bridges have found each other.
const WARM_UP: u64 = 1 << 40;

#[test]
fn two_targets_share_the_work_of_two_sources() {
    let world = World::new();
    let (first, second) = (free_port(), free_port());
    let targets = ["a", "b"].map(|name| world.ring("there", name));
    let connect_too = endpoint(first);
    let typed = memring::fingerprint(&[("number", 8)]);
    let made = targets.clone().map(|path| {
        let ring = Ring::<u64, Mpmc>::builder().schema(typed).capacity(256);
        ring.wait_through_disconnect(true).create(path).unwrap()
    });
    let _receiving = [
        Bridge::receive("shared", &targets[0], first, &[]),
        Bridge::receive("shared", &targets[1], second, &["--connect", &connect_too]),
    ];
    let second = endpoint(second);
    let sources = ["x", "y"].map(|name| world.ring("here", name));
    let mut sending = Vec::new();
    let mut feeders = Vec::new();
    let all_there = Arc::new(AtomicBool::new(false));
    for (at, path) in sources.iter().enumerate() {
        let ring = Ring::<u64, Spsc>::builder().schema(typed).capacity(128);
        let ring = ring.create(path).unwrap();
        sending.push(Bridge::send(
            path,
            "shared",
            first,
            &["--connect", &second, "--memory", "4K"],
        ));
        let all_there = Arc::clone(&all_there);
        feeders.push(std::thread::spawn(move || {
            let mut sender = ring.sender().unwrap();
            while !all_there.load(Ordering::Relaxed) {
                sender.send(WARM_UP + at as u64).unwrap();
            }
            for number in 0..5000 {
                sender.send(number * 2 + at as u64).unwrap();
            }
            sender.close().unwrap();
        }));
    }
    let mut receivers = made.map(|ring| ring.receiver().unwrap());
    let mut seen = vec![[0u32; 2]; 10_000];
    let mut count = 0;
    // Which source has reached which target.
    let mut met = [[false; 2]; 2];
    wait_until("all numbers have come", || {
        for (at, receiver) in receivers.iter_mut().enumerate() {
            while let Ok(number) = receiver.try_recv() {
                if number >= WARM_UP {
                    met[at][(number - WARM_UP) as usize] = true;
                    if met == [[true; 2]; 2] {
                        all_there.store(true, Ordering::Relaxed);
                    }
                    continue;
                }
                seen[number as usize][at] += 1;
                count += 1;
            }
        }
        count >= 10_000
    });
    assert!(seen.iter().all(|counts| counts[0] + counts[1] == 1));
    let shares = [0, 1].map(|at| seen.iter().map(|counts| counts[at]).sum::<u32>());
    assert!(shares.iter().all(|share| *share > 500), "{shares:?}");
    for feeder in feeders {
        feeder.join().unwrap();
    }
    for mut bridge in sending {
        assert!(bridge.wait().success());
    }
}

#[test]
fn a_full_target_stops_the_source_and_loses_nothing() {
    let world = World::new();
    let (from, to) = (world.ring("here", "n"), world.ring("there", "n"));
    let source = Ring::<u64, Spsc>::create(&from, 64).unwrap();
    let port = free_port();
    let ends = ["--create", "--capacity", "16", "--memory", "256K"];
    let _receiving = Bridge::receive("full", &to, port, &ends);
    let _sending = Bridge::send(&from, "full", port, &["--window", "100"]);
    let mut sender = source.sender().unwrap();
    let mut sent = 0u64;
    // Until nothing has moved for a second.
    while sender.send_timeout(sent, Duration::from_secs(1)).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "nothing stops the source");
    }
    assert!((16..=16 + 64 + 100).contains(&sent), "{sent}");
    let target = Ring::<u64, Spsc>::builder()
        .wait_through_disconnect(true)
        .open(&to)
        .unwrap();
    let mut receiver = target.receiver().unwrap();
    for number in 0..sent {
        assert_eq!(receiver.recv_timeout(crate::bridges::LONG).unwrap(), number);
    }
    sender.send(sent).unwrap();
    assert_eq!(receiver.recv_timeout(crate::bridges::LONG).unwrap(), sent);
}

#[test]
fn a_mismatch_is_told_at_both_ends_and_names_both() {
    let world = World::new();
    let (from, to) = (world.ring("here", "n"), world.ring("there", "n"));
    let _source = Ring::<u64, Spsc>::create(&from, 64).unwrap();
    let target = Ring::<u32, Spsc>::builder().schema(7).create(&to).unwrap();
    drop(target);
    let port = free_port();
    let listen = endpoint(port);
    let (from, to) = (from.display().to_string(), to.display().to_string());
    let other = std::thread::spawn({
        let listen = listen.clone();
        move || run(&["receive", "odd", "--into", &to, "--listen", &listen])
    });
    let sending = run(&["send", &from, "--to", "odd", "--connect", &listen]);
    for output in [sending, other.join().unwrap()] {
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(error.contains("typed messages of 8 bytes"), "{error}");
        assert!(error.contains("typed messages of 4 bytes"), "{error}");
        assert!(error.contains("schema 0x7"), "{error}");
    }
}

#[test]
fn what_cannot_be_carried_is_refused_with_a_remedy() {
    let world = World::new();
    let (at, key) = (world.ring("here", "n"), "refused");
    let name = at.display().to_string();
    for (arguments, code, part) in [
        (&["send", &name, "--to", key][..], 1, "memring create"),
        (&["receive", key, "--into", &name], 1, "--create"),
        (&["send", &name, "--to", "a//b"], 2, "parts between slashes"),
        (&["send", &name, "--to", "a/*"], 2, "parts between slashes"),
        (&["send", &name], 2, "--to"),
    ] {
        let output = run(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    let rendezvous = Ring::<u64, Spsc>::builder()
        .rendezvous()
        .create(&at)
        .unwrap();
    let output = run(&["send", &name, "--to", key]);
    assert!(text(&output.stderr).contains("rendezvous"), "{output:?}");
    drop(rendezvous);
    memring::remove(&at).unwrap();
    // One bridge for a ring.
    let _ring = Ring::<u64, Mpmc>::create(&at, 8).unwrap();
    let _first = Bridge::send(&at, key, free_port(), &[]);
    let state = at.with_file_name(".bridge").join("n.source");
    wait_until("the first bridge has its state", || state.exists());
    let output = run(&["send", &name, "--to", key]);
    let error = text(&output.stderr);
    assert!(error.contains("another bridge, process"), "{error}");
}
