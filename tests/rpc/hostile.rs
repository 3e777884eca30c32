//! Peers that send whatever bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use memring::rpc::{CallError, Service};
use memring::{Mpmc, Mpsc, Ring, inspect};
use memring_testkit::children::{Args, Role};
use memring_testkit::format::{CAPACITY, CONTROL, TOTAL_SIZE};
use memring_testkit::homes::Home;
use memring_testkit::random::Random;
use memring_testkit::time::LONG;

use crate::{Numbers, SERVICE, leftovers};

pub const ROLES: [Role; 1] = [("service scribbler", scribbler)];

const ROUNDS: u64 = 20_000;

/// A request as the format has it.
fn request(client: u128, call: u64, deadline: u64, format: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = client.to_le_bytes().to_vec();
    bytes.extend(call.to_le_bytes());
    bytes.extend(deadline.to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

/// The id of the one client, by the name of its ring.
fn client_id(home: &Home) -> u128 {
    let names = leftovers(home);
    let [name] = &names[..] else {
        panic!("{names:?}");
    };
    let (_, digits) = name.split_once(".reply-").expect("a ring of replies");
    u128::from_str_radix(digits, 16).expect("a number")
}

fn raw_requests(home: &Home) -> Ring<[u8], Mpmc> {
    let name = home.named(SERVICE);
    let tag = inspect(&name).unwrap().schema;
    Ring::builder().schema(tag).open(&name).unwrap()
}

#[test]
fn a_server_survives_any_request() {
    let home = Home::new();
    let service = Service::<[u8], [u8]>::builder().queue(64);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    thread::scope(|scope| {
        let mut server = service.server().unwrap();
        let stats = scope.spawn(move || {
            server.serve(|request| request.into_inner()).unwrap();
            server.stats()
        });
        let mut honest = service.client().unwrap();
        let id = client_id(&home);
        let mut raw = raw_requests(&home).sender().unwrap();
        let mut random = Random::new();
        let mut body = [0; 64];
        for round in 0..ROUNDS {
            random.fill(&mut body);
            let length = random.below(65) as usize;
            let bytes = match round % 5 {
                // Whatever; a header cut off; another format; an unknown client; and calls
                // in another's name, that it knows nothing of.
                0 => body[..length].to_vec(),
                1 => request(id, 1, u64::MAX, 1, &[])[..length.min(39)].to_vec(),
                2 => request(id, 1, u64::MAX, random.number() as u32 | 2, &body),
                3 => request(random.number().into(), 1, u64::MAX, 1, &body[..length]),
                _ => request(id, random.number(), u64::MAX, 1, &body[..length]),
            };
            raw.send(&bytes).unwrap();
            if round % 500 == 0 {
                // With many of its own: the ring of replies is full of what nobody asked for.
                assert_eq!(honest.call_timeout(b"honest", LONG), Ok(b"honest".to_vec()));
            }
        }
        service.close().unwrap();
        let stats = stats.join().unwrap();
        assert!(stats.invalid >= 2 * ROUNDS / 5, "{stats:?}");
        assert!(stats.orphaned >= ROUNDS / 5, "{stats:?}");
    });
}

#[test]
fn requests_of_a_wrong_size_are_refused() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let client = service.client().unwrap();
    let id = client_id(&home);
    let mut raw = raw_requests(&home).sender().unwrap();
    for length in [0, 7] {
        raw.send(&request(id, 0, u64::MAX, 1, &[1; 8][..length]))
            .unwrap();
        assert!(server.try_recv().is_err());
    }
    // And over before it began.
    raw.send(&request(id, 0, 0, 1, &[1; 8])).unwrap();
    assert!(server.try_recv().is_err());
    let stats = server.stats();
    assert_eq!((stats.invalid, stats.expired, stats.handed_out), (2, 1, 0));
    drop(client);
}

/// A ring that is no ring of replies, under a name that is one's.
#[test]
fn a_client_without_a_ring_of_replies_is_none() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let mut raw = raw_requests(&home).sender().unwrap();
    let names = [1u128, 2, 3].map(|id| home.named(&format!("{SERVICE}.reply-{id:032x}")));
    // Of another kind, with another tag, and no ring at all.
    let _spmc = Ring::<u64, memring::Spmc>::create(&names[0], 4).unwrap();
    let _other = Ring::<[u8], Mpsc>::create(&names[1], 4).unwrap();
    std::fs::write(&names[2], b"no ring").unwrap();
    for id in 1..=4 {
        raw.send(&request(id, 0, u64::MAX, 1, &[1; 8])).unwrap();
        assert!(server.try_recv().is_err());
    }
    assert_eq!(server.stats().orphaned, 4);
}

#[test]
fn a_client_survives_any_reply() {
    let home = Home::new();
    let service = Service::<u64, [u8]>::open_or_create(home.named(SERVICE)).unwrap();
    let (mut client, mut server) = (service.client().unwrap(), service.server().unwrap());
    let name = home.named(&leftovers(&home)[0]);
    let tag = inspect(&name).unwrap().schema;
    let ring = Ring::<[u8], Mpsc>::builder()
        .schema(tag)
        .open(&name)
        .unwrap();
    let mut raw = ring.sender().unwrap();
    let mut random = Random::new();
    let mut bytes = [0; 64];
    for round in 0..2000u64 {
        let call = client.submit(round).unwrap();
        for _ in 0..random.below(20) {
            random.fill(&mut bytes);
            if random.below(2) == 0 {
                bytes[8..16].fill(0); // a status that there is
            }
            let length = random.below(65) as usize;
            raw.send(&bytes[..length]).unwrap();
        }
        let (request, responder) = server.recv().unwrap();
        responder.reply(&request.to_le_bytes()).unwrap();
        assert_eq!(call.wait(), Ok(round.to_le_bytes().to_vec()));
    }
}

/// A reply to the right call is taken, whatever is in it: it is checked.
#[test]
fn a_forged_reply_is_checked() {
    let home = Home::new();
    let service = Numbers::open_or_create(home.named(SERVICE)).unwrap();
    let mut client = service.client().unwrap();
    let name = home.named(&leftovers(&home)[0]);
    let tag = inspect(&name).unwrap().schema;
    let ring = Ring::<[u8], Mpsc>::builder()
        .schema(tag)
        .open(&name)
        .unwrap();
    let mut raw = ring.sender().unwrap();
    let mut requests = raw_requests(&home).receiver().unwrap();
    let mut forge = |status: u32, body: &[u8]| {
        let call = client.submit(1).unwrap();
        let request = requests.recv().unwrap();
        let mut reply = request[16..24].to_vec();
        reply.extend(status.to_le_bytes());
        reply.extend([0; 4]);
        reply.extend(body);
        raw.send(&reply).unwrap();
        call.wait()
    };
    assert_eq!(forge(0, &7u64.to_le_bytes()), Ok(7));
    for length in [0, 7, 9] {
        assert!(matches!(
            forge(0, &vec![0; length]),
            Err(CallError::Invalid(_))
        ));
    }
    let text = forge(1, b"no \xff text");
    assert_eq!(text, Err(CallError::Failed("no \u{fffd} text".into())));
    assert_eq!(forge(3, b""), Err(CallError::ServerDied));
}

/// As a server sends it that dies before it has acknowledged the request, and then another
/// one; and a reply to a call that has long ended, whose place another call has.
#[test]
fn a_reply_that_comes_twice_counts_once() {
    let home = Home::new();
    let service = Numbers::builder().window(2);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    let mut client = service.client().unwrap();
    let name = home.named(&leftovers(&home)[0]);
    let tag = inspect(&name).unwrap().schema;
    let ring = Ring::<[u8], Mpsc>::builder()
        .schema(tag)
        .open(&name)
        .unwrap();
    let mut raw = ring.sender().unwrap();
    let mut requests = raw_requests(&home).receiver().unwrap();
    let mut before = Vec::new();
    for number in 0..100u64 {
        let call = client.submit(number).unwrap();
        let mut reply = requests.recv().unwrap()[16..24].to_vec();
        reply.extend([0; 8]);
        reply.extend(number.to_le_bytes());
        if number > 0 {
            raw.send(&before).unwrap();
        }
        raw.send(&reply).unwrap();
        raw.send(&reply).unwrap();
        before = reply;
        assert_eq!(call.wait(), Ok(number));
    }
}

/// Writes over all words of the service's ring, and of rings of replies, until it is killed.
fn scribbler(args: &Args) {
    let (board, mut random) = (args.board("board"), Random::of(args.get("seed")));
    let directory = args.path("rings");
    board.add(0, 1);
    loop {
        for name in std::fs::read_dir(&directory).expect("the directory of rings") {
            let path = name.expect("a name").path();
            // A client takes its ring away.
            let Ok(file) = File::options().read(true).write(true).open(&path) else {
                continue;
            };
            let words = file.metadata().expect("a length").len() / 8;
            for _ in 0..1 + random.below(30) {
                let all = words.saturating_sub(CONTROL / 8).max(1);
                let at = CONTROL
                    + 8 * match random.below(3) {
                        0 => random.below(all.min(64)),
                        1 => random.below(all.min(2048)),
                        _ => random.below(all),
                    };
                let mut word = [0; 8];
                if file.read_exact_at(&mut word, at).is_err() {
                    continue;
                }
                let old = u64::from_le_bytes(word);
                let new = match random.below(6) {
                    0 => 0,
                    1 => random.number(),
                    2 => old ^ 1 << random.below(64),
                    3 => u64::MAX,
                    4 => old.wrapping_add(1 << random.below(24)),
                    _ => random.below(70),
                };
                let _ = file.write_all_at(&new.to_le_bytes(), at);
            }
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Calls and their answers end, by an error or a value, and are tried again by fresh handles.
#[test]
fn beside_a_process_that_writes_over_a_service() {
    let home = Home::new();
    let board = home.board("board", 1);
    let name = home.named(SERVICE);
    let limit = Duration::from_millis(5);
    let started = [1, 2].map(|seed: u64| home.spawn("service scribbler", &[("seed", &seed)]));
    board.wait(0, 2);
    let until = Instant::now() + Duration::from_secs(3);
    thread::scope(|scope| {
        for serves in [true, true, false, false] {
            let name = &name;
            scope.spawn(move || {
                let mut handles = 0u64;
                while Instant::now() < until {
                    let Ok(service) = Numbers::open_or_create(name) else {
                        // It is beyond use: another takes its place.
                        let _ = memring::rpc::remove(name);
                        continue;
                    };
                    handles += 1;
                    let mut server = serves.then(|| service.server().ok()).flatten();
                    let mut client = service.client().ok().filter(|_| !serves);
                    for number in 0..20 {
                        let began = Instant::now();
                        if let Some(server) = &mut server
                            && let Ok((request, responder)) = server.recv_timeout(limit)
                        {
                            let _ = responder.reply(request.wrapping_add(1));
                        }
                        if let Some(client) = &mut client {
                            let _ = client.call_timeout(number, limit);
                        }
                        assert!(began.elapsed() < Duration::from_secs(20));
                    }
                    let _ = service.queued();
                }
                assert!(handles > 0);
            });
        }
    });
    drop(started);
}

/// A sparse file may claim a ring that no process has room for.
#[test]
fn a_ring_of_replies_of_any_length_stops_no_server() {
    const CLIENT: u128 = 2;
    let home = Home::new();
    let service = Service::<[u8], [u8]>::builder().queue(64).max_attempts(1);
    let service = service.open_or_create(home.named(SERVICE)).unwrap();
    let mut server = service.server().unwrap();
    let mut honest = service.client().unwrap();
    let tag = inspect(home.named(&leftovers(&home)[0])).unwrap().schema;
    let name = |client: u128| home.named(&format!("{SERVICE}.reply-{client:032x}"));
    // A ring, with a receiver that lives, and how long it says that it is.
    let make = |client, capacity| {
        let ring = Ring::<[u8], Mpsc>::builder().schema(tag).capacity(capacity);
        let ring = ring.message_limit(1 << 20).create(name(client)).unwrap();
        let file = File::options().read(true).write(true).open(name(client));
        let (file, mut total) = (file.unwrap(), [0; 8]);
        file.read_exact_at(&mut total, TOTAL_SIZE).unwrap();
        (ring.receiver().unwrap(), file, u64::from_le_bytes(total))
    };
    let (short, long) = (make(1, 2), make(CLIENT, 4));
    let capacity = 1 << 31;
    let total = short.2 + (capacity - 2) * ((long.2 - short.2) / 2);
    long.1.set_len(total.next_multiple_of(4096)).unwrap();
    let write = |value: u64, at| long.1.write_all_at(&value.to_le_bytes(), at).unwrap();
    write(capacity, CAPACITY);
    write(total, TOTAL_SIZE);
    let mut raw = raw_requests(&home).sender().unwrap();
    thread::scope(|scope| {
        let served = scope.spawn(move || {
            server.serve(|request| request.into_inner()).unwrap();
            server.stats()
        });
        // More than a server puts off at a time.
        for call in 0..20 {
            raw.send(&request(CLIENT, call, u64::MAX, 1, b"")).unwrap();
        }
        for _ in 0..3 {
            assert_eq!(honest.call_timeout(b"x", LONG), Ok(b"x".to_vec()));
        }
        service.close().unwrap();
        let stats = served.join().unwrap();
        assert_eq!(stats.orphaned, 20, "{stats:?}");
    });
}
