//! A receiver in the storm.

use std::thread::yield_now;

use anyhow::{Error, Result, anyhow, bail};
use memring::Kind;

use super::account::{Receiving, Stamp};
use super::context::{PeerContext, linger};
use super::held::{Held, came, is_there, lease_batch};
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
            random: Random::new(context.assignment.common.traffic.seed),
            traffic: context.assignment.common.traffic,
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
        let place = self.context.assignment.common.place;
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
        match self.traffic.verbs.one_of(&mut self.random) {
            Verbs::Batch => self.batch(rx, blocks),
            Verbs::InPlace => self.in_place(rx, blocks, false),
            Verbs::Chunk => self.in_place(rx, blocks, true),
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

    fn in_place(&mut self, rx: &mut memring::Receiver<T, K>, blocks: bool, by_chunk: bool) -> Got {
        let most = match self.random.one_in(2) {
            true => 1,
            false => 1 + self.random.below(BATCH) as usize,
        };
        let leased = |leased| Hands {
            leased,
            ..Hands::default()
        };
        self.receiving.open_hands(leased(most as u64));
        let leased = match by_chunk {
            true => T::lease_chunk(rx, most, blocks)?,
            false => lease_batch(rx, most, blocks)?,
        };
        let Some(mut leased) = leased else {
            self.receiving.close_hands();
            return Ok(false);
        };
        let mut stamps: Vec<Stamp> = Vec::with_capacity(leased.len());
        let mut highest = 0;
        for message in (0..leased.len()).map_while(|index| leased.get(index)) {
            let stamp = verify::<T>(&self.receiving, &message.read())?;
            let noted = self.receiving.note(stamp, Some(message.redeliveries()));
            noted.map_err(Error::msg)?;
            highest = highest.max(message.redeliveries());
            stamps.push(stamp);
        }
        self.received += stamps.len() as u64;
        linger(&self.traffic, &mut self.random);
        // Still what it was, however long this process was stopped meanwhile.
        self.verify_all(&*leased, &stamps)?;
        if by_chunk && self.random.one_in(2) {
            let first = self.random.below(stamps.len() as u64 + 1) as usize;
            let rest = stamps.split_off(first);
            self.receiving.open_hands(Hands {
                leased: rest.len() as u64,
                releasing: first as u64,
                ..Hands::default()
            });
            leased.release_first(first);
            stamps
                .iter()
                .for_each(|stamp| self.receiving.acknowledge(*stamp));
            self.receiving.open_hands(Hands {
                leased: rest.len() as u64,
                ..Hands::default()
            });
            stamps = rest;
            linger(&self.traffic, &mut self.random);
            self.verify_all(&*leased, &stamps)?;
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

    /// What is held is still what it was.
    fn verify_all(&self, leased: &dyn Held<T>, stamps: &[Stamp]) -> Result<()> {
        if leased.len() != stamps.len() {
            bail!("{} messages became {}", stamps.len(), leased.len());
        }
        for (index, stamp) in stamps.iter().enumerate() {
            let message = leased.get(index).map(|message| message.read());
            let message = message.ok_or_else(|| anyhow!("{stamp:?} is not held"))?;
            if verify::<T>(&self.receiving, &message)? != *stamp {
                bail!("{stamp:?} was overwritten while its receiver held it");
            }
        }
        Ok(())
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
