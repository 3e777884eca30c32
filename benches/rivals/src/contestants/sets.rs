//! What waits at many queues: sets of rings, of channels and of descriptors.

use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Result, ensure};
use memring::{Receiver, Select, Spsc, Token, TryRecvError};
use rustix::event::epoll;

use crate::foreign::Foreign;
use memring_harness::rings::{RingRx, Style};
use memring_harness::streams::Pipe;

use super::memring::{Park, Plain};
use crate::sets::Set;
use memring_harness::contestant::{Profile, Skill};
use memring_harness::ends::Rx;
use memring_harness::message::Check;

/// Our own, of rings used in a style.
pub struct SelectRings<S>(PhantomData<S>);

/// A set of rings.
pub struct RingSet {
    select: Select<'static>,
    tokens: Vec<Token<Receiver<[u64; 1], Spsc>>>,
}

impl Profile for SelectRings<Plain> {
    const NAME: &'static str = "memring-select";
    const HOW: &'static str = "Spsc, Blocking, SpinThenPark: send; Select::ready, try_recv";
    const SKILLS: &'static [Skill] = &[Skill::Select];
}

impl Profile for SelectRings<Park> {
    const NAME: &'static str = "memring-select-park";
    const HOW: &'static str = "the same, but Park: send; Select::ready, try_recv";
    const SKILLS: &'static [Skill] = &[Skill::SelectAsleep];
}

impl<S: Style<Kind = Spsc>> Set<RingRx<S, 1>> for SelectRings<S>
where
    Self: Profile,
{
    type Rx = RingSet;

    fn gather(receivers: Vec<RingRx<S, 1>>) -> Result<RingSet> {
        let mut select = Select::with_strategy(S::wait());
        // The set borrows them; both live until the process ends.
        let receivers = receivers.leak().iter_mut();
        let tokens = receivers.map(|rx| select.recv(&mut rx.receiver)).collect();
        Ok(RingSet { select, tokens })
    }
}

impl Rx<1> for RingSet {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        loop {
            let ready = self.select.ready();
            match self.select[self.tokens[ready]].try_recv() {
                Ok(message) => return check.take(&message),
                Err(TryRecvError::Empty | TryRecvError::Held(_)) => {}
                Err(error) => panic!("cannot receive: {error}"),
            }
        }
    }
}

/// crossbeam-channel's.
pub struct Channels;

/// A set of channels.
pub struct ChannelSet {
    select: crossbeam_channel::Select<'static>,
    receivers: &'static [Foreign<crossbeam_channel::Receiver<[u64; 1]>>],
}

impl Profile for Channels {
    const NAME: &'static str = "crossbeam-channel-select";
    const HOW: &'static str = "bounded: send; Select::select, SelectedOperation::recv";
    const SKILLS: &'static [Skill] = &[Skill::Select];
}

impl Set<Foreign<crossbeam_channel::Receiver<[u64; 1]>>> for Channels {
    type Rx = ChannelSet;

    fn gather(
        receivers: Vec<Foreign<crossbeam_channel::Receiver<[u64; 1]>>>,
    ) -> Result<ChannelSet> {
        let receivers: &[_] = receivers.leak();
        let mut select = crossbeam_channel::Select::new();
        for receiver in receivers {
            select.recv(receiver);
        }
        Ok(ChannelSet { select, receivers })
    }
}

impl Rx<1> for ChannelSet {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        let operation = self.select.select();
        let receiver = &self.receivers[operation.index()];
        let message = operation.recv(receiver);
        check.take(&message.expect("the sender is there"));
    }
}

/// The kernel's.
pub struct Pipes;

/// A set of pipes.
pub struct PipeSet {
    epoll: OwnedFd,
    pipes: Vec<Pipe<1>>,
    /// What `epoll_wait` writes, and how many of it were read from already.
    events: Vec<epoll::Event>,
    read: usize,
}

impl Profile for Pipes {
    const NAME: &'static str = "pipe-epoll";
    const HOW: &'static str = "write; epoll_wait for all that are ready, then a read of each";
    const SKILLS: &'static [Skill] = &[Skill::Select];
}

impl Set<Pipe<1>> for Pipes {
    type Rx = PipeSet;

    fn gather(pipes: Vec<Pipe<1>>) -> Result<PipeSet> {
        ensure!(!pipes.is_empty(), "there are no pipes to wait for");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, pipe) in pipes.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, pipe.as_fd(), data, epoll::EventFlags::IN)?;
        }
        let events = Vec::with_capacity(pipes.len());
        Ok(PipeSet {
            epoll,
            pipes,
            events,
            read: 0,
        })
    }
}

impl Rx<1> for PipeSet {
    fn recv(&mut self, check: &mut impl Check) {
        while self.read == self.events.len() {
            self.events.clear();
            let room = rustix::buffer::spare_capacity(&mut self.events);
            epoll::wait(&self.epoll, room, None).expect("cannot wait");
            self.read = 0;
        }
        let index = self.events[self.read].data.u64() as usize;
        self.read += 1;
        self.pipes[index].recv(check);
    }
}
