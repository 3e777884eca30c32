//! A receiver's calls, up to the end of the ring.

use std::ops::ControlFlow::{Break, Continue};

use super::context::Survivor;
use super::ledger::Record;
use super::mutants::{Mutant, remembers};
use super::process::{LocalState, On, note, note_with};
use super::script::{Stage, call_again};
use super::{Saved, Snapshot};
use crate::members::{Liveness, MemberId, Observed, Presence, Scan, Table};
use crate::ring::RedeliveryPolicy;
use crate::ring::end::{self, Check, Conclude, ConcludeStep, Conclusion, End};
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::{Arity, Claim, ClaimError, ReceiveSide, SendSide};
use crate::sys::atomic::Ordering;

pub(super) fn receive<S: Arity, R: Arity>(survivor: &Survivor, local: &mut LocalState) -> Stage
where
    R::Receiver<S>: Snapshot,
    S::Sender<R>: Snapshot,
{
    let context = survivor.context;
    let (memory, codec) = (&context.memory, context.codec);
    let reception = context.scenario.plans[local.process as usize].reception;
    let reception = reception.expect("a receiver");
    let tries_fast = context.tries_fast(local.process);
    let saved = remembers(context, local.side, !local.held.is_empty());
    let mut side = <R::Receiver<S>>::load(saved);
    let next = match local.stage {
        Stage::Take if !local.tried_fast && !reception.leases && tries_fast => Stage::TryFastTake,
        Stage::TryFastTake => match side.try_claim_fast(memory) {
            Some(claim) => taken(survivor, local, claim),
            None => Stage::CatchUp,
        },
        Stage::CatchUp => {
            side.catch_up(memory);
            local.tried_fast = true;
            Stage::Take
        }
        Stage::Take => {
            let has_peeked = std::mem::take(&mut local.tried_fast);
            match side.claim(memory) {
                Ok(claim) if reception.peeks && !has_peeked => {
                    side.unclaim(memory, claim);
                    local.tried_fast = true;
                    Stage::Take
                }
                Ok(claim) => taken(survivor, local, claim),
                Err(ClaimError::Corrupted(corruption)) => wrong(corruption.what),
                Err(error) => {
                    if context.is_mutant(Mutant::CountAfterLook) {
                        side = count_after_look(survivor, side.save());
                    }
                    match error {
                        ClaimError::Contended => Stage::Take,
                        error => Stage::Missed(error.blocker()),
                    }
                }
            }
        }
        Stage::TakeMore => {
            let fast = tries_fast.then(|| side.try_claim_fast(memory)).flatten();
            match fast.map_or_else(|| side.claim(memory), Ok) {
                Ok(claim) => taken(survivor, local, claim),
                Err(ClaimError::Corrupted(corruption)) => wrong(corruption.what),
                Err(_) => Stage::HandOut,
            }
        }
        Stage::HandOut => {
            side.hand_out(memory);
            let known = match reception.keeps {
                true => local.held.len() - 1,
                false => 0,
            };
            for &(position, redeliveries) in &local.held[known..] {
                let offset = codec.offset(position);
                note(Record::Deliver {
                    offset,
                    redeliveries,
                });
            }
            let is_full = local.held.len() == reception.batch;
            match (local.requeues, reception.keeps) {
                (_, true) if !is_full => Stage::Take,
                (0, true) if reception.batch > 1 => Stage::ReleaseFirst,
                (0, _) => Stage::Release,
                _ => {
                    local.requeues -= 1;
                    Stage::Requeue
                }
            }
        }
        Stage::ReleaseFirst => {
            let (first, next) = (local.held.remove(0), local.held[0]);
            let offset = codec.offset(first.0);
            note_with(On::Acknowledgement, Record::Acknowledge { offset });
            side.release_before(memory, claim_of(next));
            Stage::Take
        }
        Stage::Release => {
            // On a side of one, a release is for all that was claimed.
            let released = match <R::Receiver<S>>::IN_ORDER {
                true => local.held.len(),
                false => 1,
            };
            let released: Vec<_> = local.held.drain(..released).collect();
            for &(position, redeliveries) in &released {
                let offset = codec.offset(position);
                if !reception.leases {
                    let deliver = Record::Deliver {
                        offset,
                        redeliveries,
                    };
                    note_with(On::Acknowledgement, deliver);
                }
                note_with(On::Acknowledgement, Record::Acknowledge { offset });
            }
            let last = released.last().expect("something is held");
            side.release(memory, claim_of(*last));
            match local.held.is_empty() {
                true => Stage::Take,
                false => Stage::Release,
            }
        }
        Stage::Requeue => {
            let policy = RedeliveryPolicy {
                redeliver: true,
                ..context.scenario.policy
            };
            let held = std::mem::take(&mut local.held);
            for &(position, _) in &held {
                let offset = codec.offset(position);
                note_with(On::Any, Record::LetGo { offset });
            }
            side.requeue(memory, held.into_iter().map(claim_of), policy);
            note(Record::GaveBack);
            Stage::Take
        }
        Stage::Missed(blocker) => {
            let error = blocker.map_or(ClaimError::NotReady, ClaimError::Held);
            let before = local.concluded;
            let mut checking = Checking::<S, R>::new(survivor, &mut side, local);
            match end::interpret(&mut checking, error) {
                Continue(end) => Stage::Conclude(ConcludeStep::Fence, end),
                Break(Conclusion::Ended(end)) => report(local, end, before == Some(end)),
                Break(conclusion) => concluded(survivor, local, conclusion),
            }
        }
        Stage::Conclude(step, end) => {
            let mut checking = Checking::<S, R>::new(survivor, &mut side, local);
            checking.is_last = step == ConcludeStep::LastAttempt;
            match step.take(&mut checking, end) {
                Continue(step) => Stage::Conclude(step, end),
                Break(conclusion) => concluded(survivor, local, conclusion),
            }
        }
        _ => unreachable!("not a receiver's"),
    };
    local.side = context.remembered(local.process, side.save());
    next
}

/// The receiver has claimed a message.
fn taken(survivor: &Survivor, local: &mut LocalState, claim: Claim) -> Stage {
    let context = survivor.context;
    let offset = context.codec.offset(claim.position);
    note(Record::Take { offset });
    local.held.push((claim.position, claim.redeliveries));
    let reception = context.scenario.plans[local.process as usize].reception;
    match reception.expect("a receiver") {
        reception if !reception.leases => Stage::Release,
        reception if reception.keeps => Stage::HandOut,
        reception if local.held.len() < reception.batch => Stage::TakeMore,
        _ => Stage::HandOut,
    }
}

/// A check has come to this.
fn concluded(survivor: &Survivor, local: &mut LocalState, conclusion: Conclusion<Claim>) -> Stage {
    match conclusion {
        Conclusion::Found(claim) => taken(survivor, local, claim),
        Conclusion::NotYet(Some(blocker)) => Stage::Reclaim(blocker),
        // Nothing may come before there is room again.
        Conclusion::NotYet(None) if !local.held.is_empty() => Stage::Release,
        Conclusion::NotYet(None) | Conclusion::Contended => Stage::Take,
        Conclusion::Ended(end) => report(local, end, false),
        Conclusion::Corrupted(corruption) => wrong(corruption.what),
    }
}

fn claim_of((position, redeliveries): (u64, u8)) -> Claim {
    Claim {
        position,
        redeliveries,
    }
}

/// The call returns that it is the end; after `Disconnected` another call may follow.
fn report(local: &LocalState, end: End, again: bool) -> Stage {
    match end {
        End::Closed => {
            note(Record::Closed);
            match local.held.is_empty() {
                true => Stage::Done,
                false => Stage::Release,
            }
        }
        End::Disconnected(_) => {
            note(Record::Disconnected { again });
            match local.held.is_empty() {
                true => call_again(false),
                false => Stage::Release,
            }
        }
    }
}

fn wrong(what: &'static str) -> Stage {
    note(Record::Wrong(what));
    Stage::Done
}

/// R12 broken: the count of requeues is remembered as of after the look.
fn count_after_look<R: Snapshot>(survivor: &Survivor, mut saved: Saved) -> R {
    if survivor.context.scenario.many_receivers {
        let requeues = survivor.context.memory.cell(Cell::Requeues);
        (saved[1], saved[2]) = (1, requeues.load(Ordering::Acquire));
    }
    R::load(saved)
}

/// A receiver that makes sure of an end.
struct Checking<'a, S: Arity, R: Arity> {
    survivor: &'a Survivor<'a>,
    side: &'a mut R::Receiver<S>,
    /// The next attempt is the last.
    is_last: bool,
    peers: &'a mut Observed,
    concluded: &'a mut Option<End>,
}

impl<'a, S: Arity, R: Arity> Checking<'a, S, R> {
    fn new(
        survivor: &'a Survivor<'a>,
        side: &'a mut R::Receiver<S>,
        local: &'a mut LocalState,
    ) -> Self {
        Checking {
            survivor,
            side,
            is_last: false,
            peers: &mut local.peers,
            concluded: &mut local.concluded,
        }
    }
}

impl<S: Arity, R: Arity> Check for Checking<'_, S, R> {
    type Failure = ();
    const SENDS: bool = false;

    /// Scans are what waiting processes begin at any time.
    fn go_on(&mut self) -> Result<(), ()> {
        Ok(())
    }

    fn concluded(&mut self) -> &mut Option<End> {
        self.concluded
    }

    fn light(&mut self) {} // receivers have none

    fn wake_all(&mut self) {} // sleeping is not modelled
}

impl<S: Arity, R: Arity> Conclude for Checking<'_, S, R> {
    type Output = Claim;

    /// There is no time here, so a receiver does not wait for the endpoint that closed the
    /// ring, which may or may not do the same.
    fn fence(&mut self, end: End) -> bool {
        let memory = &self.survivor.context.memory;
        let unfenced = || {
            end::fence_closed(memory, || {});
            true
        };
        end::fence_end(memory, end, || {}, unfenced)
    }

    fn scan_all(&mut self) -> Scan {
        let context = self.survivor.context;
        if context.is_mutant(Mutant::NoScanAtTheEnd) {
            return Scan::Complete;
        }
        let scan = self.survivor.members().scan(&mut 0, usize::MAX);
        match context.is_mutant(Mutant::PartialIsComplete) {
            true => Scan::Complete,
            false => scan,
        }
    }

    fn attempt(&mut self) -> Result<Claim, ClaimError> {
        let context = self.survivor.context;
        // Where the end is not reached, the last look is one more safeguard.
        let skips_last = [Mutant::NoLastLook, Mutant::EndUnreached];
        let skipped: &[Mutant] = match self.is_last {
            true => &skips_last,
            false => &[Mutant::NoLookBeforeTheEnd],
        };
        if skipped.iter().any(|mutant| context.is_mutant(*mutant)) {
            return Err(ClaimError::NotReady);
        }
        self.side.claim(&context.memory)
    }

    fn is_quiescent(&mut self, end: End) -> bool {
        let (only_sender, memory) = (MemberId(1), &self.survivor.context.memory);
        let is_quiescent =
            <S::Sender<R>>::is_quiescent(memory) || !self.survivor.is_alive(only_sender);
        let one_to_one = self.survivor.context.scenario.is_one_to_one();
        if !is_quiescent || end != End::Closed {
            return is_quiescent && !(one_to_one && self.side.has_message(memory));
        }
        let is_reached = self.side.fix_end(memory);
        is_reached || self.survivor.context.is_mutant(Mutant::EndUnreached)
    }

    fn end_in_sight(&mut self) -> Option<End> {
        let context = self.survivor.context;
        end::end_in_sight(&context.memory, || match context.memory.roles() {
            [senders, _] if context.scenario.detaches => {
                self.survivor.members().presence_since(*senders, self.peers)
            }
            _ => (0, Presence::Present), // none ever leaves
        })
    }
}
