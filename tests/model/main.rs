//! Random sequences of operations on each kind of ring and on a model of it:
//! one thread, so every answer is known beforehand.

mod answers;
mod drive;
mod ledger;
mod loads;

use loads::{Bytes, Load, Wide};
use memring::{Kind, Mpmc, Mpsc, Receiver, Sender, Spmc, Spsc};
use proptest::test_runner::{Config, TestRunner};

/// A kind, with cloning where it has that.
pub trait Cloning: Kind + Sized {
    /// Another sender like `from`, if the kind has many.
    fn clone_sender<L: Load>(from: &Sender<L::Message, Self>) -> Option<Sender<L::Message, Self>>;
    /// Another receiver like `from`, if the kind has many.
    fn clone_receiver<L: Load>(
        from: &Receiver<L::Message, Self>,
    ) -> Option<Receiver<L::Message, Self>>;
}

macro_rules! cloning {
    ($kind:ident, $sender:expr, $receiver:expr) => {
        impl Cloning for $kind {
            fn clone_sender<L: Load>(
                from: &Sender<L::Message, Self>,
            ) -> Option<Sender<L::Message, Self>> {
                $sender(from)
            }
            fn clone_receiver<L: Load>(
                from: &Receiver<L::Message, Self>,
            ) -> Option<Receiver<L::Message, Self>> {
                $receiver(from)
            }
        }
    };
}

fn cannot<E>(_: &E) -> Option<E> {
    None
}

fn can<E: Clone>(from: &E) -> Option<E> {
    Some(from.clone())
}

cloning!(Spsc, cannot, cannot);
cloning!(Mpsc, can, cannot);
cloning!(Spmc, cannot, can);
cloning!(Mpmc, can, can);

fn check<L: Load, K: Cloning>(cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = proptest::collection::vec(drive::step(), 1..80);
    let plan = (drive::settings(), steps);
    let run = TestRunner::new(config).run(&plan, |(settings, steps)| {
        drive::run::<L, K>(settings, &steps);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

fn check_kinds<L: Load>(cases: u32) {
    check::<L, Spsc>(cases);
    check::<L, Mpsc>(cases);
    check::<L, Spmc>(cases);
    check::<L, Mpmc>(cases);
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
fn all_that_fits_beside_the_word() {
    check_kinds::<[u64; 7]>(250);
}

#[test]
fn one_word_more_than_that() {
    check_kinds::<[u64; 8]>(250);
}

#[test]
fn blocks() {
    check_kinds::<[u64; 512]>(250);
}

#[test]
fn widely_aligned() {
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
