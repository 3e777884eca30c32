//! Random sequences of calls on each kind of ring, with every kind of message.

use memring::{Mpmc, Mpsc, Spmc, Spsc};
use memring_testkit::kinds::Cloning;
use memring_testkit::oracle::{self, Bytes, Payload, Wide, strategy};
use proptest::test_runner::{Config, TestRunner};

fn check<P: Payload, K: Cloning>(cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = proptest::collection::vec(strategy::step(), 1..80);
    let run = TestRunner::new(config).run(&(strategy::config(), steps), |(config, steps)| {
        oracle::check_here::<P, K>(&config, &steps);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

fn check_kinds<P: Payload>(cases: u32) {
    check::<P, Spsc>(cases);
    check::<P, Mpsc>(cases);
    check::<P, Spmc>(cases);
    check::<P, Mpmc>(cases);
}

#[test]
fn words() {
    check_kinds::<u64>(1000);
}

#[test]
fn single_bytes() {
    check_kinds::<[u8; 1]>(250);
}

#[test]
fn messages_that_fill_the_slot_beside_its_word() {
    check_kinds::<[u64; 7]>(250);
}

#[test]
fn messages_one_word_longer() {
    check_kinds::<[u64; 8]>(250);
}

#[test]
fn blocks() {
    check_kinds::<[u64; 512]>(250);
}

#[test]
fn widely_aligned_messages() {
    check_kinds::<Wide>(250);
}

#[test]
fn byte_messages() {
    check_kinds::<Bytes<100>>(1000);
}

#[test]
fn byte_messages_without_bytes() {
    check_kinds::<Bytes<0>>(250);
}

#[test]
fn long_byte_messages() {
    check_kinds::<Bytes<1000>>(250);
}
