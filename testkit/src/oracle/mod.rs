//! One oracle of the public API: for property tests, for the fuzzer, and for
//! several processes in lockstep.
//!
//! A [`Step`] is one call. The [`Oracle`] says what it must answer, and makes
//! it a [`Call`], which names the process and the endpoint. A [`World`] carries
//! calls out on a real ring: [`Endpoints`] in this process, or others that do
//! so in theirs. [`check`] compares the answers.
//!
//! Calls are made one after the other, and nobody dies, so every answer is
//! determined: also the order in which messages are received again. What the
//! API may change is in `contract`, each choice in one place.

mod answer;
mod chunks;
mod config;
mod contract;
mod drive;
mod expect;
mod members;
mod message;
mod positions;
mod step;
#[cfg(feature = "proptest")]
pub mod strategy;
mod watch;
mod world;

pub use answer::{Answer, Delivery, Figures, Refusal};
pub use chunks::Chunk;
pub use config::{Config, Start};
pub use drive::Endpoints;
pub use expect::Oracle;
pub use message::{Bytes, Format, Payload, Sent, Wide};
pub use step::{Call, Guard, MAX_BATCH, MAX_ENDPOINTS, Step, Verb};
pub use world::World;

use memring::RingKind;

use crate::kinds::Cloning;
use crate::with_kind;

/// Carries `steps` out on a ring of this process's own.
///
/// # Panics
/// If anything answers as it should not.
pub fn check_here<P: Payload, K: Cloning>(config: &Config, steps: &[Step]) {
    let ring = config.builder::<P, K>().anonymous();
    let mut world = Endpoints::<P, K>::new(ring.expect("an anonymous ring"));
    let processes = vec![std::process::id()];
    let oracle = Oracle::new(K::KIND, config, Format::of::<P>(), processes);
    check(oracle, &mut world, steps);
}

/// Carries `steps` out, and then receives all that is left; after every step,
/// looks at what the ring and each receiver say of themselves.
///
/// # Panics
/// If anything answers as it should not.
pub fn check(oracle: Oracle, world: &mut impl World, steps: &[Step]) {
    let mut run = Run { oracle, world };
    run.look();
    for step in steps {
        run.step(*step);
    }
    run.drain();
}

struct Run<'w, W> {
    oracle: Oracle,
    world: &'w mut W,
}

impl<W: World> Run<'_, W> {
    /// Takes a step; `None` if it was skipped.
    fn step(&mut self, step: Step) -> Option<Answer> {
        let answer = self.ask(step)?;
        self.look();
        Some(answer)
    }

    fn ask(&mut self, step: Step) -> Option<Answer> {
        let (call, expected) = self.oracle.step(step)?;
        let found = self.world.carry_out(&call);
        if found != expected {
            let after = &self.oracle;
            panic!("{call:?}\n answered {found:?},\n expected {expected:?}\n and {after:#?}");
        }
        Some(expected)
    }

    fn look(&mut self) {
        self.oracle.check(&self.world.figures());
        for who in 0..self.oracle.endpoints().1 as u8 {
            self.ask(Step::IsEmpty { who });
        }
    }

    /// In the end everything comes out: nobody holds anything back, the ring is
    /// closed, and one receiver takes what is left.
    fn drain(&mut self) {
        while self.step(Step::DropSender { who: 0 }).is_some() {}
        while self.oracle.endpoints().1 > 1 {
            self.step(Step::DropReceiver { who: 1 });
        }
        self.step(Step::Close { process: 0 });
        if self.oracle.endpoints().1 == 0 {
            self.step(Step::AttachReceiver { process: 0 });
        }
        let (who, verb) = (0, Verb::Try);
        let mut end = None;
        while end.is_none() {
            let answer = self.step(Step::Receive { who, verb });
            end = answer.expect("a receiver").refusal();
        }
        assert_eq!(end, Some(Refusal::Closed));
        assert!(self.oracle.is_drained(), "{:#?}", self.oracle);
    }
}

/// As [`check_here`], with the kind and one of some payloads as values.
///
/// # Panics
/// As [`check_here`].
pub fn check_any(kind: RingKind, payload: u8, config: &Config, steps: &[Step]) {
    with_kind!(kind, K => match payload % 6 {
        0 => check_here::<u64, K>(config, steps),
        1 => check_here::<Bytes<40>, K>(config, steps),
        2 => check_here::<[u64; 8], K>(config, steps),
        3 => check_here::<Wide, K>(config, steps),
        4 => check_here::<Bytes<0>, K>(config, steps),
        _ => check_here::<[u8; 1], K>(config, steps),
    });
}
