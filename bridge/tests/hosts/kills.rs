//! Bridges that are killed and stopped, and links that are cut, while messages flow: each
//! message arrives once.

use std::time::{Duration, Instant};

use memring::{Ring, Spsc};
use memring_testkit::random::Random;
use rustix::process::Signal;

use crate::bridges::{Bridge, LONG, World, free_port};
use crate::link::Link;

/// What happens to bridges and links while `total` messages pass.
fn storm(default: u64, total: u64, targets: usize) {
    // Another seed, to look for what this one does not find: MEMRING_BRIDGE_SEED=17.
    let given = std::env::var("MEMRING_BRIDGE_SEED");
    let seed = given
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(default);
    println!("seed {seed}");
    let world = World::new();
    let from = world.ring("here", "n");
    let source = Ring::<u64, Spsc>::builder()
        .capacity(512)
        .max_deliveries(15);
    let source = source.wait_through_disconnect(true).create(&from).unwrap();
    let key = format!("storm-{seed}-{targets}");
    let names = ["a", "b", "c"];
    let mut receivers = Vec::new();
    let mut bridges = Vec::new();
    let mut links = Vec::new();
    for name in &names[..targets] {
        let to = world.ring("there", name);
        let ring = Ring::<u64, Spsc>::builder()
            .wait_through_disconnect(true)
            .capacity(256);
        receivers.push(ring.create(&to).unwrap().receiver().unwrap());
        let port = free_port();
        bridges.push(Bridge::receive(&key, &to, port, &["--wait", "20"]));
        links.push(Link::to(port));
    }
    let connects: Vec<String> = links
        .iter()
        .skip(1)
        .map(|link| crate::bridges::endpoint(link.port))
        .collect();
    let mut more = vec!["--wait", "20", "--window", "300"];
    for connect in &connects {
        more.extend(["--connect", connect]);
    }
    bridges.push(Bridge::send(&from, &key, links[0].port, &more));

    let feeder = std::thread::spawn(move || {
        let mut sender = source.sender().unwrap();
        for number in 0..total {
            sender.send(number).unwrap();
            // Some stretches at full speed, some slow.
            if number % 1000 < 40 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        source
    });
    let mut random = Random::of(seed);
    let mut seen = vec![0u8; total as usize];
    let mut count = 0;
    let mut events = 0;
    let began = Instant::now();
    let mut next = Duration::from_millis(1500); // they find each other
    while count < total {
        assert!(
            began.elapsed() < LONG,
            "{count} of {total} after {events} events"
        );
        for receiver in &mut receivers {
            while let Ok(number) = receiver.try_recv() {
                seen[number as usize] += 1;
                assert_eq!(
                    seen[number as usize], 1,
                    "{number} came twice, after {events} events"
                );
                count += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
        if began.elapsed() < next || events >= 10 {
            continue;
        }
        events += 1;
        let which = random.below(bridges.len() as u64) as usize;
        let link = &links[random.below(links.len() as u64) as usize];
        match random.below(5) {
            0..=2 => bridges[which].restart(),
            3 => {
                bridges[which].signal(Signal::STOP);
                std::thread::sleep(Duration::from_millis(300));
                bridges[which].signal(Signal::CONT);
            }
            _ => {
                link.stall(true);
                std::thread::sleep(Duration::from_millis(100));
                link.cut();
                link.stall(false);
            }
        }
        next = began.elapsed() + Duration::from_millis(300 + random.below(900));
    }
    assert!(events >= 2, "{events} events are no storm");
    // Nothing comes twice later, either.
    std::thread::sleep(Duration::from_millis(300));
    for receiver in &mut receivers {
        assert!(receiver.try_recv().is_err());
    }
    let source = feeder.join().unwrap();
    assert_eq!(source.stats().lost, 0);
    source.close().unwrap();
    let mut sending = bridges.pop().unwrap();
    assert!(sending.wait().success());
    for mut bridge in bridges {
        bridge.signal(Signal::TERM);
        assert!(bridge.wait().success());
    }
}

#[test]
fn each_message_arrives_once_at_one_target() {
    storm(1, 20_000, 1);
}

#[test]
fn each_message_arrives_once_at_one_of_two_targets() {
    storm(2, 20_000, 2);
}
