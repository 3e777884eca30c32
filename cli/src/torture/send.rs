//! A sender in the storm.

use std::thread::yield_now;

use anyhow::{Result, anyhow, bail};
use memring::{Kind, SendBatchError, TrySendError};

use super::account::Sending;
use super::context::{PeerContext, linger};
use super::ledger::{Stage, Step};
use super::load::Load;
use super::order::Sabotage;
use super::plan::{Traffic, Verbs};
use super::random::Random;

/// The most messages of a batch.
const BATCH: u64 = 32;
/// The message at which a saboteur strikes.
const SABOTAGED: u64 = 100;

/// A sending process.
pub struct Sender<'p, T: Load + ?Sized, K: Kind> {
    context: &'p PeerContext<'p>,
    sending: Sending<'p>,
    random: Random,
    traffic: Traffic,
    sabotage: Option<Sabotage>,
    /// The audits that it knows of.
    epoch: u64,
    types: std::marker::PhantomData<fn(&T, K)>,
}

impl<'p, T: Load + ?Sized, K: Kind> Sender<'p, T, K> {
    /// Nothing sent yet.
    pub fn new(context: &'p PeerContext<'p>, sending: Sending<'p>) -> Self {
        Sender {
            random: Random::new(context.assignment.common.traffic.seed),
            traffic: context.assignment.common.traffic,
            sabotage: context.assignment.common.sabotage,
            epoch: context.ledger.phase().epoch,
            types: std::marker::PhantomData,
            context,
            sending,
        }
    }

    /// Send until killed.
    pub fn run(mut self) -> Result<()> {
        let mut ring = self.context.open::<T, K>()?;
        loop {
            self.context.stage(Stage::Attaching);
            let mut tx = ring.sender_with(self.context.strategy())?;
            self.context.stage(Stage::Ready);
            let term = self.sending.number() + u64::from(self.traffic.term);
            while self.sending.number() < term {
                self.rest(&mut tx)?;
                if self.sending.room() == 0 {
                    self.context.rest(); // until the audit, which is due
                } else if self.sabotage.is_some() && self.sending.number() >= SABOTAGED {
                    self.misbehave(&mut tx)?;
                } else {
                    self.send(&mut tx)?;
                }
            }
            drop(tx);
            if self.random.one_in(4) {
                ring = self.context.open()?;
            }
        }
    }

    /// Rest for as long as an audit takes.
    fn rest(&mut self, tx: &mut memring::Sender<T, K>) -> Result<()> {
        loop {
            let phase = self.context.ledger.phase();
            if phase.epoch != self.epoch {
                self.epoch = phase.epoch;
                self.sending.renew();
            }
            if phase.step == Step::Go {
                return Ok(());
            }
            if phase.step == Step::Nudge && self.sabotage.is_some() {
                self.misbehave(tx)?; // before the first death, at the latest
            }
            self.context
                .ledger
                .see(self.context.assignment.common.place, phase);
            if phase.step == Step::Nudge
                && self.context.assignment.nudges
                && self.sending.room() > 0
            {
                let made = T::make(self.sending.stamp(0));
                self.sending.begin(1);
                tx.send(T::lend(&made))
                    .map_err(|error| anyhow!("{error}"))?;
                self.sending.done(1);
            }
            self.context.rest();
        }
    }

    fn send(&mut self, tx: &mut memring::Sender<T, K>) -> Result<()> {
        match self.traffic.verbs.one_of(&mut self.random) {
            Verbs::Batch => self.batch(tx),
            Verbs::InPlace => self.in_place(tx),
            Verbs::Chunk => self.chunk(tx),
            verbs => {
                let made = T::make(self.sending.stamp(0));
                self.sending.begin(1);
                match verbs {
                    Verbs::One => tx
                        .send(T::lend(&made))
                        .map_err(|error| anyhow!("{error}"))?,
                    _ => self.try_until(tx, &made)?,
                }
                self.sending.done(1);
                Ok(())
            }
        }
    }

    fn try_until(&self, tx: &mut memring::Sender<T, K>, made: &T::Received) -> Result<()> {
        loop {
            match tx.try_send(T::lend(made)) {
                Ok(()) => return Ok(()),
                // Disconnected: receivers will come.
                Err(
                    TrySendError::Full(_) | TrySendError::Held(..) | TrySendError::Disconnected(_),
                ) => yield_now(),
                Err(error) => bail!("cannot send: {error}"),
            }
        }
    }

    fn batch(&mut self, tx: &mut memring::Sender<T, K>) -> Result<()> {
        let count = (1 + self.random.below(BATCH) as usize).min(self.sending.room());
        let made = (0..count).map(|ahead| T::make(self.sending.stamp(ahead)));
        let made: Vec<_> = made.collect();
        self.sending.begin(count);
        if self.random.one_in(2) {
            return match tx.send_batch(made.iter().map(T::lend)) {
                Ok(sent) if sent == count => {
                    self.sending.done(count);
                    Ok(())
                }
                Ok(sent) => bail!("a batch of {count} returned Ok after {sent} messages"),
                Err(SendBatchError { cause, .. }) => bail!("cannot send a batch: {cause}"),
            };
        }
        match tx.try_send_batch(made.iter().map(T::lend)) {
            Ok(sent) => self.sending.done(sent),
            Err(error) => match error.cause {
                TrySendError::Full(_) | TrySendError::Held(..) | TrySendError::Disconnected(_) => {
                    self.sending.done(error.sent);
                    yield_now();
                }
                cause => bail!("cannot send a batch: {cause}"),
            },
        }
        Ok(())
    }

    fn in_place(&mut self, tx: &mut memring::Sender<T, K>) -> Result<()> {
        let cannot = |error| anyhow!("cannot reserve: {error}");
        if self.random.one_in(8) {
            let grant = tx.reserve().map_err(cannot)?;
            linger(&self.traffic, &mut self.random);
            drop(grant); // given up: no receiver must find it
        }
        let made = T::make(self.sending.stamp(0));
        let mut grant = tx.reserve().map_err(cannot)?;
        grant.write(T::lend(&made))?;
        linger(&self.traffic, &mut self.random);
        self.sending.begin(1);
        grant.commit()?;
        self.sending.done(1);
        Ok(())
    }

    fn chunk(&mut self, tx: &mut memring::Sender<T, K>) -> Result<()> {
        let most = (1 + self.random.below(BATCH) as usize).min(self.sending.room());
        let keeps_none = self.random.one_in(8);
        let Self {
            random,
            sending,
            traffic,
            ..
        } = self;
        let sent = T::send_chunk(tx, most, |room| {
            // What is not written of it is given up: no receiver must find it.
            let count = match keeps_none {
                true => 0,
                false => room - random.below(room.div_ceil(4) as u64) as usize,
            };
            let made = (0..count).map(|ahead| T::make(sending.stamp(ahead)));
            let made: Vec<_> = made.collect();
            linger(traffic, random);
            sending.begin(count);
            made
        });
        match sent {
            None => self.in_place(tx),
            Some(sent) => {
                self.sending.done(sent?);
                Ok(())
            }
        }
    }

    /// What a ring or a program must never do.
    fn misbehave(&mut self, tx: &mut memring::Sender<T, K>) -> Result<()> {
        if self.sending.room() < 2 {
            return self.send(tx);
        }
        let mut transmit =
            |made: &T::Received| tx.send(T::lend(made)).map_err(|error| anyhow!("{error}"));
        let mut made = T::make(self.sending.stamp(0));
        match self.sabotage.take() {
            None => {}
            Some(Sabotage::Lose) => {
                self.sending.begin(1);
                self.sending.done(1);
            }
            Some(Sabotage::Double) => {
                self.sending.begin(1);
                transmit(&made)?;
                transmit(&made)?;
                self.sending.done(1);
            }
            Some(Sabotage::Tear) => {
                if let Some(byte) = T::bytes_mut(&mut made).last_mut() {
                    *byte ^= 1;
                }
                self.sending.begin(1);
                transmit(&made)?;
                self.sending.done(1);
            }
            Some(Sabotage::Swap) => {
                let next = T::make(self.sending.stamp(1));
                self.sending.begin(2);
                transmit(&next)?;
                transmit(&made)?;
                self.sending.done(2);
            }
            Some(Sabotage::Hang) => loop {
                self.context.rest();
            },
        }
        Ok(())
    }
}

/// Send until the ring is full, and say how many that were.
pub fn fill<T: Load + ?Sized, K: Kind>(
    tx: &mut memring::Sender<T, K>,
    sending: &mut Sending,
) -> Result<usize> {
    let mut sent = 0;
    while sending.room() > 0 {
        let made = T::make(sending.stamp(0));
        sending.begin(1);
        match tx.try_send(T::lend(&made)) {
            Ok(()) => sending.done(1),
            Err(TrySendError::Full(_) | TrySendError::Held(..) | TrySendError::Disconnected(_)) => {
                return Ok(sent);
            }
            Err(error) => bail!("cannot send: {error}"),
        }
        sent += 1;
    }
    bail!("the ring took {sent} messages and was not full");
}
