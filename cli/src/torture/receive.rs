//! A receiver in the storm.

use std::thread::yield_now;

use anyhow::{Error, Result, anyhow, bail};
use memring::{Kind, RecvError, TryRecvError};

use super::account::{Receiving, Stamp};
use super::context::{PeerContext, linger};
use super::ledger::{Hands, Phase, Stage, Step};
use super::load::{self, Load};
use super::plan::{Traffic, Verbs};
use super::random::Random;

/// The most messages of a batch.
const BATCH: u64 = 32;
/// A message that was given back this often is not given back on purpose any more.
const ENOUGH: u8 = 6;

/// A receiving process.
pub struct Receiver<'p, T: Load + ?Sized, K: Kind> {
    context: &'p PeerContext<'p>,
    receiving: Receiving<'p>,
    random: Random,
    traffic: Traffic,
    received: u64,
    batch: Vec<T::Received>,
    kind: std::marker::PhantomData<fn(K)>,
}

/// Whether anything was received.
type Got = Result<bool>;

impl<'p, T: Load + ?Sized, K: Kind> Receiver<'p, T, K> {
    /// Nothing received yet.
    pub fn new(context: &'p PeerContext<'p>, receiving: Receiving<'p>) -> Self {
        Receiver {
            random: Random::new(context.assignment.traffic.seed),
            traffic: context.assignment.traffic,
            received: 0,
            batch: Vec::new(),
            kind: std::marker::PhantomData,
            context,
            receiving,
        }
    }

    /// Receive until killed.
    pub fn run(mut self) -> Result<()> {
        let mut ring = self.context.open::<T, K>()?;
        loop {
            self.context.stage(Stage::Attaching);
            let mut rx = ring.receiver_with(self.context.strategy())?;
            self.context.stage(Stage::Ready);
            let term = self.received + u64::from(self.traffic.term);
            while self.received < term {
                let phase = self.context.ledger.phase();
                if phase.step == Step::Go {
                    self.receive(&mut rx, true)?;
                } else {
                    self.come_to_rest(&mut rx, phase)?;
                }
            }
            drop(rx);
            if self.random.one_in(4) {
                ring = self.context.open()?;
            }
        }
    }

    /// One round on the way to rest.
    fn come_to_rest(&mut self, rx: &mut memring::Receiver<T, K>, phase: Phase) -> Result<()> {
        let place = self.context.assignment.place;
        if phase.step != Step::Dry {
            self.context.ledger.see(place, phase);
            // Leave messages to receivers that sleep, but not so that senders wait: one that was
            // given back, and that the length does not show, may hold them up as well.
            if rx.len() >= rx.capacity().div_ceil(2) || self.random.one_in(16) {
                self.receive(rx, false)?;
            }
            self.context.rest();
        } else if self.context.ledger.has_seen(place, phase) {
            self.context.rest();
        } else if !self.receive(rx, false)? {
            self.context.ledger.see(place, phase);
        }
        Ok(())
    }

    fn receive(&mut self, rx: &mut memring::Receiver<T, K>, blocks: bool) -> Got {
        let verbs = match self.traffic.verbs {
            Verbs::All => {
                let each = [Verbs::One, Verbs::Try, Verbs::Batch, Verbs::InPlace];
                self.random.pick(&each)
            }
            verbs => verbs,
        };
        match verbs {
            Verbs::Batch => self.batch(rx, blocks),
            Verbs::InPlace => self.in_place(rx, blocks),
            verbs => {
                self.open_received(1);
                let message = match blocks && verbs == Verbs::One {
                    true => came(rx.recv())?,
                    false => is_there(rx.try_recv())?,
                };
                let got = message.is_some();
                if let Some(message) = message {
                    self.note(&message)?;
                } else {
                    yield_now();
                }
                self.receiving.close_hands();
                Ok(got)
            }
        }
    }

    /// The next call acknowledges so many at most.
    fn open_received(&self, most: usize) {
        self.receiving.open_hands(Hands {
            received: most as u64,
            ..Hands::default()
        });
    }

    fn note(&mut self, message: &T::Received) -> Result<()> {
        let stamp = verify::<T>(&self.receiving, message)?;
        self.receiving.note(stamp, None).map_err(Error::msg)?;
        self.received += 1;
        Ok(())
    }

    fn batch(&mut self, rx: &mut memring::Receiver<T, K>, blocks: bool) -> Got {
        let most = 1 + self.random.below(BATCH) as usize;
        let mut batch = std::mem::take(&mut self.batch);
        self.open_received(most);
        let count = match blocks && self.random.one_in(2) {
            true => came(rx.recv_batch(&mut batch, most))?,
            false => is_there(rx.try_recv_batch(&mut batch, most))?,
        };
        if count.unwrap_or(0) != batch.len() || batch.len() > most {
            bail!(
                "a batch of {most} at most said {count:?} and held {}",
                batch.len()
            );
        }
        for message in batch.drain(..) {
            self.note(&message)?;
        }
        self.receiving.close_hands();
        self.batch = batch;
        Ok(count.is_some())
    }

    fn in_place(&mut self, rx: &mut memring::Receiver<T, K>, blocks: bool) -> Got {
        let most = match self.random.one_in(2) {
            true => 1,
            false => 1 + self.random.below(BATCH) as usize,
        };
        let leased = |leased| Hands {
            leased,
            ..Hands::default()
        };
        self.receiving.open_hands(leased(most as u64));
        let leased = match blocks {
            true => came(rx.lease_batch(most))?,
            false => is_there(rx.try_lease_batch(most))?,
        };
        let Some(leased) = leased else {
            self.receiving.close_hands();
            return Ok(false);
        };
        let mut stamps: Vec<Stamp> = Vec::with_capacity(leased.len());
        let mut highest = 0;
        for message in leased.iter() {
            let stamp = verify::<T>(&self.receiving, &message.read())?;
            let noted = self.receiving.note(stamp, Some(message.redeliveries()));
            noted.map_err(Error::msg)?;
            highest = highest.max(message.redeliveries());
            stamps.push(stamp);
        }
        self.received += stamps.len() as u64;
        linger(&self.traffic, &mut self.random);
        // Still what it was, however long this process was stopped meanwhile.
        for (message, stamp) in leased.iter().zip(&stamps) {
            if verify::<T>(&self.receiving, &message.read())? != *stamp {
                bail!("{stamp:?} was overwritten while its receiver held it");
            }
        }
        if highest < ENOUGH && self.random.one_in(64) {
            self.receiving.requeue(stamps.len());
            leased.requeue();
        } else {
            // Until here the successor must have them, or they are counted as lost.
            self.receiving.open_hands(Hands {
                releasing: stamps.len() as u64,
                ..Hands::default()
            });
            leased.release();
            for stamp in stamps {
                self.receiving.acknowledge(stamp);
            }
        }
        self.receiving.close_hands();
        Ok(true)
    }
}

/// The stamp of a message, every byte of which belongs to it.
fn verify<T: Load + ?Sized>(receiving: &Receiving, message: &T::Received) -> Result<Stamp> {
    let bytes = T::bytes(message);
    let cell = load::cell(bytes);
    let cell = cell.ok_or_else(|| anyhow!("received a message of {} bytes", bytes.len()))?;
    let stamp = receiving.find(cell).map_err(Error::msg)?;
    load::check(stamp, T::length(stamp), bytes).map_err(Error::msg)?;
    Ok(stamp)
}

fn came<M>(outcome: Result<M, RecvError>) -> Result<Option<M>> {
    match outcome {
        Ok(message) => Ok(Some(message)),
        Err(error) => Err(anyhow!("cannot receive: {error}")),
    }
}

fn is_there<M>(outcome: Result<M, TryRecvError>) -> Result<Option<M>> {
    match outcome {
        Ok(message) => Ok(Some(message)),
        // Disconnected: senders will come.
        Err(TryRecvError::Empty | TryRecvError::Held(_) | TryRecvError::Disconnected) => Ok(None),
        Err(error) => Err(anyhow!("cannot receive: {error}")),
    }
}

/// Receive all that there is, and say how many messages that were.
pub fn drain<T: Load + ?Sized, K: Kind>(
    rx: &mut memring::Receiver<T, K>,
    receiving: &mut Receiving,
) -> Result<usize> {
    let mut received = 0;
    while let Some(leased) = is_there(rx.try_lease())? {
        let stamp = verify::<T>(receiving, &leased.read())?;
        let noted = receiving.note(stamp, Some(leased.redeliveries()));
        noted.map_err(Error::msg)?;
        leased.release();
        receiving.acknowledge(stamp);
        received += 1;
    }
    Ok(received)
}
